package sqlstore

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"laminar/flownode/flowdef"
	"laminar/queries"
)

// resultTable is the table a flow writes to: this file is the only place that
// makes DDL, and the only one where a name that a person chose gets into SQL,
// always through pgx.Identifier.
type resultTable struct {
	schema, name string
	columns      []string // label columns, in the order of progress.Row.Columns
	perLabel     bool     // a text column per label, or one jsonb column
	staticNames  []string // label columns that tell this flow's rows from others'
	static       []string // and their values; with one jsonb column: its contents
	title        string   // of the flow, for messages

	wholeSQL, manySQL, fewSQL string // the statements of rows.go, made once
}

func newResultTable(schema string, def flowdef.Flow) *resultTable {
	layout := flowdef.NewLayout(def)
	t := &resultTable{schema: schema, name: def.Table, columns: layout.Names, perLabel: layout.PerLabel, title: def.Title()}
	t.staticNames, t.static = layout.Static()
	if !t.perLabel && len(def.StaticLabels) > 0 {
		t.staticNames, t.static = []string{flowdef.LabelsColumn}, []string{layout.StaticJSON()}
	}
	t.wholeSQL, t.manySQL, t.fewSQL = t.wholeStatement(), t.manyStatement(), t.fewStatement()
	return t
}

// ident is the table's full name, quoted.
func (t *resultTable) ident() string { return pgx.Identifier{t.schema, t.name}.Sanitize() }

// columnType is the type of the label columns.
func (t *resultTable) columnType() string {
	if t.perLabel {
		return "text"
	}
	return "jsonb"
}

// tableMark begins the comment of every table made here. A table without it is
// somebody else's and is left alone.
const tableMark = "Laminar flow "

// create is the statements that make the table.
//
// The rows of an open window are written again and again while it is open, all
// of them at once, and never after it has closed and settled. A page that is a
// quarter empty lets most of these updates stay on it (value is in no index:
// HOT), and costs closed windows a quarter of their size. Vacuum starts at 2 %
// instead of 20 %, because in a table of many windows the dead rows are all in
// the newest few.
func (t *resultTable) create(flow string) []string {
	var cols strings.Builder
	for _, c := range t.columns {
		fmt.Fprintf(&cols, "    %s %s not null default %s,\n", quoted(c), t.columnType(), map[bool]string{true: "''", false: "'{}'"}[t.perLabel])
	}
	return []string{
		"create table " + t.ident() + " (\n" +
			"    window_start timestamptz not null,\n" +
			"    window_end timestamptz not null,\n" +
			cols.String() +
			"    value double precision not null,\n" +
			"    primary key (" + t.key() + ")\n" +
			") with (fillfactor = 75, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000,\n" +
			"    autovacuum_analyze_scale_factor = 0.02)",
		"comment on table " + t.ident() + " is " + quoteText(tableMark+flow),
	}
}

// key is the columns of the primary key.
func (t *resultTable) key() string {
	return strings.Join(append([]string{"window_end"}, quoteNames(t.columns)...), ", ")
}

// ensure makes the table if it is not there, in the transaction of q, and refuses one that is
// there but was not made by Laminar or has other columns.
func (t *resultTable) ensure(ctx context.Context, q querier, flow string) error {
	var (
		exists bool
		mark   string
		found  []string
	)
	if err := q.QueryRow(ctx, queries.ResultTable, t.schema, t.name).Scan(&exists, &mark, &found); err != nil {
		return fmt.Errorf("look for result table %s: %w", t.ident(), err)
	}
	if !exists {
		for _, stmt := range t.create(flow) {
			if _, err := q.Exec(ctx, stmt); err != nil {
				return fmt.Errorf("create result table %s: %w", t.ident(), err)
			}
		}
		return nil
	}
	want := []string{"window_start timestamp with time zone", "window_end timestamp with time zone"}
	for _, c := range t.columns {
		want = append(want, c+" "+t.columnType())
	}
	want = append(want, "value double precision")
	switch {
	case !strings.HasPrefix(mark, tableMark):
		return withHint(fmt.Errorf("table %s exists and was not made by Laminar", t.ident()),
			"give flow %s another table (`table:`), or rename or drop that one", t.title)
	case !slices.Equal(found, want):
		return withHint(fmt.Errorf("table %s has the columns (%s), flow %s needs (%s)",
			t.ident(), strings.Join(found, ", "), t.title, strings.Join(want, ", ")),
			"drop the table; it is made again, and `laminar refill` fills it again")
	}
	return nil
}

// drop is the statement that drops the table; ensure or owned must have seen
// that it is Laminar's.
func (t *resultTable) drop() string { return "drop table if exists " + t.ident() }

// owned reports whether the table exists and was made by Laminar.
func (t *resultTable) owned(ctx context.Context, q querier) (bool, error) {
	var (
		exists bool
		mark   string
		found  []string
	)
	if err := q.QueryRow(ctx, queries.ResultTable, t.schema, t.name).Scan(&exists, &mark, &found); err != nil {
		return false, fmt.Errorf("look for result table %s: %w", t.ident(), err)
	}
	return exists && strings.HasPrefix(mark, tableMark), nil
}

// clear is the statement that deletes the flow's own rows, with its arguments.
func (t *resultTable) clear() (string, []any) {
	cond, args := t.staticCond("r", 1)
	return "delete from " + t.ident() + " r where true" + cond, args
}

// oldest is the query for the end of the flow's oldest window, ms; -1 for none.
func (t *resultTable) oldest() (string, []any) {
	cond, args := t.staticCond("r", 1)
	return "select coalesce((select (extract(epoch from r.window_end) * 1000)::bigint from " + t.ident() +
		" r where true" + cond + " order by r.window_end limit 1), -1)", args
}

// read is the query for the flow's rows with after < window_end <= upTo (ms):
// start and end (ms), value, label columns.
func (t *resultTable) read(after, upTo int64) (string, []any) {
	cond, args := t.staticCond("r", 3)
	cols := make([]string, len(t.columns))
	for i, c := range quoteNames(t.columns) {
		cols[i] = "r." + c + "::text"
	}
	return "select (extract(epoch from r.window_start) * 1000)::bigint, (extract(epoch from r.window_end) * 1000)::bigint, r.value,\n" +
		"    array[" + strings.Join(cols, ", ") + "]::text[]\n" +
		"from " + t.ident() + " r where r.window_end > $1::timestamptz and r.window_end <= $2::timestamptz" + cond + "\n" +
		"order by r.window_end, r.window_start", append([]any{time.UnixMilli(after).UTC(), time.UnixMilli(upTo).UTC()}, args...)
}

// staticCond is " and <row is this flow's>" with parameters from $first on,
// and their values; "" when the table is the flow's alone.
func (t *resultTable) staticCond(alias string, first int) (string, []any) {
	var (
		b    strings.Builder
		args []any
	)
	op := "="
	if !t.perLabel {
		op = "@>"
	}
	for i, c := range t.staticNames {
		fmt.Fprintf(&b, " and %s.%s %s $%d::%s", alias, quoted(c), op, first+i, t.columnType())
		args = append(args, t.static[i])
	}
	return b.String(), args
}

// ownColumns is what only this flow's rows have in the table, as a JSON object
// of columns: text for label columns, an object for what the one labels column
// contains. "{}" when all rows are the flow's.
func (t *resultTable) ownColumns() (string, error) {
	own := make(map[string]any, len(t.staticNames))
	for i, c := range t.staticNames {
		if own[c] = t.static[i]; !t.perLabel {
			own[c] = json.RawMessage(t.static[i])
		}
	}
	doc, err := json.Marshal(own)
	if err != nil {
		return "", fmt.Errorf("write own columns: %w", err)
	}
	return string(doc), nil
}

func quoteNames(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = quoted(n)
	}
	return out
}

// quoteText makes a SQL literal, for statements that take no parameters.
// Sessions have standard_conforming_strings on, the server's default.
func quoteText(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }
