package flowstore

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"laminar/flownode/progress"
	queries "laminar/queries/flow"
	"laminar/sequence"
	"laminar/sqlstore/changes"
	"laminar/sqlstore/claims"
	"laminar/sqlstore/pg"
	"laminar/sqlstore/raw"
	"laminar/sqlstore/resulttable"
)

// A commit must be cheap if little has changed, since every round of every group
// ends with one, and one bad table must not hold up the other flows. Hence the
// order: one trip to lock and check, one to write all results behind a savepoint,
// one for progress and the commit. Only if something is refused does each round get
// a savepoint, and trips, of its own.
//
// Failures, and the result for the rounds:
//
//	the flow has another owner, or moved   ErrFenced for that round
//	its table was dropped or changed       the server's reason, for that round
//	its table is locked for too long       the same; the next round tries again
//	its rows have another shape            the same, without asking the server
//	the server has no time, space or wish  an error: nothing of any round is written
//	the connection breaks before COMMIT    an error: nothing is written
//	no answer to COMMIT                    ErrCommitUnknown: load the flows again
//
// A flownode that gets an error, or is fenced, need not find out what was written:
// the stored vector tells, and a round that begins from another vector is refused.
//
// The statements of a commit keep an order. Locks come before writes, or an earlier
// owner could write. Results come before progress, because progress leaves out the flows
// whose results were refused. Each flow is whole or untouched:
//
//	Outcome.Err == nil    rows, dirty list, job and vector are those of the round,
//	                      but for rows that were left out and counted
//	Outcome.Err != nil    all four are as they were before the round

// Results writes what rounds make of flows. All methods are safe for concurrent
// use. A flow must have been taken from the Catalogue that was made together with
// it.
type Results struct {
	db      *pg.DB
	targets *targets // of the flows that were taken

	onChange func([]progress.FlowID) // nil for nobody
}

// OnChange makes fn be called after each commit that has changed results of flows or
// closed windows of them, with these flows. It must not block, and nothing waits for it:
// a commit of unknown outcome is not told. Call it before the first Commit.
func (s *Results) OnChange(fn func([]progress.FlowID)) { s.onChange = fn }

// Commit writes the rounds of several flows in one transaction: result rows,
// dirty list, job step and progress of each (I4). A flow may have one round. Outcomes
// are in the order of the rounds.
//
// It begins by locking the flows that still are at their round's epoch and
// vector; the others come back with sequence.ErrFenced and nothing of them is
// written. A round that PostgreSQL refuses for a reason of its own, a result
// table that was changed by hand say, comes back with that reason and leaves
// the other rounds alone.
//
// An error means that nothing was written, or with sequence.ErrCommitUnknown
// perhaps everything: then load the flows again.
func (s *Results) Commit(ctx context.Context, rounds []progress.Round) ([]progress.Outcome, error) {
	out := make([]progress.Outcome, len(rounds))
	if len(rounds) == 0 {
		return out, nil
	}
	err := s.commit(ctx, rounds, out)
	if err != nil {
		return nil, fmt.Errorf("commit %d rounds: %w", len(rounds), err)
	}
	return out, nil
}

// setIdleLimit makes the server end a transaction that has locked flows and whose
// process stands still, before another flownode leads and needs them. Such a process
// keeps its session, so its lease is free 10 s after it was renewed, and no sooner.
const setIdleLimit = "set local idle_in_transaction_session_timeout = '8s'"

// commit is Commit; what becomes of each round is in out.
func (s *Results) commit(ctx context.Context, rounds []progress.Round, out []progress.Outcome) error {
	conn, err := s.db.Pool().Acquire(ctx)
	if err != nil {
		return pg.Interpret(err)
	}
	// One connection for all of it: a COPY goes over the transaction's own.
	defer conn.Release()
	tx, err := conn.Begin(ctx)
	if err != nil {
		return pg.Interpret(err)
	}
	// After a commit it does nothing; the context may have ended.
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }()

	positions := map[progress.FlowID]int64{}
	writes, err := s.fence(ctx, tx, rounds, out, positions)
	if err != nil {
		return fmt.Errorf("lock flows: %w", pg.Interpret(err))
	}
	if len(writes) == 0 { // all of them have other owners now
		return nil
	}
	// Progress comes last: it must leave out the flows whose results were refused.
	if err := s.writeResults(ctx, tx, writes); err != nil {
		return err
	}
	moved, err := writeProgress(ctx, tx, writes, positions)
	if err != nil {
		return fmt.Errorf("write progress: %w", pg.Interpret(err))
	}
	if err := tx.Commit(ctx); err != nil {
		// The server has answered COMMIT with ROLLBACK: that is no unknown outcome.
		if errors.Is(err, pgx.ErrTxCommitRollback) {
			return err
		}
		return pg.InterpretCommit(err)
	}
	if s.onChange != nil && len(moved) > 0 {
		s.onChange(moved)
	}
	return nil
}

// fence locks the flows and returns what may be written. A flow that this
// store has not taken has another owner.
//
// The check is of the row as it is now, not as a snapshot shows it: a row that
// another transaction holds is waited for and looked at again. Both the epoch and
// the vector are compared. The epoch tells an earlier owner from a later one; the
// vector tells a round whose commit was unknown, and which did happen, from one
// that did not.
//
// positions gets the positions in the change log of all flows that are locked.
func (s *Results) fence(ctx context.Context, tx pgx.Tx, rounds []progress.Round, out []progress.Outcome, positions map[progress.FlowID]int64) ([]write, error) {
	var (
		ids     []int32
		epochs  []int64
		vectors []string
		byID    = make(map[progress.FlowID]write, len(rounds))
	)
	for i := range rounds {
		r := &rounds[i]
		if _, twice := byID[r.Flow]; twice {
			return nil, fmt.Errorf("flow %d has two rounds", r.Flow)
		}
		// Until the flow is found to be where the round started from.
		out[i].Err = fmt.Errorf("flow %d at epoch %d, vector %s: %w", r.Flow, r.Epoch, r.From, sequence.ErrFenced)
		table, taken := s.targets.get(r.Flow)
		if !taken {
			continue
		}
		byID[r.Flow] = write{round: r, out: &out[i], table: table}
		ids, epochs, vectors = append(ids, int32(r.Flow)), append(epochs, r.Epoch), append(vectors, raw.EncodeVector(r.From))
	}
	batch := &pgx.Batch{}
	// Another's lock on a result table must hold up that flow and not all of
	// them; for the join methods see result_whole.
	batch.Queue("set local lock_timeout = '2s'")
	batch.Queue(setIdleLimit)
	batch.Queue("set local enable_nestloop = off")
	batch.Queue("set local jit = off")
	// Whose row stands in a table that rules share depends on the rows of all of them.
	if all := alsoLocked(ids, byID); len(all) > 0 {
		batch.Queue(queries.FlowLock, all).Query(func(rows pgx.Rows) error { return changes.Positions(rows, positions) })
	}
	// Those that come back are locked, by ascending id, and at their rounds' start.
	writes := make([]write, 0, len(ids))
	batch.Queue(queries.FlowFence, ids, epochs, vectors).Query(func(rows pgx.Rows) error {
		var id int32
		var position, emitted int64
		_, err := pgx.ForEachRow(rows, []any{&id, &position, &emitted}, func() error {
			w := byID[progress.FlowID(id)]
			w.out.Err = nil
			positions[w.round.Flow] = position
			writes = append(writes, newWrite(w.round, w.out, w.table, emitted))
			return nil
		})
		return err
	})
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return nil, err
	}
	return wholeChains(rounds, out, writes), nil
}

// wholeChains leaves out the rounds of chains of which some round may not be written.
func wholeChains(rounds []progress.Round, out []progress.Outcome, writes []write) []write {
	broken := map[int]error{}
	for i := range rounds {
		if chain := rounds[i].Chain; chain != 0 && out[i].Err != nil {
			broken[chain] = out[i].Err
		}
	}
	if len(broken) == 0 {
		return writes
	}
	return slices.DeleteFunc(writes, func(w write) bool {
		err := broken[w.round.Chain]
		if err != nil {
			w.out.Err = err
		}
		return err != nil
	})
}

// alsoLocked is the flows and those that share a table with one of them; none where
// no flow does.
func alsoLocked(ids []int32, writes map[progress.FlowID]write) []int32 {
	var all []int32
	for _, w := range writes {
		if len(w.table.rules) > 1 {
			all = append(all, w.table.rules.IDs()...)
		}
	}
	if len(all) > 0 {
		all = append(all, ids...)
	}
	return all
}

// writeResults writes result rows and dirty lists: all rounds in one trip to
// the server, and if one of them is refused, each behind a savepoint of its
// own. Refusals are in the outcomes; an error means that the transaction is of no more
// use. It calls itself once for each round, and then with one round, so it goes no
// deeper than that.
func (s *Results) writeResults(ctx context.Context, tx pgx.Tx, writes []write) error {
	err := s.writeBatch(ctx, tx, writes, true)
	if pg.KeyTaken(err) {
		// A person has put rows into a window that was new.
		err = s.writeBatch(ctx, tx, writes, false)
	}
	if err == nil {
		return nil
	}
	// One of several is to blame, and the error does not say which: one by one, and
	// those of a chain together.
	if len(writes) > 1 && refused(err) {
		for _, some := range chains(writes) {
			if err := s.writeChain(ctx, tx, some); err != nil {
				return err
			}
		}
		return nil
	}
	if errors.Is(pg.Interpret(err), sequence.ErrBadContent) {
		if err = s.writeWithout(ctx, tx, writes[0]); err == nil {
			return nil
		}
	}
	if refused(err) {
		writes[0].out.Err = writes[0].table.Explain(ctx, tx, err)
		return nil
	}
	return fmt.Errorf("write results: %w", pg.Interpret(err))
}

// chains divides rounds by their chains; a round without one is alone.
func chains(writes []write) [][]write {
	var out [][]write
	place := map[int]int{}
	for _, w := range writes {
		i, ok := place[w.round.Chain]
		if !ok || w.round.Chain == 0 {
			i = len(out)
			out, place[w.round.Chain] = append(out, nil), i
		}
		out[i] = append(out[i], w)
	}
	return out
}

// writeChain writes the rounds of one chain behind a savepoint, each behind one of its
// own. If one is refused none is written, and all have its reason: flows that read
// each other would disagree.
func (s *Results) writeChain(ctx context.Context, tx pgx.Tx, writes []write) error {
	if len(writes) == 1 {
		return s.writeResults(ctx, tx, writes)
	}
	sub, err := tx.Begin(ctx)
	if err != nil {
		return fmt.Errorf("write results: %w", pg.Interpret(err))
	}
	for i := range writes {
		if err := s.writeResults(ctx, sub, writes[i:i+1]); err != nil {
			return err
		}
		refusal := writes[i].out.Err
		if refusal == nil {
			continue
		}
		if err := sub.Rollback(ctx); err != nil {
			return fmt.Errorf("write results: %w", pg.Interpret(err))
		}
		for _, w := range writes {
			*w.out = progress.Outcome{Err: fmt.Errorf("flow %d, which it reads or which reads it: %w", writes[i].round.Flow, refusal)}
		}
		writes[i].out.Err = refusal
		return nil
	}
	if err := sub.Commit(ctx); err != nil {
		return fmt.Errorf("write results: %w", pg.Interpret(err))
	}
	return nil
}

// refused reports whether an error is about a round's own data or table, so
// that the other rounds can go on: the server has answered, and not that it
// has no time, space or wish to work.
func refused(err error) bool {
	if !pg.Answered(err) {
		var bad *resulttable.ShapeError
		return errors.As(err, &bad)
	}
	return pg.LockTimedOut(err) || !errors.Is(pg.Interpret(err), sequence.ErrUnavailable)
}

// writeBatch writes rounds behind one savepoint; with copyNew, rows of windows that
// have none are copied. On an error nothing is written and the transaction is as
// before. What was changed reaches outcomes and writes only when all of them are written,
// so a failed attempt adds nothing to them.
func (s *Results) writeBatch(ctx context.Context, tx pgx.Tx, writes []write, copyNew bool) error {
	written := make([]changes.Written, len(writes)) // of each round, while they are written
	empty := true
	for _, w := range writes {
		empty = empty && len(w.round.Windows) == 0 && len(w.round.Remove) == 0 && len(w.round.Add) == 0 && w.round.Alerts == nil && w.round.Late == nil && w.round.Chosen == nil
	}
	if empty {
		return nil
	}
	// Without it an error would end the transaction, and with it the locks.
	sub, err := tx.Begin(ctx) // a savepoint
	if err != nil {
		return err
	}
	if err := s.writeRounds(ctx, sub, writes, written, copyNew); err != nil {
		if undo := sub.Rollback(ctx); undo != nil {
			return errors.Join(undo, err)
		}
		return err
	}
	if err := sub.Commit(ctx); err != nil {
		return err
	}
	for i := range writes {
		writes[i].out.RowsWritten = written[i].Rows()
		writes[i].written.Add(&written[i])
	}
	return nil
}

// writeRounds copies what is new and sends the statements of all rounds
// together.
func (s *Results) writeRounds(ctx context.Context, tx pgx.Tx, writes []write, written []changes.Written, copyNew bool) error {
	// A COPY is a trip of its own; all other statements go out together.
	batch := &pgx.Batch{}
	for i, w := range writes {
		windows, left := w.table.left.without(w.round.Windows)
		w.out.LeftOut = left
		if err := w.table.MakeRoom(ctx, tx, windows); err != nil {
			return err
		}
		shared, err := s.contested(ctx, tx, batch, w, windows)
		if err != nil {
			return err
		}
		if shared != nil {
			windows = shared.Windows()
		}
		if copyNew {
			var copied []progress.Window
			if windows, copied, err = w.table.WriteNew(ctx, s.db, tx, windows); err != nil {
				return err
			}
			for _, c := range copied {
				written[i].Count(int64(len(c.Rows)))
				written[i].Whole(w.round.Flow, c.End)
			}
		}
		if err := w.queue(batch, windows, &written[i]); err != nil {
			return err
		}
		if shared != nil {
			if err := send(ctx, tx, batch); err != nil {
				return err
			}
			n, err := shared.CarryOut(ctx, tx)
			if err != nil {
				return err
			}
			written[i].Count(n)
			if err := noteSettled(&written[i], w.table.Table, shared.Touched()); err != nil {
				return err
			}
			w.out.Clashes = shared.Clashes()
		}
	}
	return send(ctx, tx, batch)
}

// contested looks which rows of a round other rules give, too; nil for none. What is in
// the batch is sent before, because it may be such rows.
func (s *Results) contested(ctx context.Context, tx pgx.Tx, batch *pgx.Batch, w write, windows []progress.Window) (*claims.Contest, error) {
	if len(w.table.rules) < 2 || len(windows) == 0 {
		return nil, nil
	}
	if err := send(ctx, tx, batch); err != nil {
		return nil, err
	}
	return claims.Contested(ctx, tx, w.table.Target, w.table.rules, w.round.Flow, windows)
}

// send sends what is in the batch, and empties it.
func send(ctx context.Context, tx pgx.Tx, batch *pgx.Batch) error {
	if batch.Len() == 0 {
		return nil
	}
	err := tx.SendBatch(ctx, batch).Close()
	*batch = pgx.Batch{}
	return err
}

// Rows is the rows of a flow that this process has taken, in windows that end in the
// span, oldest first; those that do not stand are among them.
func (s *Results) Rows(ctx context.Context, id progress.FlowID, ends sequence.Span) ([]progress.Window, error) {
	table, taken := s.targets.get(id)
	if !taken {
		return nil, fmt.Errorf("flow %d was not taken: %w", id, sequence.ErrFenced)
	}
	out, err := table.Read(ctx, s.db.Pool(), ends)
	if err == nil && table.Ruled() {
		out, err = claims.WithClashes(ctx, s.db.Pool(), &resulttable.Shared{Table: table.Table}, id, ends, out)
	}
	if err != nil {
		return nil, pg.ReadError("read results in "+table.Ident(), err)
	}
	return out, nil
}
