package flownode

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowplan"
	"laminar/flownode/progress"
	"laminar/flownode/promeval"
)

// wanted is which groups of a window to compute: all, or those with the keys
// (for flows whose results each depend on one group, Compiled.ByGroup).
type wanted struct {
	all  bool
	keys map[string]struct{}
}

// windowResult is what a window's expression gives.
type windowResult struct {
	end     int64
	touched bool // some leaf holds a sample in the window
	rows    map[string]progress.Row
}

// inputs is what some windows of a flow can be computed from.
type inputs struct {
	leaves []windowSource // by leaf
	whole  *selection     // of a batch flow, instead
}

// sources gives every leaf a source that can answer the windows from first to
// last: its pane state where that reaches back far enough, else panes or raw
// columns read now from raw samples of the wanted groups. A batch flow gets all
// samples that its selectors read.
func (f *flowRun) sources(ctx context.Context, r *round, first, last int64, want wanted, fresh bool) (inputs, error) {
	if f.flow.Def.Expr.Batch {
		whole, err := f.readSelection(ctx, r, first, last)
		return inputs{whole: whole}, err
	}
	out := make([]windowSource, len(f.leaves))
	for i, l := range f.leaves {
		after, _ := l.span(first)
		_, upTo := l.span(last)
		if !fresh && l.state != nil {
			if _, from := l.state.position(); from <= after {
				out[i] = l.state
				continue
			}
		}
		raw, err := readRaw(ctx, r.snap, l.members, l.want(want), after, upTo)
		if err != nil {
			return inputs{}, err
		}
		r.readSamples += raw.samples()
		if l.leaf.Batch {
			out[i] = l.builder.raw(raw)
			continue
		}
		transient := l.builder.panes(after, r.pos.Vector)
		raw.foldInto(transient, len(l.members.groupOf))
		out[i] = transient
	}
	return inputs{leaves: out}, nil
}

// want translates wanted groups to the leaf's groups. Keys are those of leaf 0,
// and only single-leaf flows are asked for some groups.
func (l *leafRun) want(w wanted) groupSet {
	if w.all {
		return allGroups()
	}
	return l.members.resolve(w.keys)
}

// evaluate computes the flow's expression for the window with this end.
// An error of the expression itself (labels that clash, say) is a value of
// type *EvalError: the window then has no result, as in Prometheus.
func (f *flowRun) evaluate(ctx context.Context, r *round, src inputs, end int64, want wanted) (windowResult, error) {
	res := windowResult{end: end}
	var (
		out promeval.Vector
		err error
	)
	if src.whole != nil {
		out, res.touched, err = f.evaluateWhole(ctx, r, src.whole, end)
	} else {
		out, res.touched, err = f.evaluateLeaves(ctx, r, src.leaves, end, want)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return res, err
	case err != nil:
		return res, &EvalError{Flow: f.flow.Def.Name, End: end, Err: err}
	case !res.touched:
		return res, nil
	}
	res.rows = make(map[string]progress.Row, len(out))
	for _, s := range out {
		cols := f.layout.Row(s.Metric)
		key := rowKey(cols)
		if _, twice := res.rows[key]; twice {
			return windowResult{end: end, touched: true},
				&EvalError{Flow: f.flow.Def.Name, End: end, Err: &duplicateError{leaf: f.flow.Def.PromQL, labels: s.Metric}}
		}
		res.rows[key] = progress.Row{Columns: cols, Value: s.Value}
	}
	return res, nil
}

// evaluateLeaves merges every leaf's partials and evaluates the residual over
// them. touched says that some leaf holds a sample; else there is no result.
func (f *flowRun) evaluateLeaves(ctx context.Context, r *round, src []windowSource, end int64, want wanted) (out promeval.Vector, touched bool, err error) {
	vectors := make([]promeval.Vector, len(f.leaves))
	for i, l := range f.leaves {
		after, upTo := l.span(end)
		if !src[i].holds(after, upTo) {
			continue
		}
		touched = true
		samples, err := leafVector(src[i], l.members, after, upTo, l.want(want))
		if err != nil {
			return nil, true, err
		}
		vec := make(promeval.Vector, len(samples))
		for j, s := range samples {
			vec[j] = promeval.Sample{Metric: l.members.groups[s.group].labels, Value: s.value}
		}
		vectors[i] = vec
	}
	residual := f.flow.Def.Expr.Residual
	if !touched || residual == nil {
		return vectors[0], touched, nil
	}
	out, err = r.node.eval.Residual(ctx, residual, vectors, end)
	return out, true, err
}

// rowKey names a row of a window by its label columns. 0xff occurs in no UTF-8
// text.
func rowKey(cols []string) string { return strings.Join(cols, "\xff") }

// complete turns a result of all groups into what is to be stored.
func (f *flowRun) complete(res windowResult) progress.Window {
	rows := make([]progress.Row, 0, len(res.rows))
	for _, key := range slices.Sorted(maps.Keys(res.rows)) {
		rows = append(rows, res.rows[key])
	}
	return progress.Window{Start: f.flow.Def.WindowStart(res.end), End: res.end, Complete: true, Rows: rows}
}

// some turns a result of some groups into what is to be stored: wanted groups
// without a value must not be there.
func (f *flowRun) some(res windowResult, want wanted) progress.Window {
	w := progress.Window{Start: f.flow.Def.WindowStart(res.end), End: res.end}
	for _, key := range slices.Sorted(maps.Keys(want.keys)) {
		cols := f.layout.Row(flowdef.GroupKeyLabels(key))
		if row, ok := res.rows[rowKey(cols)]; ok {
			w.Rows = append(w.Rows, row)
		} else {
			w.Gone = append(w.Gone, cols)
		}
	}
	return w
}

// changes turns a result of all groups of the open window into what differs
// from what was last written of it, and remembers it.
func (f *flowRun) changes(res windowResult) progress.Window {
	if f.open.end != res.end || f.open.values == nil {
		f.open.end = res.end
		f.open.values = make(map[string]progress.Row, len(res.rows))
		maps.Copy(f.open.values, res.rows)
		return f.complete(res)
	}
	w := progress.Window{Start: f.flow.Def.WindowStart(res.end), End: res.end}
	for _, key := range slices.Sorted(maps.Keys(res.rows)) {
		row := res.rows[key]
		if old, ok := f.open.values[key]; !ok || !sameValue(old.Value, row.Value) {
			w.Rows = append(w.Rows, row)
			f.open.values[key] = row
		}
	}
	for key, old := range f.open.values {
		if _, ok := res.rows[key]; !ok {
			w.Gone = append(w.Gone, old.Columns)
			delete(f.open.values, key)
		}
	}
	return w
}

// sameValue says whether two values are one to the result table: NaN equals
// NaN, and zero equals minus zero.
func sameValue(a, b float64) bool { return a == b || (a != a && b != b) }

// candidates lists the window ends in (after, upTo] in which some leaf may
// hold a sample, ascending, at most limit: from pane state where every leaf has
// it, else from the time spans of the stored segments.
func (f *flowRun) candidates(ctx context.Context, r *round, after, upTo int64, limit int) ([]int64, error) {
	seen := map[int64]struct{}{}
	for _, l := range f.leaves {
		lo, _ := l.span(after + l.step)
		_, hi := l.span(upTo)
		if l.state != nil {
			if _, from := l.state.position(); from <= lo {
				for _, end := range l.state.occupied() {
					l.collect(seen, end, end, after, upTo, limit)
				}
				continue
			}
		}
		if len(l.members.metrics) == 0 {
			continue
		}
		spans, err := r.spans(ctx, l.members.metrics, lo, hi)
		if err != nil {
			return nil, err
		}
		for _, s := range spans {
			l.collect(seen, max(s.MinT, lo+1), min(s.MaxT, hi), after, upTo, limit)
		}
	}
	ends := slices.Sorted(maps.Keys(seen))
	return ends[:min(len(ends), limit)], nil
}

// collect notes the window ends in (after, upTo] that samples from minT to
// maxT reach, the limit smallest of them.
func (l *leafRun) collect(seen map[int64]struct{}, minT, maxT, after, upTo int64, limit int) {
	first, _ := l.windowsOf(minT)
	_, last := l.windowsOf(maxT)
	first = max(first, flowplan.NextEnd(after, l.step))
	for end, n := first, 0; end <= min(last, upTo) && n < limit; end, n = end+l.step, n+1 {
		seen[end] = struct{}{}
	}
}

// EvalError says that a window's expression cannot be evaluated; the window
// then has no result.
type EvalError struct {
	Flow string
	End  int64 // ms since the epoch
	Err  error
}

func (e *EvalError) Error() string {
	return fmt.Sprintf("evaluate %s for the window ending %s: %v", e.Flow, progress.FormatTime(e.End), e.Err)
}

func (e *EvalError) Unwrap() error { return e.Err }
