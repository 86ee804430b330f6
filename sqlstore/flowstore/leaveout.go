package flowstore

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/jackc/pgx/v5"

	"laminar/flownode/progress"
	queries "laminar/queries/flow"
	"laminar/sequence"
	"laminar/sqlstore/pg"
	"laminar/sqlstore/resulttable"
)

// PostgreSQL can refuse a single row: labels that are too long for the key's index
// (a third of a page, 2,704 bytes after compression), a text that jsonb cannot hold.
// Such a row must not hold up the others, and which rows these are only the server
// can say. So rounds are written as if all rows were good. When a round is refused
// for its content, its rows are written in halves, and those that are refused in
// halves again, until single rows are left: these are left out, counted and named.
// Rows that were refused once are not tried again while this process keeps the
// flow.
//
//	rows refused, of n      statements
//	none                    those of the round
//	k that are not known    about 2k log2(n/k) more, each with a savepoint
//	known ones              those of the round
//
// Before: the flow is locked and its round was refused with sequence.ErrBadContent.
// After: the good rows, the deletions and the dirty list of the round are written, and
// the flow's row counts what was left out; or nothing is written and the error says why.
//
// A key beside the columns that holds a hash would let such rows be stored. It would
// change the primary key of all result tables, which is a public contract, for
// rows that no one can read in a table.

// maxAlone is how many rows of one round are found out to be refused. The round is
// then refused; what was found is remembered, so that the next one goes on.
const maxAlone = 1000

// placed is a row and the window it is of.
type placed struct {
	window *progress.Window
	row    progress.Row
}

// leavingOut is the work of finding out which rows of one round are refused.
type leavingOut struct {
	*Results
	tx    pgx.Tx
	write write
	found []placed // refused; maxAlone at most, and one more when the search is given up
	cause error    // why the last of them was
	rows  int64    // changed by what was written meanwhile
}

// writeWithout writes a round that was refused for its content without the rows that
// PostgreSQL refuses. The error is why nothing is written all the same.
func (s *Results) writeWithout(ctx context.Context, tx pgx.Tx, w write) error {
	// All of it or nothing: what is written meanwhile is no round.
	sub, err := tx.Begin(ctx) // a savepoint
	if err != nil {
		return err
	}
	if err := s.leaveOut(ctx, sub, w); err != nil {
		if undo := sub.Rollback(ctx); undo != nil {
			return errors.Join(undo, err)
		}
		return err
	}
	return sub.Commit(ctx)
}

// leaveOut is writeWithout in a transaction that is undone when it fails. It copies
// nothing, since windows that rows were tried in are not new any more.
func (s *Results) leaveOut(ctx context.Context, tx pgx.Tx, w write) error {
	l := &leavingOut{Results: s, tx: tx, write: w}
	windows, _ := w.table.left.without(w.round.Windows)
	var rows []placed
	for i := range windows {
		for _, r := range windows[i].Rows {
			rows = append(rows, placed{&windows[i], r})
		}
	}
	if err := l.divide(ctx, rows); err != nil {
		return err
	}
	// The good rows are there. What is left is to delete others, and the dirty list.
	if err := s.writeBatch(ctx, tx, []write{w}, false); err != nil {
		return err
	}
	w.out.RowsWritten += l.rows
	if n := len(l.found); n > 0 {
		last := l.found[n-1]
		_, err := tx.Exec(ctx, queries.FlowLeftOut, int32(w.round.Flow), n, describeRow(w.table.Table, last, l.cause))
		return err
	}
	return nil
}

// divide writes rows, and where they are refused each half of them; a single row that
// is refused is left out. Only an error about the content divides further: any other is
// of the whole round, and halves would meet it again.
func (l *leavingOut) divide(ctx context.Context, rows []placed) error {
	if len(rows) == 0 {
		return nil
	}
	err := l.try(ctx, rows)
	switch {
	case err == nil:
		return nil
	case !errors.Is(pg.Interpret(err), sequence.ErrBadContent):
		return err
	case len(rows) > 1:
		half := len(rows) / 2
		if err := l.divide(ctx, rows[:half]); err != nil {
			return err
		}
		return l.divide(ctx, rows[half:])
	}
	l.write.table.left.add(rows[0].row.Columns)
	l.found, l.cause = append(l.found, rows[0]), err
	if len(l.found) > maxAlone {
		return fmt.Errorf("more than %d rows are refused, the last: %w", maxAlone, err)
	}
	return nil
}

// try writes rows behind a savepoint, and nothing else of the round. Its windows are not
// Complete, though those of the round may be: a complete window would delete the rows
// that the other halves have written.
func (l *leavingOut) try(ctx context.Context, rows []placed) error {
	part := progress.Round{Flow: l.write.round.Flow}
	var last *progress.Window
	for _, r := range rows {
		if r.window != last {
			last = r.window
			part.Windows = append(part.Windows, progress.Window{Start: last.Start, End: last.End})
		}
		w := &part.Windows[len(part.Windows)-1]
		w.Rows = append(w.Rows, r.row)
	}
	var out progress.Outcome
	w := write{round: &part, out: &out, table: l.write.table, closing: l.write.closing, written: l.write.written}
	err := l.writeBatch(ctx, l.tx, []write{w}, false)
	if err == nil {
		l.rows += out.RowsWritten
	}
	return err
}

// describeRow names a row that was left out: window, labels, and why. The text is stored
// beside the flow, so what PostgreSQL cannot store of it, because it is no UTF-8 or a
// zero byte, becomes "?".
func describeRow(t *resulttable.Table, p placed, cause error) string {
	text := fmt.Sprintf("%s %s: %s", sequence.FormatTime(p.window.End), t.Describe(p.row.Columns), pg.Message(cause))
	return strings.ReplaceAll(strings.ToValidUTF8(text, "?"), "\x00", "?")
}
