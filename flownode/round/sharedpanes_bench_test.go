package round_test

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"laminar/flownode/flowdef"
	"laminar/flownode/round/roundtest"
)

// BenchmarkTickShared is one round after one more scrape of 100,000 series that
// several flows read: the same rate under other groupings, or over other ranges.
func BenchmarkTickShared(b *testing.B) {
	const count = 100_000
	groupings := []string{"sum by (job)", "max by (job)", "avg by (job)", "sum", "max", "min", "count", "avg", "sum without (instance)", "min by (job)"}
	for _, flows := range []int{1, 10} {
		b.Run(fmt.Sprintf("groupings=%d", flows), func(b *testing.B) {
			benchShared(b, count, 20, flows, func(i int) string { return groupings[i] + " (rate(m[5m]))" })
		})
	}
	for _, flows := range []int{1, 4} {
		b.Run(fmt.Sprintf("ranges=%d", flows), func(b *testing.B) {
			ranges := []string{"1h", "30m", "10m", "5m"}
			benchShared(b, count, 240, flows, func(i int) string { return "sum by (job) (rate(m[" + ranges[i] + "]))" })
		})
	}
}

// BenchmarkRuleMemory is what rules over one selection of 10,000 series keep in memory
// between rounds, with windows that close once a minute: the rules of `bench -scale -only
// rules`. Beside it is the time of the round that closes a window.
func BenchmarkRuleMemory(b *testing.B) {
	const count = 10_000
	exprs := []string{
		"sum by (job) (rate(m[5m]))", "sum by (n) (rate(m[5m]))", "sum by (job, n) (rate(m[5m]))", "sum(rate(m[5m]))",
		"avg by (job) (rate(m[5m]))", "max by (job) (rate(m[5m]))", "min by (n) (rate(m[5m]))", "count by (job) (rate(m[5m]))",
		"sum by (job) (increase(m[2m]))", "max by (n) (increase(m[2m]))",
	}
	for _, emit := range []flowdef.Emit{flowdef.EmitClose, flowdef.EmitUpdate} {
		for _, n := range []int{1, len(exprs)} {
			b.Run(fmt.Sprintf("emit=%s/rules=%d", emit, n), func(b *testing.B) {
				var defs strings.Builder
				defs.WriteString("flows:\n")
				for i, expr := range exprs[:n] {
					fmt.Fprintf(&defs, "  - {name: f%d, promql: '%s', every: 1m, emit: %s}\n", i, expr, emit)
				}
				w := roundtest.NewWorld(b, 1, 2, flowdef.ExecutorColumnar, defs.String())
				w.BenchSeries(count)
				for range 40 {
					w.BenchScrape(count)
				}
				w.Results = roundtest.Discard{}
				inUse := func() uint64 {
					runtime.GC()
					var m runtime.MemStats
					runtime.ReadMemStats(&m)
					return m.HeapAlloc
				}
				before := inUse() // with the samples
				round := func() {
					if _, err := w.Round(context.Background()); err != nil {
						b.Fatal(err)
					}
				}
				round()
				for b.Loop() {
					b.StopTimer()
					b0 := inUse()
					for range 4 { // a minute
						w.BenchScrape(count)
					}
					before += inUse() - b0
					b.StartTimer()
					round()
				}
				b.ReportMetric(float64(inUse()-before)/count, "heap-B/series")
				runtime.KeepAlive(w)
			})
		}
	}
}

func benchShared(b *testing.B, count, scrapes, flows int, promql func(i int) string) {
	b.Helper()
	var defs strings.Builder
	defs.WriteString("flows:\n")
	for i := range flows {
		fmt.Fprintf(&defs, "  - {name: f%d, promql: '%s', every: 1m}\n", i, promql(i))
	}
	w := roundtest.NewWorld(b, 1, 2, flowdef.ExecutorColumnar, defs.String())
	w.BenchSeries(count)
	for range scrapes {
		w.BenchScrape(count)
	}
	w.Results = roundtest.Discard{}
	if _, err := w.Round(context.Background()); err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		w.BenchScrape(count)
		b.StartTimer()
		if _, err := w.Round(context.Background()); err != nil {
			b.Fatal(err)
		}
	}
	bytes := int64(0)
	for _, f := range w.Flows {
		bytes += f.Leaves.Bytes()
	}
	b.ReportMetric(float64(bytes)/float64(count), "state-B/series")
}
