package round_test

import (
	"testing"

	"laminar/flownode/flowdef"
	"laminar/flownode/round"
	"laminar/flownode/round/roundtest"
)

// TestLongGap: an outage of ever so long costs no more than the newest windows of it,
// and what was left out lies before the flow's beginning.
func TestLongGap(t *testing.T) {
	t.Cleanup(round.SetMaxGap(1000))
	w := roundtest.NewWorld(t, 1, 1, flowdef.ExecutorColumnar, "flows: [{name: objective, promql: 'vector(0.999)', every: 1s, watermark_delay: 0s, emit: close}]")
	w.Tick()
	w.Store.Now += 2_000_000
	w.Store.Now -= w.Store.Now % 1000
	w.Tick()
	flow := w.Store.Flows[1]
	if n := len(flow.Rows); n != 1000 {
		t.Errorf("%d windows have rows, want 1000", n)
	}
	if end := w.Store.Now; flow.Flow.EmittedUntil != end || flow.Flow.BeginsAfter != end-1_000_000 {
		t.Errorf("emitted until %d, begins after %d; now is %d", flow.Flow.EmittedUntil, flow.Flow.BeginsAfter, end)
	}
}
