package sqlstore

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"laminar/queries"
	"laminar/sequence/segment"
)

const (
	// sealedSegment is how many samples a sealed segment holds at most.
	sealedSegment = 65_536
	// sealPoll is how often sealing looks whether the flows have come along.
	sealPoll = 200 * time.Millisecond
)

// SealOptions say whom sealing waits for.
type SealOptions struct {
	// Wait is how long a generation waits until all flows have read it. After
	// that it is sealed all the same, and flows that are behind refill.
	Wait time.Duration
	// Force does not wait.
	Force bool
}

// SealReport is what a Seal did.
type SealReport struct {
	Sealed   []int32 // generations, oldest first
	Behind   int     // flows that had not read a generation when it was sealed
	Samples  int64   // samples written, after duplicates
	Segments int64   // sealed segments written
	Drop     DropReport
}

// errNotToSeal says that a generation is not the oldest closed one any more:
// another process was quicker.
var errNotToSeal = errors.New("it is not the oldest closed generation any more")

// Seal closes the current generation, merges all closed ones, and drops the
// tables that no reader needs any more. One process merges at a time, and none
// holds the others up while it waits for flows: a forced seal overtakes.
//
// Each generation is one transaction, which writes the merged segments and
// marks it sealed: a crash leaves it as it was.
func (s *Store) Seal(ctx context.Context, opts SealOptions) (SealReport, error) {
	var report SealReport
	if _, err := s.Freeze(ctx); err != nil {
		return report, err
	}
	frozen, err := s.frozen(ctx)
	if err != nil {
		return report, fmt.Errorf("list generations to seal: %w", interpret(err))
	}
	for _, generation := range frozen {
		behind, err := s.waitForFlows(ctx, generation, opts)
		if err != nil {
			return report, fmt.Errorf("wait for flows to read generation %d: %w", generation, interpret(err))
		}
		written, err := s.sealAlone(ctx, generation)
		if errors.Is(err, errNotToSeal) {
			continue
		}
		if err != nil {
			return report, fmt.Errorf("seal generation %d: %w", generation, interpret(err))
		}
		report.Sealed = append(report.Sealed, generation)
		report.Behind = max(report.Behind, behind)
		report.Samples += written.samples
		report.Segments += written.segments
	}
	report.Drop, err = s.DropUnused(ctx)
	return report, err
}

// sealAlone seals a generation as the only process that seals. The lock saves
// work; that no generation is sealed twice is seen to by the transaction.
func (s *Store) sealAlone(ctx context.Context, generation int32) (written, error) {
	unlock, err := s.lockOut(ctx, sealLock, sealLockWait)
	if err != nil {
		return written{}, err
	}
	defer unlock()
	return s.sealGeneration(ctx, generation)
}

func (s *Store) frozen(ctx context.Context) ([]int32, error) {
	rows, err := s.pool.Query(ctx, queries.GenerationFrozen)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[int32])
}

// waitForFlows returns how many flows have not read the generation yet.
func (s *Store) waitForFlows(ctx context.Context, generation int32, opts SealOptions) (behind int, err error) {
	deadline := time.Now().Add(opts.Wait)
	for {
		if err := s.pool.QueryRow(ctx, queries.SealBehind, generation).Scan(&behind); err != nil {
			return 0, err
		}
		if behind == 0 || opts.Force || !time.Now().Before(deadline) {
			return behind, nil
		}
		if err := sleep(ctx, sealPoll); err != nil {
			return 0, err
		}
	}
}

// sealUnit is what is merged into segments of its own: one metric in one region
// and time bucket.
type sealUnit struct {
	region, metric int32
	bucket         int64 // ms since the epoch
	samples        int64
	newest         int64 // ms since the epoch
}

// written is what a merge wrote.
type written struct{ samples, segments int64 }

func (s *Store) sealGeneration(ctx context.Context, generation int32) (written, error) {
	units, err := s.sealUnits(ctx, generation)
	if sqlState(err) == stateUndefinedTable {
		return written{}, errNotToSeal // sealed by another process, and dropped
	}
	if err != nil {
		return written{}, fmt.Errorf("look through it: %w", err)
	}
	earliest, err := s.earliest(ctx, s.pool)
	if err != nil {
		return written{}, err
	}
	if err := s.makePartitions(ctx, units, earliest); err != nil {
		return written{}, err
	}
	m := merger{store: s, generation: generation}
	err = s.inTx(ctx, func(tx pgx.Tx) error {
		m.tx = tx
		// Partitions stay while we write to them; whatever was dropped before
		// this lock is older than the time that is read after it.
		if _, err := tx.Exec(ctx, "lock table sealed in row exclusive mode"); err != nil {
			return err
		}
		var id int32
		err := tx.QueryRow(ctx, queries.SealLock, generation).Scan(&id)
		if errors.Is(err, pgx.ErrNoRows) {
			return errNotToSeal
		}
		if err != nil {
			return err
		}
		if m.earliest, err = s.earliest(ctx, tx); err != nil {
			return err
		}
		if err := m.mergeAll(ctx, units); err != nil {
			return err
		}
		return finishSeal(ctx, tx, generation, units)
	})
	return m.written, err
}

// finishSeal does what makes the merged segments count.
func finishSeal(ctx context.Context, tx pgx.Tx, generation int32, units []sealUnit) error {
	regions, metrics, newest := make([]int32, len(units)), make([]int32, len(units)), make([]int64, len(units))
	for i, u := range units {
		regions[i], metrics[i], newest[i] = u.region, u.metric, u.newest
	}
	if _, err := tx.Exec(ctx, queries.SealFloors, regions, metrics, newest); err != nil {
		return fmt.Errorf("raise the floors: %w", err)
	}
	if _, err := tx.Exec(ctx, queries.UnusedAdd, []string{hotTable(generation)}); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, queries.GenerationSeal, generation)
	return err
}

func (s *Store) sealUnits(ctx context.Context, generation int32) ([]sealUnit, error) {
	rows, err := s.pool.Query(ctx, onHot(queries.SealUnits, generation), segment.BucketMillis)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (u sealUnit, err error) {
		err = row.Scan(&u.region, &u.metric, &u.bucket, &u.samples, &u.newest)
		return u, err
	})
}

// earliest is the time, in ms since the epoch, before which samples have been
// given up.
func (s *Store) earliest(ctx context.Context, q interface {
	QueryRow(context.Context, string, ...any) pgx.Row
}) (t int64, err error) {
	if err := q.QueryRow(ctx, queries.RetentionEarliest).Scan(&t); err != nil {
		return 0, fmt.Errorf("read the retention's time: %w", err)
	}
	return t, nil
}
