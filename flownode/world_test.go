package flownode

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowplan"
	"laminar/flownode/progress"
	"laminar/flownode/promeval"
	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sequence/series"
)

// world drives flows over a memStore as one owner does, and knows every sample
// that was ever committed: the oracle is Prometheus's engine over those.
type world struct {
	t      testing.TB
	rng    *rand.Rand
	store  *memStore
	engine *promeval.Engine

	// What the owner works with.
	reading   Settings
	machine   Machine
	budget    time.Duration // of a round
	snapshots interface {
		Snapshot(ctx context.Context) (Snapshot, error)
	}
	results interface {
		Commit(ctx context.Context, rounds []progress.Round) ([]progress.Outcome, error)
	}

	flows map[progress.FlowID]*Flow // that the owner has; a flow that it does not trust is missing

	// What its rounds did.
	counts  Counts
	samples int64 // read
	choices map[flowplan.ExecutorChoice]int

	series []*worldSeries
	last   map[sequence.SeriesID]int64 // newest committed sample, as an ingester knows it
	base   int64                       // where event time begins
	clock  int64                       // newest event time generated
	log    []string
}

type worldSeries struct {
	id      sequence.SeriesID
	metric  sequence.MetricID
	region  sequence.Region
	labels  []series.Label
	counter bool
	samples map[int64]float64
	value   float64
	hists   nativeSamples
	created bool
}

// labelSet is the series' labels as Prometheus has them.
func (s *worldSeries) labelSet() labels.Labels {
	b := labels.NewScratchBuilder(len(s.labels))
	for _, l := range s.labels {
		b.Add(l.Name, l.Value)
	}
	b.Sort()
	return b.Labels()
}

func newWorld(t testing.TB, seed uint64, regions int, executor flowdef.Executor, defs string) *world {
	t.Helper()
	w := &world{
		t: t, rng: rand.New(rand.NewPCG(seed, 1)), store: newMemStore(regions), engine: promeval.New(),
		last: map[sequence.SeriesID]int64{}, base: 1_700_000_000_000 - 1_700_000_000_000%3_600_000,
	}
	w.clock = w.base
	w.store.now = w.base
	flows, problems := flowdef.Parse("test.yml", []byte(defs))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for i, f := range flows {
		id := progress.FlowID(i + 1)
		w.store.flows[id] = &memFlow{
			flow: progress.Flow{ID: id, Def: f, Progress: progress.Progress{
				Vector: sequence.Vector{}, EmittedUntil: progress.Unset, NewestT: progress.Unset,
				NewestAt: progress.Unset, Watermark: progress.Unset,
			}},
			rows: map[int64]map[string]progress.Row{}, dirty: map[progress.DirtyKey]progress.Dirty{},
		}
	}
	w.reading = Settings{
		Chooser: Chooser{Setting: executor, Meter: NewMeter(time.Now, nil, nil), Now: time.Now},
		AtOnce:  DefaultAtOnce, Lanes: 1 + int(seed/3%3), Log: slog.New(slog.DiscardHandler),
	}
	// Some worlds fold a few samples at a time.
	w.reading.AtOnce = []int{DefaultAtOnce, 3, 50}[seed%3]
	w.machine = Machine{Eval: promeval.New(), MaxStateBytes: 1 << 30, Now: time.Now, Log: w.reading.Log}
	w.budget, w.snapshots, w.results = time.Second, w.store, w.store
	w.counts = Counts{Refills: map[progress.Reason]int{}, Windows: map[WindowKind]int{}}
	w.choices = map[flowplan.ExecutorChoice]int{}
	w.restart()
	metrics := []struct {
		name    string
		counter bool
	}{{"requests_total", true}, {"errors_total", true}, {"temperature", false}}
	for n := range 14 {
		m := n % len(metrics)
		id := sequence.SeriesID(n + 1)
		w.series = append(w.series, &worldSeries{
			id: id, metric: sequence.MetricID(m + 1), region: sequence.Region(n%regions + 1), counter: metrics[m].counter,
			labels: []series.Label{
				{Name: series.MetricName, Value: metrics[m].name},
				{Name: "instance", Value: fmt.Sprintf("i%d", n/6)},
				{Name: "job", Value: fmt.Sprintf("j%d", n%2)},
				{Name: "n", Value: fmt.Sprint(n)},
			},
			samples: map[int64]float64{},
		})
	}
	return w
}

// restart is an owner that begins with nothing in memory.
func (w *world) restart() { w.flows = map[progress.FlowID]*Flow{} }

// round is one round of all flows. more says that work is left that need not
// wait.
func (w *world) round(ctx context.Context) (more bool, err error) {
	w.t.Helper()
	began := w.machine.Now()
	if err := w.load(ctx); err != nil {
		return false, err
	}
	ids := slices.Sorted(maps.Keys(w.flows))
	jobs := map[progress.FlowID]*progress.Job{}
	next, err := w.store.NextJobs(ctx, ids)
	if err != nil {
		return false, err
	}
	for i := range next {
		jobs[next[i].Flow] = &next[i]
	}
	snap, err := w.snapshots.Snapshot(ctx)
	if err != nil {
		return false, err
	}
	flows := make([]*Flow, len(ids))
	for i, id := range ids {
		flows[i] = w.flows[id]
	}
	r := NewReader(&w.reading, snap, snap)
	results, counts, err := w.machine.Compute(ctx, r, Limits{Deadline: began.Add(w.budget), Flows: int64(len(ids))}, flows, jobs)
	w.count(counts, r)
	if err = errors.Join(err, snap.Close(ctx)); err != nil {
		w.restart()
		return false, err
	}
	return w.commit(ctx, results)
}

// load takes over the flows that the owner lacks.
func (w *world) load(ctx context.Context) error {
	for _, id := range slices.Sorted(maps.Keys(w.store.flows)) {
		if w.flows[id] != nil {
			continue
		}
		loaded, err := w.store.Take(ctx, id)
		if err != nil {
			return err
		}
		if w.flows[id], err = NewFlow(loaded); err != nil {
			return err
		}
	}
	return nil
}

// count adds up what rounds did.
func (w *world) count(counts Counts, r *Reader) {
	for reason, n := range counts.Refills {
		w.counts.Refills[reason] += n
	}
	for kind, n := range counts.Windows {
		w.counts.Windows[kind] += n
	}
	w.counts.EvalErrors += counts.EvalErrors
	w.counts.HistogramResults += counts.HistogramResults
	w.counts.Kept += counts.Kept
	for choice, n := range r.Choices {
		w.choices[choice] += n
	}
	w.samples += r.Samples
}

// commit stores results. A flow whose result is not known to be stored is given
// up.
func (w *world) commit(ctx context.Context, results []Result) (more bool, err error) {
	var rounds []progress.Round
	var stored []*Result
	now := w.machine.Now()
	for i := range results {
		res := &results[i]
		more = more || res.More
		if res.MayWait(len(w.flows), now) {
			res.Waits()
			continue
		}
		rounds, stored = append(rounds, res.Round), append(stored, res)
	}
	if len(rounds) == 0 {
		return more, nil
	}
	outcomes, err := w.results.Commit(ctx, rounds)
	for i, res := range stored {
		if err == nil && outcomes[i].Err == nil {
			res.Committed(now)
			continue
		}
		delete(w.flows, res.Flow.ID)
		if err == nil && !errors.Is(outcomes[i].Err, sequence.ErrFenced) {
			err = outcomes[i].Err
		}
	}
	return more && err == nil, err
}

// value is the next value of a series.
func (w *world) value(s *worldSeries) float64 {
	switch p := w.rng.IntN(100); {
	case p < 2:
		return segment.Stale()
	case p < 4 && !s.counter:
		return []float64{math.NaN(), math.Inf(1), math.Inf(-1)}[w.rng.IntN(3)]
	case s.counter && p < 10:
		s.value = float64(w.rng.IntN(5))
	case s.counter:
		s.value += float64(w.rng.IntN(50))
	default:
		s.value = float64(w.rng.IntN(2000)-1000) / 8
	}
	return s.value
}

// flush commits samples of one region, told apart into ordered and unordered
// as an ingester does.
func (w *world) flush(r sequence.Region, samples map[*worldSeries]map[int64]float64) {
	type key struct {
		m         sequence.MetricID
		bucket    int64
		ordered   bool
		histogram bool
	}
	segs := map[key]*segment.Segment{}
	for _, s := range w.series {
		points := samples[s]
		times := make([]int64, 0, len(points))
		for t := range points {
			times = append(times, t)
		}
		slices.Sort(times)
		if len(times) > 0 && !s.created {
			s.created = true
			w.store.series = append(w.store.series, series.Series{ID: s.id, Metric: s.metric, Region: r, Seq: w.store.vec[r] + 1, Labels: s.labels})
		}
		for _, t := range times {
			last, known := w.last[s.id]
			payload := s.hists.pending[t]
			k := key{s.metric, segment.Bucket(t), !known || t > last, payload != nil}
			if k.ordered {
				w.last[s.id] = t
			}
			seg := segs[k]
			if seg == nil {
				seg = &segment.Segment{Metric: s.metric, Ordered: k.ordered, Base: k.bucket, MinT: t, MaxT: t}
				segs[k] = seg
			}
			seg.MinT, seg.MaxT = min(seg.MinT, t), max(seg.MaxT, t)
			seg.Series = append(seg.Series, s.id)
			seg.Offsets = append(seg.Offsets, int32(t-k.bucket))
			seg.Values = append(seg.Values, points[t])
			if payload != nil {
				seg.Histograms = append(seg.Histograms, payload)
			}
			s.samples[t] = points[t]
			s.hists.commit(t)
		}
	}
	list := make([]segment.Segment, 0, len(segs))
	for _, s := range segs {
		list = append(list, *s)
	}
	w.store.append(r, list...)
}

// scrape generates samples of most series between the clock and a later time.
func (w *world) scrape(span int64, late bool) {
	perRegion := map[sequence.Region]map[*worldSeries]map[int64]float64{}
	from := w.clock
	if late {
		from = max(w.base, w.clock-w.rng.Int64N(20*60_000))
	}
	for _, s := range w.series {
		if w.rng.IntN(4) == 0 {
			continue
		}
		if perRegion[s.region] == nil {
			perRegion[s.region] = map[*worldSeries]map[int64]float64{}
		}
		points := map[int64]float64{}
		for t := from + w.rng.Int64N(15_000); t <= from+span; t += 15_000 {
			at := t
			if w.rng.IntN(5) == 0 {
				at = t - t%60_000 // exactly on a border
			}
			points[at] = w.point(s, at)
		}
		perRegion[s.region][s] = points
	}
	for r, samples := range perRegion {
		w.flush(r, samples)
	}
	if !late {
		w.clock += span
	}
	w.store.now = max(w.store.now, w.clock)
}

// overwrite writes samples that are there already, with the same or another
// value.
func (w *world) overwrite() {
	s := w.series[w.rng.IntN(len(w.series))]
	points := map[int64]float64{}
	for t, v := range s.samples {
		if w.rng.IntN(10) == 0 {
			if points[t] = v; w.rng.IntN(2) == 0 {
				points[t] = w.point(s, t)
			} else {
				s.hists.again(t)
			}
		}
	}
	if len(points) > 0 {
		w.flush(s.region, map[*worldSeries]map[int64]float64{s: points})
	}
}

// tick runs rounds until the flows have nothing left that need not wait.
func (w *world) tick() {
	for range 50 {
		more, err := w.round(context.Background())
		if err != nil && !errors.Is(err, errInjected) && !errors.Is(err, sequence.ErrCommitUnknown) {
			w.t.Fatalf("round: %v\n%v", err, w.log)
		}
		if err == nil && !more {
			return
		}
	}
	w.t.Fatal("rounds never come to an end")
}

var errInjected = errors.New("injected")

// committed is everything committed, as the engine wants it.
func (w *world) committed() promeval.Samples {
	var out promeval.Samples
	for _, s := range w.series {
		if len(s.samples) == 0 {
			continue
		}
		x := promeval.Series{Labels: s.labelSet()}
		for t := range s.samples {
			x.Times = append(x.Times, t)
		}
		slices.Sort(x.Times)
		for _, t := range x.Times {
			x.Values = append(x.Values, s.samples[t])
		}
		out = append(out, s.hists.part(w.t, x))
	}
	return out
}

// check compares every closed window that is not on the dirty list, and the
// provisional one, with the engine.
func (w *world) check() {
	w.t.Helper()
	all := w.committed()
	for id, mf := range w.store.flows {
		if !mf.flow.Vector.Equal(w.store.vec) {
			w.t.Fatalf("flow %d stands at %s, the data at %s", id, mf.flow.Vector, w.store.vec)
		}
		def := mf.flow.Def
		dirty := map[int64]bool{}
		for k := range mf.dirty {
			dirty[k.WindowEnd] = true
		}
		upTo := mf.flow.EmittedUntil
		if upTo == progress.Unset {
			continue
		}
		if def.Emit == flowdef.EmitUpdate {
			upTo += def.Every
		}
		from := w.base - w.base%def.Every - 3_600_000
		from -= from % def.Every
		for end := from; end <= upTo; end += def.Every {
			if dirty[end] {
				continue
			}
			w.compare(def, end, all, mf.rows[end])
		}
		for end, rows := range mf.rows {
			if end > upTo && len(rows) > 0 {
				w.t.Fatalf("%s: window %d beyond the open one (%d) has rows", def.Name, end, upTo)
			}
		}
	}
}

func (w *world) compare(def flowdef.Flow, end int64, all promeval.Samples, got map[string]progress.Row) {
	w.t.Helper()
	want := map[string]float64{}
	if w.touched(def, end) {
		vec, err := w.engine.WithLookback(def.Lookback).Whole(context.Background(), def.PromQL, all, end)
		if err != nil && !strings.Contains(err.Error(), "same labelset") {
			w.t.Fatalf("%s at %d: %v", def.PromQL, end, err)
		}
		layout := flowdef.NewLayout(def)
		for _, s := range vec {
			if s.Histogram == nil {
				want[rowName(layout.Row(s.Metric))] = s.Value
			}
		}
	}
	bad := len(want) != len(got)
	for key, v := range want {
		row, ok := got[key]
		bad = bad || !ok || !close9(row.Value, v) && !(strings.Contains(def.PromQL, "predict_linear") && closeLine(row.Value, v))
	}
	if bad {
		w.t.Fatalf("%s, window ending %d (%+ds): stored %v, the engine says %v\n%v", def.PromQL, end, (end-w.base)/1000, got, want, w.log)
	}
}

// touched reports whether any leaf of the flow selects a sample in the window.
func (w *world) touched(def flowdef.Flow, end int64) bool {
	for i := range def.Expr.Leaves {
		l := &def.Expr.Leaves[i]
		for _, s := range w.series {
			if !l.Matches(s.labelSet().Get) {
				continue
			}
			for t, v := range s.samples {
				if !l.Pinned && l.Reads(t, end) && (l.Func == nil || l.Func.Markers || !segment.IsStale(v)) {
					return true
				}
			}
		}
	}
	return false
}

// close9 is the design's bound for terms up to some thousands.
func close9(a, b float64) bool {
	return a == b || math.IsNaN(a) && math.IsNaN(b) || math.Abs(a-b) <= 1e-9*(1e4+math.Abs(b))
}

// closeLine is the bound for predict_linear. The engine sums squares of
// distances to the end of the window: of two samples that lie a millisecond
// apart minutes before, it loses ten digits, which the partial does not.
func closeLine(a, b float64) bool { return math.Abs(a-b) <= 1e-3*(1+math.Abs(b)) }

// Flows that are computed from raw samples have emit: close, since their open
// window is computed again only now and then, by the clock.
const oracleFlows = `
flows:
  - {name: rate5m, promql: 'sum by (job) (rate(requests_total[5m]))', every: 1m}
  - {name: rate_series, promql: 'rate(requests_total[2m])', every: 1m}
  - {name: increase_offset, promql: 'sum without (n) (increase(errors_total[3m] offset 2m))', every: 1m}
  - {name: ratio, promql: 'sum by (job) (rate(errors_total[5m])) / sum by (job) (rate(requests_total[5m]))', every: 1m}
  - {name: tumbling, promql: 'sum by (instance) (sum_over_time(temperature[1m]))', every: 1m}
  - {name: avg_max, promql: 'avg(max_over_time(temperature[90s]))', every: 30s}
  - {name: minmin, promql: 'min by (job) (min_over_time(temperature[4m]))', every: 2m}
  - {name: counts, promql: 'sum(count_over_time({job="j0"}[2m]))', every: 1m}
  - {name: lasts, promql: 'count by (job) (last_over_time(temperature[3m])) > 1', every: 1m, emit: close}
  - {name: instant, promql: 'sum by (job) (temperature)', every: 1m}
  - {name: instant_short, promql: 'sum by (job) (temperature offset 1m)', every: 1m, lookback: 90s}
  - {name: topmost, promql: 'topk(2, temperature)', every: 1m, lookback: 100s, emit: close}
  - {name: spread, promql: 'stddev by (job) (requests_total) + stdvar by (job) (requests_total)', every: 1m}
  - {name: gauge_delta, promql: 'max(delta(temperature[10m])) - scalar(count(requests_total))', every: 5m}
  - {name: avgs, promql: 'avg by (job) (avg_over_time(errors_total[100s]))', every: 40s}
  - {name: doubled, promql: '2 * sum by (job) (rate(requests_total[5m]))', every: 1m}
  - {name: firsts, promql: 'max by (job) (first_over_time(temperature[3m]))', every: 1m}
  - {name: irate_offset, promql: 'sum by (job) (irate(requests_total[4m] offset 1m))', every: 1m}
  - {name: idelta_series, promql: 'idelta(temperature[90s])', every: 30s}
  - {name: turns, promql: 'sum by (job) (changes(temperature[5m])) + on (job) sum by (job) (resets(errors_total[10m]))', every: 1m}
  - {name: slopes, promql: 'max by (job) (deriv(temperature[3m]))', every: 1m}
  - {name: predicted, promql: 'min by (job) (predict_linear(temperature[3m] offset 1m, 60))', every: 1m}
  - {name: spreads, promql: 'stddev_over_time(requests_total[4m]) + stdvar_over_time(errors_total[4m])', every: 1m}
  - {name: quantiles, promql: 'max by (job) (quantile_over_time(0.7, temperature[4m]))', every: 1m, emit: close}
  - {name: peak, promql: 'max_over_time(sum by (job) (rate(requests_total[2m]))[10m:1m] offset 1m)', every: 1m, emit: close}
  - {name: ages, promql: 'time() - timestamp({job="j0"})', every: 2m, emit: close}
  - {name: gone, promql: 'absent(temperature{job="j0"} offset 5m) or absent_over_time(errors_total{job="j1"}[1m])', every: 1m, emit: close}
  - {name: smooth, promql: 'double_exponential_smoothing(errors_total[5m], 0.3, 0.4) + on (n) group_left mad_over_time(errors_total[2m])', every: 1m, emit: close}
  - {name: named, promql: 'last_over_time({job="j1", instance="i0"}[6m:90s])', every: 3m, emit: close}
  - {name: against_end, promql: 'max_over_time((temperature - temperature @ end())[5m:1m])', every: 1m, emit: close}
  - {name: batch, promql: 'sum(rate(requests_total[1007s]))', every: 1m, emit: close}
  - {name: ahead, promql: 'sum by (job) (rate(requests_total[5m] offset -3m))', every: 1m}
  - {name: ahead_instant, promql: 'temperature offset -90s', every: 1m, lookback: 50s}
  - {name: ahead_odd, promql: 'max by (job) (predict_linear(temperature[3m] offset -37s, 60))', every: 1m, emit: close, watermark_delay: 0s}
  - {name: around, promql: 'sum by (job) (errors_total offset -4m) - sum by (job) (errors_total offset 4m)', every: 2m}
  - {name: ahead_batch, promql: 'max_over_time(sum by (job) (rate(requests_total[2m] offset 30s))[4m:1m] offset -6m)', every: 1m, emit: close}
  - {name: since, promql: 'temperature - on (n) (temperature @ 1700000600)', every: 2m, emit: close}
  - {name: since_range, promql: 'sum by (job) (rate(requests_total[2m])) / on (job) sum by (job) (rate(requests_total[10m] @ 1700001000 offset -1m)) or on (job) max by (job) (temperature)', every: 1m, emit: close}
  - {name: info, promql: 'info(sum by (instance, job) (rate(requests_total[2m])), {__name__="temperature", n=~".+"})', every: 1m, emit: close}
  - {name: info_offset, promql: 'info(sum by (instance, job) (errors_total offset 3m), {__name__=~"temp.*"})', every: 1m, emit: close}
  - {name: info_sub, promql: 'max_over_time(info(sum by (instance, job) (errors_total), {__name__="temperature"})[4m:1m] offset 1m)', every: 2m, emit: close}
  - {name: fixed, promql: 'sum by (job) (temperature @ 1700000900)', every: 2m, emit: close}
  - {name: since_sub, promql: 'sum(errors_total) + sum(max_over_time((errors_total offset 1m)[5m:1m] @ 1700000400))', every: 3m, emit: close}
`

// step is one random event, then rounds, then the comparison.
func (w *world) step() {
	note := func(s string) { w.log = append(w.log, s) }
	switch p := w.rng.IntN(100); {
	case p < 40:
		note("scrape")
		w.scrape(w.rng.Int64N(90_000), false)
	case p < 44:
		note("gap")
		w.clock += w.rng.Int64N(20 * 60_000)
	case p < 60:
		note("late")
		w.scrape(w.rng.Int64N(60_000), true)
	case p < 70:
		note("overwrite")
		w.overwrite()
	case p < 76:
		note("seal")
		w.store.seal()
	case p < 80:
		note("scrape+seal")
		w.scrape(w.rng.Int64N(90_000), false)
		w.store.seal()
	case p < 84:
		note("evict")
		for _, f := range w.flows {
			f.Leaves.DropState()
		}
	case p < 88:
		note("restart")
		w.restart()
	case p < 91:
		note("commit fails")
		n := 0
		w.store.failCommit = func() error {
			if n++; n == 1 {
				return errInjected
			}
			return nil
		}
		w.scrape(30_000, w.rng.IntN(2) == 0)
	case p < 94:
		note("commit unknown")
		w.store.forget = true
		w.scrape(30_000, w.rng.IntN(2) == 0)
	case p < 97:
		note("refill")
		id := progress.FlowID(w.rng.IntN(len(w.store.flows)) + 1)
		from := w.base + w.rng.Int64N(max(1, w.clock-w.base))
		w.store.jobs = append(w.store.jobs, progress.Job{ID: int64(len(w.store.jobs) + 1), Flow: id, From: from, NextT: from, To: from + 600_000, State: "queued"})
	default:
		note("time passes")
		w.store.now += w.rng.Int64N(120_000)
		w.clock = max(w.clock, w.store.now-30_000)
	}
	w.tick()
	// The comparison takes most of the time; a fault that stays in the tables
	// is found by a later one.
	if w.rng.IntN(3) == 0 {
		w.check()
	}
}
