// Package harness is one run of the benchmarks: what is to be measured, with which sizes,
// where, and what has been measured so far. It knows no scenario.
package harness

import (
	"context"
	"fmt"
	"os"
	"slices"
	"time"

	"laminar/cmd/bench/lab"
	"laminar/cmd/bench/report"
)

// Bench is one run of the harness. It belongs to one goroutine.
type Bench struct {
	Options Options
	Plan    Plan
	Chosen  []int // numbers of the scenarios that are run
	Lab     *lab.Lab
	Report  *report.Report // written even if the run fails
}

// Scenario runs the scenario with that number, if it is chosen, and says how long
// it took.
func (b *Bench) Scenario(ctx context.Context, number int, measure func(context.Context) error) error {
	if !slices.Contains(b.Chosen, number) {
		return nil
	}
	began := time.Now()
	b.Say("%d  %s", number, report.Scenarios[number])
	if err := measure(ctx); err != nil {
		return fmt.Errorf("%d, %s: %w", number, report.Scenarios[number], err)
	}
	b.Say("%d  took %s", number, time.Since(began).Round(100*time.Millisecond))
	return nil
}

// Add adds a figure to the report and prints it.
func (b *Bench) Add(scenario int, name, unit string, v float64) {
	b.Report.Add(scenario, name, unit, v)
	b.Say("   %-60s %s", name, report.With(v, unit))
}

// Say prints a line about the progress, with the time since the start.
func (b *Bench) Say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%6.1fs  %s\n", time.Since(b.Report.Began).Seconds(), fmt.Sprintf(format, args...))
}

// MS is a duration in the unit of most figures.
func MS(d time.Duration) float64 { return d.Seconds() * 1000 }

// Grown finds the series of that name in the report, or adds it.
func (b *Bench) Grown(name string) *report.Series {
	for i := range b.Report.Growth {
		if s := &b.Report.Growth[i]; s.Name == name {
			return s
		}
	}
	b.Report.Growth = append(b.Report.Growth, report.Series{Name: name})
	return &b.Report.Growth[len(b.Report.Growth)-1]
}

// Grow adds a point to the series of that name: the value v at a size.
func (b *Bench) Grow(name, size, unit string, at, v float64) {
	s := b.Grown(name)
	s.Size, s.Unit = size, unit
	s.Points = append(s.Points, report.Point{Size: at, Value: v})
	b.Say("   %s: %s %s: %s", name, report.Count(at), size, report.With(v, unit))
}
