package flowstore

import (
	"github.com/jackc/pgx/v5"

	"laminar/flownode/progress"
	queries "laminar/queries/flow"
	"laminar/sqlstore/alertstore"
	"laminar/sqlstore/raw"
)

// write is one round on its way. Its flow is locked by the transaction that writes it.
type write struct {
	round *progress.Round
	out   *progress.Outcome // of the round; Err is set where it is refused
	table *target
}

// queue adds the statements of a round, for the given windows of it: what came
// off the dirty list first, so that what became dirty again since stays on it.
// Afterwards nothing is sent yet. When the batch is sent, *rows grows by the number of
// rows that were inserted, changed or deleted; a row that stays as it is counts 0.
func (w write) queue(batch *pgx.Batch, windows []progress.Window, rows *int64) error {
	r := w.round
	if len(windows) > 0 {
		stmts, err := w.table.Statements(windows)
		if err != nil {
			return err
		}
		for _, stmt := range stmts {
			// Each statement answers how many rows it has changed.
			batch.Queue(stmt.SQL, stmt.Args...).QueryRow(func(row pgx.Row) error {
				var n int64
				err := row.Scan(&n)
				*rows += n
				return err
			})
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
