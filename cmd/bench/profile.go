package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
)

// profileSeconds is how long a CPU profile runs.
const profileSeconds = 10

// profiles leaves CPU, heap and mutex profiles of Laminar under the load of the
// ingest scenario and under ticks, and what pprof -top says of each.
func (b *bench) profiles(ctx context.Context) error {
	if err := b.profileIngest(ctx); err != nil {
		return err
	}
	return b.profileTicks(ctx)
}

// profileIngest sends prepared scrapes for as long as the profile takes.
func (b *bench) profileIngest(ctx context.Context) error {
	series := nodeSeries(b.plan.ingestSeries[1], ingestInterval)
	l, err := b.newLaminar(ctx, "profile", "")
	if err != nil {
		return err
	}
	defer l.kill()
	snd := newSender(l.writeURL(), b.plan.shards)
	defer snd.close()
	s := scrapes{series, ingestStart(), ingestInterval}
	// More than the profile is expected to need; what is left is not sent.
	count := int64(profileSeconds * 2_500_000 / series.len())
	if b.opts.quick {
		count /= 10
	}
	if _, err := snd.send(ctx, s.prepare(0, 1, b.plan.shards)); err != nil {
		return err
	}
	rest := s.prepare(1, count, b.plan.shards)
	sending, stop := context.WithCancel(ctx)
	defer stop()
	group, taking := errgroup.WithContext(ctx)
	group.Go(func() error {
		if _, err := snd.send(sending, rest); err != nil && sending.Err() == nil {
			return err
		}
		return nil
	})
	group.Go(func() error {
		defer stop()
		return b.takeProfiles(taking, l, "ingest", profileSeconds)
	})
	if err := group.Wait(); err != nil {
		return err
	}
	return l.remove(ctx)
}

// profileTicks sends scrape after scrape to two flows of rates.
func (b *bench) profileTicks(ctx context.Context) error {
	r, err := b.newRig(ctx, "profile", requestSeries(b.plan.tickSeries), 5*perMinute, 20*perMinute)
	if err != nil {
		return err
	}
	defer r.close()
	for _, span := range []string{"5m", "1h"} {
		if err := r.laminar.apply(ctx, tickFlow(span, time.Minute, b.plan.tickSeries)); err != nil {
			return err
		}
	}
	if _, err := r.minute(ctx); err != nil {
		return err
	}
	// Each tick follows its scrape within a second.
	const ticks = 12 * perMinute
	ended := make(chan error, 1)
	go func() { ended <- b.takeProfiles(ctx, r.laminar, "tick", int(ticks)) }()
	for range ticks {
		if _, err := r.round(ctx); err != nil {
			return err
		}
	}
	if err := <-ended; err != nil {
		return err
	}
	return r.stop(ctx)
}

// takeProfiles takes a CPU profile for so many seconds, then the others.
func (b *bench) takeProfiles(ctx context.Context, l *laminar, name string, seconds int) error {
	for _, p := range []struct{ kind, path, flags string }{
		{"cpu", fmt.Sprintf("/debug/pprof/profile?seconds=%d", seconds), ""},
		{"heap", "/debug/pprof/heap", "-sample_index=inuse_space"},
		{"allocs", "/debug/pprof/allocs", "-sample_index=alloc_space"},
		{"mutex", "/debug/pprof/mutex", ""},
	} {
		began := time.Now()
		status, raw, err := get(ctx, l.url(p.path))
		if err != nil || status != http.StatusOK {
			return fmt.Errorf("profile %s: answer %d: %w", p.kind, status, err)
		}
		file := filepath.Join(b.opts.out, name+"-"+p.kind)
		if err := os.WriteFile(file+".pprof", raw, 0o644); err != nil {
			return err
		}
		args := []string{"tool", "pprof", "-top", "-nodecount=60"}
		if p.flags != "" {
			args = append(args, p.flags)
		}
		text, err := output(ctx, "go", append(args, b.tools.laminar, file+".pprof")...)
		if err != nil {
			return err
		}
		if err := os.WriteFile(file+".txt", []byte(text), 0o644); err != nil {
			return err
		}
		b.say("   %s.txt, after %s", file, time.Since(began).Round(time.Second))
	}
	return nil
}
