package round_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"laminar/flownode/flowdef"
	"laminar/flownode/round/roundtest"
)

// BenchmarkIdleFlows is one round after one more scrape of 100 series for one
// flow, with others of its fence group whose metrics have no samples.
func BenchmarkIdleFlows(b *testing.B) {
	for _, idle := range []int{0, 100, 1_000} {
		b.Run(fmt.Sprint(idle), func(b *testing.B) {
			w := idleWorld(b, idle)
			b.ReportAllocs()
			for b.Loop() {
				b.StopTimer()
				w.BenchScrape(idleSeries)
				b.StartTimer()
				if _, err := w.Round(context.Background()); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

const idleSeries = 100

// idleWorld is a flow with samples, and idle ones.
func idleWorld(t testing.TB, idle int) *roundtest.World {
	t.Helper()
	var defs strings.Builder
	defs.WriteString("flows:\n  - {name: f, promql: 'sum by (job) (rate(m[5m]))', every: 1m}\n")
	for i := range idle {
		fmt.Fprintf(&defs, "  - {name: idle%d, promql: 'sum by (job) (rate(other_%d[5m]))', every: 1m}\n", i, i)
	}
	w := roundtest.NewWorld(t, 1, 1, flowdef.ExecutorColumnar, defs.String())
	w.BenchSeries(idleSeries)
	w.Results = roundtest.Discard{}
	for range 20 {
		w.BenchScrape(idleSeries)
		w.Tick()
	}
	return w
}

// TestIdleFlowsAllocateLittle bounds what a flow costs a round in which nothing of it
// happens: thousands of flows can share rounds.
func TestIdleFlowsAllocateLittle(t *testing.T) {
	const idle = 300
	perRound := func(flows int) float64 {
		w := idleWorld(t, flows)
		return testing.AllocsPerRun(20, func() {
			w.BenchScrape(idleSeries)
			if _, err := w.Round(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
	}
	if n := (perRound(idle) - perRound(0)) / idle; n > 5 {
		t.Errorf("an idle flow costs a round %.1f allocations", n)
	}
}
