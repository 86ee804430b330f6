package resulttable

import (
	"context"
	"slices"
	"time"

	"github.com/jackc/pgx/v5"

	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	queries "laminar/queries/result"
	"laminar/sequence"
	"laminar/sqlstore/pg"
)

// Followed is a table that is read piece by piece: windows in their order, and rows by
// their labels. Only rows of the flow are read, those that stand.
type Followed struct{ *Table }

// Look reports whether the table is there, and finds out whether it holds histograms.
func (t *Followed) Look(ctx context.Context, q pg.Querier) (exists bool, err error) {
	return t.present(ctx, q)
}

// Schema is the one that the table is in.
func (t *Followed) Schema() string { return t.schema }

// Name is the table's, without its schema.
func (t *Followed) Name() string { return t.name }

// Ends is the ends of the first windows in the span that have a row of the flow, oldest
// first, at most so many. It looks for each in the primary key. Errors are the driver's.
func (t *Followed) Ends(ctx context.Context, q pg.Querier, ends sequence.Span, most int) ([]int64, error) {
	args := append([]any{time.UnixMilli(ends.After).UTC(), time.UnixMilli(ends.UpTo).UTC(), int32(most)}, t.static...)
	rows, err := q.Query(ctx, t.in.expand(queries.ResultEnds), args...)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[int64])
}

// Windows is the flow's rows of the windows with these ends, oldest first, as far as the
// first rows reach, most of them, or all with 0. cut reports that there are more: of the
// last window, too, some may lack. A window without rows is not there, and Start is not set.
// Errors are the driver's.
func (t *Followed) Windows(ctx context.Context, q pg.Querier, ends []int64, most int) (out []progress.Window, cut bool, err error) {
	var limit *int32
	if most > 0 {
		n := int32(most) + 1
		limit = &n
	}
	rows, err := q.Query(ctx, t.in.expand(queries.ResultWindows), append([]any{timesOf(ends), limit}, t.static...)...)
	if err != nil {
		return nil, false, err
	}
	var (
		end     int64
		start   int64
		columns []string
		result  Result
		n       int
	)
	_, err = pgx.ForEachRow(rows, append([]any{&end, &start, &columns}, result.Fields()...), func() error {
		if n++; most > 0 && n > most {
			cut = true
			return nil
		}
		if !t.perLabel {
			columns[0] = flowdef.GroupKey(flowdef.GroupKeyLabels(columns[0]))
		}
		if k := len(out); k == 0 || out[k-1].End != end {
			out = append(out, progress.Window{End: end})
		}
		w := &out[len(out)-1]
		w.Rows = append(w.Rows, t.begun(result.Row(slices.Clone(columns)), start))
		return nil
	})
	return out, cut, err
}

// Place is a window and the label columns of a row there.
type Place struct {
	End     int64 // ms
	Columns []string
}

// Find looks for rows of the flow at these places: found[i] is nil where none is. Errors
// are the driver's.
func (t *Followed) Find(ctx context.Context, q pg.Querier, places []Place) (found []*progress.Row, err error) {
	var (
		ends    []int64
		windows = make([]int32, len(places))
		columns = columnsOf(len(t.columns), len(places))
	)
	for i, p := range places {
		if len(ends) == 0 || ends[len(ends)-1] != p.End {
			ends = append(ends, p.End)
		}
		windows[i] = int32(len(ends))
		if err := t.addColumns(columns, p.Columns); err != nil {
			return nil, &ShapeError{err}
		}
	}
	args := []any{timesOf(ends), windows}
	for _, c := range columns {
		args = append(args, c)
	}
	rows, err := q.Query(ctx, t.in.expand(queries.ResultRows), append(args, t.static...)...)
	if err != nil {
		return nil, err
	}
	found = make([]*progress.Row, len(places))
	var (
		at     int
		start  int64
		result Result
	)
	_, err = pgx.ForEachRow(rows, append([]any{&at, &start}, result.Fields()...), func() error {
		row := t.begun(result.Row(places[at-1].Columns), start)
		found[at-1] = &row
		return nil
	})
	return found, err
}

// begun is the row with its window_start, where rows of the table begin at times of their
// own.
func (t *Followed) begun(row progress.Row, start int64) progress.Row {
	if t.sessions {
		row.Start = start
	}
	return row
}
