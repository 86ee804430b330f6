package round_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	"laminar/flownode/promeval"
	"laminar/flownode/round/roundtest"
	"laminar/sequence"
	"laminar/sequence/nativehist"
	"laminar/sequence/series"
)

// foldedFlows is flows of which some groups keep a row, each with what its rows must come
// to over all groups.
const foldedFlows = `
flows:
  - {name: sums, promql: 'sum by (n) (rate(requests_total[3m]))', every: 1m, max_groups: 2}
  - {name: counts, promql: 'count by (n, job) (temperature)', every: 1m, max_groups: 1, emit: close}
  - {name: maxima, promql: 'max by (n) (max_over_time(temperature[2m]))', every: 1m, max_groups: 2}
  - {name: averages, promql: 'avg by (n) (avg_over_time(errors_total[2m]))', every: 1m, max_groups: 3}
  - {name: late, promql: 'sum by (n) (sum_over_time(temperature[2m]))', every: 1m, max_groups: 2, late: drop}
  - {name: room, promql: 'sum by (job) (rate(requests_total[3m]))', every: 1m, max_groups: 5}
  - {name: sketches, promql: 'sum by (n) (histogram_over_time(temperature[2m], 0.1))', every: 1m, max_groups: 2}
`

// folds is samples with the labels by which the engine groups them as the flow does.
func folds(def *flowdef.Flow, chosen []string, raw promeval.Samples) promeval.Samples {
	out := slices.Clone(raw)
	leaf := &def.Expr.Leaves[0]
	for i := range out {
		if slices.Contains(chosen, flowdef.GroupKey(leaf.GroupLabels(out[i].Labels))) {
			continue
		}
		b := labels.NewBuilder(out[i].Labels).Set("test_series", fmt.Sprint(i))
		for _, name := range leaf.Grouping {
			b.Set(name, flowdef.OtherGroups)
		}
		out[i].Labels = b.Labels()
	}
	return out
}

// checkFolds compares every closed window with the engine, over what the stored choice of
// groups says.
func checkFolds(w *roundtest.World) (rows int) {
	w.T.Helper()
	raw := w.Committed()
	for _, f := range w.Store.Flows {
		def := &f.Flow.Def
		if len(f.Flow.Chosen) > int(def.MaxGroups) || f.Flow.Folds && len(f.Flow.Chosen) < int(def.MaxGroups) || f.Flow.EmittedUntil == sequence.NoTime {
			w.T.Fatalf("%s keeps the rows of %v, folds %v", def.Name, f.Flow.Chosen, f.Flow.Folds)
		}
		if def.LeavesOutLate() {
			continue
		}
		seen := folds(def, f.Flow.Chosen, raw)
		layout := flowdef.NewLayout(*def)
		for end := f.Flow.BeginsAfter + def.Every; end <= f.Flow.EmittedUntil; end += def.Every {
			vec, err := w.Engine.WithLookback(def.Lookback).Whole(w.T.Context(), def.PromQL, seen, end)
			if err != nil {
				w.T.Fatal(err)
			}
			want := map[string]progress.Row{}
			for _, s := range vec {
				row := progress.Row{Columns: layout.Row(s.Metric), Value: s.Value}
				if s.Histogram != nil {
					row.Value, row.Histogram = 0, nativehist.NewSparse(s.Histogram)
				}
				want[progress.RowKey(row.Columns)] = row
			}
			if got := f.Rows[end]; !sameRows(want, got) {
				w.T.Fatalf("%s, window ending %+ds: stored %v, want %v\n%v", def.Name, (end-w.Base)/1000, got, want, w.Log)
			}
			rows += len(want)
		}
	}
	return rows
}

// TestMaxGroups: random histories. The groups of the earliest series keep their rows, all
// others are one, and that stays so over restarts, evictions, refills and failed commits;
// both executors give the same.
func TestMaxGroups(t *testing.T) {
	for seed := uint64(1); seed <= 4; seed++ {
		settings := []flowdef.Executor{flowdef.ExecutorColumnar, flowdef.ExecutorPushdown}
		if seed%2 == 0 {
			slices.Reverse(settings)
		}
		w := roundtest.NewWorld(t, seed, int(seed%3)+1, settings[0], foldedFlows)
		before := map[progress.FlowID][]string{}
		for range 40 {
			w.Act()
			for id, f := range w.Store.Flows {
				if now := f.Flow.Chosen; !slices.Equal(now[:min(len(now), len(before[id]))], before[id]) {
					t.Fatalf("%s kept the rows of %v, now of %v\n%v", f.Flow.Def.Name, before[id], now, w.Log)
				}
				before[id] = slices.Clone(f.Flow.Chosen)
			}
		}
		w.Settle()
		if rows := checkFolds(w); rows < 100 {
			t.Errorf("seed %d: only %d rows were compared", seed, rows)
		}
		// Totals: the rows of a window sum up to what the engine gives without groups.
		f, raw := w.Store.Flows[1], w.Committed()
		tables := map[progress.FlowID]map[int64]map[string]progress.Row{}
		for end, rows := range f.Rows {
			if end > f.Flow.EmittedUntil || end <= f.Flow.BeginsAfter {
				continue
			}
			sum := 0.0
			for _, row := range rows {
				sum += row.Value
			}
			vec, err := w.Engine.Whole(t.Context(), "sum(rate(requests_total[3m]))", raw, end)
			if err != nil || len(vec) == 1 && !about(vec[0].Value, sum) || len(vec) == 0 && len(rows) > 0 {
				t.Fatalf("window %d sums up to %v, the engine says %v, %v", end, sum, vec, err)
			}
		}
		if !f.Flow.Folds || w.Store.Flows[6].Flow.Folds {
			t.Errorf("seed %d: folds: %v where there are more groups, %v where there are not", seed, f.Flow.Folds, w.Store.Flows[6].Flow.Folds)
		}
		// Once more, by the other executor and by an owner that knows nothing.
		w.Reading.Chooser.Setting = settings[1]
		w.Restart()
		for id, f := range w.Store.Flows {
			if f.Flow.Def.LeavesOutLate() {
				continue
			}
			tables[id], f.Rows = f.Rows, map[int64]map[string]progress.Row{}
			from := f.Flow.BeginsAfter
			w.Store.Jobs = append(w.Store.Jobs, progress.Job{ID: int64(1000 + id), Flow: id, From: from, NextT: from, To: f.Flow.EmittedUntil, State: progress.JobQueued})
		}
		w.Tick()
		checkFolds(w)
		for id, rows := range tables {
			f := w.Store.Flows[id]
			for end := f.Flow.BeginsAfter + f.Flow.Def.Every; end <= f.Flow.EmittedUntil; end += f.Flow.Def.Every {
				if !sameRows(rows[end], f.Rows[end]) {
					t.Fatalf("%s, window ending %+ds was %v, and by %s is %v", f.Flow.Def.Name, (end-w.Base)/1000, rows[end], settings[1], f.Rows[end])
				}
			}
			if !slices.Equal(f.Flow.Chosen, before[id]) {
				t.Errorf("%s keeps the rows of %v, and kept those of %v", f.Flow.Def.Name, f.Flow.Chosen, before[id])
			}
		}
	}
}

// TestMaxGroupsOfHistograms is TestMaxGroups for series of native histograms, from the start
// or from the middle of everything: their leaves select series one by one, or there are none.
func TestMaxGroupsOfHistograms(t *testing.T) {
	for seed := uint64(1); seed <= 3; seed++ {
		w := roundtest.NewWorld(t, seed, int(seed%3)+1, flowdef.ExecutorColumnar, `
flows:
  - {name: rates, promql: 'sum by (n) (rate(latency[2m]))', every: 1m, max_groups: 2}
  - {name: heads, promql: 'count by (n, job) (latency)', every: 1m, max_groups: 2, emit: close}
  - {name: sums, promql: 'sum by (n) (sum_over_time(temperature[2m]))', every: 1m, max_groups: 1}
  - {name: peaks, promql: 'max by (n) (max_over_time(temperature[3m]))', every: 1m, max_groups: 2, emit: close}
  - {name: sketches, promql: 'sum by (n) (histogram_over_time(temperature[2m]))', every: 1m, max_groups: 2}
`)
		for n := range 5 {
			w.Series = append(w.Series, &roundtest.WorldSeries{
				ID: sequence.SeriesID(100 + n), Metric: 4, Region: w.Series[n].Region, Samples: map[int64]float64{},
				Labels: []series.Label{{Name: series.MetricName, Value: "latency"}, {Name: "job", Value: fmt.Sprintf("j%d", n%2)}, {Name: "n", Value: fmt.Sprint(n)}},
				Hists:  roundtest.NativeSamples{Chance: 95},
			})
		}
		for step := range 40 {
			if step == 20 {
				for _, s := range w.Series {
					if s.Metric == 3 { // temperature
						s.Hists.Chance = 30
					}
				}
			}
			w.Act()
		}
		w.Settle()
		if rows := checkFolds(w); rows < 100 {
			t.Errorf("seed %d: only %d rows were compared", seed, rows)
		}
		others, histograms := 0, 0
		for _, f := range w.Store.Flows {
			if !f.Flow.Folds {
				t.Errorf("seed %d: %s folds nothing", seed, f.Flow.Def.Name)
			}
			for _, rows := range f.Rows {
				for _, row := range rows {
					if slices.Contains(row.Columns, flowdef.OtherGroups) {
						others++
					}
					if row.Histogram != nil {
						histograms++
					}
				}
			}
		}
		if others < 50 || histograms < 50 {
			t.Errorf("seed %d: %d rows of other groups and %d histograms prove little", seed, others, histograms)
		}
	}
}

// TestMaxGroupsEarliest: where many series are found at once, those with the smallest ids
// are the earliest, whatever order they are listed in.
func TestMaxGroupsEarliest(t *testing.T) {
	w := roundtest.NewWorld(t, 1, 2, flowdef.ExecutorColumnar, `flows:
  - {name: f, promql: 'sum by (n) (sum_over_time(temperature[1m]))', every: 1m, max_groups: 2}`)
	for i := len(w.Series) - 1; i >= 0; i-- {
		s := w.Series[i]
		w.Flush(s.Region, map[*roundtest.WorldSeries]map[int64]float64{s: {w.Base + 1: 1}})
	}
	w.Clock = w.Base + 200_000
	w.Store.Now = w.Clock + 100_000
	w.Tick()
	// Of temperature are the series 3, 6, 9, ..., with the labels n="2", n="5", ...
	if got := fmt.Sprint(w.Store.Flows[1].Flow.Chosen); got != `[{"n":"2"} {"n":"5"}]` {
		t.Errorf("%s keep their rows", got)
	}
	var values []float64
	for _, row := range w.Store.Flows[1].Rows[w.Base+60_000] {
		values = append(values, row.Value)
	}
	if slices.Sort(values); len(values) != 3 || values[0] != 1 || values[1] != 1 || values[2] != 2 {
		t.Errorf("rows %v, want two of one series and one of two", w.Store.Flows[1].Rows[w.Base+60_000])
	}
}
