package sqlstore

import (
	"fmt"
	"strings"
	"time"

	"laminar/flownode/progress"
)

// Results reach their table in one of four ways: rows of windows that have none
// yet by COPY (see writeNew), complete windows by wholeStatement, and rows of
// other windows, which nearly all have changed, by manyStatement or fewStatement.
// An upsert would do for all of them. But ON CONFLICT looks for each row before
// it is inserted, and locks each that is there, which writes it, before it is
// found not to have changed.
//
// The first two must run with enable_nestloop off (see Commit): nothing is known
// of windows written a moment ago, the planner expects one row of them, and a
// nested loop over 100,000 expected to be one takes minutes.

// fewRows is up to how many rows, present and gone, of windows that are not
// complete are looked for one by one. More are joined with all rows of their
// windows.
const fewRows = 2_000

// The parameters that all statements begin with; writeArgs makes them:
//
//	$1, $2  window_start and window_end of the windows
//	$3, $4  of the rows: number of the window, from 1, and value
//	$5      of the rows to be gone: number of the window
//	$6..    per label column: the rows', then the gone rows'
const firstLabel = 6

// given begins a statement with what it is given, as fresh and absent.
// Unnested in the select list they stream.
func (t *resultTable) given() string {
	var rows, gone strings.Builder
	for i, c := range quoteNames(t.columns) {
		fmt.Fprintf(&rows, ", unnest($%d::text[])::%s as %s", firstLabel+i, t.columnType(), c)
		fmt.Fprintf(&gone, ", unnest($%d::text[])::%s as %s", firstLabel+len(t.columns)+i, t.columnType(), c)
	}
	return "with fresh as materialized (\n" +
		"    select ($1::timestamptz[])[u.win] as window_start, ($2::timestamptz[])[u.win] as window_end, u.*\n" +
		"    from (select unnest($3::integer[]) as win, unnest($4::float8[]) as value" + rows.String() + ") u\n" +
		"), absent as materialized (\n" +
		"    select ($2::timestamptz[])[u.win] as window_end, u.*\n" +
		"    from (select unnest($5::integer[]) as win" + gone.String() + ") u\n"
}

// sameKey is the condition that two rows have one primary key.
func (t *resultTable) sameKey(a, b string) string {
	var s strings.Builder
	fmt.Fprintf(&s, "%s.window_end = %s.window_end", a, b)
	for _, c := range quoteNames(t.columns) {
		fmt.Fprintf(&s, " and %s.%s = %s.%s", a, c, b, c)
	}
	return s.String()
}

// insert inserts the rows n of fresh that meet the condition. A row can still
// come in by somebody's hand after the statement began.
func (t *resultTable) insert(where string) string {
	return "    insert into " + t.ident() + " as r (window_start, window_end, value" + prefixed("", t.columns) + ")\n" +
		"    select n.window_start, n.window_end, n.value" + prefixed("n.", t.columns) + " from fresh n\n" +
		"    where " + where + "\n" +
		"    on conflict (" + t.key() + ") do update set value = excluded.value, window_start = excluded.window_start\n" +
		"    where r.value is distinct from excluded.value or r.window_start <> excluded.window_start\n" +
		"    returning 1\n"
}

// goneRows deletes the rows of absent.
func (t *resultTable) goneRows() string {
	return "    delete from " + t.ident() + " r using absent a\n" +
		"    where r.window_end = any($2::timestamptz[]) and " + t.sameKey("r", "a") + "\n" +
		"    returning 1\n"
}

// wholeStatement writes complete windows: it joins what is there of them with
// what is to be there, changes, inserts and deletes what differs, and gives the
// number of these rows. The flow's static labels are further parameters: other
// rows are not its own.
//
// The join is done once, in found; what has to be inserted or deleted is looked
// for only when the counts say that there is something.
func (t *resultTable) wholeStatement() string {
	static, _ := t.staticCond("r", firstLabel+2*len(t.columns))
	staticO, _ := t.staticCond("o", firstLabel+2*len(t.columns))
	return t.given() +
		"), found as materialized (\n" +
		"    select r.ctid as at, n.*, r.value is distinct from n.value or r.window_start <> n.window_start as differs\n" +
		"    from " + t.ident() + " r join fresh n on " + t.sameKey("r", "n") + "\n" +
		"    where r.window_end = any($2::timestamptz[])\n" +
		"), gone as (\n" +
		t.goneRows() +
		"), deleted as (\n" +
		"    delete from " + t.ident() + " r\n" +
		"    where r.window_end = any($2::timestamptz[])" + static + "\n" +
		"      and (select count(*) from found) < (select count(*) from " + t.ident() + " o where o.window_end = any($2::timestamptz[])" + staticO + ")\n" +
		"      and not exists (select from fresh n where " + t.sameKey("n", "r") + ")\n" +
		"    returning 1\n" +
		"), changed as (\n" +
		"    update " + t.ident() + " r set value = f.value, window_start = f.window_start from found f\n" +
		"    where f.differs and r.ctid = f.at and " + t.sameKey("r", "f") + "\n" +
		"      and r.ctid = any(array(select f.at from found f where f.differs))\n" +
		"    returning 1\n" +
		"), added as (\n" +
		t.insert("(select count(*) from found) < (select count(*) from fresh)\n"+
			"      and not exists (select from found f where "+t.sameKey("f", "n")+")") +
		")\n" +
		"select (select count(*) from deleted) + (select count(*) from gone) + (select count(*) from changed) + (select count(*) from added)"
}

// manyStatement writes rows of windows that are not complete. It expects that
// they are there and have changed; only when that is not so of all of them it
// looks for the others.
func (t *resultTable) manyStatement() string {
	return t.given() +
		"), gone as (\n" +
		t.goneRows() +
		"), changed as (\n" +
		"    update " + t.ident() + " r set value = n.value, window_start = n.window_start from fresh n\n" +
		"    where r.window_end = any($2::timestamptz[]) and " + t.sameKey("r", "n") + "\n" +
		"      and (r.value is distinct from n.value or r.window_start <> n.window_start)\n" +
		"    returning 1\n" +
		"), added as (\n" +
		t.insert("(select count(*) from changed) < (select count(*) from fresh)\n"+
			"      and not exists (select from "+t.ident()+" o where o.window_end = any($2::timestamptz[]) and "+t.sameKey("o", "n")+")") +
		")\n" +
		"select (select count(*) from gone) + (select count(*) from changed) + (select count(*) from added)"
}

// fewStatement does the same by looking for each row in the primary key: what it
// costs does not depend on how many others the windows have. The subqueries with a limit are evaluated row
// by row, whatever the planner makes of the rest.
func (t *resultTable) fewStatement() string {
	there := func(what, row string) string {
		return "(select " + what + " from " + t.ident() + " o where " + t.sameKey("o", row) + " limit 1)"
	}
	return t.given() +
		"), gone as (\n" +
		"    delete from " + t.ident() + " r using absent a\n" +
		"    where r.ctid = any(array(select " + there("o.ctid", "a") + " from absent a)) and " + t.sameKey("r", "a") + "\n" +
		"    returning 1\n" +
		"), written as (\n" +
		t.insert(there("o.value = n.value and o.window_start = n.window_start", "n")+" is not true") +
		")\n" +
		"select (select count(*) from gone) + (select count(*) from written)"
}

func prefixed(alias string, columns []string) string {
	var b strings.Builder
	for _, c := range quoteNames(columns) {
		b.WriteString(", " + alias + c)
	}
	return b.String()
}

// statements is how to write the windows: texts and their arguments.
func (t *resultTable) statements(windows []progress.Window) ([]statement, error) {
	var whole, parts []progress.Window
	for _, w := range windows {
		if w.Complete {
			whole = append(whole, w)
		} else {
			parts = append(parts, w)
		}
	}
	var out []statement
	if len(whole) > 0 {
		args, _, err := t.writeArgs(whole)
		if err != nil {
			return nil, err
		}
		_, static := t.staticCond("r", 0)
		out = append(out, statement{t.wholeSQL, append(args, static...)})
	}
	if len(parts) > 0 {
		args, rows, err := t.writeArgs(parts)
		if err != nil {
			return nil, err
		}
		sql := t.manySQL
		if rows <= fewRows {
			sql = t.fewSQL
		}
		out = append(out, statement{sql, args})
	}
	return out, nil
}

type statement struct {
	sql  string
	args []any
}

// writeArgs is the arguments that write the windows, and how many rows, present
// and gone, these are.
func (t *resultTable) writeArgs(windows []progress.Window) ([]any, int, error) {
	var rows, gone int
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
		for _, r := range w.Rows {
			if err := t.addColumns(labels, r.Columns); err != nil {
				return nil, 0, err
			}
			ofRow, values = append(ofRow, int32(len(ends))), append(values, r.Value)
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

func columnsOf(n, capacity int) [][]string {
	out := make([][]string, n)
	for i := range out {
		out[i] = make([]string, 0, capacity)
	}
	return out
}

func (t *resultTable) addColumns(to [][]string, columns []string) error {
	if err := t.checkColumns(columns); err != nil {
		return err
	}
	for i, v := range columns {
		to[i] = append(to[i], v)
	}
	return nil
}

func (t *resultTable) checkColumns(columns []string) error {
	if len(columns) != len(t.columns) {
		return fmt.Errorf("a row for %s has %d label columns, want %d", t.ident(), len(columns), len(t.columns))
	}
	return nil
}
