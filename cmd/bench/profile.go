package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"laminar/cmd/bench/harness"
	"laminar/cmd/bench/lab"
	"laminar/cmd/bench/workload"
)

// profileSeconds is how long a CPU profile runs.
const profileSeconds = 10

// profiles takes CPU, heap, allocation and mutex profiles of Laminar under the load
// of the ingest scenario and under ticks, and writes them beside the results, each
// with the output of pprof -top.
func profiles(ctx context.Context, b *harness.Bench) error {
	if err := profileIngest(ctx, b); err != nil {
		return err
	}
	return profileTicks(ctx, b)
}

// profileIngest sends prepared scrapes for as long as the profile takes.
func profileIngest(ctx context.Context, b *harness.Bench) error {
	series := workload.NodeSeries(b.Plan.IngestSeries[1], workload.IngestInterval)
	l, err := b.Lab.NewLaminar(ctx, "profile", "")
	if err != nil {
		return err
	}
	defer l.Kill()
	snd := workload.NewSender(l.WriteURL(), b.Plan.Shards)
	defer snd.Close()
	s := workload.Scrapes{Series: series, Start: workload.IngestStart(), Interval: workload.IngestInterval}
	// More than can be sent while the profile runs; the rest is not sent.
	count := int64(profileSeconds * 2_500_000 / series.Len())
	if b.Options.Quick {
		count /= 10
	}
	if _, err := snd.Send(ctx, s.Prepare(0, 1, b.Plan.Shards)); err != nil {
		return err
	}
	rest := s.Prepare(1, count, b.Plan.Shards)
	sending, stop := context.WithCancel(ctx)
	defer stop()
	group, taking := errgroup.WithContext(ctx)
	group.Go(func() error {
		if _, err := snd.Send(sending, rest); err != nil && sending.Err() == nil {
			return err
		}
		return nil
	})
	group.Go(func() error {
		defer stop()
		return takeProfiles(taking, b, l, "ingest", profileSeconds)
	})
	if err := group.Wait(); err != nil {
		return err
	}
	return l.Remove(ctx)
}

// profileTicks sends scrape after scrape to two flows of rates.
func profileTicks(ctx context.Context, b *harness.Bench) error {
	r, err := b.Lab.NewRig(ctx, "profile", b.Plan.Connections, workload.RequestSeries(b.Plan.TickSeries), 5*workload.PerMinute, 20*workload.PerMinute)
	if err != nil {
		return err
	}
	defer r.Close()
	for _, span := range []string{"5m", "1h"} {
		if err := r.Laminar.Apply(ctx, lab.TickFlow(span, time.Minute, b.Plan.TickSeries)); err != nil {
			return err
		}
	}
	if _, err := r.Minute(ctx); err != nil {
		return err
	}
	// Each tick follows its scrape within a second.
	const ticks = 12 * workload.PerMinute
	ended := make(chan error, 1)
	go func() { ended <- takeProfiles(ctx, b, r.Laminar, "tick", int(ticks)) }()
	for range ticks {
		if _, err := r.Round(ctx); err != nil {
			return err
		}
	}
	if err := <-ended; err != nil {
		return err
	}
	return r.Stop(ctx)
}

// takeProfiles takes a CPU profile for so many seconds, and then the others.
func takeProfiles(ctx context.Context, b *harness.Bench, l *lab.Laminar, name string, seconds int) error {
	for _, p := range []struct{ kind, path, flags string }{
		{"cpu", fmt.Sprintf("/debug/pprof/profile?seconds=%d", seconds), ""},
		{"heap", "/debug/pprof/heap", "-sample_index=inuse_space"},
		{"allocs", "/debug/pprof/allocs", "-sample_index=alloc_space"},
		{"mutex", "/debug/pprof/mutex", ""},
	} {
		began := time.Now()
		status, raw, err := lab.Get(ctx, l.URL(p.path))
		if err != nil || status != http.StatusOK {
			return fmt.Errorf("profile %s: answer %d: %w", p.kind, status, err)
		}
		file := filepath.Join(b.Options.Out, name+"-"+p.kind)
		if err := os.WriteFile(file+".pprof", raw, 0o644); err != nil {
			return err
		}
		args := []string{"tool", "pprof", "-top", "-nodecount=60"}
		if p.flags != "" {
			args = append(args, p.flags)
		}
		text, err := lab.Output(ctx, nil, "go", append(args, b.Lab.Tools.Laminar, file+".pprof")...)
		if err != nil {
			return err
		}
		if err := os.WriteFile(file+".txt", []byte(text), 0o644); err != nil {
			return err
		}
		b.Say("   %s.txt, after %s", file, time.Since(began).Round(time.Second))
	}
	return nil
}
