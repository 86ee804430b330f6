package flowstore

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"laminar/flownode/progress"
	queries "laminar/queries/flow"
	"laminar/sqlstore/changes"
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
// the rounds' epoch and vector (fence). The change log gets what all of them have changed;
// the flows that have changed are returned.
func writeProgress(ctx context.Context, tx pgx.Tx, writes []write, positions map[progress.FlowID]int64) ([]progress.FlowID, error) {
	// Columns of one statement: what stands at i is the same flow's.
	var (
		ids                              []int32
		vectors, flushes, errs, sources  []string
		emitted, newest, newestAt, marks []int64
		begins, at                       []int64
		log                              changes.Log
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
			return nil, err
		}
		log.Add(w.written)
		log.Close(w.round.Flow, w.closing)
		ids = append(ids, int32(w.round.Flow))
		vectors, flushes, errs = append(vectors, raw.EncodeVector(to.Vector)), append(flushes, doc), append(errs, w.round.Error)
		emitted, newest = append(emitted, to.EmittedUntil), append(newest, to.NewestT)
		newestAt, marks = append(newestAt, to.NewestAt), append(marks, to.Watermark)
		begins = append(begins, to.BeginsAfter)
		of, err := encodeSources(to.Sources)
		if err != nil {
			return nil, err
		}
		sources = append(sources, of)
		if j := w.round.Job; j != nil {
			// Known only now; the job counts rows that changed, over all its rounds.
			j.RowsWritten = w.out.RowsWritten
			batch.Queue(queries.JobStep, j.ID, int32(w.round.Flow), j.NextT, j.WindowsDone, j.RowsWritten, j.Done, j.Error, j.Left)
		}
	}
	if len(ids) == 0 { // all were refused
		return nil, nil
	}
	// Its positions come before the progress, which stores those of the rounds' flows.
	log.Queue(batch, positions, func(flow progress.FlowID) bool { return !slices.Contains(ids, int32(flow)) })
	for _, id := range ids {
		at = append(at, positions[progress.FlowID(id)])
	}
	batch.Queue(queries.FlowProgress, ids, vectors, flushes, emitted, newest, newestAt, marks, errs, begins, at, sources)
	return log.Moved(), tx.SendBatch(ctx, batch).Close()
}
