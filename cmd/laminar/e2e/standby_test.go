package e2e

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"laminar/cmd/fleet"
	"laminar/cmd/laminar/internal/laminartest"
	"laminar/sqlstore/sqltest"
)

// TestStandbyTakesOver runs two processes on one database, both taking in
// samples, one of them keeping the flows. The leader is killed, again and
// again: the other must go on with its flows, and nothing may be lost or
// counted twice.
func TestStandbyTakesOver(t *testing.T) {
	t.Parallel()
	const definitions = "../../../testdata/flows/twelve.yml"
	db := sqltest.New(t)
	var procs [2]*laminartest.Installation
	var clients [2]*fleet.Client
	for i := range procs {
		procs[i] = laminartest.New(t, "--flows", definitions)
		procs[i].URL = db.URL
		procs[i].Serve()
		var err error
		clients[i], err = fleet.NewClient("http://"+procs[i].Addr+"/api/v1/write", 1, 500, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer clients[i].Close()
	}
	opts := fleet.DefaultOptions()
	f := fleet.New(opts)
	sent := laminartest.NewAcknowledged(f.Series())
	ctx, cancel := context.WithTimeout(t.Context(), 15*time.Minute)
	defer cancel()

	const scrapes = 240 // twenty minutes
	start := time.Now().Add(-scrapes * opts.Interval).Truncate(opts.Interval)
	var points []fleet.Point
	for i := 1; i <= scrapes; i++ {
		points = f.Scrape(points[:0], start.Add(time.Duration(i)*opts.Interval))
		if i == scrapes {
			points = append(points, f.Pending()...)
		}
		if i%(scrapes/4) == 0 && i < scrapes {
			p := procs[i/(scrapes/4)%2]
			p.Kill()
			p.Serve()
		}
		// The same series come in by either process in turn.
		if err := clients[i%2].Send(ctx, f.Series(), points); err != nil {
			t.Fatalf("scrape %d: %v", i, err)
		}
		sent.Add(points)
	}
	procs[0].Must("flow", "wait", "--timeout", "4m")
	pool := procs[0].Pool()
	laminartest.RequireRaw(t, pool, sent)
	laminartest.RequireTables(t, pool, laminartest.ParseFlows(t, definitions), sent.EngineSamples(), start.UnixMilli())
}
