package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

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
	opts   options
	plan   plan
	dir    string // of this run's data; removed in the end
	tools  tools
	pg     *postgres
	report *report.Report

	numbers []int       // of the scenarios of this run
	ticks   *tickWork   // between scenarios 3 and 8
	windows *windowWork // between scenarios 5 and 4
}

// chosen reports whether the run has that scenario.
func (b *bench) chosen(number int) bool { return slices.Contains(b.numbers, number) }

// scenario measures the figures of one target.
type scenario struct {
	number int
	run    func(*bench, context.Context) error
}

// scenarios is in running order: some leave data for the next.
var scenarios = []scenario{
	{1, (*bench).ingest},
	{2, (*bench).ingestWithFlows},
	{6, (*bench).freshness},
	{3, (*bench).tick},
	{8, (*bench).restart},
	{5, (*bench).refill},
	{4, (*bench).late},
	{7, (*bench).memory},
	{9, (*bench).disk},
}

// measure runs the scenarios and writes the results. What was measured before
// an error or an interrupt is written too.
func measure(ctx context.Context, opts options, command string) (err error) {
	b := &bench{opts: opts, plan: newPlan(opts)}
	chosen := scenarios
	if !opts.scale {
		if chosen, err = choose(opts.only); err != nil {
			return err
		}
	}
	if b.tools, err = findTools(ctx); err != nil {
		return err
	}
	if b.dir, err = makeWorkDir(opts.parent); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(b.dir)) }()
	b.report = &report.Report{Command: strings.TrimSpace(command), Began: time.Now(), Quick: opts.quick, Rounds: b.plan.rounds}
	if err := b.describe(ctx); err != nil {
		return err
	}
	if err := os.MkdirAll(opts.out, 0o755); err != nil {
		return err
	}
	b.say("starting PostgreSQL %s in %s", b.tools.postgresVersion, b.dir)
	if b.pg, err = startPostgres(ctx, b.dir); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.pg.stop()) }()
	defer b.abandon()
	for _, s := range chosen {
		b.numbers = append(b.numbers, s.number)
	}
	switch {
	case opts.profile:
		return b.profiles(ctx)
	case opts.scale:
		return errors.Join(b.scale(ctx, opts.only), b.write())
	}
	for _, s := range chosen {
		began := time.Now()
		b.say("%d  %s", s.number, report.Scenarios[s.number])
		if err := s.run(b, ctx); err != nil {
			return errors.Join(fmt.Errorf("%d, %s: %w", s.number, report.Scenarios[s.number], err), b.write())
		}
		b.say("%d  took %s", s.number, time.Since(began).Round(100*time.Millisecond))
	}
	return b.write()
}

// abandon ends what a failed scenario has left for the next.
func (b *bench) abandon() {
	if b.ticks != nil {
		b.ticks.close()
	}
	if b.windows != nil {
		b.windows.close()
	}
}

// choose picks the scenarios whose numbers are listed.
func choose(only string) ([]scenario, error) {
	if only == "" {
		return scenarios, nil
	}
	var numbers []int
	for _, word := range strings.Split(only, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(word))
		at := slices.IndexFunc(scenarios, func(s scenario) bool { return s.number == n })
		if err != nil || at < 0 {
			return nil, fmt.Errorf("there is no scenario %q", word)
		}
		numbers = append(numbers, n)
	}
	return slices.DeleteFunc(slices.Clone(scenarios), func(s scenario) bool { return !slices.Contains(numbers, s.number) }), nil
}

// say prints a line about the progress, with the time since the start.
func (b *bench) say(format string, args ...any) {
	fmt.Fprintf(os.Stderr, "%6.1fs  %s\n", time.Since(b.report.Began).Seconds(), fmt.Sprintf(format, args...))
}

// add adds a figure to the report and prints it.
func (b *bench) add(scenario int, name, unit string, v float64) {
	b.report.Add(scenario, name, unit, v)
	b.say("   %-60s %s", name, report.With(v, unit))
}

// path is a new place in the run's directory.
func (b *bench) path(name string) (string, error) { return os.MkdirTemp(b.dir, name+"-") }

// tools are the programs of the run.
type tools struct {
	laminar, prometheus, victoria string
	postgresVersion               string
}

// findTools finds the programs and refuses to begin if one is missing: figures
// without a peer would mislead.
func findTools(ctx context.Context) (tools, error) {
	t := tools{laminar: "bin/laminar", prometheus: ".tools/bin/prometheus", victoria: ".tools/bin/victoria-metrics"}
	var missing []string
	for _, p := range []*string{&t.laminar, &t.prometheus, &t.victoria} {
		abs, err := filepath.Abs(*p)
		if err != nil {
			return t, err
		}
		if _, err := os.Stat(abs); err != nil {
			missing = append(missing, *p)
		}
		*p = abs
	}
	if len(missing) > 0 {
		return t, fmt.Errorf("%s missing: nothing is measured without it\nTry: make bench, which sets up all of them (or scripts/setup-peers.sh and make build)",
			strings.Join(missing, " and "))
	}
	found, err := localpgFind(ctx)
	t.postgresVersion = found
	return t, err
}

// output runs a program and returns what it prints.
func output(ctx context.Context, program string, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, program, args...).CombinedOutput()
	if err != nil {
		return string(out), fmt.Errorf("%s %s: %w\n%s", filepath.Base(program), strings.Join(args, " "), err, out)
	}
	return string(out), nil
}
