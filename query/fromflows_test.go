package query_test

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"

	"laminar/flownode/changelog"
	"laminar/flownode/flowdef"
	"laminar/flownode/partial/partialtest"
	"laminar/flownode/progress"
	"laminar/query"
	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sequence/series"
)

const (
	second = int64(1000)
	minute = 60 * second
	hour   = 60 * minute
)

// stock is a store in memory of raw samples and flows.
type stock struct {
	series   []stockSeries
	flows    []*stockFlow
	earliest sequence.Time
	now      sequence.Time
	metrics  []string
	hists    []sequence.MetricID
	segments map[int]*segment.Segment // of the series, once they were read
	byWindow bool                     // rows cannot be read by group
	loaded   int                      // how often a flow was
}

type stockSeries struct {
	metric int
	labels []series.Label
	times  []int64
	values []float64
}

// unreadSegment is a segment that a flow has not read, with the times of its samples.
type unreadSegment struct {
	segment.Info
	times []int64
}

// stockFlow is a flow with all its rows, right and wrong ones.
type stockFlow struct {
	progress.Flow
	hash     [32]byte
	rows     map[int64][]progress.Row
	refills  []progress.Job
	unread   []unreadSegment
	history  error // of its vector
	gone     bool  // its table was replaced since
	answers  bool  // the catalogue says that it has no error
	resulted int   // how often rows were read
	most     int   // of them that one window gave
}

func (s *stock) Snapshot(context.Context, []string) (query.Snapshot, error) { return s, nil }
func (s *stock) End()                                                       {}
func (s *stock) Close(context.Context) error                                { return nil }
func (s *stock) Position() sequence.Position {
	return sequence.Position{Vector: sequence.Vector{1: 7, 2: 1000}, Now: s.now, Earliest: s.earliest, Histograms: s.hists}
}

func (s *stock) CheckHistory(_ context.Context, vec sequence.Vector, _ map[sequence.Region]sequence.FlushID) error {
	if n := vec.At(2); n > 0 && int(n) <= len(s.flows) { // flows have their number there
		return s.flows[n-1].history
	}
	return nil
}

func (s *stock) Named(_ context.Context, names []string) (out []progress.Flow, err error) {
	for _, f := range s.flows {
		if names == nil || slices.Contains(names, f.Def.Name) {
			out = append(out, f.Flow)
		}
	}
	return out, nil
}

func (s *stock) Stand(progress.FlowID) (changelog.Incarnation, changelog.Position) {
	return changelog.Incarnation{}, changelog.Position(time.Now().UnixNano()) // so nothing is kept
}

func (s *stock) Hides(progress.FlowID) bool { return false }

func (s *stock) Groups(ctx context.Context, id progress.FlowID, ends sequence.Span, _ map[string]string, most int) ([]progress.Group, bool, error) {
	if s.byWindow {
		return nil, false, nil
	}
	windows, err := s.ResultsUpTo(ctx, id, ends, most)
	if err != nil {
		return nil, false, err
	}
	at := map[string]int{}
	var out []progress.Group
	for _, w := range windows {
		for _, row := range w.Rows {
			i, known := at[progress.RowKey(row.Columns)]
			if !known {
				i = len(out)
				at[progress.RowKey(row.Columns)] = i
				out = append(out, progress.Group{Columns: row.Columns})
			}
			out[i].Ends, out[i].Values = append(out[i].Ends, w.End), append(out[i].Values, row.Value)
		}
	}
	return out, true, nil
}

func (s *stock) flow(id progress.FlowID) *stockFlow { return s.flows[id-1] }

func (s *stock) Flow(_ context.Context, id progress.FlowID) (progress.Flow, error) {
	s.loaded++
	return s.flow(id).Flow, nil
}

func (s *stock) ResultsUpTo(_ context.Context, id progress.FlowID, ends sequence.Span, most int) (out []progress.Window, err error) {
	f := s.flow(id)
	f.resulted++
	var times []int64
	for end := range f.rows {
		if ends.Holds(end) {
			times = append(times, end)
		}
	}
	slices.Sort(times)
	for _, end := range times {
		if most -= len(f.rows[end]); most < 0 {
			return nil, progress.ErrTooManyRows
		}
		f.most = max(f.most, len(f.rows[end]))
		out = append(out, progress.Window{Start: end - f.Def.Every, End: end, Rows: f.rows[end]})
	}
	return out, nil
}

func (s *stock) ResultsAt(ctx context.Context, id progress.FlowID, first, last sequence.Time, step int64, most int) (out []progress.Window, err error) {
	for t := first; t <= last; t += step {
		all, err := s.ResultsUpTo(ctx, id, sequence.Between(t, t), most)
		if err != nil {
			return nil, err
		}
		out = append(out, all...)
		for _, w := range all {
			most -= len(w.Rows)
		}
	}
	return out, nil
}

func (s *stock) Answering(_ context.Context, ids []progress.FlowID) (out []progress.Head, err error) {
	for _, f := range s.flows {
		if f.answers && (ids == nil || slices.Contains(ids, f.ID)) && (f.resulted == 0 || !f.gone) {
			out = append(out, progress.Head{ID: f.ID, Hash: f.hash})
		}
	}
	return out, nil
}

func (s *stock) Definitions(_ context.Context, ids []progress.FlowID) (out []progress.Flow, err error) {
	for _, id := range ids {
		out = append(out, progress.Flow{ID: id, Def: s.flow(id).Def})
	}
	return out, nil
}

func (s *stock) PendingRefills(_ context.Context, id progress.FlowID) ([]progress.Job, error) {
	return s.flow(id).refills, nil
}

func (s *stock) Infos(_ context.Context, metrics []sequence.MetricID, after sequence.Vector) (out []segment.Info, err error) {
	for _, in := range s.flows[after.At(2)-1].unread {
		if slices.Contains(metrics, in.Metric) {
			out = append(out, in.Info)
		}
	}
	return out, nil
}

func (s *stock) ReadDelta(_ context.Context, metrics []sequence.MetricID, ranges map[sequence.Region]sequence.Range, _ segment.Pick, fn func(*segment.Segment) error) error {
	for _, in := range s.flows[ranges[2].After-1].unread {
		if in.Sealed || !slices.Contains(metrics, in.Metric) {
			continue
		}
		seg := &segment.Segment{Metric: in.Metric, Base: in.MinT}
		for _, t := range in.times {
			seg.Series, seg.Offsets, seg.Values = append(seg.Series, 1), append(seg.Offsets, int32(t-in.MinT)), append(seg.Values, 0)
		}
		if err := fn(seg); err != nil {
			return err
		}
	}
	return nil
}

func (s *stock) Metrics(_ context.Context, names []string, _ sequence.Span) (out []series.Metric, err error) {
	for i, name := range s.metrics {
		if names == nil || slices.Contains(names, name) {
			out = append(out, series.Metric{ID: sequence.MetricID(i), Name: name})
		}
	}
	return out, nil
}

func (s *stock) Series(_ context.Context, metrics []string, after sequence.Vector, _ ...string) (out []series.Series, err error) {
	for i, one := range s.series {
		if name := s.metrics[one.metric]; slices.Contains(metrics, name) && after.At(1) == 0 {
			out = append(out, series.Series{ID: sequence.SeriesID(i), Labels: one.labels})
		}
	}
	return out, nil
}

func (s *stock) ReadRaw(_ context.Context, sel segment.Select, fns ...func(*segment.Segment) error) error {
	for i, one := range s.series {
		if !slices.Contains(sel.Metrics, sequence.MetricID(one.metric)) {
			continue
		}
		seg := s.segments[i]
		if seg == nil {
			seg = &segment.Segment{Region: 1, MaxT: math.MaxInt32}
			for j, t := range one.times {
				seg.Series, seg.Offsets, seg.Values = append(seg.Series, sequence.SeriesID(i)), append(seg.Offsets, int32(t)), append(seg.Values, one.values[j])
			}
			s.segments[i] = seg
		}
		if err := fns[0](seg); err != nil {
			return err
		}
	}
	return nil
}

// randomStock is three metrics of some series, which come and go, over an hour and a half.
func randomStock(rng *rand.Rand) *stock {
	s := &stock{metrics: []string{"a_total", "b_total", "c"}, now: 95 * minute, segments: map[int]*segment.Segment{}}
	for m, name := range s.metrics {
		for i := range 6 {
			one := stockSeries{metric: m, labels: []series.Label{
				{Name: "__name__", Value: name}, {Name: "inst", Value: fmt.Sprint("i", i)}, {Name: "job", Value: []string{"api", "db", "web"}[i%3]},
			}}
			from, to := rng.Int64N(20)*minute, 50*minute+rng.Int64N(45)*minute
			v := 0.0
			for t := from + rng.Int64N(15*second); t < to; t += 15 * second {
				if rng.IntN(200) == 0 {
					t += rng.Int64N(12) * minute // a gap
				}
				if v += rng.Float64() * 10; name == "c" {
					v = rng.NormFloat64()
				} else if rng.IntN(60) == 0 {
					v = 0 // a reset
				}
				one.times, one.values = append(one.times, t), append(one.values, v)
			}
			s.series = append(s.series, one)
		}
	}
	return s
}

func (s *stock) queries() *query.Queries {
	return query.New(query.Config{
		Timeout: time.Minute, MaxSamples: 10_000_000, MaxConcurrent: 2, MaxMemory: 1 << 30, Lookback: 5 * time.Minute, FromFlows: query.FlowsAuto,
		Store: s, Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
	})
}

// outcome is what a query gives: values by label set and time.
type outcome struct {
	values   map[string]map[int64]float64
	err      error
	notes    []string
	answered query.Answered
}

// asked is a query with its times; every is 0 for an instant query.
type asked struct {
	expr            string
	from, to, every int64
	lookback        time.Duration
}

func (a asked) run(t testing.TB, q *query.Queries, use query.FlowUse) (out outcome) {
	t.Helper()
	s := q.Session()
	defer s.Close()
	s.FromFlows(use)
	opts := promql.NewPrometheusQueryOpts(false, a.lookback)
	var qry promql.Query
	var err error
	if a.every == 0 {
		qry, err = s.Instant(t.Context(), opts, a.expr, time.UnixMilli(a.from))
	} else {
		qry, err = s.Range(t.Context(), opts, a.expr, time.UnixMilli(a.from), time.UnixMilli(a.to), time.Duration(a.every)*time.Millisecond)
	}
	if err != nil {
		t.Fatalf("%s: %v", a.expr, err)
	}
	defer qry.Close()
	res := qry.Exec(t.Context())
	if out.err = res.Err; res.Err != nil {
		return out
	}
	out.answered, _ = s.Answered()
	warnings, infos := res.Warnings.AsStrings(a.expr, 0, 0)
	out.notes = append(warnings, infos...)
	out.values = map[string]map[int64]float64{}
	put := func(lset labels.Labels, t int64, v float64) {
		if out.values[lset.String()] == nil {
			out.values[lset.String()] = map[int64]float64{}
		}
		out.values[lset.String()][t] = v
	}
	switch v := res.Value.(type) {
	case promql.Vector:
		for _, s := range v {
			put(s.Metric, s.T, s.F)
		}
	case promql.Matrix:
		for _, s := range v {
			for _, p := range s.Floats {
				put(s.Metric, p.T, p.F)
			}
		}
	}
	return out
}

// differs is what two outcomes do not agree in; "" where they agree.
func (o outcome) differs(p outcome) string {
	if (o.err != nil) != (p.err != nil) {
		return fmt.Sprintf("errors: %v, %v", o.err, p.err)
	}
	for _, pair := range [][2]outcome{{o, p}, {p, o}} {
		for lset, points := range pair[0].values {
			for at, v := range points {
				w, ok := pair[1].values[lset][at]
				if !ok || !partialtest.Close(w, v, 1e-9*max(1, math.Abs(v))) {
					return fmt.Sprintf("%s at %d: %v, %v (%v)", lset, at, v, w, ok)
				}
			}
		}
	}
	return ""
}

// words makes expressions. What it returns spells one expression, each time differently.
type words struct{ rng *rand.Rand }

type spelled func() string

func (w words) one(list ...string) string { return list[w.rng.IntN(len(list))] }

// maybe puts parentheses around an expression.
func (w words) maybe(s spelled) spelled {
	return func() string {
		if w.rng.IntN(4) == 0 {
			return "( " + s() + ")"
		}
		return s()
	}
}

func (w words) selector() spelled {
	var ms []string
	for _, m := range []string{`job="api"`, `job=~"api|db"`, `inst!="i3"`} {
		if w.rng.IntN(4) == 0 {
			ms = append(ms, m)
		}
	}
	name := w.one("a_total", "b_total", "c")
	return func() string {
		list := slices.Clone(ms)
		w.rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		if w.rng.IntN(3) == 0 {
			return "{" + strings.Join(append(list, `__name__="`+name+`"`), " , ") + "}"
		}
		if len(list) == 0 {
			return name
		}
		return name + "{" + strings.Join(list, ",") + "}"
	}
}

// leaf is a function of samples.
func (w words) leaf() spelled {
	sel := w.selector()
	offset := w.one("", "", "", " offset 3m", " offset -1m")
	if w.rng.IntN(5) == 0 {
		return func() string { return sel() + offset }
	}
	fn, length := w.one("rate", "increase", "sum_over_time", "avg_over_time", "max_over_time", "last_over_time", "count_over_time", "changes"), w.one("2m", "5m", "10m")
	return func() string {
		spelled := length
		if length == "2m" {
			spelled = w.one("2m", "120s", "1m60s")
		}
		return fn + "(" + sel() + "[" + spelled + "]" + offset + ")"
	}
}

// aggregate is an aggregation, and labels that its results have.
func (w words) aggregate(inner spelled) spelled {
	op := w.one("sum", "sum", "min", "max", "avg", "count", "stddev", "quantile")
	grouping := []string{"job", "inst"}[:w.rng.IntN(3)]
	how := w.one("by", "by", "by", "without")
	return func() string {
		list := slices.Clone(grouping)
		w.rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		args := "(" + inner() + ")"
		if op == "quantile" {
			args = "(0.5, " + inner() + ")"
		}
		clause := " " + how + " (" + strings.Join(list, ", ") + ") "
		if w.rng.IntN(3) == 0 {
			return op + args + clause
		}
		return op + clause + args
	}
}

// pair is an aggregation, and others of the same samples or fewer, into the same groups or
// larger ones, some of which can be derived from it.
func (w words) pair() (flow, other spelled) {
	op, fn := w.one("sum", "sum", "min", "max", "count", "group", "avg"), w.one("rate(%s[5m])", "max_over_time(%s[2m] offset 1m)", "%s", "abs(%s)", "%s * 2", "increase(%s[10m])")
	name := w.one("a_total", "b_total", "c")
	all := []string{`job="api"`, `job!="web"`, `inst=~"i[0-3]"`, `inst!=""`, `zone=""`}
	w.rng.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	common, further := all[:w.rng.IntN(2)], all[2:2+w.rng.IntN(6)/4]
	names := []string{"job", "inst", "zone"}
	some := func(least int) string {
		w.rng.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
		return " " + w.one("by", "by", "by", "without") + " (" + strings.Join(names[:least+w.rng.IntN(len(names)+1-least)], ",") + ") "
	}
	ours := some(w.rng.IntN(3))
	theirs := some(0)
	if w.rng.IntN(3) == 0 {
		theirs = ours
	}
	spell := func(clause string, matchers []string) spelled {
		list := slices.Clone(matchers)
		return func() string {
			w.rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
			inner := w.maybe(func() string { return fmt.Sprintf(fn, name+"{"+strings.Join(list, ",")+"}") })
			if w.rng.IntN(3) == 0 {
				return op + "(" + inner() + ")" + clause
			}
			return strings.ToUpper(op) + clause + "(" + inner() + ")"
		}
	}
	return spell(ours, common), spell(theirs, append(slices.Clone(common), further...))
}

// expr is an expression; inside, where it is not nil, is a part of it.
func (w words) expr(depth int, inside spelled) spelled {
	part := func() spelled { return w.maybe(w.expr(depth-1, nil)) }
	first := inside
	if first == nil {
		if depth <= 0 {
			leaf := w.leaf()
			if w.rng.IntN(3) > 0 {
				return w.aggregate(leaf)
			}
			return leaf
		}
		first = part()
	}
	first = w.maybe(first)
	paren := func(s spelled) spelled { return func() string { return "(" + s() + ")" } }
	switch w.rng.IntN(12) {
	case 0, 1:
		return w.aggregate(first)
	case 2:
		op, n := w.one("+", "*", "-", ">", "<=", "> bool"), fmt.Sprint(w.rng.IntN(7))
		return func() string { return paren(first)() + " " + op + " " + n }
	case 3:
		op, n := w.one("-", "/", "<", "== bool"), fmt.Sprint(w.rng.IntN(7))
		return func() string { return n + op + paren(first)() }
	case 4:
		op, second := w.one("+", "/", ">", "and", "or", "unless", "+ on (job)", "- ignoring (inst)", "* on (job) group_left () ", "or on (job)"), part()
		if w.rng.IntN(2) == 0 {
			return func() string { return paren(first)() + op + paren(second)() }
		}
		return func() string { return paren(second)() + op + paren(first)() }
	case 5:
		fn := w.one("abs", "-", "+", "ceil", "sort", "scalar", "absent", "timestamp", "vector(scalar")
		if fn == "vector(scalar" || fn == "scalar" {
			return func() string { return "vector(scalar(" + first() + "))" }
		}
		return func() string { return fn + "(" + first() + ")" }
	case 6:
		return func() string { return "clamp_min(" + first() + ", 2)" }
	case 7:
		return func() string { return `label_replace(` + first() + `, "job", "x$1", "job", "(.*)")` }
	case 8, 9:
		fn, step, offset := w.one("max_over_time", "avg_over_time", "sum_over_time", "rate"), w.one("1m", "2m", "30s", ""), w.one("", "", " offset 2m")
		return func() string { return fn + "((" + first() + ")[7m:" + step + "]" + offset + ")" }
	}
	if w.rng.IntN(2) == 0 { // it picks all, and fails where c has no samples
		return func() string { return "topk(50 + scalar(count(c)), " + first() + ")" }
	}
	return first
}

// define makes a flow of an expression, with the rows of all its windows; nil where flows
// cannot be defined by it.
func (s *stock) define(t testing.TB, rng *rand.Rand, text string, static bool) *stockFlow {
	t.Helper()
	def := flowdef.Flow{Name: fmt.Sprint("flow", len(s.flows)), Table: "t", Every: []int64{30 * second, minute, 2 * minute}[rng.IntN(3)], Lookback: flowdef.DefaultLookback}
	if static {
		def.StaticLabels = []flowdef.Label{{Name: "team", Value: "ours"}}
	}
	def, err := def.Define(text)
	if err != nil {
		return nil
	}
	f := &stockFlow{Flow: progress.Flow{ID: progress.FlowID(len(s.flows) + 1), Def: def}, rows: map[int64][]progress.Row{}, answers: true}
	f.hash[0], f.hash[1] = byte(f.ID), byte(f.ID>>8)
	f.Vector = sequence.Vector{2: sequence.Seq(f.ID)}
	layout := flowdef.NewLayout(def)
	q := s.queries()
	for end := def.Every; end <= 90*minute; end += def.Every {
		session := q.Session()
		session.FromFlows(query.FlowsOff)
		qry, err := session.Instant(t.Context(), nil, text, time.UnixMilli(end))
		if err != nil {
			t.Fatal(err)
		}
		res := qry.Exec(t.Context())
		if vector, err := res.Vector(); err == nil {
			for _, sample := range vector {
				f.rows[end] = append(f.rows[end], progress.Row{Columns: layout.Row(sample.Metric), Value: sample.F})
			}
		} else if scalar, err := res.Scalar(); err == nil {
			f.rows[end] = append(f.rows[end], progress.Row{Columns: layout.Row(labels.EmptyLabels()), Value: scalar.V})
		}
		session.Close()
	}
	f.BeginsAfter, f.EmittedUntil = 0, 90*minute
	s.flows = append(s.flows, f)
	return f
}

// spoil gives a flow a standing in which some windows do not count, and makes the rows of
// these wrong.
func (s *stock) spoil(rng *rand.Rand, f *stockFlow) {
	every := f.Def.Every
	window := func() int64 { return (1 + rng.Int64N(90*minute/every)) * every }
	wrong := func(ends sequence.Span) {
		for end := every; end <= 90*minute; end += every {
			if ends.Holds(end) {
				f.rows[end] = append([]progress.Row(nil), f.rows[end]...)
				for i := range f.rows[end] {
					f.rows[end][i].Value = 1e6
				}
				if rng.IntN(3) == 0 {
					f.rows[end] = nil
				}
			}
		}
	}
	if rng.IntN(2) == 0 {
		f.BeginsAfter = window()
		wrong(sequence.Span{After: -1, UpTo: f.BeginsAfter})
	}
	if rng.IntN(2) == 0 {
		f.EmittedUntil = window()
		wrong(sequence.Span{After: f.EmittedUntil, UpTo: hour * 100})
	}
	for range rng.IntN(4) {
		d := progress.Dirty{WindowEnd: window()}
		f.Dirty = append(f.Dirty, d)
		wrong(sequence.Between(d.WindowEnd, d.WindowEnd))
	}
	if rng.IntN(4) == 0 {
		job := progress.Job{NextT: window()}
		job.To = job.NextT + rng.Int64N(20*minute)
		f.refills = append(f.refills, job)
		wrong(sequence.Span{After: job.NextT, UpTo: job.To})
	}
	if rng.IntN(4) == 0 {
		f.Def.Keep = 20*minute + rng.Int64N(60*minute)
		wrong(sequence.Span{After: -1, UpTo: s.now - f.Def.Keep})
	}
	for range rng.IntN(3) {
		in := unreadSegment{Info: segment.Info{Metric: sequence.MetricID(rng.IntN(3)), Sealed: rng.IntN(3) == 0}}
		in.MinT = rng.Int64N(90 * minute)
		in.times = append(in.times, in.MinT)
		for range rng.IntN(4) {
			in.times = append(in.times, in.MinT+rng.Int64N([]int64{3, 50}[rng.IntN(2)]*minute))
		}
		in.MaxT, in.Samples = slices.Max(in.times), int64(len(in.times))
		if rng.IntN(8) == 0 {
			in.Samples = 1_000_000 // it says so
		}
		f.unread = append(f.unread, in)
		for i := range f.Def.Expr.Leaves {
			l := &f.Def.Expr.Leaves[i]
			for end := every; end <= 90*minute; end += every {
				reached := func(t int64) bool { return l.Bounds(end).Holds(t) }
				if l.Metric == s.metrics[in.Metric] && slices.ContainsFunc(in.times, reached) {
					wrong(sequence.Between(end, end))
				}
			}
		}
	}
}

// TestFromFlowsAsFromRaw: whatever flows there are, a query gives what it gives over raw
// samples, although rows that do not count are wrong.
func TestFromFlowsAsFromRaw(t *testing.T) {
	const queriesPerStock = 120
	var parts, derivedParts, steps, fromFlows, failed int64
	for seed := range uint64(24) {
		rng := rand.New(rand.NewPCG(seed, 13))
		s, w := randomStock(rng), words{rng}
		var exprs []spelled
		derived := map[int]bool{} // which of them are no flow's
		for range 6 {
			e, other := w.expr(rng.IntN(3), nil), spelled(nil)
			if rng.IntN(2) == 0 {
				e, other = w.pair()
			}
			if f := s.define(t, rng, e(), rng.IntN(4) == 0); f != nil {
				s.spoil(rng, f)
				if exprs = append(exprs, e); other != nil {
					derived[len(exprs)] = true
					exprs = append(exprs, other)
				}
			}
		}
		q := s.queries()
		for range queriesPerStock {
			of := rng.IntN(len(exprs))
			e := w.maybe(exprs[of])
			for range rng.IntN(3) {
				e = w.expr(1, e)
			}
			a := asked{expr: e(), from: rng.Int64N(40) * 2 * minute, lookback: []time.Duration{0, 0, 0, 0, 0, 0, 2 * time.Minute}[rng.IntN(7)]}
			a.every = []int64{0, 0, 30 * second, minute, minute, 2 * minute, 2 * minute, 4 * minute, 6 * minute, 45 * second}[rng.IntN(10)]
			switch rng.IntN(20) {
			case 0:
				a.from += 7
			case 1:
				a.from += minute
			}
			a.to = a.from + rng.Int64N(40*minute)
			off, auto := a.run(t, q, query.FlowsOff), a.run(t, q, query.FlowsAuto)
			if diff := auto.differs(off); diff != "" {
				var flows []string
				for _, f := range s.flows {
					flows = append(flows, fmt.Sprintf("%s every %d", f.Def.PromQL, f.Def.Every))
				}
				t.Fatalf("seed %d: %s from %d to %d by %d: %s\nflows:\n%s\nnotes: %v", seed, a.expr, a.from, a.to, a.every, diff, strings.Join(flows, "\n"), auto.notes)
			}
			// Whatever else is said is said of the same places.
			for _, note := range auto.notes {
				if !strings.Contains(note, "answered from flow") && !slices.Contains(off.notes, note) {
					t.Fatalf("seed %d: %s: %q is said, and not over raw samples: %q", seed, a.expr, note, off.notes)
				}
			}
			if off.err != nil {
				failed++
			}
			if auto.answered.Steps > 0 {
				parts++
				if derived[of] {
					derivedParts++
				}
			}
			steps += auto.answered.Steps
			fromFlows += auto.answered.FromFlows
		}
	}
	t.Logf("%d of %d queries had parts that flows answered, %d of them derived, %d of their %d steps; %d failed", parts, 24*queriesPerStock, derivedParts, fromFlows, steps, failed)
	if parts < 400 || derivedParts < 100 || fromFlows < 4000 || steps-fromFlows < 1000 {
		t.Errorf("too little was answered from flows, or too much: %d queries, %d of %d steps", parts, fromFlows, steps)
	}
}

// TestFlowsThatDoNotCount: a flow is left alone where what is known of it does not say that
// its rows are what the expression gives; its rows here are wrong.
func TestFlowsThatDoNotCount(t *testing.T) {
	const expr = "sum by (job) (rate(a_total[5m]))"
	for what, change := range map[string]func(*stock, *stockFlow){
		"nothing":                   nil,
		"an error, rows left out":   func(_ *stock, f *stockFlow) { f.answers = false },
		"a table that was replaced": func(_ *stock, f *stockFlow) { f.gone = true },
		"a history that changed":    func(_ *stock, f *stockFlow) { f.history = fmt.Errorf("x: %w", sequence.ErrHistoryChanged) },
		"a metric with histograms":  func(s *stock, _ *stockFlow) { s.hists = []sequence.MetricID{0} },
		"a metric that is a flow":   func(s *stock, f *stockFlow) { f.Def.Name = "a_total" },
		"no window":                 func(_ *stock, f *stockFlow) { f.EmittedUntil = 0 },
	} {
		rng := rand.New(rand.NewPCG(1, 1))
		s := randomStock(rng)
		f := s.define(t, rng, expr, false)
		for end := range f.rows {
			for i := range f.rows[end] {
				f.rows[end][i].Value = -1
			}
		}
		if change != nil {
			change(s, f)
		}
		a := asked{expr: "sum(" + expr + ")", from: 40 * minute, to: 60 * minute, every: 2 * minute}
		if what == "a metric that is a flow" { // which has no results of its own
			a.expr = expr
			f.rows, f.EmittedUntil = map[int64][]progress.Row{}, 90*minute
		}
		got := a.run(t, s.queries(), query.FlowsAuto)
		if used := got.answered.FromFlows > 0; used != (change == nil) {
			t.Errorf("%s: %+v", what, got.answered)
		}
		if change == nil && (len(got.notes) != 1 || got.notes[0] != "PromQL info: answered from flow flow0: 11 of 11 steps" || got.values["{}"][40*minute] != -3) {
			t.Errorf("%q, %v", got.notes, got.values)
		}
	}
}

// TestRawSamplesGone: where raw samples are gone, rows are what is known, and that is said.
func TestRawSamplesGone(t *testing.T) {
	const expr = "sum by (job) (rate(a_total[5m]))"
	rng := rand.New(rand.NewPCG(2, 1))
	s := randomStock(rng)
	f := s.define(t, rng, expr, false)
	a := asked{expr: expr, from: 30 * minute, to: 50 * minute, every: 2 * minute}
	want := a.run(t, s.queries(), query.FlowsOff)
	s.earliest = 41 * minute
	f.Dirty = []progress.Dirty{{WindowEnd: 34 * minute}, {WindowEnd: 48 * minute}}
	got := a.run(t, s.queries(), query.FlowsAuto)
	if diff := got.differs(want); diff != "" {
		t.Error(diff)
	}
	// Windows up to 44 min have lost samples; that at 48 min is dirty.
	if len(got.notes) != 1 || !strings.HasSuffix(got.notes[0], ": 10 of 11 steps, 8 of them of raw samples that are gone") {
		t.Errorf("%q", got.notes)
	}
	if off := a.run(t, s.queries(), query.FlowsOff); off.differs(want) == "" {
		t.Error("nothing is gone: the test tests nothing")
	}
	// The window at 38 min is within what is evaluated over raw samples, and still the row counts.
	s.earliest, f.BeginsAfter, f.Dirty = 34*minute, 36*minute, []progress.Dirty{{WindowEnd: 40 * minute}}
	got, off := a.run(t, s.queries(), query.FlowsAuto), a.run(t, s.queries(), query.FlowsOff)
	changed := false
	for lset, points := range want.values {
		changed = changed || off.values[lset][38*minute] != points[38*minute]
		if v := got.values[lset][38*minute]; v != points[38*minute] {
			t.Errorf("%s: %v, want %v", lset, v, points[38*minute])
		}
	}
	if !changed {
		t.Error("nothing is gone at 38 min: the test tests nothing")
	}
}

// TestRawForOtherLookback: a flow whose instant selectors look back otherwise is none.
func TestRawForOtherLookback(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	s := randomStock(rng)
	s.define(t, rng, "sum by (job) (c)", false)
	for lookback, want := range map[time.Duration]bool{0: true, 5 * time.Minute: true, time.Minute: false} {
		a := asked{expr: "sum by (job) (c)", from: 30 * minute, to: 50 * minute, every: 2 * minute, lookback: lookback}
		if got := a.run(t, s.queries(), query.FlowsAuto); (got.answered.FromFlows > 0) != want {
			t.Errorf("looking back %s: %+v", lookback, got.answered)
		}
	}
}

// closing is a snapshot that notes when it was closed, and how much was asked of it.
type closing struct {
	*stock
	open, reads int
}

func (c *closing) Snapshot(context.Context, []string) (query.Snapshot, error) {
	c.open++
	return c, nil
}

func (c *closing) End() { c.open-- }

func (c *closing) ReadRaw(ctx context.Context, sel segment.Select, fns ...func(*segment.Segment) error) error {
	if c.reads++; c.open != 1 {
		return fmt.Errorf("reading with %d open", c.open)
	}
	return c.stock.ReadRaw(ctx, sel, fns...)
}

// TestOneSnapshotFromFlows: everything that a query answered from flows needs is read before
// anything is computed, and no more raw samples than those of what the flow lacks.
func TestOneSnapshotFromFlows(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 1))
	s := randomStock(rng)
	const expr = "sum by (job) (rate(a_total[5m]))"
	f := s.define(t, rng, expr, false)
	for until, reads := range map[int64]int{90 * minute: 1, 50 * minute: 2} { // of c, and of what lacks
		f.EmittedUntil = until
		c := &closing{stock: s}
		q := query.New(query.Config{
			Timeout: time.Minute, MaxSamples: 10_000_000, MaxConcurrent: 2, MaxMemory: 1 << 30, Lookback: 5 * time.Minute, FromFlows: query.FlowsAuto,
			Store: c, Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
		})
		session := q.Session()
		qry, err := session.Range(t.Context(), nil, expr+" + on (job) sum by (job) (c)", time.UnixMilli(40*minute), time.UnixMilli(60*minute), time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		if res := qry.Exec(t.Context()); res.Err != nil {
			t.Fatal(res.Err)
		}
		if n, _ := session.Answered(); n.Steps != 21 || c.reads != reads || c.open != 0 {
			t.Errorf("until %d: %+v, %d readings, %d snapshots open", until, n, c.reads, c.open)
		}
		qry.Close()
		session.Close()
	}
}

// TestTooManyRows: where a flow has more rows than the query may read, raw samples are read,
// and nothing of the rows counts against them. The rows are not gathered first.
func TestTooManyRows(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 1))
	s := randomStock(rng)
	const expr = "sum by (job) (max_over_time(c[1m]))"
	f := s.define(t, rng, expr, false)
	a := asked{expr: expr, from: 40 * minute, to: 50 * minute, every: 2 * minute}
	samples := 0
	for _, one := range s.series {
		for _, at := range one.times {
			if one.metric == 2 && at > a.from-minute && at <= a.to {
				samples++
			}
		}
	}
	for end := range f.rows {
		for i := range 2 * samples {
			f.rows[end] = append(f.rows[end], progress.Row{Columns: []string{fmt.Sprint("many", i)}, Value: -1})
		}
	}
	q := query.New(query.Config{
		Timeout: time.Minute, MaxSamples: samples + 100, MaxConcurrent: 2, MaxMemory: 1 << 30, Lookback: 5 * time.Minute, FromFlows: query.FlowsAuto,
		Store: s, Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
	})
	off, auto := a.run(t, q, query.FlowsOff), a.run(t, q, query.FlowsAuto)
	if diff := auto.differs(off); diff != "" || off.err != nil || auto.answered.Steps > 0 || f.resulted != 1 || f.most > 0 {
		t.Errorf("%s; %v; %+v; rows were read %d times, %d of a window", diff, off.err, auto.answered, f.resulted, f.most)
	}
}

// TestSelectorsThatFunctionsLookAt: timestamp and absent look at a selector itself, and other
// functions at its samples.
func TestSelectorsThatFunctionsLookAt(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 1))
	s := randomStock(rng)
	s.define(t, rng, `c{job="api"}`, false)
	q := s.queries()
	for expr, from := range map[string]bool{
		`timestamp(c{job="api"})`: false, `timestamp((c{job="api"}))`: false, `absent(c{job="api"})`: false, `absent((c{job="api"}))`: false,
		`timestamp(+c{job="api"})`: true, `absent(abs(c{job="api"}))`: true, `abs(c{job="api"})`: true, `absent(c{job="api"} > 1000)`: true, `sort((c{job="api"}))`: true,
	} {
		// At steps so long a flow with a row for each series is worth reading.
		a := asked{expr: expr, from: 10 * minute, to: 80 * minute, every: 10 * minute}
		off, auto := a.run(t, q, query.FlowsOff), a.run(t, q, query.FlowsAuto)
		if diff := auto.differs(off); diff != "" || (auto.answered.FromFlows > 0) != from {
			t.Errorf("%s: %s, %+v", expr, diff, auto.answered)
		}
	}
}

// TestReplacedFlow: a flow that is another one since the catalogue was read is not used, and
// is once the catalogue is read again.
func TestReplacedFlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rng := rand.New(rand.NewPCG(7, 1))
		s := randomStock(rng)
		const expr = "sum by (job) (c)"
		f := s.define(t, rng, expr, false)
		q := s.queries()
		a := asked{expr: expr, from: 10 * minute, to: 80 * minute, every: 10 * minute}
		if got := a.run(t, q, query.FlowsAuto); got.answered.FromFlows == 0 {
			t.Fatal("the flow is not used")
		}
		f.hash[5]++
		if got := a.run(t, q, query.FlowsAuto); got.answered.Steps > 0 || got.err != nil {
			t.Errorf("%+v, %v", got.answered, got.err)
		}
		time.Sleep(2 * time.Second) // of the bubble: it takes none
		if got := a.run(t, q, query.FlowsAuto); got.answered.FromFlows == 0 {
			t.Error("the flow as it is now is not used")
		}
	})
}

// TestComputedParameters: a parameter that is computed is NaN over nothing, which fails, and
// a number over samples.
func TestComputedParameters(t *testing.T) {
	rng := rand.New(rand.NewPCG(8, 1))
	s := randomStock(rng)
	const expr = "sum by (job) (rate(a_total[5m]))"
	s.define(t, rng, expr, false)
	q := s.queries()
	for _, text := range []string{"topk(scalar(max(c) > bool -100) + 1, " + expr + ")", "bottomk(scalar(count(c)), " + expr + ") + on (job) sum by (job) (c)"} {
		a := asked{expr: text, from: 30 * minute, to: 48 * minute, every: 2 * minute}
		off, auto := a.run(t, q, query.FlowsOff), a.run(t, q, query.FlowsAuto)
		if diff := auto.differs(off); diff != "" || off.err != nil || auto.answered.FromFlows == 0 || len(off.values) == 0 {
			t.Errorf("%s: %s, %v, %+v", text, diff, off.err, auto.answered)
		}
	}
}

// TestRoomForParts: with any limit that raw samples keep within, a query is answered: from the
// flow where its rows and what is made of them keep within it, too.
func TestRoomForParts(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 1))
	s := randomStock(rng)
	const expr = "sum by (job) (rate(a_total[5m]))"
	f := s.define(t, rng, expr, false)
	a := asked{expr: expr, from: 40 * minute, to: 60 * minute, every: 2 * minute}
	rows, samples := 0, 0
	for end := range f.rows {
		for i := range 40 {
			f.rows[end] = append(f.rows[end], progress.Row{Columns: []string{fmt.Sprint("other", i)}, Value: -1})
		}
		if end >= a.from && end <= a.to {
			rows += len(f.rows[end])
		}
	}
	for _, one := range s.series {
		for _, at := range one.times {
			if one.metric == 0 && at > a.from-5*minute && at <= a.to {
				samples++
			}
		}
	}
	used := map[bool]int{}
	for most := samples + 100; most < 4*rows; most += 50 {
		q := query.New(query.Config{
			Timeout: time.Minute, MaxSamples: most, MaxConcurrent: 2, MaxMemory: 1 << 30, Lookback: 5 * time.Minute, FromFlows: query.FlowsAuto,
			Store: s, Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
		})
		got := a.run(t, q, query.FlowsAuto)
		used[got.answered.Steps > 0]++
		if got.err != nil {
			t.Errorf("at most %d samples: %v", most, got.err)
		}
	}
	if used[true] == 0 || used[false] == 0 {
		t.Errorf("answered from the flow, or not: %v", used)
	}
}

// TestRulesOfOneRecord: a series that several rules of a record give is one series. At each
// time the row of the smallest number counts, and a marker only where no rule gives a row.
func TestRulesOfOneRecord(t *testing.T) {
	const windows = 60
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 14))
		s := &stock{now: 95 * minute, byWindow: seed%2 == 0}
		want := map[string]map[int64]float64{}
		for _, number := range rng.Perm(3) {
			def, err := flowdef.Flow{Name: "r", Table: "r", Every: minute, Lookback: flowdef.DefaultLookback}.Define("sum by (job) (a_total)")
			if err != nil {
				t.Fatal(err)
			}
			def.Member = &flowdef.Membership{Number: number + 1, Labels: []string{"job"}}
			f := &stockFlow{Flow: progress.Flow{ID: progress.FlowID(len(s.flows) + 1), Def: def}, rows: map[int64][]progress.Row{}}
			f.BeginsAfter, f.EmittedUntil = 0, windows*minute
			s.flows = append(s.flows, f)
		}
		for _, job := range []string{"api", "db"} {
			points := map[int64]float64{}
			for end := minute; end <= windows*minute; end += minute {
				smallest := 4
				for _, f := range s.flows {
					if rng.IntN(3) > 0 {
						continue
					}
					v := float64(rng.IntN(1000))
					f.rows[end] = append(f.rows[end], progress.Row{Columns: []string{job}, Value: v})
					if n := f.Def.Member.Number; n < smallest {
						smallest, points[end] = n, v
					}
				}
			}
			want[fmt.Sprintf(`{__name__="r", job="%s"}`, job)] = points
		}
		a := asked{expr: "r", from: minute, to: windows * minute, every: minute}
		got := a.run(t, s.queries(), query.FlowsAuto)
		if diff := got.differs(outcome{values: want}); diff != "" || got.err != nil {
			t.Fatalf("seed %d: %s, %v", seed, diff, got.err)
		}
		// Over time there would be two series of the same labels.
		a = asked{expr: "count_over_time(r[1h])", from: windows * minute}
		over := a.run(t, s.queries(), query.FlowsAuto)
		for lset, points := range want {
			name := strings.Replace(lset, `__name__="r", `, "", 1)
			if n := over.values[name][windows*minute]; over.err != nil || n != float64(len(points)) {
				t.Fatalf("seed %d: %s: %v samples, want %d, %v", seed, name, n, len(points), over.err)
			}
		}
	}
}

// TestManyFlowsForOnePart: of many flows that could answer few are asked for, and among them
// those that have the fewest groups.
func TestManyFlowsForOnePart(t *testing.T) {
	rng := rand.New(rand.NewPCG(10, 1))
	s := randomStock(rng)
	for _, by := range []string{"inst, job, zone, a, b", "inst, job, zone, a", "inst, job, zone, c", "inst, job, zone, d", "inst, job, zone", "inst, job"} {
		s.define(t, rng, "sum by ("+by+") (rate(a_total[5m]))", false)
	}
	a := asked{expr: "sum by (job) (rate(a_total[5m]))", from: 40 * minute, to: 60 * minute, every: 2 * minute}
	off, auto := a.run(t, s.queries(), query.FlowsOff), a.run(t, s.queries(), query.FlowsAuto)
	if diff := auto.differs(off); diff != "" || len(auto.notes) != 1 || !strings.Contains(auto.notes[0], "flow flow5: 11 of 11") || s.loaded > 4 {
		t.Errorf("%s, %q, %d flows were loaded", diff, auto.notes, s.loaded)
	}
}

// TestLongExpressions: where an expression is long, it is not looked at for parts.
func TestLongExpressions(t *testing.T) {
	rng := rand.New(rand.NewPCG(11, 1))
	s := randomStock(rng)
	s.define(t, rng, "sum(rate(a_total[5m]))", false)
	for terms, from := range map[int]bool{10: true, 400: false} {
		a := asked{expr: "0" + strings.Repeat("+sum(rate(a_total[5m]))", terms), from: 40 * minute}
		off, auto := a.run(t, s.queries(), query.FlowsOff), a.run(t, s.queries(), query.FlowsAuto)
		if diff := auto.differs(off); diff != "" || off.err != nil || (auto.answered.FromFlows > 0) != from {
			t.Errorf("%d terms: %s, %v, %+v", terms, diff, off.err, auto.answered)
		}
	}
}
