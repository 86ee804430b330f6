// Package latestore keeps in PostgreSQL what came too late for closed windows that keep
// their values: how many samples, which windows lack them, and, where a flow wants that,
// the samples.
//
// Queue adds the statements of a round to its transaction, which package flowstore makes:
// what stays out of a window is counted together with the progress over it (I4).
package latestore

import (
	"context"
	"encoding/json"

	"github.com/jackc/pgx/v5"

	"laminar/flownode/progress"
	queries "laminar/queries/late"
	"laminar/sequence"
	"laminar/sqlstore/pg"
)

// Queue adds what a round of a flow left out of closed windows, and took in again. The
// flow is locked by the transaction. When the batch is sent, out knows how many windows with
// a group are noted of the flow.
func Queue(batch *pgx.Batch, flow progress.FlowID, l *progress.Late, out *progress.Outcome) {
	id := int32(flow)
	if len(l.Whole) > 0 {
		ends, groups := make([]int64, len(l.Whole)), make([]string, len(l.Whole))
		for i, k := range l.Whole {
			ends[i], groups[i] = k.WindowEnd, k.Group
		}
		batch.Queue(queries.LateWhole, id, ends, groups)
	}
	if n := len(l.Windows); n > 0 {
		ends, groups, samples := make([]int64, n), make([]string, n), make([]int64, n)
		for i, w := range l.Windows {
			ends[i], groups[i], samples[i] = w.End, w.Group, w.Samples
		}
		if l.Windows[0].Row == nil {
			batch.Queue(queries.LateAdd, id, ends, groups, samples)
		} else {
			values, columns := rowsOf(l.Windows)
			batch.Queue(queries.LateRows, id, ends, groups, samples, values, columns, l.Join)
		}
	}
	batch.Queue(queries.LateCount, id, l.Samples, encode(l.Stretches)).QueryRow(func(row pgx.Row) error { return row.Scan(&out.LateNoted) })
	if n := len(l.Kept); n > 0 {
		ids, ts, values := make([]int32, n), make([]int64, n), make([]float64, n)
		first, last := make([]int64, n), make([]int64, n)
		for i, x := range l.Kept {
			ids[i], ts[i], values[i], first[i], last[i] = int32(x.Series), x.T, x.Value, x.First, x.Last
		}
		batch.Queue(queries.LateKeep, id, ids, ts, values, first, last)
		batch.Queue(queries.LatePrune, id, int64(progress.MaxKeptLate))
	}
}

// Load reads what is noted of late samples of a flow that leaves some out, apart from the
// windows, and counts these. The flow is locked by the transaction.
func Load(ctx context.Context, tx pgx.Tx, flow *progress.Flow) error {
	if !flow.Def.LeavesOutLate() {
		return nil
	}
	var stretches []int64
	if err := tx.QueryRow(ctx, queries.LateLoad, int32(flow.ID)).Scan(&flow.Late.Noted, &stretches); err != nil {
		return err
	}
	flow.Late.Stretches = Decode(stretches)
	return nil
}

// encode is stretches of windows as they are stored.
func encode(stretches sequence.Spans) []int64 {
	out := make([]int64, 0, 2*len(stretches))
	for _, s := range stretches {
		out = append(out, s.After, s.UpTo)
	}
	return out
}

// Decode is stretches of windows from what is stored.
func Decode(stored []int64) sequence.Spans {
	var out sequence.Spans
	for i := 1; i < len(stored); i += 2 {
		out = append(out, sequence.Span{After: stored[i-1], UpTo: stored[i]})
	}
	return out
}

// rowsOf is the rows that late samples add to, as parameters.
func rowsOf(windows []progress.LateWindow) (values []float64, columns []string) {
	for _, w := range windows {
		list := w.Row.Columns
		if list == nil {
			list = []string{}
		}
		text, _ := json.Marshal(list) // texts, of which it has no error
		values, columns = append(values, w.Row.Value), append(columns, string(text))
	}
	return values, columns
}

// Windows lists the windows of a flow that end in the span and lack late samples, or may. The rows
// that these add to have no columns: their groups tell them.
func Windows(ctx context.Context, q pg.Querier, flow progress.FlowID, ends sequence.Span) ([]progress.LateWindow, error) {
	rows, err := q.Query(ctx, queries.LateWindows, int32(flow), ends.After, ends.UpTo)
	if err != nil {
		return nil, pg.ReadError("read which windows lack late samples", err)
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (w progress.LateWindow, err error) {
		var value *float64
		err = row.Scan(&w.End, &w.Group, &w.Samples, &value)
		if value != nil {
			w.Row = &progress.Row{Value: *value}
		}
		return w, err
	})
	if err != nil {
		return nil, pg.ReadError("read which windows lack late samples", err)
	}
	return out, nil
}
