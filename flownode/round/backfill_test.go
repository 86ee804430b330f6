package round_test

import (
	"maps"
	"testing"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowplan"
	"laminar/flownode/round/roundtest"
	"laminar/sequence"
)

// TestBackfillOfQuietSenders: a flow that begins with samples which were there before closes
// all windows at once where its senders have been quiet for a minute, and else when they have:
// the minute counts from the commit of the newest sample, not from the flow's first look.
func TestBackfillOfQuietSenders(t *testing.T) {
	for _, c := range []struct{ since, waits int64 }{
		{0, flowplan.QuietAfter}, {20_000, flowplan.QuietAfter - 20_000}, {flowplan.QuietAfter - 1, 1}, {flowplan.QuietAfter, 0}, {3_600_000, 0}, {30 * 86_400_000, 0},
	} {
		w := roundtest.NewWorld(t, 3, 2, flowdef.ExecutorColumnar, `
flows:
  - {name: counts, promql: 'sum(count_over_time(temperature[1m]))', every: 1m, emit: close}
`)
		w.Scrape(10*60_000, false)
		flow := &w.Store.Flows[1].Flow
		flow.Vector, flow.Flushes = maps.Clone(w.Store.Vec), map[sequence.Region]sequence.FlushID{}
		for r, seq := range w.Store.Vec {
			if seq > 0 {
				flow.Flushes[r] = w.Store.Flushes[r][seq-1]
			}
		}
		flow.EmittedUntil, flow.BeginsAfter = w.Base-60_000, w.Base-60_000
		w.Store.Now += c.since
		closed := func() bool {
			w.Tick()
			return w.Store.Flows[1].Flow.EmittedUntil >= w.Clock
		}
		if c.waits > 0 {
			if closed() {
				t.Errorf("%d ms after the newest sample the window is closed that may get more", c.since)
			}
			w.Store.Now += c.waits - 1
			if closed() {
				t.Errorf("%d ms after the newest sample the window is closed that may get more", c.since+c.waits-1)
			}
			w.Store.Now++
		}
		if !closed() || len(w.Store.Flows[1].Rows[w.Clock]) == 0 {
			t.Errorf("%d ms after the newest sample, and %d ms later, windows are closed up to %+d ms of %d", c.since, c.waits, w.Store.Flows[1].Flow.EmittedUntil-w.Base, w.Clock-w.Base)
		}
		w.Check()
	}
}
