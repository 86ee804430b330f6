package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"laminar/cmd/bench/growth"
	"laminar/cmd/bench/harness"
	"laminar/cmd/bench/lab"
	"laminar/cmd/bench/reading"
	"laminar/cmd/bench/report"
	"laminar/cmd/bench/sessions"
	"laminar/cmd/bench/sketches"
)

// part is scenarios that measure the same stored samples one after the other,
// or a single one with samples of its own.
type part struct {
	numbers []int // of its scenarios, in running order
	run     func(context.Context, *harness.Bench) error
}

// parts are all scenarios in running order. Later ones may use the figures of
// earlier ones.
var parts = []part{
	alone(1, ingest),
	alone(2, ingestWithFlows),
	alone(6, freshness),
	{[]int{3, 8}, tickAndRestart},
	{[]int{5, 4}, refillAndLate},
	alone(7, memory),
	alone(9, disk),
	alone(reading.Number, reading.Measure),
	alone(sketches.Number, sketches.Measure),
	alone(sessions.Number, sessions.Measure),
}

// alone is a scenario that shares nothing.
func alone(number int, measure func(context.Context, *harness.Bench) error) part {
	return part{[]int{number}, func(ctx context.Context, b *harness.Bench) error {
		return b.Scenario(ctx, number, func(ctx context.Context) error { return measure(ctx, b) })
	}}
}

// choose reads a list of numbers of scenarios, with commas between; an empty list
// is all of them.
func choose(only string) ([]int, error) {
	var all []int
	for _, p := range parts {
		all = append(all, p.numbers...)
	}
	if only == "" {
		return all, nil
	}
	var chosen []int
	for _, word := range strings.Split(only, ",") {
		n, err := strconv.Atoi(strings.TrimSpace(word))
		if err != nil || !slices.Contains(all, n) {
			return nil, fmt.Errorf("there is no scenario %q", word)
		}
		chosen = append(chosen, n)
	}
	return chosen, nil
}

// measure does what the options say and writes the results, those from before an
// error or an interrupt included.
func measure(ctx context.Context, opts harness.Options, command string) (err error) {
	b := &harness.Bench{Options: opts, Plan: harness.NewPlan(opts)}
	if !opts.Scale && opts.Rules == "" {
		if b.Chosen, err = choose(opts.Only); err != nil {
			return err
		}
	}
	if b.Lab, err = lab.Open(ctx, opts.Parent); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Lab.Close()) }()
	b.Report = &report.Report{Command: strings.TrimSpace(command), Began: time.Now(), Quick: opts.Quick, Rounds: b.Plan.Rounds}
	if err := describe(ctx, b); err != nil {
		return err
	}
	if err := os.MkdirAll(opts.Out, 0o755); err != nil {
		return err
	}
	b.Say("starting PostgreSQL %s in %s", b.Lab.Tools.PostgresVersion, b.Lab.Dir)
	if err := b.Lab.StartServer(ctx); err != nil {
		return err
	}
	switch {
	case opts.Profile:
		return profiles(ctx, b)
	case opts.Rules != "":
		return errors.Join(ruleFiles(ctx, b, strings.Split(opts.Rules, ",")), write(b))
	case opts.Scale:
		return errors.Join(growth.Measure(ctx, b, opts.Only), write(b))
	}
	for _, p := range parts {
		if !slices.ContainsFunc(p.numbers, func(n int) bool { return slices.Contains(b.Chosen, n) }) {
			continue
		}
		if err := p.run(ctx, b); err != nil {
			return errors.Join(err, write(b))
		}
	}
	return write(b)
}

// describe puts the machine and the versions of all programs into the report.
func describe(ctx context.Context, b *harness.Bench) (err error) {
	if b.Report.Machine, err = b.Lab.Machine(); err != nil {
		return err
	}
	if b.Report.Commit, err = lab.Commit(ctx); err != nil {
		return err
	}
	b.Report.Peers, err = b.Lab.Peers(ctx)
	return err
}
