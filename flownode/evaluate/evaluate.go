package evaluate

// The value of a flow's expression in one window.
// Before: pane state stands at the round's vector, or is not there; raw samples
// can be read.
// After: the window's rows, computed from everything the snapshot holds (I3).
//
// The steps are: choose a source for each leaf (Sources), compute each leaf's
// vector from it, evaluate the residual over the vectors (Evaluate), make rows of
// the result, and reduce these to what has to be written (Complete, Some,
// Changes). Only the first step reads anything.

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"laminar/flownode/flowdef"
	"laminar/flownode/keep"
	"laminar/flownode/progress"
	"laminar/flownode/promeval"
	"laminar/flownode/read"
	"laminar/sequence"
	"laminar/sequence/nativehist"
)

// Wanted is which groups of a window to compute: all, or those with the keys
// (for flows whose results each depend on one group, Compiled.ByGroup).
type Wanted struct {
	All   bool
	Keys  map[string]struct{}
	ByEnd map[int64]map[string]struct{} // which of them each of several windows wants, by its end
}

// Result is the value of a flow's expression in one window. A window in which
// no leaf holds a sample has no rows, but of a flow that has results from nothing.
type Result struct {
	End     int64
	Touched bool           // it can have rows: some leaf holds a sample, or none is needed
	Rows    []progress.Row // ascending by columns, no two with the same
	Failed  string         // why the expression cannot be evaluated in the window
}

// Inputs is what some windows of a flow can be computed from.
type Inputs struct {
	leaves []keep.WindowSource // by leaf
	whole  *read.Selection     // of a batch flow, instead
}

// Whole reports whether each window costs the whole expression over raw samples.
func (in Inputs) Whole() bool { return in.whole != nil }

// Evaluator computes windows of one flow. It belongs to one goroutine.
type Evaluator struct {
	Leaves keep.Leaves

	def    *flowdef.Flow
	layout *flowdef.Layout
	early  Early
	fold   *keep.Fold // of its one leaf; nil for no bound of groups
	rows   groupRows
}

// Early says which series a window that ends at end sees only in part, and what of them;
// nil for none.
type Early func(ctx context.Context, end sequence.Time) (func(sequence.SeriesID) (read.Early, bool), error)

// New makes the evaluator of a flow, with leaves that have nothing in memory. def stays
// the caller's, who says with Becomes that its expression has another form. fold bounds
// the groups of the flow; nil for no bound.
func New(def *flowdef.Flow, early Early, fold *keep.Fold) Evaluator {
	f := Evaluator{def: def, layout: flowdef.NewLayout(*def), early: early, fold: fold}
	f.Becomes()
	return f
}

// Becomes makes new leaves, after the expression of the flow has got another form. The
// layout of its results stays.
func (f *Evaluator) Becomes() {
	f.rows = groupRows{}
	f.Leaves = keep.NewLeaves(*f.def)
	f.bound()
}

// bound bounds the groups of leaves that have no members yet.
func (f *Evaluator) bound() {
	for _, l := range f.Leaves {
		if f.fold != nil {
			l.FoldBy(f.fold)
		}
	}
}

// ChosenSince is what has been learnt since it was asked last of which groups keep a row;
// nil for nothing.
func (f *Evaluator) ChosenSince() *progress.Chosen {
	if f.fold == nil {
		return nil
	}
	first, keys, folds, changed := f.fold.Fresh()
	if !changed {
		return nil
	}
	return &progress.Chosen{First: first, Keys: keys, Folds: folds}
}

// Forget drops what is known of members and pane state: series ids may belong to others
// now.
func (f *Evaluator) Forget() {
	f.rows = groupRows{}
	for _, l := range f.Leaves {
		l.State, l.Members = nil, keep.NewMembers(l.Def)
	}
	f.bound()
}

// Sources gives every leaf a source that can answer the windows with these ends,
// which ascend: its pane state where that reaches back far enough, else panes or
// raw columns read now from raw samples of the wanted groups. A batch flow gets
// all samples that its selectors read. fresh says that pane state must not be used:
// a refill computes from raw samples alone.
//
// Sources that are read now serve all the windows at once and are thrown away
// afterwards. They give the same values as pane state would: both hold exactly the
// samples up to the round's vector (I3).
func (f *Evaluator) Sources(ctx context.Context, r *read.Reader, ends []int64, want Wanted, fresh bool) (Inputs, error) {
	first, last := ends[0], ends[len(ends)-1]
	if f.def.Expr.Batch {
		whole, err := r.Select(ctx, f.Leaves, first, last)
		return Inputs{whole: whole}, err
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
				return Inputs{}, err
			}
			out[i] = l.RawWindows(raw)
			continue
		}
		// Panes of the windows alone. They are thrown away, so that a refill of a year
		// does not fill the memory with panes that no open window needs.
		if err := r.Takes(l.Def.Text, transientBytes(l, spans, len(series))); err != nil {
			return Inputs{}, err
		}
		transient := l.NewState(after, r.Pos.Vector)
		if err := r.Fold(ctx, l, transient, series, spans, only(l, want)); err != nil {
			return Inputs{}, err
		}
		out[i] = transient
	}
	return Inputs{leaves: out}, nil
}

// transientBytes is about how much panes take that some series have in spans.
func transientBytes(l *keep.Leaf, spans sequence.Spans, series int) int64 {
	panes := int64(0)
	for _, span := range spans {
		panes += (span.UpTo - span.After + l.Def.Pane - 1) / l.Def.Pane
	}
	return l.StateBytes(panes) / int64(max(1, len(l.Members.Series))) * int64(series)
}

// groupsOf translates wanted groups to the leaf's groups. Keys are those of leaf
// 0, and only single-leaf flows are asked for some groups: the residual of several
// leaves may look across groups (scalar, group_left), so it needs complete vectors.
func groupsOf(l *keep.Leaf, w Wanted) keep.GroupSet {
	if w.All {
		return keep.EveryGroup()
	}
	return l.Members.Resolve(w.Keys)
}

// only says which samples windows with groups of their own are computed from; nil
// for all that are read. One reading serves windows that want different groups:
// without it, each group would be folded in every window's panes.
func only(l *keep.Leaf, w Wanted) func(slot int32, t int64) bool {
	if w.All || len(w.ByEnd) < 2 {
		return nil
	}
	var cells keep.Touches // by group
	for end, keys := range w.ByEnd {
		span := l.Span(end)
		for p := span.After + l.Def.Pane; p <= span.UpTo; p += l.Def.Pane {
			for g := range l.Members.Resolve(keys).Set {
				cells.Add(p, g)
			}
		}
	}
	return func(slot int32, t int64) bool { return cells.Has(l.PaneOf(t), l.Members.GroupOf[slot]) }
}

// Evaluate computes the flow's expression for the window with this end.
// An error of the expression itself (labels that clash, say) is a value of
// type *EvalError: the window then has no result, as in Prometheus.
func (f *Evaluator) Evaluate(ctx context.Context, eng *promeval.Engine, src Inputs, end int64, want Wanted) (Result, error) {
	res := Result{End: end}
	var (
		out promeval.Vector
		err error
	)
	switch {
	case src.whole != nil:
		early, failed := f.early(ctx, end)
		if failed != nil { // and not the expression
			return res, fmt.Errorf("read what rules before %s give: %w", f.def.Title(), failed)
		}
		out, res.Touched, err = f.evaluateWhole(ctx, eng, src.whole, early, end)
	case f.def.Expr.Residual == nil && !f.def.Expr.Native():
		res.Rows, res.Touched, err = f.evaluateLeaf(src.leaves[0], end, want)
	default:
		out, res.Touched, err = f.evaluateLeaves(ctx, eng, src.leaves, end, want)
	}
	if err == nil && out != nil {
		res.Rows, err = f.rowsOf(out)
	}
	if err == nil {
		err = f.def.CheckLimit(len(res.Rows))
	}
	if err != nil && ctx.Err() == nil {
		return Result{End: end, Touched: res.Touched}, &EvalError{Flow: f.def.Name, End: end, Err: err}
	}
	return res, err
}

// rowsOf turns a vector into rows, by the columns of the result table. Elements that
// differ only in labels without a column would be one row: that is an error of the
// expression.
func (f *Evaluator) rowsOf(vec promeval.Vector) ([]progress.Row, error) {
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
					return nil, &keep.DuplicateError{Leaf: f.def.PromQL, Labels: s.Metric}
				}
			}
		}
	}
	return rows, nil
}

// evaluateLeaf is the rows of a flow that is one leaf and nothing else.
func (f *Evaluator) evaluateLeaf(src keep.WindowSource, end sequence.Time, want Wanted) (rows []progress.Row, touched bool, err error) {
	l := f.Leaves[0]
	span := l.Span(end)
	if !src.Holds(span) {
		return nil, false, nil
	}
	samples, err := keep.LeafVector(src, l.Members, span, groupsOf(l, want))
	if err != nil {
		return nil, true, err
	}
	rows, err = f.rows.of(f.layout, f.def.PromQL, l.Members, samples)
	return rows, true, err
}

// evaluateLeaves merges every leaf's partials and evaluates the residual over
// them. touched says that there can be a result.
func (f *Evaluator) evaluateLeaves(ctx context.Context, eng *promeval.Engine, src []keep.WindowSource, end sequence.Time, want Wanted) (out promeval.Vector, touched bool, err error) {
	vectors := make([]promeval.Vector, len(f.Leaves))
	touched = f.def.Expr.FromNothing
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
	out, err = eng.Residual(ctx, f.def.Expr.Residual, vectors, end)
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
func (f *Evaluator) evaluateWhole(ctx context.Context, eng *promeval.Engine, sel *read.Selection, early func(sequence.SeriesID) (read.Early, bool), end sequence.Time) (out promeval.Vector, touched bool, err error) {
	// The selection was read for several windows: this one must see no sample that
	// only a later one may.
	var span sequence.Span
	for _, l := range f.Leaves {
		span = span.Join(l.Span(end))
	}
	if !f.def.Expr.FromNothing && !sel.Touches(f.Leaves, end) {
		return nil, false, nil
	}
	out, err = eng.WithLookback(f.def.Lookback).Whole(ctx, f.def.PromQL, sel.WithinBut(span, early), end)
	return out, true, err
}

// Columns is the label columns of the row of a result with these labels.
func (f *Evaluator) Columns(lset labels.Labels) []string { return f.layout.Row(lset) }

// Complete turns a result of all groups into what is to be stored: every other row
// of the window goes.
func (f *Evaluator) Complete(res Result) progress.Window {
	return progress.Window{Start: f.def.WindowStart(res.End), End: res.End, Complete: true, Rows: res.Rows, Failed: res.Failed}
}

// Some turns a result of some groups into what is to be stored: wanted groups
// without a value must not be there, and nothing is said of the others.
func (f *Evaluator) Some(res Result, want Wanted) progress.Window {
	w := progress.Window{Start: f.def.WindowStart(res.End), End: res.End, Failed: res.Failed}
	for _, key := range slices.Sorted(maps.Keys(want.Keys)) {
		cols := f.layout.Row(flowdef.GroupKeyLabels(key))
		at, ok := slices.BinarySearchFunc(res.Rows, cols, func(r progress.Row, cols []string) int { return slices.Compare(r.Columns, cols) })
		if ok {
			w.Rows = append(w.Rows, res.Rows[at])
		} else {
			w.Gone = append(w.Gone, cols)
		}
	}
	return w
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
