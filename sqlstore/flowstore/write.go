package flowstore

import (
	"github.com/jackc/pgx/v5"

	"laminar/flownode/progress"
	queries "laminar/queries/flow"
	"laminar/sequence"
	"laminar/sqlstore/alertstore"
	"laminar/sqlstore/changes"
	"laminar/sqlstore/claims"
	"laminar/sqlstore/groupstore"
	"laminar/sqlstore/latestore"
	"laminar/sqlstore/raw"
	"laminar/sqlstore/resulttable"
)

// write is one round on its way. Its flow is locked by the transaction that writes it.
type write struct {
	round *progress.Round
	out   *progress.Outcome // of the round; Err is set where it is refused
	table *target

	closing sequence.Span    // ends of the windows that it closes
	written *changes.Written // what the attempt that succeeded has changed
}

// newWrite is a round on its way, of a flow that has emitted up to a time so far.
func newWrite(r *progress.Round, out *progress.Outcome, table *target, emitted sequence.Time) write {
	if emitted == sequence.NoTime {
		emitted = r.To.BeginsAfter
	}
	return write{round: r, out: out, table: table, closing: sequence.Span{After: emitted, UpTo: r.To.EmittedUntil}, written: &changes.Written{}}
}

// queue adds the statements of a round, for the given windows of it: what came
// off the dirty list first, so that what became dirty again since stays on it.
// Afterwards nothing is sent yet. When the batch is sent, what was inserted, changed or
// deleted is added to to; a row that stays as it is counts for nothing.
func (w write) queue(batch *pgx.Batch, windows []progress.Window, to *changes.Written) error {
	r := w.round
	if len(windows) > 0 {
		stmts, err := w.table.Statements(windows)
		if err != nil {
			return err
		}
		for _, stmt := range stmts {
			stmt.Queue(batch, func(touched []resulttable.Touched) error { return w.note(to, windows, touched) })
		}
	}
	if len(r.Remove) > 0 {
		ends, groups := make([]int64, len(r.Remove)), make([]string, len(r.Remove))
		for i, k := range r.Remove {
			ends[i], groups[i] = k.WindowEnd, k.Group
		}
		batch.Queue(queries.DirtyRemove, int32(r.Flow), ends, groups)
	}
	if len(r.Add) > 0 {
		batch.Queue(queries.DirtyAdd, dirtyColumns(r)...)
	}
	if r.Alerts != nil {
		alertstore.Queue(batch, r.Flow, r.Alerts)
	}
	if r.Chosen != nil {
		groupstore.Queue(batch, r.Flow, r.Chosen)
	}
	if r.Late != nil {
		latestore.Queue(batch, r.Flow, r.Late, w.out)
	}
	return nil
}

// note notes what a statement has changed, of windows that it has written. A window that
// the round closes, and one that has changed for the larger part, are noted as a whole:
// whoever reads them reads all of it.
func (w write) note(to *changes.Written, windows []progress.Window, touched []resulttable.Touched) error {
	flow := w.round.Flow
	complete := map[sequence.Time]int{} // how many rows they have
	for i := range windows {
		if windows[i].Complete {
			complete[windows[i].End] = len(windows[i].Rows)
		}
	}
	for _, t := range touched {
		to.Count(t.Rows)
		rows, whole := complete[t.End]
		if t.Columns == nil || w.closing.Holds(t.End) || whole && 2*int(t.Rows) > rows {
			to.Whole(flow, t.End)
			continue
		}
		for _, columns := range t.Columns {
			key, err := resulttable.KeyOf(w.table.Table, columns)
			if err != nil {
				return err
			}
			to.Keys(flow, t.End, key)
		}
	}
	return nil
}

// noteSettled notes rows that rules of one table give, whosever they are.
func noteSettled(to *changes.Written, table *resulttable.Table, touched []claims.Touched) error {
	for _, t := range touched {
		key, err := resulttable.KeyOf(table, t.Columns)
		if err != nil {
			return err
		}
		to.Keys(t.Flow, t.End, key)
	}
	return nil
}

// dirtyColumns is what a round puts on the dirty list, as parameters.
func dirtyColumns(r *progress.Round) []any {
	n := len(r.Add)
	ends, first, last := make([]int64, n), make([]int64, n), make([]int64, n)
	groups, reasons, since := make([]string, n), make([]string, n), make([]string, n)
	for i := range r.Add {
		d := &r.Add[i]
		ends[i], first[i], last[i] = d.WindowEnd, d.FirstAt, d.LastAt
		groups[i], reasons[i], since[i] = d.Group, d.Reason.String(), raw.EncodeVector(d.Since)
	}
	return []any{int32(r.Flow), ends, groups, reasons, since, first, last}
}
