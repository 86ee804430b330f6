package raw

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	queries "laminar/queries/raw"
	"laminar/sequence/segment"
	"laminar/sqlstore/pg"
)

// Sealing merges a closed generation into few large segments: all samples of one
// metric, region and time bucket, each series in order of time, each (series,
// time) once. Reading them back costs a fraction of reading the thousands of
// flushes that brought them. What it costs is the exact sequence of each sample,
// so it waits for the flows that still have to read the generation as a delta.
//
// What a process that ends while it seals leaves behind, step by step:
//
//	frozen, nothing merged       the next seal merges it
//	partitions made              they are empty, and used by the next seal
//	merging                      the transaction is undone: as before
//	committed                    sealed; the hot table is on the list of unused ones
//
// Generations are sealed oldest first, one after the other. That keeps every sealed
// sample of a region older, by sequence, than every hot one, which is why readers
// may take sealed segments before hot ones.

// sealPoll is how often sealing looks whether the flows have come along.
const sealPoll = 200 * time.Millisecond

// SealOptions say whom sealing waits for.
type SealOptions struct {
	// Wait is how long a generation waits until all flows have read it. After
	// that it is sealed all the same, and flows that are behind refill.
	Wait time.Duration
	// Force does not wait.
	Force bool
	// Progress is told how far sealing is, by the goroutine that seals. It may be
	// nil.
	Progress func(SealProgress)
}

// SealStep is what sealing a generation consists of.
type SealStep string

// The steps, in their order.
const (
	SealWaiting    SealStep = "waiting for flows" // counted in milliseconds of what it waits at most
	SealPartitions SealStep = "making partitions" // counted in metrics by region and day
	SealMerging    SealStep = "merging samples"   // counted in samples before duplicates are merged
)

// SealProgress is how far a step is: 0 <= Done <= Total.
type SealProgress struct {
	Generation  int32
	Step        SealStep
	Done, Total int64
}

// tell tells a step's progress to those who asked.
func (o SealOptions) tell(generation int32, step SealStep, done, total int64) {
	if o.Progress != nil {
		o.Progress(SealProgress{Generation: generation, Step: step, Done: min(done, total), Total: total})
	}
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
func (k *Keeper) Seal(ctx context.Context, opts SealOptions) (SealReport, error) {
	var report SealReport
	if _, err := k.Freeze(ctx); err != nil {
		return report, err
	}
	// Oldest first. Another process can seal the same ones meanwhile; each is
	// locked, and looked at again, when it is its turn.
	frozen, err := k.frozen(ctx)
	if err != nil {
		return report, fmt.Errorf("list generations to seal: %w", pg.Interpret(err))
	}
	for _, generation := range frozen {
		behind, err := k.waitForFlows(ctx, generation, opts)
		if err != nil {
			return report, fmt.Errorf("wait for flows to read generation %d: %w", generation, pg.Interpret(err))
		}
		written, err := k.sealAlone(ctx, generation, opts)
		if errors.Is(err, errNotToSeal) {
			continue
		}
		if err != nil {
			return report, fmt.Errorf("seal generation %d: %w", generation, pg.Interpret(err))
		}
		report.Sealed = append(report.Sealed, generation)
		report.Behind = max(report.Behind, behind)
		report.Samples += written.samples
		report.Segments += written.segments
	}
	report.Drop, err = k.DropUnused(ctx)
	return report, err
}

// sealAlone seals a generation as the only process that seals. The lease saves
// work; that no generation is sealed twice is seen to by the transaction.
func (k *Keeper) sealAlone(ctx context.Context, generation int32, opts SealOptions) (written, error) {
	unlock, err := k.db.LockOut(ctx, SealLease, sealLockWait)
	if err != nil {
		return written{}, err
	}
	defer unlock()
	return k.sealGeneration(ctx, generation, opts)
}

// frozen lists the closed generations that are not sealed, oldest first.
func (k *Keeper) frozen(ctx context.Context) ([]int32, error) {
	rows, err := k.db.Pool().Query(ctx, queries.GenerationFrozen)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowTo[int32])
}

// waitForFlows waits as long as the options say until all flows have read the
// generation, and returns how many have not. These will refill what they missed.
func (k *Keeper) waitForFlows(ctx context.Context, generation int32, opts SealOptions) (behind int, err error) {
	began := time.Now()
	for {
		if err := k.db.Pool().QueryRow(ctx, queries.SealBehind, generation).Scan(&behind); err != nil {
			return 0, err
		}
		waited := time.Since(began)
		if behind == 0 || opts.Force || waited >= opts.Wait {
			return behind, nil
		}
		opts.tell(generation, SealWaiting, waited.Milliseconds(), opts.Wait.Milliseconds())
		if err := pg.Sleep(ctx, sealPoll); err != nil {
			return 0, err
		}
	}
}

// sealGeneration merges a generation and marks it as sealed. What is to be merged
// is looked up before the transaction begins: the generation is closed, so it does
// not change. Partitions are made before it, too, in transactions of their own,
// because attaching one takes a lock that must not be held for as long as a merge
// takes.
func (k *Keeper) sealGeneration(ctx context.Context, generation int32, opts SealOptions) (written, error) {
	units, err := k.sealUnits(ctx, generation)
	if pg.NoTable(err) {
		return written{}, errNotToSeal // sealed by another process, and dropped
	}
	if err != nil {
		return written{}, fmt.Errorf("look through it: %w", err)
	}
	gone, err := dropped(ctx, k.db.Pool())
	if err != nil {
		return written{}, err
	}
	tellPartitions := func(done int) { opts.tell(generation, SealPartitions, int64(done), int64(len(units))) }
	if err := k.makePartitions(ctx, units, gone, tellPartitions); err != nil {
		return written{}, err
	}
	m := merger{keeper: k, generation: generation, tell: func(done, total int64) { opts.tell(generation, SealMerging, done, total) }}
	err = k.db.InTx(ctx, func(tx pgx.Tx) error {
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
		// Again: more may have been dropped since the partitions were made.
		if m.dropped, err = dropped(ctx, tx); err != nil {
			return err
		}
		if err := m.mergeAll(ctx, units); err != nil {
			return err
		}
		return finishSeal(ctx, tx, generation, units)
	})
	return m.written, err
}

// finishSeal does what makes the merged segments count: from the commit on readers
// find them there and leave the hot table out. The floors take the place of what
// Missed could have read of the hot segments.
func finishSeal(ctx context.Context, tx pgx.Tx, generation int32, units []sealUnit) error {
	regions, metrics, newest := make([]int32, len(units)), make([]int32, len(units)), make([]int64, len(units))
	for i, u := range units {
		regions[i], metrics[i], newest[i] = u.region, u.metric, u.newest
	}
	if _, err := tx.Exec(ctx, queries.SealFloors, regions, metrics, newest); err != nil {
		return fmt.Errorf("raise the floors: %w", err)
	}
	if _, err := tx.Exec(ctx, queries.UnusedAdd, []string{queries.HotTable(generation)}); err != nil {
		return err
	}
	_, err := tx.Exec(ctx, queries.GenerationSeal, generation)
	return err
}

// sealUnits lists what is in a generation.
func (k *Keeper) sealUnits(ctx context.Context, generation int32) ([]sealUnit, error) {
	rows, err := k.db.Pool().Query(ctx, queries.OnHot(queries.SealUnits, generation), segment.BucketMillis)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, func(row pgx.CollectableRow) (u sealUnit, err error) {
		err = row.Scan(&u.region, &u.metric, &u.bucket, &u.samples, &u.newest)
		return u, err
	})
}
