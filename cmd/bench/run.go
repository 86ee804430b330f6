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

// scenario measures the figures of one target.
type scenario struct {
	number int
	run    func(context.Context, *bench) error
}

// scenarios is in running order: some leave data for the next.
var scenarios = []scenario{
	{1, measureIngest},
	{2, measureIngestWithFlows},
	{6, measureFreshness},
	{3, measureTicks},
	{8, measureRestart},
	{5, measureRefill},
	{4, measureLate},
	{7, measureMemory},
	{9, measureDisk},
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
	if b.Lab, err = lab.Open(ctx, opts.parent); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.Close()) }()
	b.report = &report.Report{Command: strings.TrimSpace(command), Began: time.Now(), Quick: opts.quick, Rounds: b.plan.rounds}
	if err := describe(ctx, b); err != nil {
		return err
	}
	if err := os.MkdirAll(opts.out, 0o755); err != nil {
		return err
	}
	b.say("starting PostgreSQL %s in %s", b.PostgresVersion, b.Dir)
	if err := b.StartPostgres(ctx); err != nil {
		return err
	}
	defer abandon(b)
	for _, s := range chosen {
		b.numbers = append(b.numbers, s.number)
	}
	switch {
	case opts.profile:
		return takeAllProfiles(ctx, b)
	case opts.scale:
		return errors.Join(measureScale(ctx, b, opts.only), writeReport(b))
	}
	for _, s := range chosen {
		began := time.Now()
		b.say("%d  %s", s.number, report.Scenarios[s.number])
		if err := s.run(ctx, b); err != nil {
			return errors.Join(fmt.Errorf("%d, %s: %w", s.number, report.Scenarios[s.number], err), writeReport(b))
		}
		b.say("%d  took %s", s.number, time.Since(began).Round(100*time.Millisecond))
	}
	return writeReport(b)
}

// abandon ends what a failed scenario has left for the next.
func abandon(b *bench) {
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
