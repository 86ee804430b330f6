package round_test

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"

	"laminar/flownode/flowdef"
	"laminar/flownode/late"
	"laminar/flownode/partial/partialtest"
	"laminar/flownode/progress"
	"laminar/flownode/promeval"
	"laminar/flownode/round/roundtest"
	"laminar/flownode/sideoutput"
	"laminar/sequence"
	"laminar/sequence/nativehist"
)

// lateFlows is flows of which closed windows keep their values, and one of which none do.
const lateFlows = `
flows:
  - {name: drop_sum, promql: 'sum by (job) (sum_over_time(temperature[5m]))', every: 1m, late: drop, keep_late: 1h}
  - {name: drop_rate, promql: 'sum by (job, n) (rate(requests_total[3m]))', every: 1m, late: drop}
  - {name: drop_tumbling, promql: 'max by (n) (max_over_time(temperature[1m] offset 30s))', every: 1m, late: drop, emit: close}
  - {name: drop_gaps, promql: 'sum by (n) (count_over_time(temperature[20s]))', every: 1m, late: drop}
  - {name: drop_ratio, promql: 'sum by (job) (rate(errors_total[5m])) / sum by (job) (rate(requests_total[2m]))', every: 1m, late: drop}
  - {name: drop_twice, promql: 'sum(rate(errors_total[5m])) - sum(rate(errors_total[1m]))', every: 1m, late: drop}
  - {name: drop_batch, promql: 'max by (job) (quantile_over_time(0.7, temperature[4m]))', every: 1m, late: drop, emit: close}
  - {name: bounded, promql: 'sum by (job) (sum_over_time(temperature[2m]))', every: 1m, allowed_lateness: 4m}
  - {name: bounded_rate, promql: 'sum by (n) (rate(requests_total[3m]))', every: 1m, allowed_lateness: 90s, keep_late: 1h}
  - {name: all, promql: 'sum by (job) (sum_over_time(temperature[5m]))', every: 1m}
  - {name: side_sum, promql: 'sum by (job) (sum_over_time(errors_total[5m]))', every: 1m, late: side_output}
  - {name: side_count, promql: 'sum by (n) (count_over_time(temperature[2m]))', every: 1m, late: side_output, emit: close, keep_late: 1h}
  - {name: side_min, promql: 'min by (job, n) (min_over_time(temperature[90s] offset 30s))', every: 30s, late: side_output}
  - {name: side_max, promql: 'max(max_over_time(requests_total[1m]))', every: 1m, late: side_output}
  - {name: side_series, promql: 'sum_over_time(errors_total[3m])', every: 1m, late: side_output}
  - {name: bounded_apart, promql: 'sum(rate(errors_total[1m] offset 5m)) - sum(rate(errors_total[1m]))', every: 1m, allowed_lateness: 3m, keep_late: 1h}
  - {name: drop_between, promql: 'sum(sum_over_time(temperature[20s])) / sum(sum_over_time(temperature[5m]))', every: 1m, late: drop, keep_late: 1h}
`

// lateModel is what each closed window must hold: the engine's result over what was there
// when the window was last computed as a whole, by the rules of the documents and nothing
// that a round knows.
type lateModel struct {
	w      *roundtest.World
	want   map[progress.FlowID]map[int64]map[string]progress.Row
	missed map[progress.FlowID]int64 // samples that stayed out of some window

	before  map[progress.FlowID]progress.Progress
	samples map[sequence.SeriesID]map[int64]float64
	rows    map[progress.FlowID]map[int64]map[string]progress.Row
	jobs    int
	bounded bool // not all windows are told apart
}

func newLateModel(w *roundtest.World) *lateModel {
	m := &lateModel{w: w, want: map[progress.FlowID]map[int64]map[string]progress.Row{}, missed: map[progress.FlowID]int64{}}
	for id := range w.Store.Flows {
		m.want[id] = map[int64]map[string]progress.Row{}
	}
	return m
}

// remember notes how everything is before an event.
func (m *lateModel) remember() {
	m.rows = map[progress.FlowID]map[int64]map[string]progress.Row{}
	m.before, m.samples, m.jobs = map[progress.FlowID]progress.Progress{}, map[sequence.SeriesID]map[int64]float64{}, len(m.w.Store.Jobs)
	for id, f := range m.w.Store.Flows {
		m.before[id] = f.Flow.Progress
		if f.Flow.Def.Late == flowdef.LateSideOutput {
			m.rows[id] = map[int64]map[string]progress.Row{}
			for end, rows := range f.Rows {
				m.rows[id][end] = maps.Clone(rows)
			}
		}
	}
	for _, s := range m.w.Series {
		m.samples[s.ID] = maps.Clone(s.Samples)
	}
}

// engine is a flow's result in a window over all samples there are.
func (m *lateModel) engine(def *flowdef.Flow, raw promeval.Samples, end int64) map[string]progress.Row {
	m.w.T.Helper()
	vec, err := m.w.Engine.WithLookback(def.Lookback).Whole(m.w.T.Context(), def.PromQL, raw, end)
	if err != nil {
		m.w.T.Fatalf("%s at %d: %v", def.PromQL, end, err)
	}
	layout, out := flowdef.NewLayout(*def), map[string]progress.Row{}
	for _, s := range vec {
		row := progress.Row{Columns: layout.Row(s.Metric), Value: s.Value}
		out[progress.RowKey(row.Columns)] = row
	}
	return out
}

// frozen is the last window of a flow that kept its value before the event.
func (m *lateModel) frozen(id progress.FlowID) sequence.Time {
	def, p := m.w.Store.Flows[id].Flow.Def, m.before[id]
	if p.EmittedUntil == sequence.NoTime {
		return -1
	}
	return late.Frozen(&def, p.EmittedUntil, p.Watermark)
}

// apply says what the event changes.
func (m *lateModel) apply() {
	raw := m.w.Committed()
	for id, f := range m.w.Store.Flows {
		def, frozen := &f.Flow.Def, m.frozen(id)
		if def.Late == flowdef.LateSideOutput {
			continue
		}
		for end := m.w.Base - m.w.Base%def.Every - 3_600_000; end <= f.Flow.EmittedUntil; end += def.Every {
			refilled := slices.ContainsFunc(m.w.Store.Jobs[m.jobs:], func(j progress.Job) bool {
				return j.Flow == id && j.From < end && end <= j.To
			})
			if end > frozen && end > f.Flow.BeginsAfter || end > frozen && m.before[id].EmittedUntil != sequence.NoTime || refilled {
				m.want[id][end] = m.engine(def, raw, end)
			}
		}
		for _, s := range m.w.Series {
			for t, v := range s.Samples {
				old, there := m.samples[s.ID][t]
				if there && math.Float64bits(old) == math.Float64bits(v) {
					continue
				}
				if m.misses(def, frozen, s, t) {
					m.missed[id]++
				}
			}
		}
	}
}

// misses reports whether a sample that has come is in a window that keeps its value.
func (m *lateModel) misses(def *flowdef.Flow, frozen sequence.Time, s *roundtest.WorldSeries, t int64) bool {
	name := func(label string) string {
		for _, l := range s.Labels {
			if l.Name == label {
				return l.Value
			}
		}
		return ""
	}
	for i := range def.Expr.Leaves {
		l := &def.Expr.Leaves[i]
		if !l.Matches(name) {
			continue
		}
		for end := max(0, t-t%def.Every-def.Every); end <= min(frozen, t+3_600_000); end += def.Every {
			if l.Reads(t, end) {
				return true
			}
		}
	}
	return false
}

// check compares tables and counts with the model. exact says that every sample of the
// last event could be told from others.
func (m *lateModel) check(exact bool) {
	m.w.T.Helper()
	raw := m.w.Committed()
	for id, f := range m.w.Store.Flows {
		def := &f.Flow.Def
		if def.Late == flowdef.LateSideOutput {
			m.checkSide(id, f, raw, exact)
			continue
		}
		for end := m.w.Base - m.w.Base%def.Every - 3_600_000; end <= f.Flow.EmittedUntil; end += def.Every {
			want, got := m.want[id][end], f.Rows[end]
			if !sameRows(want, got) {
				m.w.T.Fatalf("%s, window ending %d (%+ds): stored %v, want %v\n%v", def.Name, end, (end-m.w.Base)/1000, got, want, m.w.Log)
			}
			// What a window does not hold of what is there now, it is known to lack.
			whole := m.engine(def, raw, end)
			for key := range merged(whole, got) {
				a, inA := whole[key]
				b, inB := got[key]
				if inA == inB && about(a.Value, b.Value) || end <= f.Flow.BeginsAfter && len(got) == 0 {
					continue
				}
				if !lacks(f, end, key) {
					m.w.T.Fatalf("%s, window ending %d (%+ds), row %q: stored %v, all samples give %v, and nothing says that it lacks any\n%v",
						def.Name, end, (end-m.w.Base)/1000, key, b, a, m.w.Log)
				}
			}
		}
		if !exact {
			m.missed[id] = f.Late.Samples
		}
		if m.missed[id] != f.Late.Samples {
			m.w.T.Fatalf("%s: %d samples are counted, %d came too late\n%v", def.Name, f.Late.Samples, m.missed[id], m.w.Log)
		}
		if def.KeepLate > 0 && exact && int64(len(f.Late.Kept)) > f.Late.Samples {
			m.w.T.Fatalf("%s: %d samples are kept, %d came too late", def.Name, len(f.Late.Kept), f.Late.Samples)
		}
		if most := m.w.Machine.LateBounds.Flow; len(f.Late.Windows) > most {
			m.w.T.Fatalf("%s: %d windows are noted, want %d at most", def.Name, len(f.Late.Windows), most)
		}
		for _, j := range m.w.Store.Jobs[m.jobs:] {
			for k := range f.Late.Windows {
				if j.Flow == id && j.From < k.WindowEnd && k.WindowEnd <= j.To {
					m.w.T.Fatalf("%s: window %d was refilled, and is said to lack samples\n%v", def.Name, k.WindowEnd, m.w.Log)
				}
			}
			for _, s := range f.Flow.Late.Stretches {
				if j.Flow == id && s.Overlaps(sequence.Span{After: j.From, UpTo: j.To}) {
					m.w.T.Fatalf("%s: windows of %s were refilled, and are said to lack samples\n%v", def.Name, s, m.w.Log)
				}
			}
		}
	}
}

// checkSide: the rows and what late samples add to them make what the engine gives over all
// samples; and rows of closed windows change only where a sample has replaced another, in a
// refill, or where samples of the event could not be told from others.
func (m *lateModel) checkSide(id progress.FlowID, f *roundtest.MemFlow, raw promeval.Samples, exact bool) {
	m.w.T.Helper()
	def := &f.Flow.Def
	join, why := sideoutput.Join(def)
	if why != "" {
		m.w.T.Fatalf("%s: %s", def.Name, why)
	}
	adds := map[int64]map[string]progress.Row{}
	for k, w := range f.Late.Windows {
		if adds[k.WindowEnd] == nil {
			adds[k.WindowEnd] = map[string]progress.Row{}
		}
		adds[k.WindowEnd][progress.RowKey(w.Row.Columns)] = *w.Row
	}
	replaced := !exact || len(m.w.Store.Jobs) > m.jobs || m.bounded
	for _, s := range m.w.Series {
		for t, v := range s.Samples {
			old, there := m.samples[s.ID][t]
			replaced = replaced || there && math.Float64bits(old) != math.Float64bits(v)
		}
	}
	for end := m.w.Base - m.w.Base%def.Every - 3_600_000; end <= f.Flow.EmittedUntil; end += def.Every {
		whole, got := m.engine(def, raw, end), map[string]progress.Row{}
		maps.Copy(got, f.Rows[end])
		for key, row := range adds[end] {
			if main, there := got[key]; there {
				row.Value = join.Of(main.Value, row.Value)
			}
			got[key] = row
		}
		if !sameRows(whole, got) {
			m.w.T.Fatalf("%s, window ending %d (%+ds): stored %v, late samples add %v, all samples give %v\n%v",
				def.Name, end, (end-m.w.Base)/1000, f.Rows[end], adds[end], whole, m.w.Log)
		}
		if !replaced && end <= m.before[id].EmittedUntil && !sameRows(m.rows[id][end], f.Rows[end]) {
			m.w.T.Fatalf("%s, window ending %d (%+ds) was %v, and is %v\n%v", def.Name, end, (end-m.w.Base)/1000, m.rows[id][end], f.Rows[end], m.w.Log)
		}
	}
}

// lacks reports whether it is noted that a row of a window lacks samples.
func lacks(f *roundtest.MemFlow, end int64, key string) bool {
	layout := flowdef.NewLayout(f.Flow.Def)
	for k := range f.Late.Windows {
		if k.WindowEnd == end && (k.Group == progress.AllGroups || progress.RowKey(layout.Row(flowdef.GroupKeyLabels(k.Group))) == key) {
			return true
		}
	}
	return f.Flow.Late.Stretches.Hold(end)
}

func merged(a, b map[string]progress.Row) map[string]progress.Row {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}

func sameRows(a, b map[string]progress.Row) bool {
	return maps.EqualFunc(a, b, func(x, y progress.Row) bool {
		return about(x.Value, y.Value) && sameHistogram(x.Histogram, y.Histogram)
	})
}

// sameHistogram is about of all numbers of two histograms, which must have the same buckets;
// nil is none.
func sameHistogram(a, b *nativehist.Sparse) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.SameBuckets(b) && about(a.Sum, b.Sum) && slices.EqualFunc(slices.Collect(a.Counts()), slices.Collect(b.Counts()), about)
}

func about(a, b float64) bool {
	return partialtest.Close(a, b, 1e-9*(1e4+math.Abs(b)))
}

// TestLatePolicies: random histories with late and overwriting samples, restarts, commits
// that fail or are not answered, seals and refills. Windows that closed hold what was
// there when they closed, within the bounds of their flow's definition; what they lack is
// noted, and each sample is counted once. So it is where not all windows are told apart.
func TestLatePolicies(t *testing.T) {
	for seed := uint64(1); seed <= seeds(3, 1); seed++ {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			setting := flowdef.ExecutorColumnar
			if seed%2 == 0 {
				setting = flowdef.ExecutorPushdown
			}
			w := roundtest.NewWorld(t, seed, int(seed%3)+1, setting, lateFlows)
			m := newLateModel(w)
			if m.bounded = seed == 3; m.bounded {
				w.Machine.LateBounds = late.Bounds{Cells: 4, Windows: 12, Visits: 30, Flow: 20, Rows: 20}
			}
			for range 60 {
				m.remember()
				w.Act()
				for range 2 { // nothing waits on the dirty lists when the next event comes
					w.Store.Now += 2_000
					w.Tick()
				}
				m.apply()
				m.check(w.Log[len(w.Log)-1] != "scrape+seal")
			}
			samples, stretches := int64(0), 0
			for _, f := range w.Store.Flows {
				samples, stretches = samples+f.Late.Samples, stretches+len(f.Flow.Late.Stretches)
				if f.Flow.Def.Late == flowdef.LateSideOutput && len(f.Late.Windows) == 0 {
					t.Errorf("no late sample has added to a row of %s", f.Flow.Def.Name)
				}
			}
			if samples == 0 || w.Store.Flows[10].Late.Samples != 0 || m.bounded != (stretches > 0) {
				t.Errorf("%d samples came too late, %d of them for a flow that takes all; %d stretches", samples, w.Store.Flows[10].Late.Samples, stretches)
			}
		})
	}
}

// TestLateOfExpiredWindows: what a window lacks is not noted once its results are not kept.
func TestLateOfExpiredWindows(t *testing.T) {
	w := roundtest.NewWorld(t, 5, 1, flowdef.ExecutorColumnar, `
flows:
  - {name: dropped, promql: 'sum by (job) (sum_over_time(temperature[1m]))', every: 1m, late: drop, keep: 10m}
  - {name: beside, promql: 'sum by (job) (sum_over_time(temperature[1m]))', every: 1m, late: side_output, keep: 10m}
`)
	w.Scrape(20*60_000, false)
	w.Tick()
	for _, s := range w.Series {
		w.Flush(s.Region, map[*roundtest.WorldSeries]map[int64]float64{s: {w.Base + 120_007: 1, w.Clock - 300_007: 1}})
	}
	w.Tick()
	for _, f := range w.Store.Flows {
		if len(f.Late.Windows) == 0 {
			t.Errorf("%s: nothing came too late", f.Flow.Def.Name)
		}
		for k := range f.Late.Windows {
			if k.WindowEnd < f.Flow.Def.KeptFrom(f.Flow.NewestT, f.Flow.NewestAt, f.Flow.EmittedUntil) {
				t.Errorf("%s: window %+ds is not kept, and is said to lack samples", f.Flow.Def.Name, (k.WindowEnd-w.Base)/1000)
			}
		}
	}
}

// TestLateAndSentAgain: a late sample that its sender repeats, because it got no answer,
// counts once, also where both land before the flow reads either; and what it adds is
// known, so no window is computed again.
func TestLateAndSentAgain(t *testing.T) {
	w := roundtest.NewWorld(t, 5, 1, flowdef.ExecutorColumnar, `
flows:
  - {name: dropped, promql: 'sum by (job) (sum_over_time(temperature[1m]))', every: 1m, late: drop, keep_late: 1h}
  - {name: beside, promql: 'sum by (job) (sum_over_time(temperature[1m]))', every: 1m, late: side_output}
`)
	var slow *roundtest.WorldSeries // it has no sample yet, so its first one is in order
	others := map[*roundtest.WorldSeries]map[int64]float64{}
	for _, s := range w.Series {
		if s.Metric != w.Series[2].Metric {
			continue
		}
		if slow == nil {
			slow = s
			continue
		}
		others[s] = map[int64]float64{}
		for at := w.Base + 7; at < w.Base+600_000; at += 15_000 {
			others[s][at] = 1
		}
	}
	w.Flush(slow.Region, others)
	w.Store.Now = w.Base + 600_000
	w.Tick()
	for range 3 {
		w.Flush(slow.Region, map[*roundtest.WorldSeries]map[int64]float64{slow: {w.Base + 130_000: 5}})
	}
	w.Tick()
	for _, f := range w.Store.Flows {
		if f.Late.Samples != 1 || len(f.Late.Windows) != 1 || len(f.Dirty) != 0 {
			t.Errorf("%s: %d samples came too late for %d windows, %d windows are dirty; want one sample in one window", f.Flow.Def.Name, f.Late.Samples, len(f.Late.Windows), len(f.Dirty))
		}
	}
}
