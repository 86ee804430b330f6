package round_test

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"

	"laminar/flownode/flowdef"
	"laminar/flownode/partial/partialtest"
	"laminar/flownode/progress"
	"laminar/flownode/round/roundtest"
	"laminar/sequence/segment"
)

// growth is how much the counters of a group grew in each window [end-step, end), sample by
// sample: from the newest sample of the lookback before, or else from 0.
func growth(w *roundtest.World, metric, by string, step int64) map[string]map[int64]float64 {
	out := map[string]map[int64]float64{}
	for _, s := range w.Committed() {
		if s.Labels.Get("__name__") != metric {
			continue
		}
		group := ""
		if by != "" {
			group = s.Labels.Get(by)
		}
		if out[group] == nil {
			out[group] = map[int64]float64{}
		}
		last, lastT := 0.0, int64(math.MinInt64)
		for i, t := range s.Times {
			v := s.Values[i]
			if segment.IsStale(v) {
				continue
			}
			begin := t - t%step
			// What is newest before the window is looked for, and then what is before
			// within it.
			if lastT < begin && lastT <= begin-1-flowdef.DefaultLookback {
				last = 0
			}
			grown := v
			if v >= last {
				grown -= last
			}
			out[group][begin+step] += grown
			last, lastT = v, t
		}
	}
	return out
}

// TestRunningTotal: totals of counters are the sums of what came in all windows before,
// after late samples, overwritten ones, resets, restarts, failed commits and refills.
func TestRunningTotal(t *testing.T) {
	for seed := range uint64(10) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			w := roundtest.NewWorld(t, seed, 1+int(seed%3), flowdef.ExecutorColumnar, `
- {promql: 'sum2 by (job) (requests_total[1m])', as: requests}
- {promql: 'sum2(errors_total[2m])', as: errors}
- {promql: 'increase by (job) (requests_total[1m])', as: grown}
- {promql: 'sum by (job) (rate(requests[5m]))', as: rate, every: 1m}
`)
			for range 45 {
				w.Act()
			}
			for range 40 { // corrections go onward some windows at a time
				w.Settle()
			}
			w.Check()
			compared := 0
			for _, flow := range []struct {
				id         progress.FlowID
				metric, by string
				total      bool
			}{{1, "requests_total", "job", true}, {2, "errors_total", "", true}, {3, "requests_total", "job", false}} {
				f := w.Store.Flows[flow.id]
				for group, grown := range growth(w, flow.metric, flow.by, f.Flow.Def.Every) {
					ends := slices.Sorted(maps.Keys(grown))
					total := 0.0
					for end := ends[0]; end <= f.Flow.EmittedUntil; end += f.Flow.Def.Every {
						total += grown[end]
						want, has := total, true
						if !flow.total {
							want, has = grown[end], grownIn(grown, end)
						}
						row, ok := rowOf(f.Rows[end], group, flow.by)
						if ok != has || ok && !partialtest.Close(row.Value, want, 1e-6) {
							t.Fatalf("%s of %q at %+d s is %v, %v, want %v, %v\n%v", f.Flow.Def.Name, group, (end-w.Base)/1000, row.Value, ok, want, has, w.Log)
						}
						compared++
					}
				}
			}
			if compared < 50 {
				t.Errorf("%d rows prove nothing", compared)
			}
		})
	}
}

// TestRunningTotalOfOldSamples: samples that are older than the total is kept, and more of
// them than one round reads, are in it all the same; maintenance takes old rows away
// meanwhile. A flow that is kept for so long has its newest results, too.
func TestRunningTotalOfOldSamples(t *testing.T) {
	for seed := range uint64(6) {
		w := roundtest.NewWorld(t, seed, 2, flowdef.ExecutorColumnar, `
flows:
  - {name: total, promql: 'sum(count_over_time(temperature[1m])) + (total or vector(0))', every: 1m, keep: 10m}
  - {name: counts, promql: 'sum(count_over_time(temperature[1m]))', every: 1m, keep: 10m}
  - {name: newest, promql: 'total offset 1m', every: 1m}
`)
		if seed%2 == 0 {
			w.Budget = 0 // a round computes a window
		}
		maintain := func() {
			for _, f := range w.Store.Flows {
				for end := range f.Rows {
					if end < f.Flow.Def.KeptFrom(f.Flow.NewestT, f.Flow.NewestAt, f.Flow.EmittedUntil) {
						delete(f.Rows, end)
					}
				}
			}
		}
		for range 3 {
			w.Store.Now = w.Clock + 40*60_000 + 3_600_000
			w.Scrape(40*60_000, false)
			for more := true; more; {
				var err error
				if more, err = w.Round(t.Context()); err != nil {
					t.Fatal(err)
				}
				maintain()
				if w.Rng.IntN(8) == 0 {
					w.Restart()
				}
			}
		}
		w.Settle()
		total, counts := w.Store.Flows[1], w.Store.Flows[2]
		want := map[int64]float64{}
		for _, s := range w.Committed() {
			if s.Labels.Get("__name__") != "temperature" {
				continue
			}
			for i, at := range s.Times {
				if !segment.IsStale(s.Values[i]) {
					want[(at+59_999)/60_000*60_000]++
				}
			}
		}
		sum, compared := 0.0, 0
		last := slices.Max(slices.Collect(maps.Keys(want)))
		for end := w.Base - w.Base%60_000; end <= last; end += 60_000 {
			sum += want[end]
			if end <= last-9*60_000 {
				continue
			}
			compared++
			if row, ok := rowOf(total.Rows[end], "", ""); !ok || row.Value != sum {
				t.Errorf("seed %d: the total at %+d s is %v, %v, want %v", seed, (end-w.Base)/1000, row.Value, ok, sum)
			}
			if row, ok := rowOf(counts.Rows[end], "", ""); ok != (want[end] > 0) || row.Value != want[end] {
				t.Errorf("seed %d: the count at %+d s is %v, %v, want %v", seed, (end-w.Base)/1000, row.Value, ok, want[end])
			}
		}
		if compared < 9 {
			t.Errorf("seed %d: only %d windows were compared, up to %+d s", seed, compared, (last-w.Base)/1000)
		}
	}
}

// grownIn reports whether a sample came in the window.
func grownIn(grown map[int64]float64, end int64) bool {
	_, ok := grown[end]
	return ok
}

// rowOf is the row of a group in a window.
func rowOf(rows map[string]progress.Row, group, by string) (progress.Row, bool) {
	for _, row := range rows {
		if by == "" || slices.Contains(row.Columns, group) {
			return row, true
		}
	}
	return progress.Row{}, false
}
