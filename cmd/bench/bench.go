package main

import (
	"fmt"
	"os"
	"slices"
	"time"

	"laminar/cmd/bench/lab"
	"laminar/cmd/bench/report"
)

type options struct {
	quick, scale, profile bool
	only                  string
	rounds                int
	parent, out           string
}

// bench is one run of the harness: its plan, its processes and its report.
type bench struct {
	*lab.Lab
	opts   options
	plan   plan
	report *report.Report

	numbers []int // of the scenarios of this run

	// What one scenario leaves for the next; nil when there is nothing.
	ticks   interface{ close() } // between scenarios 3 and 8: *tickWork
	windows interface{ close() } // between scenarios 5 and 4: *windowWork
}

// chosen reports whether the run has that scenario.
func (b *bench) chosen(number int) bool { return slices.Contains(b.numbers, number) }

// say prints a line about the progress, with the time since the start.
func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%6.1fs  %s\n", time.Since(b.report.Began).Seconds(), fmt.Sprintf(format, args...))
}

// add adds a figure to the report and prints it.
func (b *bench) add(scenario int, name, unit string, v float64) {
	b.report.Add(scenario, name, unit, v)
	b.say("   %-60s %s", name, report.With(v, unit))
}
