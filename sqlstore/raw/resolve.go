package raw

import (
	"context"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	queries "laminar/queries/raw"
	"laminar/sequence"
	"laminar/sqlstore/pg"
)

// When a connection breaks while COMMIT is under way, the process does not know
// whether the flush is stored. To acknowledge it could lose samples; to refuse it
// would make the sender write them a second time, with a later sequence. So the
// flusher asks, on another connection.

// Resolve says whether the flush with the id, which was to take seq, has
// committed. It locks the region's row, so it waits for a commit still under
// way, which then either has happened or never will (I2).
//
// Flushes are remembered for an hour at least. One that is asked for later and
// not found is taken for not committed: writing its samples again changes no
// result, since a repeated sample replaces itself (I3).
func (w *Writer) Resolve(ctx context.Context, region sequence.Region, seq sequence.Seq, id sequence.FlushID) (bool, error) {
	// A commit whose answer was lost holds the region's row until it has happened
	// or its session has ended. Locking the row waits for either.
	var committed bool
	err := w.db.InTx(ctx, func(tx pgx.Tx) error {
		var last int64
		err := tx.QueryRow(ctx, queries.RegionLock, int32(region)).Scan(&last)
		if errors.Is(err, pgx.ErrNoRows) {
			return sequence.ErrRegionGone
		}
		if err != nil || last < int64(seq) {
			return err // the sequence was never taken, so neither by this flush
		}
		var took pgtype.UUID
		err = tx.QueryRow(ctx, queries.FlushTook, int32(region), int64(seq)).Scan(&took)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil // taken, but forgotten by whom
		}
		committed = err == nil && took.Bytes == id
		return err
	})
	if err != nil {
		return false, fmt.Errorf("find out whether sequence %d of region %d was committed: %w", seq, region, pg.Interpret(err))
	}
	return committed, nil
}
