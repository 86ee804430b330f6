package round

// The value of a flow's expression in one window.
// Before: pane state stands at the round's vector, or is not there; raw samples
// can be read.
// After: the window's rows, computed from everything the snapshot holds (I3).
//
// The steps are: choose a source for each leaf (sources), compute each leaf's
// vector from it, evaluate the residual over the vectors (evaluate), make rows of
// the result, and reduce these to what has to be written (complete, some,
// changes). Only the first step reads anything.

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"laminar/flownode/flowdef"
	"laminar/flownode/keep"
	"laminar/flownode/progress"
	"laminar/flownode/promeval"
	"laminar/flownode/read"
	"laminar/sequence"
	"laminar/sequence/nativehist"
)

// wanted is which groups of a window to compute: all, or those with the keys
// (for flows whose results each depend on one group, Compiled.ByGroup).
type wanted struct {
	all   bool
	keys  map[string]struct{}
	byEnd map[int64]map[string]struct{} // which of them each of several windows wants, by its end
}

// windowResult is the value of a flow's expression in one window. A window in which
// no leaf holds a sample has no rows, but of a flow that has results from nothing.
type windowResult struct {
	end     int64
	touched bool           // it can have rows: some leaf holds a sample, or none is needed
	rows    []progress.Row // ascending by columns, no two with the same
	failed  string         // why the expression cannot be evaluated in the window
}

// inputs is what some windows of a flow can be computed from.
type inputs struct {
	leaves []keep.WindowSource // by leaf
	whole  *read.Selection     // of a batch flow, instead
}

// sources gives every leaf a source that can answer the windows with these ends,
// which ascend: its pane state where that reaches back far enough, else panes or
// raw columns read now from raw samples of the wanted groups. A batch flow gets
// all samples that its selectors read. fresh says that pane state must not be used:
// a refill computes from raw samples alone.
//
// Sources that are read now serve all the windows at once and are thrown away
// afterwards. They give the same values as pane state would: both hold exactly the
// samples up to the round's vector (I3).
func (f *Flow) sources(ctx context.Context, r *round, ends []int64, want wanted, fresh bool) (inputs, error) {
	first, last := ends[0], ends[len(ends)-1]
	if f.Def.Expr.Batch {
		whole, err := r.Select(ctx, f.Leaves, first, last)
		return inputs{whole: whole}, err
	}
	out := make([]keep.WindowSource, len(f.Leaves))
	for i, l := range f.Leaves {
		after := l.Span(first).After
		if !fresh && l.ReachesBack(after) {
			out[i] = l.State
			continue
		}
		// Only the stretches that the windows read, which may leave gaps: dirty windows
		// are scattered.
		spans := make(sequence.Spans, 0, len(ends))
		for _, end := range ends {
			spans = append(spans, l.Span(end))
		}
		spans, series := sequence.Union(spans...), l.Members.SeriesOf(groupsOf(l, want))
		if l.Def.Batch {
			raw, err := r.Columns(ctx, l.Members, series, spans, nil)
			if err != nil {
				return inputs{}, err
			}
			out[i] = l.RawWindows(raw)
			continue
		}
		// Panes of the windows alone. They are thrown away, so that a refill of a year
		// does not fill the memory with panes that no open window needs.
		transient := l.NewState(after, r.Pos.Vector)
		if err := r.Fold(ctx, l, transient, series, spans, only(l, want)); err != nil {
			return inputs{}, err
		}
		out[i] = transient
	}
	return inputs{leaves: out}, nil
}

// groupsOf translates wanted groups to the leaf's groups. Keys are those of leaf
// 0, and only single-leaf flows are asked for some groups: the residual of several
// leaves may look across groups (scalar, group_left), so it needs complete vectors.
func groupsOf(l *keep.Leaf, w wanted) keep.GroupSet {
	if w.all {
		return keep.EveryGroup()
	}
	return l.Members.Resolve(w.keys)
}

// only says which samples windows with groups of their own are computed from; nil
// for all that are read. One reading serves windows that want different groups:
// without it, each group would be folded in every window's panes.
func only(l *keep.Leaf, w wanted) func(slot int32, t int64) bool {
	if w.all || len(w.byEnd) < 2 {
		return nil
	}
	var cells keep.Touches // by group
	for end, keys := range w.byEnd {
		span := l.Span(end)
		for p := span.After + l.Def.Pane; p <= span.UpTo; p += l.Def.Pane {
			for g := range l.Members.Resolve(keys).Set {
				cells.Add(p, g)
			}
		}
	}
	return func(slot int32, t int64) bool { return cells.Has(l.PaneOf(t), l.Members.GroupOf[slot]) }
}

// evaluate computes the flow's expression for the window with this end.
// An error of the expression itself (labels that clash, say) is a value of
// type *EvalError: the window then has no result, as in Prometheus.
func (f *Flow) evaluate(ctx context.Context, r *round, src inputs, end int64, want wanted) (windowResult, error) {
	res := windowResult{end: end}
	var (
		out promeval.Vector
		err error
	)
	switch {
	case src.whole != nil:
		out, res.touched, err = f.evaluateWhole(ctx, r, src.whole, end)
	case f.Def.Expr.Residual == nil && !f.Def.Expr.Native():
		res.rows, res.touched, err = f.evaluateLeaf(src.leaves[0], end, want)
	default:
		out, res.touched, err = f.evaluateLeaves(ctx, r, src.leaves, end, want)
	}
	if err == nil && out != nil {
		res.rows, err = f.rowsOf(out)
	}
	if err == nil {
		err = f.Def.CheckLimit(len(res.rows))
	}
	if err != nil && ctx.Err() == nil {
		return windowResult{end: end, touched: res.touched}, &EvalError{Flow: f.Def.Name, End: end, Err: err}
	}
	return res, err
}

// rowsOf turns a vector into rows, by the columns of the result table. Elements that
// differ only in labels without a column would be one row: that is an error of the
// expression.
func (f *Flow) rowsOf(vec promeval.Vector) ([]progress.Row, error) {
	rows := make([]progress.Row, len(vec))
	for i := range vec {
		rows[i] = progress.Row{Columns: f.layout.Row(vec[i].Metric), Value: vec[i].Value}
		if h := vec[i].Histogram; h != nil {
			rows[i].Value, rows[i].Histogram = 0, nativehist.NewSparse(h)
		}
	}
	slices.SortFunc(rows, func(a, b progress.Row) int { return slices.Compare(a.Columns, b.Columns) })
	for i := 1; i < len(rows); i++ {
		if slices.Equal(rows[i-1].Columns, rows[i].Columns) {
			for _, s := range vec {
				if slices.Equal(f.layout.Row(s.Metric), rows[i].Columns) {
					return nil, &keep.DuplicateError{Leaf: f.Def.PromQL, Labels: s.Metric}
				}
			}
		}
	}
	return rows, nil
}

// evaluateLeaf is the rows of a flow that is one leaf and nothing else.
func (f *Flow) evaluateLeaf(src keep.WindowSource, end sequence.Time, want wanted) (rows []progress.Row, touched bool, err error) {
	l := f.Leaves[0]
	span := l.Span(end)
	if !src.Holds(span) {
		return nil, false, nil
	}
	samples, err := keep.LeafVector(src, l.Members, span, groupsOf(l, want))
	if err != nil {
		return nil, true, err
	}
	rows, err = f.rows.of(f.layout, f.Def.PromQL, l.Members, samples)
	return rows, true, err
}

// evaluateLeaves merges every leaf's partials and evaluates the residual over
// them. touched says that there can be a result.
func (f *Flow) evaluateLeaves(ctx context.Context, r *round, src []keep.WindowSource, end sequence.Time, want wanted) (out promeval.Vector, touched bool, err error) {
	vectors := make([]promeval.Vector, len(f.Leaves))
	touched = f.Def.Expr.FromNothing
	for i, l := range f.Leaves {
		span := l.Span(end)
		if !src[i].Holds(span) {
			continue
		}
		touched = true
		if l.Def.Native {
			if vectors[i], err = nativeVector(src[i], l, span, groupsOf(l, want)); err != nil {
				return nil, true, err
			}
			continue
		}
		samples, err := keep.LeafVector(src[i], l.Members, span, groupsOf(l, want))
		if err != nil {
			return nil, true, err
		}
		vec := make(promeval.Vector, len(samples))
		for j, s := range samples {
			vec[j] = promeval.Sample{Metric: l.Members.Groups[s.Group].Labels, Value: s.Value}
		}
		vectors[i] = vec
	}
	if !touched {
		return nil, false, nil
	}
	// A leaf without samples has an empty vector, as the engine would find.
	out, err = r.Eval.Residual(ctx, f.Def.Expr.Residual, vectors, end)
	return out, true, err
}

// nativeVector is the vector of a leaf whose series may hold native histograms.
func nativeVector(src keep.WindowSource, l *keep.Leaf, span sequence.Span, want keep.GroupSet) (promeval.Vector, error) {
	samples, err := keep.NativeVector(src, l.Members, span, want)
	if err != nil {
		return nil, err
	}
	vec := make(promeval.Vector, len(samples))
	for i, s := range samples {
		vec[i] = promeval.Sample{Metric: l.Members.Groups[s.Group].Labels, Value: s.Value, Histogram: s.Histogram}
	}
	return vec, nil
}

// evaluateWhole evaluates the expression of a batch flow over raw samples.
// touched says that there can be a result.
func (f *Flow) evaluateWhole(ctx context.Context, r *round, sel *read.Selection, end sequence.Time) (out promeval.Vector, touched bool, err error) {
	// The selection was read for several windows: this one must see no sample that
	// only a later one may.
	var span sequence.Span
	for _, l := range f.Leaves {
		span = span.Join(l.Span(end))
	}
	if !f.Def.Expr.FromNothing && !sel.Touches(f.Leaves, end) {
		return nil, false, nil
	}
	out, err = r.Eval.WithLookback(f.Def.Lookback).Whole(ctx, f.Def.PromQL, sel.WithinBut(span, f.early(f.Def.Previous, end)), end)
	return out, true, err
}

// complete turns a result of all groups into what is to be stored: every other row
// of the window goes.
func (f *Flow) complete(res windowResult) progress.Window {
	return progress.Window{Start: f.Def.WindowStart(res.end), End: res.end, Complete: true, Rows: res.rows, Failed: res.failed}
}

// some turns a result of some groups into what is to be stored: wanted groups
// without a value must not be there, and nothing is said of the others.
func (f *Flow) some(res windowResult, want wanted) progress.Window {
	w := progress.Window{Start: f.Def.WindowStart(res.end), End: res.end, Failed: res.failed}
	for _, key := range slices.Sorted(maps.Keys(want.keys)) {
		cols := f.layout.Row(flowdef.GroupKeyLabels(key))
		at, ok := slices.BinarySearchFunc(res.rows, cols, func(r progress.Row, cols []string) int { return slices.Compare(r.Columns, cols) })
		if ok {
			w.Rows = append(w.Rows, res.rows[at])
		} else {
			w.Gone = append(w.Gone, cols)
		}
	}
	return w
}

// changes turns a result of all groups of the open window into its difference from
// what was last written, and remembers the result. Both are in the order of their
// columns, so one pass over the two finds rows that are new, changed and gone.
//
// It remembers before anything is stored. That is safe, because a flow whose
// result is not stored is not used again (Result).
func (f *Flow) changes(res windowResult) progress.Window {
	old, known := f.open.rows, f.open.end == res.end && f.open.known
	f.open = openWindow{end: res.end, rows: res.rows, known: true}
	if !known {
		return f.complete(res)
	}
	w := progress.Window{Start: f.Def.WindowStart(res.end), End: res.end}
	for _, row := range res.rows {
		// Old rows that sort before this one have no value any more.
		order := 1
		for len(old) > 0 {
			if order = compareColumns(old[0].Columns, row.Columns); order >= 0 {
				break
			}
			w.Gone = append(w.Gone, old[0].Columns)
			old = old[1:]
		}
		if len(old) > 0 && order == 0 {
			same := progress.SameResult(old[0], row)
			old = old[1:]
			if same {
				continue
			}
		}
		w.Rows = append(w.Rows, row)
	}
	for _, row := range old {
		w.Gone = append(w.Gone, row.Columns)
	}
	return w
}

// compareColumns orders label columns; nearly always they are the very same.
func compareColumns(a, b []string) int {
	if len(a) > 0 && len(a) == len(b) && &a[0] == &b[0] {
		return 0
	}
	return slices.Compare(a, b)
}

// candidates lists the window ends in the span in which some leaf that is not
// pinned may hold a sample, ascending, at most limit: from the panes of a leaf that
// has them in memory, else from the time spans of the stored segments. A pinned leaf
// holds the same samples in every window, so it makes no window worth computing. A
// flow that has results from nothing has all windows after began.
func (f *Flow) candidates(ctx context.Context, r *round, began sequence.Time, within sequence.Span, limit int) ([]int64, error) {
	if f.Def.Expr.FromNothing && within.After >= began {
		return everyWindow(f.windows(), within, limit), nil
	}
	seen := map[int64]struct{}{}
	for _, l := range f.Leaves {
		if l.Def.Pinned {
			continue
		}
		needed := sequence.Span{After: l.Span(l.Windows.Next(within.After)).After, UpTo: l.Span(within.UpTo).UpTo}
		if l.ReachesBack(needed.After) {
			for _, end := range l.State.Occupied() {
				collect(l, seen, l.PaneSpan(end), within, limit)
			}
			continue
		}
		metrics := f.metrics(l)
		if len(metrics) == 0 {
			continue
		}
		spans, err := r.Spans(ctx, metrics, needed)
		if err != nil {
			return nil, err
		}
		for _, span := range spans {
			collect(l, seen, span.Cut(needed), within, limit)
		}
	}
	if f.Def.Expr.FromNothing {
		for _, end := range everyWindow(f.windows(), sequence.Span{After: began, UpTo: within.UpTo}, limit) {
			seen[end] = struct{}{}
		}
	}
	ends := slices.Sorted(maps.Keys(seen))
	return ends[:min(len(ends), limit)], nil
}

// collect adds to seen the window ends in within that samples in the span reach,
// the limit smallest of them. Each call may add limit ends: only all calls
// together show which are the smallest, and candidates cuts them at the end.
func collect(l *keep.Leaf, seen map[int64]struct{}, span, within sequence.Span, limit int) {
	first, last := l.Windows.Of(span)
	first = max(first, l.Windows.Next(within.After))
	n := 0
	for end := range l.Windows.Ends(first, min(last, within.UpTo)) {
		if n++; n > limit {
			break
		}
		seen[end] = struct{}{}
	}
}

// EvalError says that a window's expression cannot be evaluated; the window
// then has no result.
type EvalError struct {
	Flow string
	End  sequence.Time
	Err  error
}

func (e *EvalError) Error() string {
	return fmt.Sprintf("evaluate %s for the window ending %s: %v", e.Flow, sequence.FormatTime(e.End), e.Err)
}

func (e *EvalError) Unwrap() error { return e.Err }
