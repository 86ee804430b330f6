package resulttable

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	queries "laminar/queries/result"
	"laminar/sqlstore/pg"
)

// A table grows when a rule joins those of it that has another label, or whose rows static
// labels do not tell from theirs. Rows stay where they are: a column is added with a
// default, which writes no row, and readers wait for a moment at most.
//
// A label is part of the key. An index over a large table takes its time, so it is made
// beforehand, while rows are written and read (Widen); in the transaction that changes the
// catalogue it only takes the place of the key (Grow).
//
//	                          locks the table against    for
//	Widen  add the columns    all others                 a moment
//	       make the index     other changes of it        as long as it takes
//	Grow   take it as key     all others                 until the catalogue is changed
//
// A column and an index that were made, and then not taken because the change was given
// up, do no harm: rows have the default, and the next attempt finds both.

// Growing is a table that rules are to share, on its way there.
type Growing struct{ *Table }

// NotWideError says that a table must be made wider before rules can share it.
type NotWideError struct{ Table *Growing }

func (e *NotWideError) Error() string {
	return fmt.Sprintf("the key of %s does not hold %s", e.Table.Ident(), strings.Join(e.Table.columns, ", "))
}

// shape is what a table has of what it needs.
type shape struct {
	exists  bool
	columns []string // names of all
	key     string   // the constraint
	keyFits bool     // it is over the columns that rows need
	index   string   // one that could be it; "" for none
}

// keyColumns are those of the key.
func (t *Growing) keyColumns() []string { return append([]string{"window_end"}, t.columns...) }

func (t *Growing) look(ctx context.Context, q pg.Querier) (s shape, err error) {
	err = q.QueryRow(ctx, queries.ResultKey, t.schema, t.name, t.keyColumns(), wideIndex(t.name)).Scan(&s.exists, &s.columns, &s.key, &s.keyFits, &s.index)
	if err != nil {
		return s, fmt.Errorf("look at the key of %s: %w", t.Ident(), err)
	}
	return s, nil
}

// Grow makes the table, if it is there, one to which rules write who are told apart by
// their numbers. The rows that it has are of the rule of the number before. A
// NotWideError says that Widen must come first.
func (t *Growing) Grow(ctx context.Context, q pg.Querier, before int) error {
	has, err := t.look(ctx, q)
	if err != nil || !has.exists {
		return err
	}
	var stmts []string
	if !slices.Contains(has.columns, t.staticNames[0]) {
		stmts = append(stmts, "add column "+t.in.rule+" smallint not null default "+strconv.Itoa(before), "alter column "+t.in.rule+" drop default")
	}
	if !has.keyFits {
		if has.index == "" {
			return &NotWideError{Table: t}
		}
		stmts = append(stmts, "drop constraint "+pg.Quoted(has.key), "add constraint "+pg.Quoted(has.key)+" primary key using index "+pg.Quoted(has.index))
	}
	for _, stmt := range stmts {
		if _, err := q.Exec(ctx, "alter table "+t.Ident()+" "+stmt); err != nil {
			return fmt.Errorf("add to the table %s: %w", t.Ident(), err)
		}
	}
	return nil
}

// Widen adds the label columns that the table lacks, and makes the index that is to be
// its key. It may be tried again after any error. It waits for moments to add the columns,
// since others would wait behind it, and as long as limit says for the transactions that
// the index has to see the end of.
func (t *Growing) Widen(ctx context.Context, conn pg.Querier, limit time.Duration) error {
	var usual string
	if err := conn.QueryRow(ctx, "select current_setting('lock_timeout')").Scan(&usual); err != nil {
		return fmt.Errorf("read a setting: %w", err)
	}
	set := func(ctx context.Context, limit string) error {
		_, err := conn.Exec(ctx, "select set_config('lock_timeout', $1, false)", limit)
		return err
	}
	// The session is used by others afterwards.
	err := t.widen(ctx, conn, set, limit)
	if back := set(context.WithoutCancel(ctx), usual); back != nil {
		err = errors.Join(err, back)
	}
	return err
}

// lockMoment is how long a change of a table waits for others: who comes meanwhile waits
// behind it.
const lockMoment = "200ms"

// widen is Widen; set sets lock_timeout.
func (t *Growing) widen(ctx context.Context, conn pg.Querier, set func(context.Context, string) error, limit time.Duration) error {
	has, err := t.look(ctx, conn)
	if err != nil || !has.exists || has.keyFits || has.index != "" {
		return err
	}
	if err := set(ctx, lockMoment); err != nil {
		return err
	}
	for i, column := range t.columns {
		if slices.Contains(has.columns, column) {
			continue
		}
		stmt := "alter table " + t.Ident() + " add column if not exists " + t.in.labels[i] + " " + t.in.columnType() + " not null default ''"
		if _, err := conn.Exec(ctx, stmt); err != nil {
			return fmt.Errorf("add column %s to %s: %w", t.in.labels[i], t.Ident(), err)
		}
	}
	if err := set(ctx, strconv.FormatInt(limit.Milliseconds(), 10)+"ms"); err != nil {
		return err
	}
	// What an attempt that failed has left is of no use.
	index := pg.Quoted(wideIndex(t.name))
	where := pgx.Identifier{t.schema}.Sanitize() + "." + index
	if _, err := conn.Exec(ctx, "drop index concurrently if exists "+where); err != nil {
		return fmt.Errorf("drop what is left of the index %s: %w", where, err)
	}
	_, err = conn.Exec(ctx, "create unique index concurrently "+index+" on "+t.Ident()+" ("+strings.Join(quoteNames(t.keyColumns()), ", ")+")")
	if err != nil {
		err = fmt.Errorf("make the index %s of %s: %w", where, t.Ident(), err)
		// It is invalid, and costs each write its time until it is gone.
		if _, drop := conn.Exec(context.WithoutCancel(ctx), "drop index concurrently if exists "+where); drop != nil {
			err = errors.Join(err, drop)
		}
	}
	return err
}

// wideIndex is the name of the index until it is the key.
func wideIndex(table string) string {
	const end = "_laminar_wide"
	return table[:min(len(table), 63-len(end))] + end
}
