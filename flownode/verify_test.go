package flownode

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowplan"
	"laminar/flownode/progress"
	"laminar/sequence"
)

// StoredSnapshot is Snapshot with copies of the flows.
func (s *memStore) StoredSnapshot(ctx context.Context) (StoredSnapshot, error) {
	snap, err := s.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	out := &memStored{memSnapshot: snap.(*memSnapshot), flows: map[progress.FlowID]memFlow{}, jobs: slices.Clone(s.jobs)}
	for id, f := range s.flows {
		rows := map[int64]map[string]progress.Row{}
		for end, of := range f.rows {
			rows[end] = maps.Clone(of)
		}
		out.flows[id] = memFlow{flow: f.flow, rows: rows, dirty: maps.Clone(f.dirty)}
	}
	return out, nil
}

type memStored struct {
	*memSnapshot
	flows map[progress.FlowID]memFlow
	jobs  []progress.Job
	shift int64 // of every window_start, ms
}

func (s *memStored) Flow(_ context.Context, id progress.FlowID) (progress.Flow, error) {
	f, ok := s.flows[id]
	if !ok {
		return progress.Flow{}, progress.ErrFlowGone
	}
	f.flow.Dirty = slices.Collect(maps.Values(f.dirty))
	return f.flow, nil
}

func (s *memStored) PendingRefills(_ context.Context, id progress.FlowID) ([]progress.Job, error) {
	return slices.DeleteFunc(slices.Clone(s.jobs), func(j progress.Job) bool {
		return j.Flow != id || j.State != "queued" && j.State != "running"
	}), nil
}

func (s *memStored) OldestResult(_ context.Context, id progress.FlowID) (int64, error) {
	oldest := progress.Unset
	for end, rows := range s.flows[id].rows {
		if len(rows) > 0 && (oldest == progress.Unset || end < oldest) {
			oldest = end
		}
	}
	return oldest, nil
}

func (s *memStored) Results(_ context.Context, id progress.FlowID, after, upTo int64) ([]progress.Window, error) {
	var out []progress.Window
	rows := s.flows[id].rows
	for _, end := range slices.Sorted(maps.Keys(rows)) {
		if after < end && end <= upTo {
			w := progress.Window{Start: s.flows[id].flow.Def.WindowStart(end) + s.shift, End: end}
			for _, key := range slices.Sorted(maps.Keys(rows[end])) {
				w.Rows = append(w.Rows, rows[end][key])
			}
			out = append(out, w)
		}
	}
	return out, nil
}

// everything is the options for all windows.
func everything() VerifyOptions {
	return VerifyOptions{From: progress.Unset, To: progress.Unset, Sample: 1}
}

func (w *world) verify(id progress.FlowID, opts VerifyOptions) VerifyReport {
	w.t.Helper()
	report, err := NewVerify(w.store, time.Now).Flow(context.Background(), id, opts)
	if err != nil {
		w.t.Fatal(err)
	}
	return report
}

// TestVerifyFindsNothing drives flows of many shapes through random histories:
// whatever state they are in, what is compared is equal.
func TestVerifyFindsNothing(t *testing.T) {
	var windows, rows int64
	for seed := uint64(100); seed < 104; seed++ {
		w := newWorld(t, seed, 2, flowdef.ExecutorColumnar, oracleFlows)
		for range 25 {
			w.step()
		}
		// Half a round behind: samples that no flow has read, sealed in part.
		for i := range 3 {
			if i == 1 {
				w.store.seal()
			}
			w.scrape(30_000, i == 2)
			for _, id := range slices.Sorted(maps.Keys(w.store.flows)) {
				r := w.verify(id, everything())
				if r.Found > 0 {
					t.Fatalf("seed %d, %s: %d differences in %d windows, first %+v\n%v", seed, r.Flow, r.Found, r.Windows, r.Differences[0], w.log)
				}
				windows, rows = windows+r.Windows, rows+r.Rows
			}
		}
	}
	if windows < 1000 || rows < 2000 {
		t.Errorf("only %d windows with %d rows were compared", windows, rows)
	}
}

// settled is a world with one flow over some minutes, nothing of which is
// unread or dirty.
func settled(t *testing.T, promql string) *world {
	t.Helper()
	w := newWorld(t, 5, 2, flowdef.ExecutorColumnar, fmt.Sprintf("flows:\n  - {name: f, promql: '%s', every: 1m, emit: close}\n", promql))
	for range 10 {
		w.scrape(60_000, false)
		w.tick()
	}
	w.store.now += flowplan.DirtyAtLatest
	w.tick()
	return w
}

// spell writes differences as lines.
func spell(w *world, r VerifyReport) string {
	var b strings.Builder
	for _, d := range r.Differences {
		fmt.Fprintf(&b, "%s %d %s\n", d.Kind, (d.End-w.base)/60_000, strings.Join(d.Columns, ","))
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
		rows := w.store.flows[1].rows
		at := func(minute int64) map[string]progress.Row { return rows[w.base+minute*60_000] }
		if r := w.verify(1, everything()); r.Found != 0 || r.Windows < 8 || len(at(3)) != 2 {
			t.Fatalf("%s: untouched: %+v", promql, r)
		}
		row := at(3)["j0"]
		row.Value += math.Abs(row.Value)/1e6 + 1e-6
		at(3)["j0"] = row
		delete(at(4), "j1")
		at(5)["j7"] = progress.Row{Columns: []string{"j7"}, Value: 1}
		delete(rows, w.base+6*60_000)
		rows[w.base-60_000] = map[string]progress.Row{"j0": {Columns: []string{"j0"}, Value: 0}} // no sample is there
		rows[w.base+7*60_000-1] = map[string]progress.Row{"j0": at(7)["j0"]}

		r := w.verify(1, everything())
		want := "extra -1 j0\ndiffers 3 j0\nmissing 4 j1\nextra 5 j7\nmissing 6 j0\nmissing 6 j1\nextra 6 j0\n" // the last ends between two steps
		if got := spell(w, r); got != want || r.Found != 7 {
			t.Errorf("%s: %d found:\n%swant\n%s", promql, r.Found, got, want)
		}
		if d := r.Differences[1]; d.Stored != row.Value || d.Computed == d.Stored || d.Computed == 0 {
			t.Errorf("%s: values of the changed cell: %+v", promql, d)
		}
		opts := everything()
		opts.From, opts.To = w.base+3*60_000, w.base+5*60_000
		if got, want := spell(w, w.verify(1, opts)), "missing 4 j1\nextra 5 j7\n"; got != want {
			t.Errorf("%s: from 3 to 5:\n%swant\n%s", promql, got, want)
		}
	}
}

// shifted shows every window_start a second late.
type shifted struct{ *memStore }

func (s shifted) StoredSnapshot(ctx context.Context) (StoredSnapshot, error) {
	snap, err := s.memStore.StoredSnapshot(ctx)
	if err == nil {
		snap.(*memStored).shift = 1000
	}
	return snap, err
}

func TestVerifyNamesShiftedWindows(t *testing.T) {
	w := settled(t, "sum by (job) (rate(requests_total[2m]))")
	r, err := NewVerify(shifted{w.store}, time.Now).Flow(context.Background(), 1, everything())
	if err != nil || r.Found == 0 || r.Found != r.Rows {
		t.Fatalf("%+v, %v", r, err)
	}
	def := w.store.flows[1].flow.Def
	for _, d := range r.Differences {
		if d.Kind != CellShifted || d.StoredStart != def.WindowStart(d.End)+1000 {
			t.Errorf("got %+v", d)
		}
	}
}

// TestVerifyBound: a billionth is rounding, a millionth is not; where terms
// cancel out their size counts, but only that of the row's own group.
func TestVerifyBound(t *testing.T) {
	w := newWorld(t, 5, 1, flowdef.ExecutorColumnar, "flows:\n  - {name: f, promql: 'sum by (job) (sum_over_time(temperature[1m]))', every: 1m, emit: close}\n")
	points := map[*worldSeries]map[int64]float64{}
	for _, s := range w.series {
		if s.metric == 3 {
			points[s] = map[int64]float64{w.base + 10_000: 7, w.base + 600_000: 7}
			if s.labels[2].Value == "j1" {
				points[s] = map[int64]float64{w.base + 10_000: 1e12, w.base + 20_000: -1e12, w.base + 30_000: 1}
			}
		}
	}
	w.flush(1, points)
	w.store.now = w.base + 600_000
	w.tick()
	for _, c := range []struct {
		job  string
		by   float64 // relative
		want int64
	}{{"j0", 1e-10, 0}, {"j0", 1e-8, 1}, {"j1", 1e-4, 0}, {"j1", 1, 1}} {
		at := w.store.flows[1].rows[w.base+60_000]
		old := at[c.job]
		at[c.job] = progress.Row{Columns: old.Columns, Value: old.Value * (1 + c.by)}
		if r := w.verify(1, everything()); r.Found != c.want {
			t.Errorf("%s changed by %g: %d differences, want %d\n%s", c.job, c.by, r.Found, c.want, spell(w, r))
		}
		at[c.job] = old
	}
}

// TestVerifySkips: what the table may rightly lack is not compared but counted.
func TestVerifySkips(t *testing.T) {
	const promql = "sum by (job) (rate(requests_total[2m]))"
	for why, prepare := range map[Skip]func(w *world){
		SkipDirty: func(w *world) {
			w.store.flows[1].dirty[progress.DirtyKey{WindowEnd: w.base + 3*60_000}] = progress.Dirty{WindowEnd: w.base + 3*60_000}
		},
		SkipRefilling: func(w *world) {
			w.store.jobs = append(w.store.jobs, progress.Job{ID: 1, Flow: 1, From: w.base, NextT: w.base + 120_000, To: w.base + 180_000, State: "running"})
		},
		SkipChanging: func(w *world) {
			w.flush(w.series[0].region, map[*worldSeries]map[int64]float64{w.series[0]: {w.base + 170_000: 1e6}})
		},
		SkipRawGone: func(w *world) { w.store.earliest = w.base + 60_000 + 1 + 1 },
		SkipExpired: func(w *world) {
			f := &w.store.flows[1].flow
			f.Def.Keep = f.NewestAt - w.base - 3*60_000 - 1
		},
	} {
		t.Run(string(why), func(t *testing.T) {
			w := settled(t, promql)
			end := w.base + 3*60_000
			w.store.flows[1].rows[end] = map[string]progress.Row{}
			if r := w.verify(1, everything()); r.Found != 2 {
				t.Fatalf("without: %+v", r)
			}
			prepare(w)
			if r := w.verify(1, everything()); r.Found != 0 || r.Skipped[why] == 0 || r.Skipped[why] > 4 {
				t.Errorf("got %+v", r)
			}
		})
	}
	w := settled(t, promql)
	w.store.flushes[1][len(w.store.flushes[1])-1][15]++
	w.store.flows[1].flow.Flushes = map[sequence.Region]sequence.FlushID{1: {1}}
	if r := w.verify(1, everything()); r.Windows != 0 || r.Skipped[SkipHistory] == 0 {
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
	first := w.verify(1, opts)
	if again := w.verify(1, opts); first.Windows == 0 || first.Windows > 8 || again.Windows != first.Windows {
		t.Errorf("%d windows, then %d", first.Windows, again.Windows)
	}
}

// TestVerifyBeginning: a flow without a backfill owes nothing of the time
// before its first sample, but what is there is compared.
func TestVerifyBeginning(t *testing.T) {
	w := newWorld(t, 5, 1, flowdef.ExecutorColumnar, "flows:\n  - {name: f, promql: 'sum by (job) (last_over_time(temperature[2m]))', every: 1m}\n")
	for _, s := range w.series {
		w.flush(s.region, map[*worldSeries]map[int64]float64{s: {w.base + 30_000: 1, w.base + 90_000: 2}})
	}
	f := &w.store.flows[1].flow
	f.Vector, f.BeginsAfter = w.store.vec.Clone(), progress.Unset
	f.Flushes = map[sequence.Region]sequence.FlushID{}
	for _, s := range w.series {
		w.flush(s.region, map[*worldSeries]map[int64]float64{s: {w.base + 400_000: 3, w.base + 600_000: 4}})
	}
	w.clock = w.base + 600_000
	w.store.now = w.clock
	w.tick()
	if r := w.verify(1, everything()); r.Found != 0 || r.Windows < 3 {
		t.Fatalf("%+v: %s", r, spell(w, r))
	}
	w.store.flows[1].rows[w.base+120_000] = map[string]progress.Row{"j0": {Columns: []string{"j0"}, Value: 17}}
	if got := spell(w, w.verify(1, everything())); got != "differs 2 j0\n" {
		t.Errorf("a row from before the beginning: %s", got)
	}
}
