package resulttable

import (
	"cmp"
	"context"
	"time"

	"github.com/jackc/pgx/v5"

	"laminar/flownode/progress"
	"laminar/sqlstore/pg"
)

// Writing the rows of new windows by COPY, in PostgreSQL's binary format.
// Before: the flow is locked, and the statements stand behind a savepoint.
// After: the rows of new windows are there; the other windows are still to be written.
//
// That a window is new is looked up and not concluded from progress: a window that is
// closed may have rows from when it was open, and one that is refilled from before.

// copyAtLeast is the least number of rows of a window for which it is worth asking
// whether the window is new, and writing it by COPY if it is.
const copyAtLeast = 256

// copied reports whether a window's rows are worth a COPY, which has no place for
// histograms: they are large, and few.
func copied(w *progress.Window) bool { return len(w.Rows) >= copyAtLeast && !hasHistograms(*w) }

// WriteNew writes those windows by COPY that have many rows and, so far, none
// in the table; it returns the other windows and those that it wrote. That is
// what a flow's windows are when they are first closed, backfilled or refilled.
//
// No other owner writes rows of the flow meanwhile, because the flow's row is
// locked (I4). A person may: then the primary key refuses the COPY, and the
// caller writes the windows as if they were not new.
//
// In the order of the primary key PostgreSQL appends to the index. With two
// labels a row takes 2.5 microseconds, of which half is the index, against 7 by
// INSERT with ON CONFLICT (PostgreSQL 15, 2 busy cores).
func (t *Target) WriteNew(ctx context.Context, db *pg.DB, tx pgx.Tx, windows []progress.Window) (rest, written []progress.Window, err error) {
	// A window of few rows is not worth a look and a COPY.
	var ends []time.Time
	for i := range windows {
		if copied(&windows[i]) {
			ends = append(ends, time.UnixMilli(windows[i].End).UTC())
		}
	}
	if len(ends) == 0 {
		return windows, nil, nil
	}
	found, err := tx.Query(ctx, t.sql.unseen, append([]any{ends}, t.static...)...)
	if err != nil {
		return nil, nil, err
	}
	// By end alone: a flow has one window for each.
	isNew := make(map[int64]bool, len(ends))
	var end time.Time
	if _, err := pgx.ForEachRow(found, []any{&end}, func() error { isNew[end.UnixMilli()] = true; return nil }); err != nil {
		return nil, nil, err
	}
	// The rows of all new windows go by one COPY.
	src := &resultRows{jsonb: !t.perLabel, rule: t.number}
	for i := range windows {
		w := &windows[i]
		if !copied(w) || !isNew[w.End] {
			// It has few rows, or histograms, or some are there: it is written as any other
			// window.
			rest = append(rest, *w)
			continue
		}
		for _, r := range w.Rows {
			if err := t.checkColumns(r.Columns); err != nil {
				return nil, nil, &ShapeError{err}
			}
		}
		src.add(w)
		written = append(written, *w)
	}
	if src.n == 0 { // all of them have rows
		return rest, nil, nil
	}
	if err := db.CopyRows(ctx, tx.Conn().PgConn(), t.sql.copy, src); err != nil {
		return nil, nil, err
	}
	return rest, written, nil
}

// resultRows are the rows of windows for queries.ResultCopy, from the first row of the
// first window to the last of the last. n is the sum of their lengths. It is read once.
type resultRows struct {
	jsonb   bool
	rule    int // number of the rule, 0 for no column of it
	windows []*progress.Window
	n       int // rows in windows

	window, row int    // the row that comes next
	head        []byte // of the rows of that window: number of columns, start, end
}

// add adds a window, whose rows must have as many columns as the table.
func (c *resultRows) add(w *progress.Window) {
	c.windows = append(c.windows, w)
	c.n += len(w.Rows)
}

// Rows implements pg.RowSource.
func (c *resultRows) Rows() int { return c.n }

// AppendRow implements pg.RowSource; rows are asked for one after the other.
func (c *resultRows) AppendRow(dst []byte, _ int) ([]byte, error) {
	w := c.windows[c.window]
	r := &w.Rows[c.row]
	// Start and end are the same for all rows of a window, so they are encoded once; those
	// of sessions are each row's own.
	if c.row == 0 || r.Start != 0 {
		fields := 3 + len(r.Columns)
		if c.rule > 0 {
			fields++
		}
		c.head = pg.AppendInt2(c.head[:0], int16(fields))
		c.head = pg.AppendInt8Field(c.head, timestampOf(cmp.Or(r.Start, w.Start)))
		c.head = pg.AppendInt8Field(c.head, timestampOf(w.End))
	}
	dst = append(dst, c.head...)
	dst = pg.AppendFloat8Field(dst, r.Value)
	for _, v := range r.Columns {
		dst = pg.AppendTextField(dst, v, c.jsonb)
	}
	if c.rule > 0 {
		dst = pg.AppendInt2Field(dst, int16(c.rule))
	}
	if c.row++; c.row == len(w.Rows) {
		c.window, c.row = c.window+1, 0
	}
	return dst, nil
}

// postgresEpoch is 2000-01-01, which PostgreSQL's timestamps count from, in ms
// since the epoch.
const postgresEpoch = int64(946_684_800_000)

// timestampOf is a time in ms since the epoch as a timestamptz: microseconds
// since 2000.
func timestampOf(ms int64) int64 { return (ms - postgresEpoch) * 1000 }
