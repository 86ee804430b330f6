package query

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	"laminar/flownode/results"
	"laminar/query/rows"
	"laminar/sequence"
	"laminar/sequence/nativehist"
	"laminar/sequence/segment"
)

// A flow is a metric under its name: its label columns are the labels, a row's value is
// a sample at the window's end. Where a flow and a raw metric have one name, the flow is
// read, since it is what a rule of that name would have written.

// lookupWindows is how many windows of a flow are looked at for its labels: the groups of
// all that are stored could be many, and the newest are wanted.
const lookupWindows = 64

// What a row takes beside its sample while it is read, about: by window, and by group.
const (
	rowBytes     = 200
	groupedBytes = 48
)

// A point of a part is a sample, and a marker behind it. pointBytes is what each takes.
const (
	perPoint   = 2
	pointBytes = 24
)

// flows is the flows whose names match.
func (r *reading) flows(ctx context.Context, ms []*labels.Matcher) ([]progress.Flow, error) {
	list, err := r.named(ctx, namesOf(ms))
	if err != nil {
		return nil, err
	}
	// What an alerting rule finds is no metric: alerts come of it.
	list = slices.DeleteFunc(list, func(f progress.Flow) bool { return f.Def.Alert != nil || !nameMatches(f.Def.Name, ms) })
	slices.SortStableFunc(list, func(a, b progress.Flow) int { return numberOf(&a) - numberOf(&b) })
	return list, nil
}

// numberOf is a flow's number among the rules of its table; 0 where these have none.
func numberOf(f *progress.Flow) int {
	if f.Def.Member == nil {
		return 0
	}
	return f.Def.Member.Number
}

// named is the flows of the names, nil names mean all. Names are asked for once: the
// lookback and each selector need them.
func (r *reading) named(ctx context.Context, names []string) ([]progress.Flow, error) {
	snap, err := r.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	if names == nil {
		return snap.Named(ctx, nil)
	}
	var unknown []string
	for _, name := range names {
		if _, known := r.known[name]; !known && !slices.Contains(unknown, name) {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		list, err := snap.Named(ctx, unknown)
		if err != nil {
			return nil, err
		}
		if r.known == nil {
			r.known = map[string][]progress.Flow{}
		}
		for _, name := range unknown {
			r.known[name] = nil
		}
		for _, f := range list {
			r.known[f.Def.Name] = append(r.known[f.Def.Name], f)
		}
	}
	var out []progress.Flow
	for _, name := range names {
		out = append(out, r.known[name]...)
	}
	return out, nil
}

// namesOf is the only names that matchers allow, nil where they allow any.
func namesOf(ms []*labels.Matcher) []string {
	for _, m := range ms {
		if m.Name == model.MetricNameLabel && m.Type == labels.MatchEqual {
			return []string{m.Value}
		}
	}
	return nil
}

// nameMatches reports whether a metric's name satisfies the matchers of the name.
func nameMatches(name string, ms []*labels.Matcher) bool {
	return !slices.ContainsFunc(ms, func(m *labels.Matcher) bool { return m.Name == model.MetricNameLabel && !m.Matches(name) })
}

// readFlow reads the series of a flow that match, with their samples in the span: those of
// closed windows, and of the open one where that is wanted.
func (r *reading) readFlow(ctx context.Context, flow *progress.Flow, span sequence.Span, ms []*labels.Matcher) ([]*oneSeries, error) {
	snap, err := r.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	// The window before the first one says where markers stand.
	ends := sequence.Span{After: max(span.After-flow.Def.Every, sequence.NoTime), UpTo: span.UpTo}
	if !r.provisional {
		ends.UpTo = min(ends.UpTo, flow.EmittedUntil)
	}
	if ends.Empty() {
		return nil, nil
	}
	most, beyond := r.room(1, groupedBytes)
	groups, plain, err := r.groups(ctx, snap, flow, ends, equal(flowdef.NewLayout(flow.Def), ms), most)
	if errors.Is(err, progress.ErrTooManyRows) {
		return nil, beyond
	}
	if err != nil {
		return nil, err
	}
	if plain {
		return r.fromGroups(flow, groups, span, ms)
	}
	most, beyond = r.room(1, rowBytes)
	windows, err := snap.ResultsUpTo(ctx, flow.ID, ends, most)
	if errors.Is(err, progress.ErrTooManyRows) {
		return nil, beyond
	}
	if err != nil {
		return nil, err
	}
	n := progress.CountRows(windows)
	if err := r.Take(n, int64(n)*rowBytes); err != nil {
		return nil, err
	}
	return seriesOf(flow, windows, span, ms)
}

// groups is Snapshot.Groups, of what is kept where that is still so. A table that forgets old
// windows does not say so in its change log, and nothing is kept of it.
func (r *reading) groups(ctx context.Context, snap Snapshot, flow *progress.Flow, ends sequence.Span, only map[string]string, most int) ([]progress.Group, bool, error) {
	if flow.Def.Keep > 0 {
		return snap.Groups(ctx, flow.ID, ends, only, most)
	}
	now := time.Now()
	key := &rows.Key{Flow: flow.ID, Ends: ends, Only: only}
	key.Life, key.Position = snap.Stand(flow.ID)
	if groups, kept := r.rows.Get(key, now); kept {
		r.metrics.kept.Inc()
		return groups, true, nil
	}
	groups, plain, err := snap.Groups(ctx, flow.ID, ends, only, most)
	if err == nil && plain {
		r.rows.Put(key, groups, now)
	}
	return groups, plain, err
}

// equal is what matchers say of label columns that they want to be equal to something.
func equal(layout *flowdef.Layout, ms []*labels.Matcher) map[string]string {
	var out map[string]string
	for _, m := range ms {
		if column, has := layout.Column(m.Name); has && m.Type == labels.MatchEqual {
			if out == nil {
				out = map[string]string{}
			}
			out[column] = m.Value
		}
	}
	return out
}

// fromGroups makes series of groups: those that match, with their samples in the span.
func (r *reading) fromGroups(flow *progress.Flow, groups []progress.Group, span sequence.Span, ms []*labels.Matcher) (out []*oneSeries, err error) {
	layout := flowdef.NewLayout(flow.Def)
	for i := range groups {
		g := &groups[i]
		s := newSeries(flow.Def.Name, layout.Labels(g.Columns), ms)
		if s == nil {
			continue
		}
		if most, beyond := r.room(1, groupedBytes); len(g.Ends) > most {
			return nil, beyond
		}
		if err := r.Take(len(g.Ends), int64(len(g.Ends))*groupedBytes); err != nil {
			return nil, err
		}
		s.column.Times, s.column.Values = make([]int64, 0, len(g.Ends)+1), make([]float64, 0, len(g.Ends)+1)
		for j, end := range g.Ends {
			if span.Holds(end) {
				s.column.Add(end, g.Values[j], nil)
			}
			// As results.Walk has it.
			next := end + flow.Def.Every
			if (j+1 == len(g.Ends) || g.Ends[j+1] != next) && next <= flow.EmittedUntil && span.Holds(next) {
				s.column.Add(next, segment.Stale(), nil)
			}
		}
		if len(s.column.Times) > 0 {
			out = append(out, s)
		}
	}
	slices.SortFunc(out, func(a, b *oneSeries) int { return labels.Compare(a.labels, b.labels) })
	return out, nil
}

// seriesOf makes series of rows: those that match, with their samples in the span.
func seriesOf(flow *progress.Flow, windows []progress.Window, span sequence.Span, ms []*labels.Matcher) (out []*oneSeries, err error) {
	layout := flowdef.NewLayout(flow.Def)
	byKey := map[string]*oneSeries{} // nil for those that do not match
	walk := results.Walk[*oneSeries, *progress.Row]{Every: flow.Def.Every, Until: flow.EmittedUntil, Sample: func(s *oneSeries, t sequence.Time, row *progress.Row) {
		switch {
		case !span.Holds(t):
			return
		case row == nil:
			s.column.Add(t, segment.Stale(), nil)
			return
		case row.Histogram == nil:
			s.column.Add(t, row.Value, nil)
			return
		}
		payload, bad := nativehist.AppendFloat(nil, row.Histogram.Float())
		if bad != nil {
			err = fmt.Errorf("result of %s at %d: %w", flow.Def.Title(), t, bad)
		}
		s.column.Add(t, row.Histogram.Sum, payload)
	}}
	var last sequence.Time
	for i := range windows {
		w := &windows[i]
		if i == 0 || w.End != last {
			walk.Window(w.End)
		}
		last = w.End
		for j := range w.Rows {
			key := progress.RowKey(w.Rows[j].Columns)
			s, known := byKey[key]
			if !known {
				if s = newSeries(flow.Def.Name, layout.Labels(w.Rows[j].Columns), ms); s != nil {
					out = append(out, s)
				}
				byKey[key] = s
			}
			if s != nil {
				walk.Row(s, &w.Rows[j])
			}
		}
	}
	walk.Done()
	out = slices.DeleteFunc(out, func(s *oneSeries) bool { return len(s.column.Times) == 0 })
	slices.SortFunc(out, func(a, b *oneSeries) int { return labels.Compare(a.labels, b.labels) })
	return out, err
}

// newSeries is a series of a flow; nil if it does not match.
func newSeries(name string, columns labels.Labels, ms []*labels.Matcher) *oneSeries {
	b := labels.NewBuilder(columns)
	b.Set(model.MetricNameLabel, name)
	lset := b.Labels()
	if !matchesAll(lset, ms) {
		return nil
	}
	return &oneSeries{labels: lset, column: new(column)}
}

// newest is the part of a span in which a flow's labels are looked up.
func newest(flow *progress.Flow, span sequence.Span) sequence.Span {
	end := min(span.UpTo, flow.EmittedUntil)
	span.After = max(span.After, end-lookupWindows*flow.Def.Every)
	return span
}

// lookbackFor is how far back the instant selectors of an expression look, where they all
// name flows whose steps are longer than usual: as far as the longest step, since results
// stand no closer. 0 stands for what is usual.
func (r *reading) lookbackFor(ctx context.Context, expr parser.Expr, usual time.Duration) (time.Duration, error) {
	names, others := instantNames(expr)
	if others || len(names) == 0 {
		return 0, nil
	}
	flows, err := r.named(ctx, names)
	if err != nil {
		return 0, err
	}
	longest := usual
	for _, f := range flows {
		longest = max(longest, time.Duration(f.Def.Every)*time.Millisecond)
	}
	for _, name := range names {
		if !slices.ContainsFunc(flows, func(f progress.Flow) bool { return f.Def.Name == name }) {
			return 0, nil
		}
	}
	return longest, nil
}

// instantNames is the names that instant selectors of an expression have; others reports
// that there are some without.
func instantNames(expr parser.Expr) (names []string, others bool) {
	parser.Inspect(expr, func(node parser.Node, path []parser.Node) error {
		s, ok := node.(*parser.VectorSelector)
		if !ok {
			return nil
		}
		if len(path) > 0 {
			if _, ranged := path[len(path)-1].(*parser.MatrixSelector); ranged {
				return nil
			}
		}
		name := namesOf(s.LabelMatchers)
		names, others = append(names, name...), others || name == nil
		return nil
	})
	return names, others
}

// selectedNames is the names that selectors of an expression have, each once.
func selectedNames(expr parser.Expr) (names []string) {
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		if s, ok := node.(*parser.VectorSelector); ok {
			for _, name := range namesOf(s.LabelMatchers) {
				if !slices.Contains(names, name) {
					names = append(names, name)
				}
			}
		}
		return nil
	})
	return names
}
