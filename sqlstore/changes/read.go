package changes

import (
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"laminar/flownode/changelog"
	"laminar/flownode/progress"
	queries "laminar/queries/changes"
	"laminar/sequence"
	"laminar/sqlstore/pg"
	"laminar/sqlstore/resulttable"
)

// What changed in (after, S], with the rows as the snapshot at S shows them.
// Before: the log says which windows changed since, by which keys, and what was closed.
// After: each of these windows is there once, with rows that make a copy of the table as
// of after into one as of S.
//
//	log                     reader gets
//	keys                    those rows that are there, and which are not
//	no keys (null)          all rows of the window
//	closed_after            all rows of each window in that span that has any, or changed
//
// A table that is dropped or emptied is so for older snapshots, too. So the table is
// locked, and then compared with what the snapshot shows: where it is another one, the
// snapshot is of no more use (sequence.ErrSnapshotGone).

// tableLockTimeout is how long a snapshot waits for a table that is being changed.
const tableLockTimeout = "set local lock_timeout = '2s'"

// lock locks the table of a flow, if there is one.
func (s *Snapshot) lock(ctx context.Context, f *following) error {
	table := &resulttable.Followed{Table: resulttable.New(f.schema, f.def)}
	exists, err := table.Look(ctx, s.tx)
	if err != nil {
		return pg.InterpretRead(err)
	}
	if !exists {
		f.looked = true
		return nil
	}
	var there *bool
	batch := &pgx.Batch{}
	batch.Queue(tableLockTimeout)
	batch.Queue("lock table " + table.Ident() + " in access share mode")
	batch.Queue(queries.ChangeThere, table.Schema(), table.Name()).QueryRow(func(row pgx.Row) error { return row.Scan(&there) })
	if err := s.tx.SendBatch(ctx, batch).Close(); err != nil {
		return pg.InterpretRead(err)
	}
	if there == nil || !*there {
		return fmt.Errorf("table %s was made again or emptied: %w", table.Ident(), sequence.ErrSnapshotGone)
	}
	f.table, f.looked = table, true
	return nil
}

// reading is a window that is to be read.
type reading struct {
	end    sequence.Time
	closed bool
	whole  bool
	keys   []string // of the rows that changed, where it is not whole
}

// Changes is what changed of a flow after a position, by window, oldest first: windows that
// end after ends, at most so many, and no more after the one with which rows is exceeded.
// more reports that there are more of them. A window that was closed and has no rows, before and
// after, is not among them. after must not be below the floor.
func (s *Snapshot) Changes(ctx context.Context, id progress.FlowID, after changelog.Position, ends sequence.Time, windows, rows int) (out []changelog.Change, more bool, err error) {
	f, err := s.follow(ctx, id)
	if err != nil {
		return nil, false, err
	}
	if after < f.Floor || after > f.Position {
		return nil, false, fmt.Errorf("changes of %s after position %d: known are those after %d, up to %d", f.def.Title(), after, f.Floor, f.Position)
	}
	if after == f.Position {
		return nil, false, nil
	}
	list, err := s.changed(ctx, f, after, ends, windows+1)
	if err != nil {
		return nil, false, pg.ReadError("read the change log of "+f.def.Title(), err)
	}
	return s.read(ctx, f, list, windows, rows)
}

// changed is the first windows that changed after a position, at most so many.
func (s *Snapshot) changed(ctx context.Context, f *following, after changelog.Position, ends sequence.Time, most int) ([]reading, error) {
	var from, upTo *int64
	if err := s.tx.QueryRow(ctx, queries.ChangeClosed, int32(f.Flow), int64(after)).Scan(&from, &upTo); err != nil {
		return nil, err
	}
	closed := sequence.Span{After: sequence.NoTime, UpTo: sequence.NoTime}
	if from != nil && upTo != nil {
		closed = sequence.Span{After: *from, UpTo: *upTo}
	}
	rows, err := s.tx.Query(ctx, queries.ChangeList, int32(f.Flow), int64(after), ends, int32(most))
	if err != nil {
		return nil, err
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r reading, err error) {
		err = row.Scan(&r.end, &r.keys)
		r.closed = closed.Holds(r.end)
		r.whole = r.closed || r.keys == nil
		return r, err
	})
	if err != nil {
		return nil, err
	}
	// Windows that were closed as they were are not in the log.
	if rest := closed.Cut(sequence.Span{After: ends, UpTo: closed.UpTo}); !rest.Empty() && f.table != nil {
		with, err := f.table.Ends(ctx, s.tx, rest, most)
		if err != nil {
			return nil, err
		}
		for _, end := range with {
			if !slices.ContainsFunc(list, func(r reading) bool { return r.end == end }) {
				list = append(list, reading{end: end, closed: true, whole: true})
			}
		}
		slices.SortFunc(list, func(a, b reading) int { return int(a.end - b.end) })
	}
	return list[:min(len(list), most)], nil
}

// Rows is all rows of the windows that end in a span, oldest first, each window whole: at
// most so many windows, and no more after the one with which rows is exceeded. more
// reports that there are more of them.
func (s *Snapshot) Rows(ctx context.Context, id progress.FlowID, ends sequence.Span, windows, rows int) (out []changelog.Change, more bool, err error) {
	f, err := s.follow(ctx, id)
	if err != nil || f.table == nil {
		return nil, false, err
	}
	with, err := f.table.Ends(ctx, s.tx, ends, windows+1)
	if err != nil {
		return nil, false, pg.ReadError("read results in "+f.table.Ident(), err)
	}
	list := make([]reading, len(with))
	for i, end := range with {
		list[i] = reading{end: end, whole: true}
	}
	return s.read(ctx, f, list, windows, rows)
}

// OldestResult is the end of the oldest window that has a row of the flow;
// sequence.NoTime when none has.
func (s *Snapshot) OldestResult(ctx context.Context, id progress.FlowID) (sequence.Time, error) {
	f, err := s.follow(ctx, id)
	if err != nil || f.table == nil {
		return sequence.NoTime, err
	}
	end, err := f.table.Oldest(ctx, s.tx)
	if err != nil {
		return 0, pg.ReadError("read the oldest result in "+f.table.Ident(), err)
	}
	return end, nil
}

// read reads the windows of the list, within the limits.
func (s *Snapshot) read(ctx context.Context, f *following, list []reading, windows, rows int) ([]changelog.Change, bool, error) {
	more := len(list) > windows
	list = list[:min(len(list), windows)]
	if len(list) == 0 {
		return nil, false, nil
	}
	all := len(list)
	list, byEnd, err := s.whole(ctx, f, list, rows)
	if err == nil {
		err = s.named(ctx, f, list, byEnd)
	}
	if err != nil {
		return nil, false, pg.ReadError("read results of "+f.def.Title(), err)
	}
	n := 0
	out := make([]changelog.Change, 0, len(list))
	for _, r := range list {
		c := changelog.Change{Start: f.def.WindowStart(r.end), End: r.end, Closed: r.closed, Whole: r.whole}
		if found := byEnd[r.end]; found != nil {
			c.Rows, c.Gone = found.Rows, found.Gone
		}
		out = append(out, c)
		if n += len(c.Rows) + len(c.Gone); n > rows {
			break
		}
	}
	return out, more || len(out) < all, nil
}

// whole reads the windows of the list that are read whole, and cuts the list behind the one
// with which rows is exceeded.
func (s *Snapshot) whole(ctx context.Context, f *following, list []reading, rows int) ([]reading, map[sequence.Time]*progress.Window, error) {
	byEnd := map[sequence.Time]*progress.Window{}
	var ends []int64
	for _, r := range list {
		if r.whole {
			ends = append(ends, r.end)
		}
	}
	if len(ends) == 0 || f.table == nil {
		return list, byEnd, nil
	}
	found, cut, err := f.table.Windows(ctx, s.tx, ends, max(rows, 1))
	if err != nil {
		return nil, nil, err
	}
	if cut {
		// The last one may lack rows.
		last := len(found) - 1
		again, _, err := f.table.Windows(ctx, s.tx, []int64{found[last].End}, 0)
		if err != nil {
			return nil, nil, err
		}
		found = append(found[:last], again...)
		behind := slices.IndexFunc(list, func(r reading) bool { return r.end == found[last].End }) + 1
		list = list[:behind]
	}
	for i := range found {
		byEnd[found[i].End] = &found[i]
	}
	return list, byEnd, nil
}

// named reads the rows of the list that are read by their keys.
func (s *Snapshot) named(ctx context.Context, f *following, list []reading, byEnd map[sequence.Time]*progress.Window) error {
	// What a window's rows are named by does not depend on whether its table is there.
	table := f.table
	if table == nil {
		table = &resulttable.Followed{Table: resulttable.New(f.schema, f.def)}
	}
	var places []resulttable.Place
	for _, r := range list {
		if r.whole {
			continue
		}
		seen := map[string]bool{} // one row may have been named with fewer columns
		for _, key := range r.keys {
			columns, err := resulttable.ColumnsOf(table.Table, key)
			if err != nil {
				return err
			}
			if name := progress.RowKey(columns); !seen[name] {
				seen[name] = true
				places = append(places, resulttable.Place{End: r.end, Columns: columns})
			}
		}
	}
	if len(places) == 0 {
		return nil
	}
	found := make([]*progress.Row, len(places))
	if f.table != nil {
		var err error
		if found, err = f.table.Find(ctx, s.tx, places); err != nil {
			return err
		}
	}
	for i, p := range places {
		w := byEnd[p.End]
		if w == nil {
			w = &progress.Window{End: p.End}
			byEnd[p.End] = w
		}
		if found[i] != nil {
			w.Rows = append(w.Rows, *found[i])
		} else {
			w.Gone = append(w.Gone, p.Columns)
		}
	}
	return nil
}
