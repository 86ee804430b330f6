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

	"laminar/cmd/bench/lab"
	"laminar/cmd/bench/report"
)

// part is scenarios that measure the same stored samples one after the other,
// or a single one with samples of its own.
type part struct {
	numbers []int // of its scenarios, in running order
	run     func(context.Context, *bench) error
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
	alone(readingNumber, reading),
}

// alone is a scenario that shares nothing.
func alone(number int, measure func(context.Context, *bench) error) part {
	return part{[]int{number}, func(ctx context.Context, b *bench) error {
		return b.scenario(ctx, number, func(ctx context.Context) error { return measure(ctx, b) })
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
func measure(ctx context.Context, opts options, command string) (err error) {
	b := &bench{opts: opts, plan: newPlan(opts)}
	if !opts.scale && opts.rules == "" {
		if b.chosen, err = choose(opts.only); err != nil {
			return err
		}
	}
	if b.lab, err = lab.Open(ctx, opts.parent); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.lab.Close()) }()
	b.report = &report.Report{Command: strings.TrimSpace(command), Began: time.Now(), Quick: opts.quick, Rounds: b.plan.rounds}
	if err := b.describe(ctx); err != nil {
		return err
	}
	if err := os.MkdirAll(opts.out, 0o755); err != nil {
		return err
	}
	b.say("starting PostgreSQL %s in %s", b.lab.Tools.PostgresVersion, b.lab.Dir)
	if err := b.lab.StartServer(ctx); err != nil {
		return err
	}
	switch {
	case opts.profile:
		return profiles(ctx, b)
	case opts.rules != "":
		return errors.Join(ruleFiles(ctx, b, strings.Split(opts.rules, ",")), b.write())
	case opts.scale:
		return errors.Join(scale(ctx, b, opts.only), b.write())
	}
	for _, p := range parts {
		if !slices.ContainsFunc(p.numbers, func(n int) bool { return slices.Contains(b.chosen, n) }) {
			continue
		}
		if err := p.run(ctx, b); err != nil {
			return errors.Join(err, b.write())
		}
	}
	return b.write()
}

// describe puts the machine and the versions of all programs into the report.
func (b *bench) describe(ctx context.Context) (err error) {
	if b.report.Machine, err = b.lab.Machine(); err != nil {
		return err
	}
	if b.report.Commit, err = lab.Commit(ctx); err != nil {
		return err
	}
	b.report.Peers, err = b.lab.Peers(ctx)
	return err
}
