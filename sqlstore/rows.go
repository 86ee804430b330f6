package sqlstore

import (
	"fmt"
	"strings"
	"time"

	"laminar/flownode/progress"
)

// writeStatement is the one statement that writes a round's windows to the
// table: it upserts what changed, deletes what is to be gone, and gives the
// number of rows inserted, changed or deleted. Parameters:
//
//	$1 window_start, $2 window_end, $3 value  of the rows, as arrays
//	$4 the ends of all windows written        $5 the ends of complete ones
//	$6 window_end of the rows to be gone      $7.. static label values
//	then per label column: the rows', and the gone rows'
//
// Rows that are there with the same value are sorted out by a join before the
// insert: ON CONFLICT would lock each of them, which writes it, only to find
// that nothing changed. ON CONFLICT is still needed for the others.
//
// The statement must run with enable_nestloop off (see Commit): nothing is
// known of windows written a moment ago, the planner expects one row of them,
// and a nested loop over 100,000 expected to be one takes minutes. With hash
// joins a window of 100,000 rows with two labels costs, on 2 busy cores
// (BenchmarkWriteWindow): all unchanged 0.45 s, all changed 1.4 s, replaced by
// other rows 1.5 s, new 1.3 to 1.7 s.
func (t *resultTable) writeStatement() string {
	static, _ := t.staticCond("r", 7)
	first := 7 + len(t.staticNames)
	var rowParams, goneParams, names, casts, goneNames, same, sameOld, sameGone strings.Builder
	for i, c := range quoteNames(t.columns) {
		fmt.Fprintf(&rowParams, ", $%d::text[]", first+i)
		fmt.Fprintf(&goneParams, ", $%d::text[]", first+len(t.columns)+i)
		fmt.Fprintf(&names, ", %s", c)
		fmt.Fprintf(&casts, ", u.c%d::%s as %s", i, t.columnType(), c)
		fmt.Fprintf(&goneNames, ", c%d", i)
		fmt.Fprintf(&same, " and n.%s = r.%s", c, c)
		fmt.Fprintf(&sameOld, " and o.%s = n.%s", c, c)
		fmt.Fprintf(&sameGone, " and r.%s = g.c%d::%s", c, i, t.columnType())
	}
	return "with fresh as materialized (\n" +
		"    select u.window_start, u.window_end, u.value" + casts.String() + "\n" +
		"    from unnest($1::timestamptz[], $2::timestamptz[], $3::float8[]" + rowParams.String() + ") as u(window_start, window_end, value" + goneNames.String() + ")\n" +
		"), deleted as (\n" +
		"    delete from " + t.ident() + " r\n" +
		"    where r.window_end = any($5::timestamptz[])" + static + "\n" +
		"      and not exists (select from fresh n where n.window_end = r.window_end" + same.String() + ")\n" +
		"    returning 1\n" +
		"), gone as (\n" +
		"    delete from " + t.ident() + " r\n" +
		"    using unnest($6::timestamptz[]" + goneParams.String() + ") as g(window_end" + goneNames.String() + ")\n" +
		"    where r.window_end = any($6::timestamptz[]) and r.window_end = g.window_end" + sameGone.String() + "\n" +
		"    returning 1\n" +
		"), written as (\n" +
		"    insert into " + t.ident() + " as r (window_start, window_end, value" + names.String() + ")\n" +
		"    select n.window_start, n.window_end, n.value" + prefixed("n", t.columns) + " from fresh n\n" +
		"    where not exists (select from " + t.ident() + " o where o.window_end = any($4::timestamptz[])\n" +
		"        and o.window_end = n.window_end" + sameOld.String() + " and o.value = n.value and o.window_start = n.window_start)\n" +
		"    on conflict (" + t.key() + ") do update set value = excluded.value, window_start = excluded.window_start\n" +
		"    where r.value is distinct from excluded.value or r.window_start <> excluded.window_start\n" +
		"    returning 1\n" +
		")\n" +
		"select (select count(*) from deleted) + (select count(*) from gone) + (select count(*) from written)"
}

func prefixed(alias string, columns []string) string {
	var b strings.Builder
	for _, c := range quoteNames(columns) {
		b.WriteString(", " + alias + "." + c)
	}
	return b.String()
}

// writeArgs is the arguments of writeStatement for a round's windows.
func (t *resultTable) writeArgs(windows []progress.Window) ([]any, error) {
	var rows, gone int
	for i := range windows {
		rows, gone = rows+len(windows[i].Rows), gone+len(windows[i].Gone)
	}
	var (
		starts, ends   = make([]time.Time, 0, rows), make([]time.Time, 0, rows)
		values         = make([]float64, 0, rows)
		all, complete  = make([]time.Time, 0, len(windows)), make([]time.Time, 0, len(windows))
		goneEnds       = make([]time.Time, 0, gone)
		labels, absent = columnsOf(len(t.columns), rows), columnsOf(len(t.columns), gone)
	)
	for i := range windows {
		w := &windows[i]
		start, end := time.UnixMilli(w.Start).UTC(), time.UnixMilli(w.End).UTC()
		all = append(all, end)
		if w.Complete {
			complete = append(complete, end)
		}
		for _, r := range w.Rows {
			if err := t.addColumns(labels, r.Columns); err != nil {
				return nil, err
			}
			starts, ends, values = append(starts, start), append(ends, end), append(values, r.Value)
		}
		for _, columns := range w.Gone {
			if err := t.addColumns(absent, columns); err != nil {
				return nil, err
			}
			goneEnds = append(goneEnds, end)
		}
	}
	_, static := t.staticCond("r", 7)
	args := append([]any{starts, ends, values, all, complete, goneEnds}, static...)
	for _, c := range labels {
		args = append(args, c)
	}
	for _, c := range absent {
		args = append(args, c)
	}
	return args, nil
}

func columnsOf(n, capacity int) [][]string {
	out := make([][]string, n)
	for i := range out {
		out[i] = make([]string, 0, capacity)
	}
	return out
}

func (t *resultTable) addColumns(to [][]string, columns []string) error {
	if len(columns) != len(to) {
		return fmt.Errorf("a row for %s has %d label columns, want %d", t.ident(), len(columns), len(to))
	}
	for i, v := range columns {
		to[i] = append(to[i], v)
	}
	return nil
}
