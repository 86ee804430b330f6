package raw

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	queries "laminar/queries/raw"
	"laminar/sequence/segment"
	"laminar/sqlstore/pg"
)

// A partition is made as a table of its own and attached. CREATE TABLE ... PARTITION
// OF would take ACCESS EXCLUSIVE on sealed and so wait for every reader, and make
// the next ones wait; ATTACH takes SHARE UPDATE EXCLUSIVE, which only vacuum and
// others of its kind hold. That it is quick relies on there being no default
// partition, which would have to be searched for rows of the new one.

// attachTimeout is how long attaching a partition waits for a lock. It needs
// one that readers and writers do not hold, but vacuum does.
const (
	attachTimeout  = 2 * time.Second
	attachAttempts = 10
)

// makePartitions makes the missing partitions for the units. Buckets that lie wholly
// before dropped, ms, get none: retention has dropped theirs. If some are made, tell
// is called with the number of units that have theirs.
func (k *Keeper) makePartitions(ctx context.Context, units []sealUnit, dropped int64, tell func(done int)) error {
	// Listed once: seals exclude each other, so no other process makes one meanwhile.
	there, err := listPartitions(ctx, k.db.Pool())
	if err != nil {
		return fmt.Errorf("list partitions: %w", err)
	}
	stands, err := retention(ctx, k.db.Pool())
	if err != nil {
		return err
	}
	newest := stands.Newest
	for _, u := range units {
		newest = max(newest, u.newest)
	}
	var spans []timeSpan
	for _, name := range there {
		if span, ok := partitionSpan(name); ok {
			spans = append(spans, span)
		}
	}
	made := false
	for i, u := range units {
		holds := func(s timeSpan) bool { return s.from <= u.bucket && u.bucket < s.to }
		if u.bucket+segment.BucketMillis <= dropped || slices.ContainsFunc(spans, holds) {
			continue
		}
		name := partitionFor(u.bucket, min(stands.Now, newest), spans)
		span, _ := partitionSpan(name)
		if err := k.makePartition(ctx, name, span); err != nil {
			return fmt.Errorf("make partition %s: %w", name, err)
		}
		spans = append(spans, span)
		tell(i + 1)
		made = true
	}
	if made {
		tell(len(units))
	}
	return nil
}

// makePartition creates a table and attaches it, which locks out neither
// readers nor writers. There is no default partition to be scanned.
func (k *Keeper) makePartition(ctx context.Context, name string, span timeSpan) error {
	// The bounds are numbers of ours; the name is quoted.
	attach := "alter table sealed attach partition " + pg.Quoted(name) + " for values from (" +
		strconv.FormatInt(span.from, 10) + ") to (" + strconv.FormatInt(span.to, 10) + ")"
	for attempt := 1; ; attempt++ {
		err := k.db.InTx(ctx, func(tx pgx.Tx) error {
			for _, sql := range []string{
				"set local lock_timeout = " + pg.Milliseconds(attachTimeout),
				// The two in one transaction: a table that is not attached is no
				// partition, and the next attempt would find its name taken.
				strings.ReplaceAll(queries.PartitionCreate, "sealed_new", pg.Quoted(name)),
				attach,
			} {
				if _, err := tx.Exec(ctx, sql); err != nil {
					return err
				}
			}
			return nil
		})
		if !pg.LockTimedOut(err) || attempt == attachAttempts {
			return err
		}
		if err := pg.Sleep(ctx, attachTimeout/4); err != nil {
			return err
		}
	}
}
