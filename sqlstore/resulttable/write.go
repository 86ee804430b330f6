package resulttable

import (
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"laminar/flownode/progress"
	queries "laminar/queries/result"
)

// Results reach their table in one of four ways: rows of windows that have none
// yet by COPY (see WriteNew), complete windows by result_whole, and rows of
// other windows, which nearly all have changed, by result_many or result_few. Many rows
// that go from windows in part are deleted by result_gone.
// An upsert would do for all of them. But ON CONFLICT looks for each row before
// it is inserted, and locks each that is there, which writes it, before it is
// found not to have changed.
//
//	windows                       rows they have    statement      reads
//	complete or not, many rows    none yet          result_copy    the key, once a window
//	complete                      any               result_whole   all rows of the windows
//	in part, more than fewRows    nearly all new    result_many    all rows of the windows
//	in part, up to fewRows        any number        result_few     the key, once a row
//	many that go                  any number        result_gone    all rows of the windows
//
// Complete is what a window is when it is closed, backfilled or refilled: its rows
// are all that there are to be. In part is an open window, of which some groups
// have changed, or a closed one of which some groups were dirty.
//
// All of them leave a row alone that has not changed: no row version, no work for
// vacuum, and nothing for a replica.
//
// Before: the flow is locked, at the epoch and vector of its round, so nobody else
// of Laminar writes its rows. After: a complete window has the rows of the round and
// no others of the flow; of a window in part, the rows of the round are there, those
// gone are not, and the others are as they were.

// fewRows is the largest number of rows, present and gone, of windows in part that
// are looked up one by one. More are joined with all rows of their windows: from
// there on a scan of a window costs less than a probe of the index for each row.
const fewRows = 2_000

// Target is a result table that is written to, with the statements that do so. It may
// be used by several goroutines at once.
//
// The texts are made once, when the flow is taken: their expansion would cost as
// much as a small round, and equal texts are what a session's prepared statements
// are found by.
type Target struct {
	*Table
	sql struct{ whole, many, few, gone, unseen, copy string }

	adding atomic.Bool    // the column for histograms, which the table was not known to have
	wide   func() *Target // the target with that column
}

// NewTarget makes the statements for a table.
func NewTarget(table *Table) *Target {
	t := &Target{Table: table}
	t.wide = sync.OnceValue(t.widened)
	t.sql.whole, t.sql.many, t.sql.few = table.in.expand(queries.ResultWhole), table.in.expand(queries.ResultMany), table.in.expand(queries.ResultFew)
	t.sql.gone = table.in.expand(queries.ResultGone)
	t.sql.unseen, t.sql.copy = table.in.expand(queries.ResultNew), table.in.expand(queries.ResultCopy)
	return t
}

// Statements is how to write the windows: texts and their arguments. A row of another
// shape than the table is a ShapeError.
func (t *Target) Statements(windows []progress.Window) ([]Statement, error) {
	if w := t.writer(); w != t {
		return w.Statements(windows)
	}
	// The windows of each kind are written by one statement, however many.
	var whole, parts []progress.Window
	for _, w := range windows {
		if w.Complete {
			whole = append(whole, w)
		} else {
			parts = append(parts, w)
		}
	}
	var out []Statement
	if len(whole) > 0 {
		args, _, err := t.writeArgs(whole)
		if err != nil {
			return nil, &ShapeError{err}
		}
		out = append(out, Statement{SQL: t.sql.whole, Args: t.withHistograms(append(args, t.static...), whole)})
	}
	gone, parts := manyGone(parts)
	if len(gone) > 0 {
		args, err := t.goneArgs(gone)
		if err != nil {
			return nil, &ShapeError{err}
		}
		out = append(out, Statement{SQL: t.sql.gone, Args: append(args, t.static...), gone: gone})
	}
	if len(parts) > 0 {
		args, rows, err := t.writeArgs(parts)
		if err != nil {
			return nil, &ShapeError{err}
		}
		sql := t.sql.many
		if rows <= fewRows {
			sql = t.sql.few
		}
		out = append(out, Statement{SQL: sql, Args: t.withHistograms(append(args, t.static...), parts)})
	}
	return out, nil
}

// withHistograms adds the windows' histograms to the arguments of a statement, where the
// table has a column for them.
func (t *Target) withHistograms(args []any, windows []progress.Window) []any {
	if !t.in.histograms {
		return args
	}
	values, _ := args[valueArg].([]float64)
	floats, texts := histogramArgs(windows, values)
	args[valueArg] = floats
	return append(args, texts)
}

// valueArg is the place of the values in what writeArgs returns.
const valueArg = 3

// manyGone divides windows in part, where many rows go from them, into those with the rows
// that go and those with the rows that are to be there.
func manyGone(parts []progress.Window) (gone, rest []progress.Window) {
	n := 0
	for i := range parts {
		n += len(parts[i].Gone)
	}
	if n <= fewRows {
		return nil, parts
	}
	for _, w := range parts {
		if len(w.Gone) > 0 {
			gone = append(gone, progress.Window{Start: w.Start, End: w.End, Gone: w.Gone})
		}
		if w.Gone = nil; len(w.Rows) > 0 {
			rest = append(rest, w)
		}
	}
	return gone, rest
}

// Statement is a text with its arguments.
type Statement struct {
	SQL  string
	Args []any

	// gone is the windows with the rows that the statement deletes, where it does nothing
	// else: then its tag says how many were there (goneOf). Any other statement answers
	// with rows (readTouched).
	gone []progress.Window
}

// The planner's choices for a statement that deletes, and those for others: see result_gone.
const (
	byIndex   = "select set_config('enable_bitmapscan', 'off', true), set_config('enable_seqscan', 'off', true), set_config('enable_mergejoin', 'off', true)"
	asPlanned = "select set_config('enable_bitmapscan', 'on', true), set_config('enable_seqscan', 'on', true), set_config('enable_mergejoin', 'on', true)"
)

// Queue adds the statement to a batch. When that is sent, note gets what it has changed.
func (s *Statement) Queue(batch *pgx.Batch, note func([]Touched) error) {
	if s.gone == nil {
		batch.Queue(s.SQL, s.Args...).Query(func(rows pgx.Rows) error {
			touched, err := readTouched(rows)
			if err != nil {
				return err
			}
			return note(touched)
		})
		return
	}
	batch.Queue(byIndex)
	batch.Queue(s.SQL, s.Args...).Exec(func(tag pgconn.CommandTag) error { return note(goneOf(s.gone, tag.RowsAffected())) })
	batch.Queue(asPlanned)
}

// goneArgs is the arguments $1 to $3 of result_gone, of which the last stands for one of
// each label column.
func (t *Table) goneArgs(windows []progress.Window) ([]any, error) {
	rows := 0
	for i := range windows {
		rows += len(windows[i].Gone)
	}
	ends, of, labels := make([]time.Time, len(windows)), make([]int32, 0, rows), columnsOf(len(t.columns), rows)
	for i := range windows {
		ends[i] = time.UnixMilli(windows[i].End).UTC()
		for _, columns := range windows[i].Gone {
			if err := t.addColumns(labels, columns); err != nil {
				return nil, err
			}
			of = append(of, int32(i+1))
		}
	}
	args := []any{ends, of}
	for _, c := range labels {
		args = append(args, c)
	}
	return args, nil
}

// writeArgs is the arguments $1 to $7 of the statements that write windows, and
// how many rows, present and gone, these are. Rows go as columns, each an array:
// one array of composites would cost several times as much to send and to unnest.
//
// Each label column is two arguments, so there are 5 + 2 len(t.columns), and the numbers
// of those behind $6 move (see columnsIn). Arrays of rows are equally long: the i-th of
// each belongs to the i-th row. So are those of the rows that are gone. A number of a
// window is 1 to len(windows).
func (t *Table) writeArgs(windows []progress.Window) ([]any, int, error) {
	var rows, gone int // to make the columns as long as they will be
	for i := range windows {
		rows, gone = rows+len(windows[i].Rows), gone+len(windows[i].Gone)
	}
	var (
		starts, ends   = make([]time.Time, 0, len(windows)), make([]time.Time, 0, len(windows))
		ofRow, ofGone  = make([]int32, 0, rows), make([]int32, 0, gone)
		values         = make([]float64, 0, rows)
		labels, absent = columnsOf(len(t.columns), rows), columnsOf(len(t.columns), gone)
	)
	for i := range windows {
		w := &windows[i]
		starts, ends = append(starts, time.UnixMilli(w.Start).UTC()), append(ends, time.UnixMilli(w.End).UTC())
		own := int32(len(ends))
		var number map[int64]int32 // of further windows that end then, by their beginnings
		for _, r := range w.Rows {
			if err := t.addColumns(labels, r.Columns); err != nil {
				return nil, 0, err
			}
			// Sessions that end at one time are windows of their own here. A row says by
			// number, from 1, which of the windows it is in.
			n := own
			if r.Start != 0 && r.Start != w.Start {
				if number == nil {
					number = map[int64]int32{}
				}
				if n = number[r.Start]; n == 0 {
					starts, ends = append(starts, time.UnixMilli(r.Start).UTC()), append(ends, time.UnixMilli(w.End).UTC())
					n = int32(len(ends))
					number[r.Start] = n
				}
			}
			ofRow, values = append(ofRow, n), append(values, r.Value)
		}
		for _, columns := range w.Gone {
			if err := t.addColumns(absent, columns); err != nil {
				return nil, 0, err
			}
			ofGone = append(ofGone, int32(len(ends)))
		}
	}
	args := []any{starts, ends, ofRow, values, ofGone}
	for _, c := range labels {
		args = append(args, c)
	}
	for _, c := range absent {
		args = append(args, c)
	}
	return args, rows + gone, nil
}

// columnsOf makes n columns.
func columnsOf(n, capacity int) [][]string {
	out := make([][]string, n)
	for i := range out {
		out[i] = make([]string, 0, capacity)
	}
	return out
}

// addColumns adds the labels of one row to the columns.
func (t *Table) addColumns(to [][]string, columns []string) error {
	if err := t.checkColumns(columns); err != nil {
		return err
	}
	for i, v := range columns {
		to[i] = append(to[i], v)
	}
	return nil
}

// checkColumns refuses a row of another shape: the round was made for another
// definition of the flow than the table.
func (t *Table) checkColumns(columns []string) error {
	if len(columns) != len(t.columns) {
		return fmt.Errorf("a row for %s has %d label columns, want %d", t.Ident(), len(columns), len(t.columns))
	}
	return nil
}

// ShapeError says that rows do not fit their table. It is the fault of the round that
// they are of, like an error of the server about its table.
type ShapeError struct{ err error }

func (e *ShapeError) Error() string { return e.err.Error() }
func (e *ShapeError) Unwrap() error { return e.err }
