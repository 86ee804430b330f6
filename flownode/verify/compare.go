package verify

// Computing windows with the engine, and looking for differences.
// Before: samples and stored rows of the windows come from one snapshot.
// After: every difference beyond the bound is in the report.

import (
	"cmp"
	"context"
	"slices"

	"laminar/flownode/progress"
	"laminar/flownode/promeval"
	"laminar/flownode/read"
	"laminar/sequence"
	"laminar/sequence/nativehist"
)

// compare computes the windows of a reading and looks for differences.
func (r *verifying) compare(ctx context.Context, in *reading) error {
	byEnd := make(map[int64][]progress.Window, len(in.ends))
	for _, w := range in.stored {
		end := r.def.Windows().From(w.End)
		byEnd[end] = append(byEnd[end], w)
	}
	for from := 0; from < len(in.ends); {
		to := from + 1
		for to < len(in.ends) && in.ends[to] == in.ends[to-1]+r.def.Every {
			to++
		}
		vectors, err := r.evaluate(ctx, in, in.ends[from:to])
		if err != nil {
			return err
		}
		for i, end := range in.ends[from:to] {
			r.compareWindow(in, end, r.rows(vectors[i]), byEnd[end])
		}
		from = to
	}
	return nil
}

// evaluate computes adjacent windows with Prometheus's engine, in one pass if
// possible: a range query shares work between its steps. Three kinds of expressions
// are evaluated window by window instead: those of batch flows, in which @ end()
// would be the end of the range, those that see some results up to the evaluation before,
// and those that fail at some time, which would fail the whole range. A window without a sample, or whose expression fails, has no
// result.
func (r *verifying) evaluate(ctx context.Context, in *reading, ends []int64) ([]promeval.Vector, error) {
	out := make([]promeval.Vector, len(ends))
	first, last := ends[0], ends[len(ends)-1]
	inOne := false
	eval := r.v.eval.WithLookback(r.def.Lookback)
	if !r.def.Expr.Batch && len(r.def.Previous) == 0 && len(ends) > 1 {
		all, err := r.whole(ctx, eval, in.samples.Within(r.span(first, last)), first, last)
		if ctx.Err() != nil {
			return nil, err
		}
		if inOne = err == nil; inOne {
			out = all
		}
	}
	for i, end := range ends {
		switch {
		case !r.touched(in.samples, end):
			out[i] = nil
		case !inOne:
			one, err := r.whole(ctx, eval, in.samples.WithinBut(r.span(end, end), in.early[end]), end, end)
			if ctx.Err() != nil {
				return nil, err
			}
			if err == nil {
				out[i] = one[0]
			}
		}
	}
	return out, nil
}

// whole evaluates the flow's expression in the windows from first to last: as a range
// where there are several.
func (r *verifying) whole(ctx context.Context, eval *promeval.Engine, samples promeval.Samples, first, last sequence.Time) ([]promeval.Vector, error) {
	if first < last {
		return eval.WholeRange(ctx, r.def.PromQL, samples, first, last, r.def.Every)
	}
	one, err := eval.Whole(ctx, r.def.PromQL, samples, first)
	return []promeval.Vector{one}, err
}

// span is the stretch of sample time that the windows from first to last read, the
// time between them included.
func (r *verifying) span(first, last sequence.Time) sequence.Span {
	var all sequence.Span
	for _, l := range r.leaves {
		all = all.Join(l.Span(first)).Join(l.Span(last))
	}
	return all
}

// touched reports whether the window can have results: whether it holds a sample, or
// the flow has results from nothing. A stale marker is a sample for
// instant selectors and in batch, where no function has left it out.
func (r *verifying) touched(sel *read.Selection, end sequence.Time) bool {
	return r.def.Expr.FromNothing || sel.Touches(r.leaves, end)
}

// rows is a window's result by row. None where two results would be one row, or
// where there are more than the flow's limit: those are errors, and the window then
// has no result.
func (r *verifying) rows(vec promeval.Vector) map[string]progress.Row {
	if r.def.CheckLimit(len(vec)) != nil {
		return nil
	}
	out := make(map[string]progress.Row, len(vec))
	for _, s := range vec {
		cols := r.layout.Row(s.Metric)
		key := progress.RowKey(cols)
		if _, twice := out[key]; twice {
			return nil
		}
		row := progress.Row{Columns: cols, Value: s.Value}
		if s.Histogram != nil {
			row.Value, row.Histogram = 0, nativehist.NewSparse(s.Histogram)
		}
		out[key] = row
	}
	return out
}

// compareWindow looks for the differences of one window: a row that is stored and
// not computed, computed and not stored, or stored with another value or another
// window_start. Before the flow's beginning rows may be missing: there only late
// samples have made some.
func (r *verifying) compareWindow(in *reading, end sequence.Time, computed map[string]progress.Row, stored []progress.Window) {
	r.report.Windows++
	var diffs []Difference
	start := r.def.WindowStart(end)
	seen := make(map[string]struct{}, len(computed))
	for _, w := range stored {
		for _, row := range w.Rows {
			key := progress.RowKey(row.Columns)
			want, known := computed[key]
			d := Difference{End: end, Columns: row.Columns, Stored: row, Computed: want}
			switch {
			case !known || w.End != end: // no window ends between two steps
				d.Kind, d.End, d.Computed = CellExtra, w.End, progress.Row{}
			case !r.sameResult(in, end, key, row, want):
				d.Kind = CellDiffers
			case w.Start != start:
				d.Kind, d.StoredStart = CellShifted, w.Start
			}
			if w.End == end {
				seen[key] = struct{}{}
			}
			r.report.Rows++
			if d.Kind != "" {
				diffs = append(diffs, d)
			}
		}
	}
	for key, want := range computed {
		if _, there := seen[key]; !there && end > r.flow.BeginsAfter {
			r.report.Rows++
			diffs = append(diffs, Difference{Kind: CellMissing, End: end, Columns: want.Columns, Computed: want})
		}
	}
	r.found(in.late.leaves(r, in, end, diffs))
}

// found adds the differences of one window to the report, by time and labels.
func (r *verifying) found(list []Difference) {
	slices.SortStableFunc(list, func(a, b Difference) int {
		return cmp.Or(cmp.Compare(a.End, b.End), slices.Compare(a.Columns, b.Columns))
	})
	r.report.Found += int64(len(list))
	room := maxDifferences - len(r.report.Differences)
	r.report.Differences = append(r.report.Differences, list[:min(room, len(list))]...)
}
