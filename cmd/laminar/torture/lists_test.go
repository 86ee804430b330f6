package torture

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"laminar/flownode/flowdef"
	"laminar/flownode/promeval"
	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sequence/series"
)

// list is what an item of the bare list in flowsFile says, in words of its own.
type list struct {
	metric string
	by     string // label
	over   int64  // ms
	adds   aggregate
}

// aggregate is what becomes of the samples of a group in a window.
type aggregate int

const (
	sums aggregate = iota
	counts
	means
	smallest
	largest
	grows  // how much counters grew
	totals // the running total of that
)

// lists is the model of the bare list: of each item the aggregate over all samples of a
// group with start <= time < end.
var lists = map[string]list{
	"list_sum":   {"errors_total", "job", 120_000, sums},
	"list_count": {"requests_total", "", 60_000, counts},
	"list_avg":   {"errors_total", "instance", 120_000, means},
	"list_min":   {"requests_total", "job", 60_000, smallest},
	"list_max":   {"errors_total", "job", 60_000, largest},
	"list_grown": {"requests_total", "job", 120_000, grows},
	"list_total": {"requests_total", "job", 120_000, totals},
}

// rateOfTotal is the flow over the results of another.
const rateOfTotal = "list_rate"

// families is flows that come and go together: the second reads what the first has.
var families = [][]string{{"list_total", rateOfTotal}}

// family is the flows that come and go with one.
func family(name string) []string {
	for _, f := range families {
		if slices.Contains(f, name) {
			return f
		}
	}
	return []string{name}
}

// readsResults reports whether a flow reads what another has.
func readsResults(name string) bool { return name == rateOfTotal }

// window is what the model gathers of a group in one window of a list.
type window struct{ n, sum, smallest, largest, grown float64 }

// gather is what came of each group in each window: by end, then by the group's label.
func (w list) gather(samples promeval.Samples) map[int64]map[string]*window {
	out := map[int64]map[string]*window{}
	for _, s := range samples {
		if s.Labels.Get(series.MetricName) != w.metric {
			continue
		}
		group := ""
		if w.by != "" {
			group = s.Labels.Get(w.by)
		}
		last, lastT := 0.0, int64(math.MinInt64)
		for i, t := range s.Times {
			v := s.Values[i]
			if segment.IsStale(v) {
				continue
			}
			begin := t - t%w.over
			if out[begin+w.over] == nil {
				out[begin+w.over] = map[string]*window{}
			}
			one := out[begin+w.over][group]
			if one == nil {
				one = &window{smallest: v, largest: v}
				out[begin+w.over][group] = one
			}
			one.n++
			one.sum += v
			one.smallest, one.largest = min(one.smallest, v), max(one.largest, v)
			// A counter grows from its newest sample of the lookback before the window.
			if lastT < begin && lastT <= begin-1-flowdef.DefaultLookback {
				last = 0
			}
			if one.grown += v; v >= last {
				one.grown -= last
			}
			last, lastT = v, t
		}
	}
	return out
}

// expect brings what is expected of a flow to where it stands.
func (l *look) expect(f *flow, s progressRow) {
	if f.def.MaxGroups > 0 {
		l.checkGroups(f, s)
	}
	f.follow(l.simulation, s.vector)
	if w, ok := lists[f.def.Name]; ok {
		gathered := w.gather(l.model.samples(sequence.Span{After: -1, UpTo: sequence.EndOfTime}, s.vector))
		if f.expected = map[int64]map[string]float64{}; w.adds == totals {
			l.expectTotals(f, s, gathered)
			return
		}
		for end, groups := range gathered {
			f.expected[end] = map[string]float64{}
			for group, x := range groups {
				f.expected[end][group] = map[aggregate]float64{
					sums: x.sum, counts: x.n, means: x.sum / x.n, smallest: x.smallest, largest: x.largest, grows: x.grown,
				}[w.adds]
			}
		}
	}
	if f.def.Name == rateOfTotal {
		l.expectOverTotals(f, s)
	}
}

// expectTotals: a window's total is what the table has in the window before, and what came
// in between. A group stays at its total without samples.
func (l *look) expectTotals(f *flow, s progressRow, gathered map[int64]map[string]*window) {
	stored := l.stored(f)
	ends := slices.Collect(maps.Keys(gathered))
	ends = slices.AppendSeq(ends, maps.Keys(stored))
	if len(ends) == 0 {
		return
	}
	every := f.def.Every
	for end := slices.Min(ends); end <= max(slices.Max(ends), l.now()); end += every {
		before := stored[end-every]
		if end-every > s.emitted {
			before = f.expected[end-every]
		} else if end <= s.begins && stored[end] == nil {
			continue
		}
		rows := values{}
		maps.Copy(rows, before)
		for group, x := range gathered[end] {
			rows[group] += x.grown
		}
		if len(rows) > 0 {
			f.expected[end] = rows
		}
	}
}

// expectOverTotals: the engine over the results of the flow that is read, of which the
// last of a row without another one is followed by a marker.
func (l *look) expectOverTotals(f *flow, s progressRow) {
	f.expected = map[int64]map[string]float64{}
	of := l.flows[family(f.def.Name)[0]]
	from := l.rows[of.def.Name]
	var samples promeval.Samples
	at := map[string]int{}
	first, last := int64(math.MaxInt64), int64(0)
	stored := l.stored(of)
	for _, end := range slices.Sorted(maps.Keys(stored)) {
		if end > from.emitted {
			break // a later window has no final results
		}
		first, last = min(first, end), max(last, end)
		for key, v := range stored[end] {
			i, ok := at[key]
			if !ok {
				i = len(samples)
				at[key] = i
				samples = append(samples, promeval.Series{Labels: labels.FromStrings(series.MetricName, of.def.Name, lists[of.def.Name].by, key)})
			}
			x := &samples[i]
			x.Times, x.Values = append(x.Times, end), append(x.Values, v)
			next := end + of.def.Every
			if _, still := stored[next][key]; !still && next <= from.emitted {
				x.Times, x.Values = append(x.Times, next), append(x.Values, segment.Stale())
			}
		}
	}
	if len(samples) == 0 {
		return
	}
	f.evaluate(l.simulation, samples, span{f.def.Windows().From(first + f.def.Expr.MinOffset), f.def.Windows().Last(last + f.def.Expr.MaxReach)})
}

// heaviest is what topk keeps of groups. Of groups with equal values any may be kept, so
// the model asks for all of them.
type heaviest struct {
	k      int
	by     string
	inner  string            // the expression below topk
	partOf map[string]string // by row: the value of by
}

// heaviestOf is what a flow's expression keeps, nil when it is another.
func heaviestOf(def flowdef.Flow) *heaviest {
	expr, err := parser.NewParser(parser.Options{EnableExperimentalFunctions: true}).ParseExpr(def.PromQL)
	if err != nil {
		return nil
	}
	agg, ok := expr.(*parser.AggregateExpr)
	if !ok || agg.Op != parser.TOPK {
		return nil
	}
	h := &heaviest{inner: agg.Expr.String(), partOf: map[string]string{}}
	h.k = int(agg.Param.(*parser.NumberLiteral).Val)
	if len(agg.Grouping) > 0 {
		h.by = agg.Grouping[0]
	}
	return h
}

// holds reports whether rows are the greatest of all groups, or some of these where some
// suffice.
func (h *heaviest) holds(f *flow, rows, all values, some bool) bool {
	got, want := map[string][]float64{}, map[string][]float64{}
	for key, v := range rows {
		if e, there := all[key]; !there || !f.near(v, e) {
			return false
		}
		got[h.partOf[key]] = append(got[h.partOf[key]], v)
	}
	for key, v := range all {
		want[h.partOf[key]] = append(want[h.partOf[key]], v)
	}
	for part, of := range want {
		slices.SortFunc(of, func(a, b float64) int { return cmp.Compare(b, a) })
		slices.SortFunc(got[part], func(a, b float64) int { return cmp.Compare(b, a) })
		if some && len(got[part]) == 0 {
			continue
		}
		if !slices.EqualFunc(got[part], of[:min(h.k, len(of))], f.near) {
			return false
		}
	}
	return true
}

// readsTables reports whether what is expected of a flow does not come of the engine over
// samples.
func (f *flow) readsTables() bool {
	_, ok := lists[f.def.Name]
	return ok || readsResults(f.def.Name)
}
