package main

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"laminar/cmd/bench/lab"
	"laminar/cmd/bench/report"
)

// bench is one run of the harness: what is to be measured, where, and what has
// been measured so far.
type bench struct {
	opts   options
	plan   plan
	chosen []int // numbers of the scenarios that are run
	lab    *lab.Lab
	report *report.Report // written even if the run fails
}

// scenario runs the scenario with that number, if it is chosen, and says how long
// it took.
func (b *bench) scenario(ctx context.Context, number int, measure func(context.Context) error) error {
	if !slices.Contains(b.chosen, number) {
		return nil
	}
	began := time.Now()
	b.say("%d  %s", number, report.Scenarios[number])
	if err := measure(ctx); err != nil {
		return fmt.Errorf("%d, %s: %w", number, report.Scenarios[number], err)
	}
	b.say("%d  took %s", number, time.Since(began).Round(100*time.Millisecond))
	return nil
}

// add adds a figure to the report and prints it.
func (b *bench) add(scenario int, name, unit string, v float64) {
	b.report.Add(scenario, name, unit, v)
	b.say("   %-60s %s", name, report.With(v, unit))
}

// say prints a line about the progress, with the time since the start.
func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%6.1fs  %s\n", time.Since(b.report.Began).Seconds(), fmt.Sprintf(format, args...))
}

// ms is a duration in the unit of most figures.
func ms(d time.Duration) float64 { return d.Seconds() * 1000 }
