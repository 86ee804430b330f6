package resulttable

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	queries "laminar/queries/result"

	"laminar/flownode/flowdef"
	"laminar/sequence"
	"laminar/sqlstore/pg"
)

// A flow's table: how it is named, made, checked, emptied and dropped.
// Before: a definition, and perhaps a table. After Ensure: the table is there, has the
// columns that rows of the flow need, and carries Laminar's mark.
//
// The definition says what the table must be, and PostgreSQL's catalogue what it is.
// They are compared whenever a flow is taken, and when a write fails, but not with each
// round: that would cost a trip each time, and the write fails anyway where they differ.

// Table is the table a flow writes to, as its definition describes it; the
// table need not exist. Names that people chose get into SQL only here and in
// columnsIn, always quoted.
type Table struct {
	schema, name string
	columns      []string // label columns, in the order of progress.Row.Columns
	perLabel     bool     // a text column per label, or one jsonb column
	staticNames  []string // columns that tell this flow's rows from others'
	static       []any    // and their values; with one jsonb column: its contents
	number       int      // of the flow's rule, where that is what tells them; else 0
	title        string   // of the flow, for messages
	sessions     bool     // rows begin at times of their own
	made         bool     // by Ensure

	in columnsIn // the same names quoted, for the templates of statements; whether it holds histograms too
}

// New is the table of a flow. It need not be there.
func New(schema string, def flowdef.Flow) *Table {
	layout := flowdef.NewLayout(def)
	t := &Table{schema: schema, name: def.Table, columns: layout.Names, perLabel: layout.PerLabel, title: def.Title(), sessions: def.Session != nil}
	names, values := layout.Static()
	for _, v := range values {
		t.static = append(t.static, v)
	}
	t.staticNames = names
	switch {
	case def.Member != nil:
		t.number = def.Member.Number
		t.staticNames, t.static = []string{flowdef.RuleColumn(t.columns)}, []any{int16(t.number)}
	case !t.perLabel && len(def.StaticLabels) > 0:
		t.staticNames, t.static = []string{flowdef.LabelsColumn}, []any{layout.StaticJSON()}
	}
	t.in = columnsIn{table: t.Ident(), labels: quoteNames(t.columns), static: quoteNames(t.staticNames), json: !t.perLabel}
	if t.number > 0 {
		t.in.rule, t.in.number = t.in.static[0], t.number
	}
	return t
}

// Found describes the table of a flow that is there with the columns, each as "name
// type", as Look finds out.
func Found(schema string, def flowdef.Flow, columns []string) *Table {
	t := New(schema, def)
	t.in.histograms = slices.ContainsFunc(columns, isHistograms)
	return t
}

// Ident is the table's full name, quoted.
func (t *Table) Ident() string { return pgx.Identifier{t.schema, t.name}.Sanitize() }

// A table with a column for each label, of a flow with the static label env:
//
//	window_start  window_end  env   job   value
//	12:00         12:05       prod  api   17.5
//
// and one with all labels in one column, where they are not known or too many:
//
//	window_start  window_end  labels                          value
//	12:00         12:05       {"env": "prod", "job": "api"}   17.5
//
// The primary key is window_end and the labels; window_start follows from
// window_end. Where rules of one record share a table and their static labels do not tell
// their rows apart, there is one column more, which does (flowdef.Membership).

// tableMark begins the comment of every table made here. A table without it is
// not Laminar's and is left alone.
const tableMark = "Laminar flow "

// Ensure makes the table if it is not there, in the transaction of q, and refuses one that is
// there but was not made by Laminar or has other columns.
func (t *Table) Ensure(ctx context.Context, q pg.Querier, flow string) error {
	// One look at PostgreSQL's catalogue: is there such a table, what does its comment
	// say, and which columns has it, as "name type" in their order.
	var (
		exists bool
		mark   string
		found  []string
		unset  []string
	)
	if err := q.QueryRow(ctx, queries.ResultTable, t.schema, t.name).Scan(&exists, &mark, &found, &unset); err != nil {
		return fmt.Errorf("look for result table %s: %w", t.Ident(), err)
	}
	if !exists {
		for _, stmt := range []string{
			t.in.expand(queries.ResultCreate),
			"comment on table " + t.Ident() + " is " + pg.QuoteText(tableMark+flow),
		} {
			if _, err := q.Exec(ctx, stmt); err != nil {
				return fmt.Errorf("create result table %s: %w", t.Ident(), err)
			}
		}
		t.made = true
		return nil
	}
	// What is not ours is not touched, not even if its columns fit.
	switch {
	case !strings.HasPrefix(mark, tableMark):
		return pg.WithHint(fmt.Errorf("table %s exists and was not made by Laminar", t.Ident()),
			"give flow %s another table (`table:`), or rename or drop that one", t.title)
	}
	t.in.histograms = slices.ContainsFunc(found, isHistograms)
	return t.checkShape(found, unset)
}

// Made reports whether Ensure has made the table, which was not there.
func (t *Table) Made() bool { return t.made }

// isHistograms reports whether a column, as "name type", is that of histograms, which a
// table has once there was one. The type has its schema where that is not searched.
func isHistograms(column string) bool {
	typ, ok := strings.CutPrefix(column, flowdef.HistogramColumn+" ")
	return ok && (typ == "histogram" || strings.HasSuffix(typ, ".histogram"))
}

// Look finds out whether the table holds histograms. Ensure does so too.
func (t *Table) Look(ctx context.Context, q pg.Querier) error {
	_, err := t.present(ctx, q)
	return err
}

// present reports whether the table is there, and finds out whether it holds histograms.
func (t *Table) present(ctx context.Context, q pg.Querier) (exists bool, err error) {
	var (
		mark         string
		found, unset []string
	)
	if err := q.QueryRow(ctx, queries.ResultTable, t.schema, t.name).Scan(&exists, &mark, &found, &unset); err != nil {
		return false, fmt.Errorf("look for result table %s: %w", t.Ident(), err)
	}
	t.in.histograms = slices.ContainsFunc(found, isHistograms)
	return exists, nil
}

// checkShape refuses a table to which the flow's rows cannot be written as they are:
// a column that they need is missing or has another type, or one that they do not
// have must be given. Columns that people have added are theirs.
//
// found is "name type" of each column; mustGive names those that are not null and have
// no default. The hint offers to alter the table only where that mends every fault; a
// column that is missing has lost its values, so the table is to be made again.
func (t *Table) checkShape(found, mustGive []string) error {
	needed := map[string]string{
		"window_start": "timestamp with time zone", "window_end": "timestamp with time zone", "value": "double precision",
	}
	order := []string{"window_start", "window_end"}
	for _, c := range t.columns {
		needed[c] = t.in.columnType()
		order = append(order, c)
	}
	if t.number > 0 {
		needed[t.staticNames[0]] = "smallint"
		order = append(order, t.staticNames[0])
	}
	order = append(order, "value")
	types := make(map[string]string, len(found))
	for _, c := range found {
		// The type follows the last space that is not within it; names may hold spaces.
		for name, typ := range needed {
			if c == name+" "+typ {
				types[name] = typ
			} else if rest, ok := strings.CutPrefix(c, name+" "); ok && types[name] == "" {
				types[name] = rest
			}
		}
	}
	var faults, mend []string // len(mend) == len(faults) where each fault is a wrong type
	for _, c := range order {
		column := pgx.Identifier{c}.Sanitize()
		switch typ := types[c]; typ {
		case needed[c]:
		case "":
			faults = append(faults, fmt.Sprintf("has no column %s", column))
			mend = nil
		default:
			faults = append(faults, fmt.Sprintf("has column %s of type %s, not %s", column, typ, needed[c]))
			mend = append(mend, fmt.Sprintf("alter column %s type %s", column, needed[c]))
		}
	}
	if len(faults) > 0 {
		again := fmt.Sprintf("laminar psql -c 'drop table %s', which is made again, and `laminar refill %s --from T`, which fills it again from T on", t.Ident(), t.title)
		if len(mend) == len(faults) {
			again = fmt.Sprintf("laminar psql -c 'alter table %s %s', and `laminar refill %s --from T` for what was stored since T; or %s",
				t.Ident(), strings.Join(mend, ", "), t.title, again)
		}
		return pg.WithHint(fmt.Errorf("the table of flow %s has been changed: %s %s", t.title, t.Ident(), strings.Join(faults, " and ")), "%s", again)
	}
	for _, c := range mustGive {
		if _, ours := needed[c]; !ours {
			column := pgx.Identifier{c}.Sanitize()
			return pg.WithHint(fmt.Errorf("the table of flow %s has been changed: column %s of %s must not be null and has no default", t.title, column, t.Ident()),
				"laminar psql -c 'alter table %s alter column %s drop not null', or give it a default", t.Ident(), column)
		}
	}
	return nil
}

// Explain says why rows could not be written, once what was tried is undone: what
// is wrong with the table says more than the server's words about a statement. It never
// returns nil. tx must be able to read: an error in it would hide the cause.
func (t *Table) Explain(ctx context.Context, tx pg.Querier, cause error) error {
	err := fmt.Errorf("write results to %s: %w", t.Ident(), pg.Interpret(cause))
	var hinted interface{ Hint() string }
	if pg.NoRights(cause) && !errors.As(cause, &hinted) {
		return pg.WithHint(err, "as the owner of the table: grant all on %s to Laminar's role; where row level security is on, which must not hide rows from Laminar: alter table %s no force row level security, or give its role bypassrls",
			t.Ident(), t.Ident())
	}
	if pg.LockTimedOut(cause) {
		locked := &lockedError{t.Ident(), pg.LockHolders(ctx, tx, t.Ident()), pg.Interpret(cause)}
		return pg.WithHint(locked, "wait for it to end, or select pg_terminate_backend(PID)")
	}
	if !pg.Answered(cause) {
		return err
	}
	var (
		exists       bool
		mark         string
		found, unset []string
	)
	if look := tx.QueryRow(ctx, queries.ResultTable, t.schema, t.name).Scan(&exists, &mark, &found, &unset); look != nil {
		return errors.Join(err, look)
	}
	if !exists {
		return pg.WithHint(err, "nothing: the table is gone, and is made again; `laminar refill %s --from T` fills it again from T on", t.title)
	}
	if changed := t.checkShape(found, unset); changed != nil {
		return changed
	}
	if errors.Is(err, sequence.ErrUnavailable) {
		return err
	}
	return pg.WithHint(err, "what people have added to the table must take every row: laminar psql -c '\\d+ %s' shows constraints, indexes, triggers and rules; "+
		"alter it, or drop table %s, which is made again, and `laminar refill %s --from T`, which fills it again from T on", t.Ident(), t.Ident(), t.title)
}

// lockedError is that others have the table locked. It says so in place of the server's
// words, which would be that the database is not available.
type lockedError struct {
	table   string
	holders []string
	cause   error
}

func (e *lockedError) Error() string {
	text := "write results to " + e.table + ": others have it locked"
	if len(e.holders) > 0 {
		text += ": " + strings.Join(e.holders, "; ")
	}
	return text
}

func (e *lockedError) Unwrap() error { return e.cause }

// Drop is the statement that drops the table; Ensure or Owned must have seen
// that it is Laminar's.
func (t *Table) Drop() string { return "drop table if exists " + t.Ident() }

// Truncate is the statement that empties the table; it keeps all else.
func (t *Table) Truncate() string { return "truncate table " + t.Ident() }

// ExplainDrop says why the table could not be dropped or emptied.
func (t *Table) ExplainDrop(err error) error {
	// The snapshot's short limit on waiting holds here, too: a drop must not
	// hold up every round while a long query reads a table.
	if pg.LockTimedOut(err) {
		return pg.WithHint(fmt.Errorf("drop the results in %s: the table is in use: %w", t.Ident(), err), "again when no query reads it")
	}
	if using := pg.Dependents(err); using != "" {
		return pg.WithHint(fmt.Errorf("drop the results in %s, which others use: %s", t.Ident(), strings.ReplaceAll(using, "\n", "; ")),
			"drop what uses the table, and make it again afterwards; pg_get_viewdef shows a view's definition")
	}
	return fmt.Errorf("drop the results in %s: %w", t.Ident(), err)
}

// Owned reports whether the table exists and was made by Laminar. Only such a table is
// emptied or dropped, whatever a definition names.
func (t *Table) Owned(ctx context.Context, q pg.Querier) (bool, error) {
	var (
		exists bool
		mark   string
		found  []string
		unset  []string
	)
	if err := q.QueryRow(ctx, queries.ResultTable, t.schema, t.name).Scan(&exists, &mark, &found, &unset); err != nil {
		return false, fmt.Errorf("look for result table %s: %w", t.Ident(), err)
	}
	return exists && strings.HasPrefix(mark, tableMark), nil
}

// Clear is the statement that deletes the flow's own rows, with its arguments.
func (t *Table) Clear() (string, []any) {
	return t.in.expand(queries.ResultClear), t.static
}

// OwnColumns is what only this flow's rows have in the table, as a JSON object
// of columns: text for label columns, an object for what the one labels column
// contains, a number for that of the rule. "{}" when all rows are the flow's.
func (t *Table) OwnColumns() (string, error) {
	// The function flow_windows makes conditions of it, by the kind of each value.
	own := make(map[string]any, len(t.staticNames))
	for i, c := range t.staticNames {
		own[c] = t.static[i]
		if text, isText := t.static[i].(string); isText && !t.perLabel {
			own[c] = json.RawMessage(text)
		}
	}
	doc, err := json.Marshal(own)
	if err != nil {
		return "", fmt.Errorf("write own columns: %w", err)
	}
	return string(doc), nil
}

// quoteNames are the names as SQL identifiers.
func quoteNames(names []string) []string {
	out := make([]string, len(names))
	for i, n := range names {
		out[i] = pg.Quoted(n)
	}
	return out
}
