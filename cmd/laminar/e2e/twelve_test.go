package e2e

import (
	"context"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"testing"
	"time"

	"laminar/cmd/fleet"
	"laminar/cmd/laminar/internal/laminartest"
	"laminar/flownode/flowdef"
)

// TestTwelveFlows sends an hour of a fleet's samples, with late, repeated and
// overwritten ones among them, while Laminar is killed five times and sealed
// by force twice. Then every closed window of twelve flows must be what
// Prometheus's engine computes from what was acknowledged.
func TestTwelveFlows(t *testing.T) {
	t.Parallel()
	const definitions = "../../../testdata/flows/twelve.yml"
	in := laminartest.New(t, "--flows", definitions)
	in.Serve()

	opts := fleet.DefaultOptions()
	opts.Interval = 5 * time.Second
	f := fleet.New(opts)
	sent := laminartest.NewAcknowledged(f.Series())
	client, err := fleet.NewClient(in.WriteURL(), 1, 500, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()

	scrapes := int(time.Hour / opts.Interval)
	start := time.Now().Add(-time.Hour).Truncate(opts.Interval)
	rng := rand.New(rand.NewPCG(7, 7))
	var points []fleet.Point
	for i := 1; i <= scrapes; i++ {
		points = f.Scrape(points[:0], start.Add(time.Duration(i)*opts.Interval))
		if i == scrapes {
			points = append(points, f.Pending()...)
		}
		crashed := make(chan struct{})
		switch i {
		case scrapes / 6, scrapes / 3, scrapes / 2, scrapes * 2 / 3, scrapes * 5 / 6:
			// In the middle of sending: a little later than now.
			delay := time.Duration(rng.IntN(20)) * time.Millisecond
			all := i == scrapes/2
			time.AfterFunc(delay, func() {
				defer close(crashed)
				if all {
					in.KillAll()
				} else {
					in.Kill()
				}
				in.Serve()
			})
		case scrapes / 4, scrapes * 3 / 4:
			in.Must("seal", "--force")
			close(crashed)
		default:
			close(crashed)
		}
		if err := client.Send(ctx, f.Series(), points); err != nil {
			t.Fatalf("scrape %d: %v", i, err)
		}
		sent.Add(points)
		<-crashed
	}
	in.Must("flow", "wait", "--timeout", "4m")

	pool := in.Pool()
	laminartest.RequireRaw(t, pool, sent)
	flows := laminartest.ParseFlows(t, definitions)
	windows := laminartest.RequireTables(t, pool, flows, sent.EngineSamples(), start.UnixMilli())
	t.Logf("%d windows of %d flows equal the engine over %d samples", windows, len(flows), sent.Count())
	if windows < 12*10 {
		t.Errorf("only %d windows were compared", windows)
	}
}

// TestRefillBesideLiveRounds asks for refills of all flows over and over while
// samples arrive, late ones among them: a refill must neither overwrite newer
// values nor merge anything twice. The database aggregates what it can.
func TestRefillBesideLiveRounds(t *testing.T) {
	t.Parallel()
	const definitions = "../../../testdata/flows/twelve.yml"
	in := laminartest.New(t, "--flows", definitions, "--flownode-executor", "pushdown")
	in.Serve()
	flows := laminartest.ParseFlows(t, definitions)

	opts := fleet.DefaultOptions()
	f := fleet.New(opts)
	sent := laminartest.NewAcknowledged(f.Series())
	client, err := fleet.NewClient(in.WriteURL(), 1, 500, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()

	const scrapes = 360 // half an hour
	start := time.Now().Add(-scrapes * opts.Interval).Truncate(opts.Interval)
	refilling := make(chan error, 1)
	stop := make(chan struct{})
	var points []fleet.Point
	for i := 1; i <= scrapes; i++ {
		points = f.Scrape(points[:0], start.Add(time.Duration(i)*opts.Interval))
		if i == scrapes {
			points = append(points, f.Pending()...)
		}
		if i == scrapes/3 {
			go func() { refilling <- refillAll(in, flows, stop) }()
		}
		if err := client.Send(ctx, f.Series(), points); err != nil {
			t.Fatalf("scrape %d: %v", i, err)
		}
		sent.Add(points)
	}
	close(stop)
	if err := <-refilling; err != nil {
		t.Fatal(err)
	}
	in.Must("flow", "wait", "--timeout", "4m")
	pool := in.Pool()
	var unfinished int
	if err := pool.QueryRow(ctx, "select count(*) from laminar.job where state <> 'done'").Scan(&unfinished); err != nil || unfinished > 0 {
		t.Errorf("%d refill jobs are not done (%v)", unfinished, err)
	}
	laminartest.RequireTables(t, pool, flows, sent.EngineSamples(), start.UnixMilli())
}

// refillAll refills every flow, waiting for each, until stop is closed; at
// least once.
func refillAll(in *laminartest.Installation, flows []flowdef.Flow, stop <-chan struct{}) error {
	for {
		for _, f := range flows {
			if out, err := in.Run("refill", f.Name, "--from", "-40m", "--to", "now"); err != nil {
				return fmt.Errorf("refill %s: %w\n%s", f.Name, err, out)
			}
		}
		select {
		case <-stop:
			return nil
		default:
		}
	}
}
