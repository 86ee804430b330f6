package flowstore

import (
	"context"

	"github.com/jackc/pgx/v5"

	queries "laminar/queries/flow"
	"laminar/sqlstore/raw"
)

// The last statements of a commit: the new progress of its flows. There is one
// statement for all flows, because most rounds change nothing else. A round without
// windows still moves its flow's vector, or the same delta would be read again and
// again.
//
// Before: the flows are locked, at the epoch and vector that the rounds start from,
// and their rows are written. After: vector, emitted-until, watermark and newest
// sample are those of the rounds. They become visible together with the rows (I4).

// writeProgress moves the flows whose results were written to their rounds'
// progress, and their jobs with them. The flows are locked and were found at
// the rounds' epoch and vector (fence).
func writeProgress(ctx context.Context, tx pgx.Tx, writes []write) error {
	// Columns of one statement: what stands at i is the same flow's.
	var (
		ids                              []int32
		vectors, flushes, errs           []string
		emitted, newest, newestAt, marks []int64
		begins                           []int64
	)
	batch := &pgx.Batch{}
	for _, w := range writes {
		// A refused round is as if it had not been: its flow stays where it is, and
		// its next round reads the same delta again.
		if w.out.Err != nil {
			continue
		}
		to := &w.round.To
		doc, err := encodeFlushes(to.Flushes)
		if err != nil {
			return err
		}
		ids = append(ids, int32(w.round.Flow))
		vectors, flushes, errs = append(vectors, raw.EncodeVector(to.Vector)), append(flushes, doc), append(errs, w.round.Error)
		emitted, newest = append(emitted, to.EmittedUntil), append(newest, to.NewestT)
		newestAt, marks = append(newestAt, to.NewestAt), append(marks, to.Watermark)
		begins = append(begins, to.BeginsAfter)
		if j := w.round.Job; j != nil {
			// Known only now; the job counts rows that changed, over all its rounds.
			j.RowsWritten = w.out.RowsWritten
			batch.Queue(queries.JobStep, j.ID, int32(w.round.Flow), j.NextT, j.WindowsDone, j.RowsWritten, j.Done, j.Error)
		}
	}
	if len(ids) == 0 { // all were refused
		return nil
	}
	batch.Queue(queries.FlowProgress, ids, vectors, flushes, emitted, newest, newestAt, marks, errs, begins)
	return tx.SendBatch(ctx, batch).Close()
}
