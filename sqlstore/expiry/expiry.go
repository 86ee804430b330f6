// Package expiry deletes results that are older than their flow keeps them.
//
// Rounds write no such window any more, and queries and verifications pass over those that
// are still there, so it does not matter when they go. Who follows a flow is not told of
// their going.
package expiry

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"laminar/flownode/defjson"
	"laminar/flownode/progress"
	queries "laminar/queries/flow"
	"laminar/sequence"
	"laminar/sqlstore/pg"
	"laminar/sqlstore/resulttable"
)

// mostRows is how many rows one transaction deletes at most: rounds of the flow wait for it.
const mostRows = 10_000

// Store deletes old results. It is safe for concurrent use, also by several processes.
type Store struct {
	db   *pg.DB
	most int // rows of one transaction
}

// New makes a store of a database.
func New(db *pg.DB) *Store { return &Store{db, mostRows} }

// Clock is the time by which what is old is forgotten for good, beside raw samples: that
// which the database's clock and the newest sample have both reached. It is not known, and
// nothing is to be forgotten, without samples, and while a step of retention is due that is
// longer than a day: both may have jumped.
func (s *Store) Clock(ctx context.Context) (now sequence.Time, known bool, err error) {
	if err := s.db.Pool().QueryRow(ctx, queries.RetentionClock).Scan(&now); err != nil {
		return 0, false, fmt.Errorf("read the time that forgetting goes by: %w", pg.Interpret(err))
	}
	return now, now >= 0, nil
}

// Delete deletes what all flows do not keep any more now, and says how many rows that was. The
// rows of a flow that is at fault, such as one whose table somebody has dropped, stay, and
// do not hold up the others; the error names each.
func (s *Store) Delete(ctx context.Context, now sequence.Time) (deleted int64, err error) {
	rows, err := s.db.Pool().Query(ctx, queries.FlowKeeping)
	if err != nil {
		return 0, fmt.Errorf("list flows that keep results for a time: %w", pg.Interpret(err))
	}
	flows, err := pgx.CollectRows(rows, pgx.RowTo[int32])
	if err != nil {
		return 0, fmt.Errorf("list flows that keep results for a time: %w", pg.Interpret(err))
	}
	var faults []error
	for _, id := range flows {
		for more := true; more; {
			var n int64
			n, err = s.some(ctx, progress.FlowID(id), now)
			if err != nil {
				faults = append(faults, fmt.Errorf("delete old results of flow %d: %w", id, pg.Interpret(err)))
			}
			deleted += n
			more = err == nil && n == int64(s.most)
		}
	}
	return deleted, errors.Join(faults...)
}

// some deletes the oldest rows of a flow that are not kept, as many as one transaction may.
func (s *Store) some(ctx context.Context, id progress.FlowID, now sequence.Time) (deleted int64, err error) {
	err = s.db.InTx(ctx, func(tx pgx.Tx) error {
		var (
			schema                    string
			definition                []byte
			newest, newestAt, emitted sequence.Time
		)
		switch err := tx.QueryRow(ctx, queries.FlowKept, int32(id)).Scan(&schema, &definition, &newest, &newestAt, &emitted); {
		case errors.Is(err, pgx.ErrNoRows):
			return nil // it was deleted meanwhile
		case err != nil:
			return err
		}
		def, err := defjson.Unmarshal(definition)
		if err != nil || def.Keep == 0 {
			return err
		}
		// Who reads nothing new keeps what it has.
		kept := def.KeptFrom(newest, min(newestAt, now), emitted)
		if kept <= 0 {
			return nil
		}
		deleted, err = resulttable.New(schema, def).Expire(ctx, tx, time.UnixMilli(kept).UTC(), s.most)
		return err
	})
	if err != nil {
		return 0, err
	}
	return deleted, nil
}
