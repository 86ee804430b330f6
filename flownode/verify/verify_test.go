package verify

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowplan"
	"laminar/flownode/progress"
	"laminar/flownode/round/roundtest"
	"laminar/sequence"
	"laminar/sequence/nativehist"
	"laminar/sequence/series"
)

// everything is the options for all windows.
func everything() Options {
	return Options{From: sequence.NoTime, To: sequence.NoTime, Sample: 1}
}

func verify(w *roundtest.World, id progress.FlowID, opts Options) Report {
	w.T.Helper()
	report, err := New(stored{w.Store, 0}, time.Now).Flow(context.Background(), id, opts)
	if err != nil {
		w.T.Fatal(err)
	}
	return report
}

// TestVerifyFindsNothing drives flows of many shapes through random histories:
// whatever state they are in, what is compared is equal.
func TestVerifyFindsNothing(t *testing.T) {
	var windows, rows int64
	for seed := uint64(100); seed < 106; seed++ {
		defs := roundtest.OracleFlows
		if seed >= 104 {
			defs = roundtest.SketchFlows
		}
		w := roundtest.NewWorld(t, seed, 2, flowdef.ExecutorColumnar, defs)
		for range 25 {
			w.Step()
		}
		// Half a round behind: samples that no flow has read, sealed in part.
		for i := range 3 {
			if i == 1 {
				w.Store.Seal()
			}
			w.Scrape(30_000, i == 2)
			for _, id := range slices.Sorted(maps.Keys(w.Store.Flows)) {
				r := verify(w, id, everything())
				if r.Found > 0 {
					t.Fatalf("seed %d, %s: %d differences in %d windows, first %+v\n%v", seed, r.Flow, r.Found, r.Windows, r.Differences[0], w.Log)
				}
				windows, rows = windows+r.Windows, rows+r.Rows
			}
		}
	}
	if windows < 1000 || rows < 2000 {
		t.Errorf("only %d windows with %d rows were compared", windows, rows)
	}
}

// TestVerifyCoarserSketches: sketches of which there would be more buckets than are kept
// are what verifying finds, whether a group has one series or many; in batch they are the
// same.
func TestVerifyCoarserSketches(t *testing.T) {
	w := roundtest.NewWorld(t, 1, 2, flowdef.ExecutorColumnar, `
flows:
  - {name: sketches, promql: 'sum by (job) (histogram_over_time(temperature[4m]))', every: 1m, emit: close}
  - {name: each, promql: 'histogram_over_time(temperature[4m])', every: 1m, emit: close}
  - {name: quantiles, promql: 'histogram_quantile(0.9, sum(histogram_over_time(temperature[4m], 0.003)))', every: 1m, emit: close}
  - {name: sketches_whole, promql: 'sum by (job) (histogram_over_time(temperature[4m])) and on () (max(quantile_over_time(0.5, temperature[4m])) > -Inf)', every: 1m, emit: close}
  - {name: each_whole, promql: 'histogram_over_time(temperature[4m]) and on () (max(quantile_over_time(0.5, temperature[4m])) > -Inf)', every: 1m, emit: close}
  - {name: quantiles_whole, promql: 'histogram_quantile(0.9, (sum(histogram_over_time(temperature[4m], 0.003)))) + 0 * max(quantile_over_time(0.5, temperature[4m]))', every: 1m, emit: close}
`)
	for n := range 8 {
		for _, s := range w.Series {
			points := map[int64]float64{}
			for i := range int64(100) {
				points[w.Base+int64(n)*60_000+i*600+int64(s.ID)] = math.Exp(30 * w.Rng.NormFloat64())
			}
			w.Flush(s.Region, map[*roundtest.WorldSeries]map[int64]float64{s: points})
		}
		w.Store.Now = w.Base + int64(n)*60_000 + 120_000
		w.Tick()
	}
	schemas := map[int32]int{}
	for id, mf := range w.Store.Flows {
		if r := verify(w, id, everything()); r.Found > 0 || r.Rows < 4 {
			t.Errorf("%s: %d differences in %d rows: %+v", r.Flow, r.Found, r.Rows, r.Differences)
		}
		for _, rows := range mf.Rows {
			for _, row := range rows {
				if row.Histogram != nil {
					schemas[row.Histogram.Schema]++
				}
			}
		}
	}
	if schemas[7] == 0 || len(schemas) < 3 {
		t.Errorf("the stored sketches have the schemas %v, want 7 and two coarser ones at least", schemas)
	}
	for id := progress.FlowID(1); id <= 3; id++ {
		kept, whole := w.Store.Flows[id], w.Store.Flows[id+3]
		if !whole.Flow.Def.Expr.Batch {
			t.Errorf("%s is not computed in batch", whole.Flow.Def.Name)
		}
		for end, rows := range kept.Rows {
			if !maps.EqualFunc(rows, whole.Rows[end], sameBuckets) {
				t.Errorf("%s, window ending %d: %v, and in batch %v", kept.Flow.Def.Name, end, rows, whole.Rows[end])
			}
		}
	}
}

// sameBuckets is progress.SameResult, but for the rounding of sums.
func sameBuckets(a, b progress.Row) bool {
	if a.Histogram != nil && b.Histogram != nil {
		h := *a.Histogram
		h.Sum, a.Histogram = b.Histogram.Sum, &h
	}
	return progress.SameResult(a, b)
}

// TestVerifyItself: flows that read their own results, and others over them, are compared
// with what stands in their tables; a cell that was changed by hand is found, and so is
// each one that no longer follows from it.
func TestVerifyItself(t *testing.T) {
	for seed := range uint64(4) {
		w := roundtest.NewWorld(t, seed, 2, flowdef.ExecutorColumnar, `
flows:
  - {name: total, promql: 'sum(errors_total) + (total or vector(0))', every: 1m}
  - {name: held, promql: 'max by (job) (temperature > 0) or max_over_time(held[3m])', every: 30s}
  - {name: over, promql: 'max_over_time(total[3m]) + on () group_left count(held)', every: 1m}
`)
		windows := int64(0)
		for n := range 30 {
			w.Step()
			for id := range w.Store.Flows {
				r := verify(w, id, everything())
				if windows += r.Windows; r.Found > 0 {
					t.Fatalf("seed %d, step %d, %s: %d differences, first %+v\n%v", seed, n, r.Flow, r.Found, r.Differences[0], w.Log)
				}
			}
		}
		if windows < 300 {
			t.Errorf("seed %d: only %d windows were compared", seed, windows)
		}
		w.SettleAll()
		f := w.Store.Flows[1]
		for end := f.Flow.EmittedUntil - 10*60_000; ; end += 60_000 {
			row, ok := f.Rows[end][""]
			if _, next := f.Rows[end+60_000][""]; !ok || !next {
				if end >= f.Flow.EmittedUntil {
					t.Fatalf("seed %d: no two neighbouring windows have rows", seed)
				}
				continue
			}
			row.Value += 3 + math.Abs(row.Value)/1e3
			f.Rows[end][""] = row
			want := []int64{end, end + 60_000}
			var got []int64
			for _, d := range verify(w, 1, everything()).Differences {
				got = append(got, d.End)
			}
			if !slices.Equal(got, want) {
				t.Errorf("seed %d: differences are at %v, want %v", seed, got, want)
			}
			break
		}
	}
}

// TestVerifyPrevious: rules that read rules behind them, kept incrementally and in batch,
// are compared with what these had at the evaluation before.
func TestVerifyPrevious(t *testing.T) {
	for seed := range uint64(3) {
		w := roundtest.NewWorld(t, seed, 2, flowdef.ExecutorColumnar, `
groups:
- name: g
  rules:
  - {record: kept, expr: 'max by (job) (behind) + on (job) max by (job) (max_over_time(behind[4m]))'}
  - {record: whole, expr: 'max by (job) (rate(behind[4m]))'}
  - {record: total, expr: 'sum by (job) (errors_total) + on (job) behind + on (job) (total or on (job) 0 * sum by (job) (errors_total))'}
  - {record: behind, expr: 'sum by (job) (requests_total)'}
`)
		windows := int64(0)
		for n := range 25 {
			w.Step()
			for id := range w.Store.Flows {
				r := verify(w, id, everything())
				if windows += r.Windows; r.Found > 0 {
					t.Fatalf("seed %d, step %d, %s: %d differences, first %+v\n%v", seed, n, r.Flow, r.Found, r.Differences[0], w.Log)
				}
			}
		}
		if mode := w.Store.Flows[1].Flow.Def.Expr.Mode(); windows < 150 || mode != flowdef.ModeIncremental {
			t.Errorf("seed %d: only %d windows were compared, the first flow is kept in mode %s", seed, windows, mode)
		}
	}
}

// TestVerifyAmongOthers: a rule that reads what it gave, and what another rule of its
// record gives of the same series at once, is compared with what it saw; so is a rule that
// stands between the two.
func TestVerifyAmongOthers(t *testing.T) {
	for seed := range uint64(8) {
		w := roundtest.NewWorld(t, seed, 2, flowdef.ExecutorColumnar, `
groups:
- name: g
  interval: 30s
  rules:
  - {record: 'r:x', expr: 'max by (job) (temperature > 20)'}
  - {record: 'mid', expr: 'max by (job) (r:x) + on (job) count_over_time(r:x[2m])'}
  - {record: 'r:x', expr: 'min by (job) (r:x) + 1 or sum by (job) (errors_total)'}
`)
		windows := int64(0)
		for n := range 40 {
			w.Act()
			w.Tick()
			for id := range w.Store.Flows {
				r := verify(w, id, everything())
				if windows += r.Windows; r.Found > 0 {
					t.Fatalf("seed %d, step %d, %s: %d differences, first %+v\n%v", seed, n, r.Flow, r.Found, r.Differences[0], w.Log)
				}
			}
		}
		if windows < 300 {
			t.Errorf("seed %d: only %d windows were compared", seed, windows)
		}
	}
}

// settled is a world with one flow over some minutes, nothing of which is
// unread or dirty.
func settled(t *testing.T, promql string) *roundtest.World {
	t.Helper()
	w := roundtest.NewWorld(t, 5, 2, flowdef.ExecutorColumnar, fmt.Sprintf("flows:\n  - {name: f, promql: '%s', every: 1m, emit: close}\n", promql))
	for range 10 {
		w.Scrape(60_000, false)
		w.Tick()
	}
	w.Store.Now += flowplan.DirtyAtLatest
	w.Tick()
	return w
}

// spell writes differences as lines.
func spell(w *roundtest.World, r Report) string {
	var b strings.Builder
	for _, d := range r.Differences {
		fmt.Fprintf(&b, "%s %d %s\n", d.Kind, (d.End-w.Base)/60_000, strings.Join(d.Columns, ","))
	}
	return b.String()
}

// TestVerifyNamesChangedCells changes, deletes and adds cells by hand: exactly
// these are found, for flows of each mode.
func TestVerifyNamesChangedCells(t *testing.T) {
	for _, promql := range []string{
		"sum by (job) (rate(requests_total[2m]))",
		"sum by (job) (increase(requests_total[2m])) / 3",
		"max by (job) (quantile_over_time(0.5, requests_total[2m]))",
	} {
		w := settled(t, promql)
		rows := w.Store.Flows[1].Rows
		at := func(minute int64) map[string]progress.Row { return rows[w.Base+minute*60_000] }
		if r := verify(w, 1, everything()); r.Found != 0 || r.Windows < 8 || len(at(3)) != 2 {
			t.Fatalf("%s: untouched: %+v", promql, r)
		}
		row := at(3)["j0"]
		row.Value += math.Abs(row.Value)/1e6 + 1e-6
		at(3)["j0"] = row
		delete(at(4), "j1")
		at(5)["j7"] = progress.Row{Columns: []string{"j7"}, Value: 1}
		delete(rows, w.Base+6*60_000)
		rows[w.Base-60_000] = map[string]progress.Row{"j0": {Columns: []string{"j0"}, Value: 0}} // no sample is there
		rows[w.Base+7*60_000-1] = map[string]progress.Row{"j0": at(7)["j0"]}

		r := verify(w, 1, everything())
		want := "extra -1 j0\ndiffers 3 j0\nmissing 4 j1\nextra 5 j7\nmissing 6 j0\nmissing 6 j1\nextra 6 j0\n" // the last ends between two steps
		if got := spell(w, r); got != want || r.Found != 7 {
			t.Errorf("%s: %d found:\n%swant\n%s", promql, r.Found, got, want)
		}
		if d := r.Differences[1]; d.Stored.Value != row.Value || d.Computed.Value == row.Value || d.Computed.Value == 0 {
			t.Errorf("%s: values of the changed cell: %+v", promql, d)
		}
		opts := everything()
		opts.From, opts.To = w.Base+3*60_000, w.Base+5*60_000
		if got, want := spell(w, verify(w, 1, opts)), "missing 4 j1\nextra 5 j7\n"; got != want {
			t.Errorf("%s: from 3 to 5:\n%swant\n%s", promql, got, want)
		}
	}
}

// stored is a store that shows every window_start so many ms late.
type stored struct {
	*roundtest.MemStore
	late int64
}

func (s stored) StoredSnapshot(ctx context.Context) (Snapshot, error) {
	snap, err := s.MemStore.StoredSnapshot(ctx)
	if err != nil {
		return nil, err
	}
	snap.Shift = s.late
	return snap, nil
}

func TestVerifyNamesShiftedWindows(t *testing.T) {
	w := settled(t, "sum by (job) (rate(requests_total[2m]))")
	r, err := New(stored{w.Store, 1000}, time.Now).Flow(context.Background(), 1, everything())
	if err != nil || r.Found == 0 || r.Found != r.Rows {
		t.Fatalf("%+v, %v", r, err)
	}
	def := w.Store.Flows[1].Flow.Def
	for _, d := range r.Differences {
		if d.Kind != CellShifted || d.StoredStart != def.WindowStart(d.End)+1000 {
			t.Errorf("got %+v", d)
		}
	}
}

// TestVerifyBound: a billionth is rounding, a millionth is not; where terms
// cancel out their size counts, but only that of the row's own group.
func TestVerifyBound(t *testing.T) {
	w := roundtest.NewWorld(t, 5, 1, flowdef.ExecutorColumnar, "flows:\n  - {name: f, promql: 'sum by (job) (sum_over_time(temperature[1m]))', every: 1m, emit: close}\n")
	points := map[*roundtest.WorldSeries]map[int64]float64{}
	for _, s := range w.Series {
		if s.Metric == 3 {
			points[s] = map[int64]float64{w.Base + 10_000: 7, w.Base + 600_000: 7}
			if s.Labels[2].Value == "j1" {
				points[s] = map[int64]float64{w.Base + 10_000: 1e12, w.Base + 20_000: -1e12, w.Base + 30_000: 1}
			}
		}
	}
	w.Flush(1, points)
	w.Store.Now = w.Base + 600_000
	w.Tick()
	for _, c := range []struct {
		job  string
		by   float64 // relative
		want int64
	}{{"j0", 1e-10, 0}, {"j0", 1e-8, 1}, {"j1", 1e-4, 0}, {"j1", 1, 1}} {
		at := w.Store.Flows[1].Rows[w.Base+60_000]
		old := at[c.job]
		at[c.job] = progress.Row{Columns: old.Columns, Value: old.Value * (1 + c.by)}
		if r := verify(w, 1, everything()); r.Found != c.want {
			t.Errorf("%s changed by %g: %d differences, want %d\n%s", c.job, c.by, r.Found, c.want, spell(w, r))
		}
		at[c.job] = old
	}
}

// TestVerifyNoNumbers: what is no number, or infinite, is never taken for a number of
// moderate samples, whatever the function.
func TestVerifyNoNumbers(t *testing.T) {
	for _, promql := range []string{"sum by (job) (sum_over_time(temperature[1m]))", "avg by (job) (avg_over_time(temperature[1m]))",
		"stddev by (job) (temperature)", "stdvar by (job) (temperature)", "stddev_over_time(temperature[1m])", "stdvar_over_time(temperature[1m])",
		"deriv(temperature[1m])", "predict_linear(temperature[1m], 60)", "max by (job) (rate(requests_total[1m]))"} {
		w := settled(t, promql)
		tried := 0
		for end, rows := range w.Store.Flows[1].Rows {
			for key, old := range rows {
				if tried > 3 || !finite(old.Value) {
					continue
				}
				tried++
				for _, wrong := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
					rows[key] = progress.Row{Columns: old.Columns, Value: wrong}
					if r := verify(w, 1, everything()); r.Found != 1 {
						t.Errorf("%s: %g instead of %g, window ending %d: %d differences", promql, wrong, old.Value, end, r.Found)
					}
				}
				rows[key] = old
			}
		}
		if tried == 0 {
			t.Errorf("%s: nothing to verify", promql)
		}
	}
}

// TestVerifyOfWhatIsNotKept: windows that read results which are not kept any more are passed
// over: of the flow that reads them, and of one that reads its own. Others are compared.
func TestVerifyOfWhatIsNotKept(t *testing.T) {
	w := roundtest.NewWorld(t, 4, 2, flowdef.ExecutorColumnar, `
flows:
  - {name: counts, promql: 'sum by (job) (count_over_time(temperature[1m]))', every: 1m, keep: 15m}
  - {name: most, promql: 'max_over_time(counts[3m])', every: 1m}
  - {name: total, promql: 'sum(count_over_time(temperature[1m])) + (total or vector(0))', every: 1m, keep: 15m}
`)
	for range 40 {
		w.Scrape(60_000, false)
		w.Tick()
	}
	w.Settle()
	for _, f := range w.Store.Flows {
		for end := range f.Rows {
			if end < f.Flow.Def.KeptFrom(f.Flow.NewestT, f.Flow.NewestAt, f.Flow.EmittedUntil) {
				delete(f.Rows, end)
			}
		}
	}
	for id, least := range map[progress.FlowID]int64{1: 14, 2: 11, 3: 11} {
		if r := verify(w, id, everything()); r.Found > 0 || r.Windows < least || r.Windows > 17 {
			t.Errorf("%s: %d differences in %d windows, want none in %d or so\n%s", r.Flow, r.Found, r.Windows, least, spell(w, r))
		}
	}
	for _, row := range w.Store.Flows[3].Rows[w.Base+36*60_000] {
		row.Value++
		w.Store.Flows[3].Rows[w.Base+36*60_000][progress.RowKey(row.Columns)] = row
	}
	if r := verify(w, 3, everything()); r.Found == 0 {
		t.Errorf("%s: a changed cell is not found", r.Flow)
	}
}

// TestVerifyBeyondDoubles: where sums leave the range of a double, tables say the same of the
// same samples in whatever order these come, and verifying finds nothing.
func TestVerifyBeyondDoubles(t *testing.T) {
	for seed := range uint64(12) {
		var worlds []*roundtest.World
		for range 2 {
			worlds = append(worlds, roundtest.NewWorld(t, seed, 2, flowdef.ExecutorColumnar, `
flows:
  - {name: sums, emit: close, promql: 'sum by (job) (sum_over_time(temperature[1m]))', every: 1m}
  - {name: means, emit: close, promql: 'avg_over_time(temperature[2m])', every: 1m}
  - {name: sketches, emit: close, promql: 'sum by (job) (histogram_over_time(temperature[1m]))', every: 1m}
  - {name: sessions, promql: 'sum by (job) (temperature)', session: {gap: 20s, max: 4m}}
  - {name: mean_sessions, promql: 'avg by (job) (temperature)', session: {gap: 20s, max: 4m}}
`))
		}
		type sample struct {
			series int
			t      int64
			v      float64
		}
		var samples []sample
		rng := rand.New(rand.NewPCG(seed, 1))
		large := []float64{1.7e308, -1.7e308, -1.7e308, -1.7e308, 1.7e308, 1, math.Inf(1)}[:6+seed%2]
		for i, s := range worlds[0].Series {
			for n := range int64(60) {
				if s.Metric == 3 && rng.IntN(3) > 0 {
					samples = append(samples, sample{i, worlds[0].Base + n*5000 + int64(i), large[rng.IntN(len(large))]})
				}
			}
		}
		for _, w := range worlds {
			rng.Shuffle(len(samples), func(i, j int) { samples[i], samples[j] = samples[j], samples[i] })
			w.Store.Now = w.Base + 400_000
			for part := range slices.Chunk(samples, 1+len(samples)/5) {
				for region := sequence.Region(1); region <= 2; region++ {
					points := map[*roundtest.WorldSeries]map[int64]float64{}
					for _, x := range part {
						if s := w.Series[x.series]; s.Region == region {
							if points[s] == nil {
								points[s] = map[int64]float64{}
							}
							points[s][x.t] = x.v
						}
					}
					w.Flush(region, points)
				}
				w.Tick()
			}
			w.Settle()
		}
		for id, mf := range worlds[0].Store.Flows {
			for _, w := range worlds {
				if r := verify(w, id, everything()); r.Found > 0 || r.Rows < 4 {
					t.Errorf("seed %d, %s: %d differences in %d rows: %+v", seed, r.Flow, r.Found, r.Rows, r.Differences)
				}
			}
			for end, rows := range mf.Rows {
				if other := worlds[1].Store.Flows[id].Rows[end]; !maps.EqualFunc(rows, other, sameBeyond) {
					t.Errorf("seed %d, %s, window ending %d: %v, in another order %v", seed, mf.Flow.Def.Name, end, rows, other)
				}
			}
		}
	}
}

// sameBeyond is progress.SameResult, but for the rounding of large sums.
func sameBeyond(a, b progress.Row) bool {
	x, y := a.Value, b.Value
	if a.Histogram != nil && b.Histogram != nil {
		x, y = a.Histogram.Sum, b.Histogram.Sum
	}
	a.Value = b.Value
	return sameBuckets(a, b) && (progress.SameValue(x, y) || math.Abs(x-y) < 1e296)
}

// TestVerifySkips: what the table may rightly lack is not compared but counted.
func TestVerifySkips(t *testing.T) {
	const promql = "sum by (job) (rate(requests_total[2m]))"
	for why, prepare := range map[Skip]func(w *roundtest.World){
		SkipDirty: func(w *roundtest.World) {
			w.Store.Flows[1].Dirty[progress.DirtyKey{WindowEnd: w.Base + 3*60_000}] = progress.Dirty{WindowEnd: w.Base + 3*60_000}
		},
		SkipRefilling: func(w *roundtest.World) {
			w.Store.Jobs = append(w.Store.Jobs, progress.Job{ID: 1, Flow: 1, From: w.Base, NextT: w.Base + 120_000, To: w.Base + 180_000, State: progress.JobRunning})
		},
		SkipChanging: func(w *roundtest.World) {
			w.Flush(w.Series[0].Region, map[*roundtest.WorldSeries]map[int64]float64{w.Series[0]: {w.Base + 170_000: 1e6}})
		},
		SkipRawGone: func(w *roundtest.World) { w.Store.Earliest = w.Base + 60_000 + 1 + 1 },
		SkipExpired: func(w *roundtest.World) {
			f := &w.Store.Flows[1].Flow
			f.Def.Keep = min(f.NewestT, f.NewestAt) - w.Base - 3*60_000 - 1
		},
	} {
		t.Run(string(why), func(t *testing.T) {
			w := settled(t, promql)
			end := w.Base + 3*60_000
			w.Store.Flows[1].Rows[end] = map[string]progress.Row{}
			if r := verify(w, 1, everything()); r.Found != 2 {
				t.Fatalf("without: %+v", r)
			}
			prepare(w)
			if r := verify(w, 1, everything()); r.Found != 0 || r.Skipped[why] == 0 || r.Skipped[why] > 4 {
				t.Errorf("got %+v", r)
			}
		})
	}
	w := settled(t, promql)
	w.Store.Flushes[1][len(w.Store.Flushes[1])-1][15]++
	w.Store.Flows[1].Flow.Flushes = map[sequence.Region]sequence.FlushID{1: {1}}
	if r := verify(w, 1, everything()); r.Windows != 0 || r.Skipped[SkipHistory] == 0 {
		t.Errorf("another history: %+v", r)
	}
}

// TestVerifySample: a part of the windows, the same for the same seed.
func TestVerifySample(t *testing.T) {
	hit, both := 0, 0
	for end := int64(0); end < 100_000; end++ {
		a, b := sampled("f", 1, end*60_000, 0.01), sampled("f", 2, end*60_000, 0.01)
		if a {
			hit++
			if b {
				both++
			}
		}
		if a != sampled("f", 1, end*60_000, 0.01) {
			t.Fatal("one seed chooses differently")
		}
	}
	if hit < 850 || hit > 1150 || both > 40 {
		t.Errorf("1%% of 100,000 windows are %d, %d of them with another seed too", hit, both)
	}
	w := settled(t, "sum(rate(requests_total[2m]))")
	opts := everything()
	opts.Sample, opts.Seed = 0.4, 3
	first := verify(w, 1, opts)
	if again := verify(w, 1, opts); first.Windows == 0 || first.Windows > 8 || again.Windows != first.Windows {
		t.Errorf("%d windows, then %d", first.Windows, again.Windows)
	}
}

// TestVerifyBeginning: a flow without a backfill owes nothing of the time
// before its first sample, but what is there is compared.
func TestVerifyBeginning(t *testing.T) {
	w := roundtest.NewWorld(t, 5, 1, flowdef.ExecutorColumnar, "flows:\n  - {name: f, promql: 'sum by (job) (last_over_time(temperature[2m]))', every: 1m}\n")
	for _, s := range w.Series {
		w.Flush(s.Region, map[*roundtest.WorldSeries]map[int64]float64{s: {w.Base + 30_000: 1, w.Base + 90_000: 2}})
	}
	f := &w.Store.Flows[1].Flow
	f.Vector, f.BeginsAfter = w.Store.Vec.Clone(), sequence.NoTime
	f.Flushes = map[sequence.Region]sequence.FlushID{}
	for _, s := range w.Series {
		w.Flush(s.Region, map[*roundtest.WorldSeries]map[int64]float64{s: {w.Base + 400_000: 3, w.Base + 600_000: 4}})
	}
	w.Clock = w.Base + 600_000
	w.Store.Now = w.Clock
	w.Tick()
	if r := verify(w, 1, everything()); r.Found != 0 || r.Windows < 3 {
		t.Fatalf("%+v: %s", r, spell(w, r))
	}
	w.Store.Flows[1].Rows[w.Base+120_000] = map[string]progress.Row{"j0": {Columns: []string{"j0"}, Value: 17}}
	if got := spell(w, verify(w, 1, everything())); got != "differs 2 j0\n" {
		t.Errorf("a row from before the beginning: %s", got)
	}
}

// snapshots counts how many are taken.
type snapshots struct {
	stored
	taken int
}

func (s *snapshots) StoredSnapshot(ctx context.Context) (Snapshot, error) {
	s.taken++
	return s.stored.StoredSnapshot(ctx)
}

// TestVerifyGoesByItsClock: what a snapshot may take is counted by the clock that
// verifying was given, and what is compared does not depend on it.
func TestVerifyGoesByItsClock(t *testing.T) {
	w := settled(t, "sum by (job) (rate(requests_total[2m]))")
	for range 30 {
		w.Scrape(60_000, false)
		w.Tick()
	}
	compare := func(now func() time.Time) (Report, int) {
		t.Helper()
		store := &snapshots{stored: stored{w.Store, 0}}
		r, err := New(store, now).Flow(t.Context(), 1, everything())
		if err != nil {
			t.Fatal(err)
		}
		return r, store.taken
	}
	stopped, once := compare(func() time.Time { return time.Unix(0, 0) })
	at := time.Unix(0, 0)
	hurried, often := compare(func() time.Time { at = at.Add(2 * snapshotTime); return at })
	if once != 1 || often < 2 || hurried.Windows != stopped.Windows || hurried.Found != 0 || stopped.Windows == 0 {
		t.Errorf("a clock that stands still: %d windows in %d snapshots; one that runs: %d in %d", stopped.Windows, once, hurried.Windows, often)
	}
}

// TestVerifyHistograms: of results that are native histograms, rounding is no
// difference, and any other change is one: of a count, of the sum, of which buckets are
// filled, or a number in the place of a histogram.
func TestVerifyHistograms(t *testing.T) {
	w := roundtest.NewWorld(t, 5, 2, flowdef.ExecutorColumnar, "flows:\n  - {name: f, promql: 'sum by (job) (increase(latency[3m]))', every: 1m, emit: close}\n")
	w.Series = append(w.Series, &roundtest.WorldSeries{
		ID: 100, Metric: 4, Region: 1, Samples: map[int64]float64{}, Hists: roundtest.NativeSamples{Chance: 100},
		Labels: []series.Label{{Name: series.MetricName, Value: "latency"}, {Name: "job", Value: "j0"}},
	})
	for range 30 {
		w.Scrape(60_000, false)
		w.Tick()
	}
	w.Store.Now += flowplan.DirtyAtLatest
	w.Tick()
	if r := verify(w, 1, everything()); r.Found != 0 || r.Windows < 10 {
		t.Fatalf("untouched: %+v", r)
	}
	var at map[string]progress.Row
	var key string
	for _, rows := range w.Store.Flows[1].Rows {
		for k, row := range rows {
			if row.Histogram != nil && len(row.Histogram.PositiveCounts) > 1 && row.Histogram.Sum > 1 {
				at, key = rows, k
			}
		}
	}
	good := at[key]
	for name, c := range map[string]struct {
		change func(h *nativehist.Sparse)
		found  int64
	}{
		"a count by rounding": {func(h *nativehist.Sparse) { h.PositiveCounts[0] *= 1 + 1e-12 }, 0},
		"the sum by rounding": {func(h *nativehist.Sparse) { h.Sum *= 1 + 1e-12 }, 0},
		"a count":             {func(h *nativehist.Sparse) { h.PositiveCounts[1] += 1e-3 }, 1},
		"all observations":    {func(h *nativehist.Sparse) { h.Count *= 1 + 1e-6 }, 1},
		"the sum":             {func(h *nativehist.Sparse) { h.Sum *= 1 + 1e-6 }, 1},
		"a bucket":            {func(h *nativehist.Sparse) { h.PositiveBuckets[0]-- }, 1},
		"the schema":          {func(h *nativehist.Sparse) { h.Schema-- }, 1},
	} {
		h := *good.Histogram
		h.PositiveBuckets, h.PositiveCounts = slices.Clone(h.PositiveBuckets), slices.Clone(h.PositiveCounts)
		c.change(&h)
		at[key] = progress.Row{Columns: good.Columns, Histogram: &h}
		if r := verify(w, 1, everything()); r.Found != c.found {
			t.Errorf("%s: %d differences, want %d", name, r.Found, c.found)
		}
	}
	at[key] = progress.Row{Columns: good.Columns, Value: good.Histogram.Count}
	if r := verify(w, 1, everything()); r.Found != 1 || r.Differences[0].Computed.Histogram == nil {
		t.Errorf("a number: %+v", r)
	}
}

// TestVerifyLate: of flows whose closed windows keep their values, windows that lack late
// samples are named and are no differences; any other cell that is not what the samples
// give is one.
func TestVerifyLate(t *testing.T) {
	for seed := range uint64(3) {
		w := roundtest.NewWorld(t, seed, 2, flowdef.ExecutorColumnar, `
flows:
  - {name: drop, promql: 'sum by (job, n) (sum_over_time(temperature[3m]))', every: 1m, late: drop}
  - {name: bounded, promql: 'sum(rate(requests_total[3m])) + sum(rate(errors_total[3m]))', every: 1m, allowed_lateness: 2m}
  - {name: side, promql: 'sum by (job) (count_over_time(temperature[3m]))', every: 1m, late: side_output}
`)
		var late, lacking, cells int64
		for n := range 40 {
			w.Act()
			for id := range w.Store.Flows {
				r := verify(w, id, everything())
				if r.Found > 0 {
					t.Fatalf("seed %d, step %d, %s: %d differences, first %+v\n%v", seed, n, r.Flow, r.Found, r.Differences[0], w.Log)
				}
				late, lacking, cells = late+r.LateSamples, lacking+r.LateWindows, cells+r.Late
			}
		}
		if late == 0 || lacking == 0 || cells == 0 {
			t.Errorf("seed %d: %d samples, %d windows and %d cells were named as late", seed, late, lacking, cells)
		}
		w.Settle()
		f, changed := w.Store.Flows[1], 0
		for _, end := range slices.Sorted(maps.Keys(f.Rows)) {
			if end > f.Flow.EmittedUntil || slices.ContainsFunc(slices.Collect(maps.Keys(f.Late.Windows)), func(k progress.DirtyKey) bool { return k.WindowEnd == end }) {
				continue
			}
			for key, row := range f.Rows[end] {
				if math.IsNaN(row.Value) || math.IsInf(row.Value, 0) {
					continue
				}
				row.Value += 1 + math.Abs(row.Value)
				f.Rows[end][key] = row
				changed++
				break
			}
		}
		if r := verify(w, 1, everything()); changed == 0 || r.Found != int64(changed) {
			t.Errorf("seed %d: %d differences, %d cells were changed", seed, r.Found, changed)
		}
	}
}
