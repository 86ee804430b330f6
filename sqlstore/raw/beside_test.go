package raw_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sqlstore"
	"laminar/sqlstore/raw"
	"laminar/sqlstore/sqltest"
)

// overwriteAfter is how many sequences later a sample of writeBeside is
// written once more, with another value.
const overwriteAfter = 3

// writeBeside makes flushes of one region until ctx ends: sequence n holds the
// sample at time n with the value n, and gives the sample at n-overwriteAfter
// the value n. So what a snapshot must hold follows from its position alone.
func writeBeside(ctx context.Context, store *sqlstore.Store, region sequence.Region, metric sequence.MetricID, series sequence.SeriesID) error {
	for ctx.Err() == nil {
		tx, err := store.Writer.BeginFlush(ctx, region, sequence.FlushID{byte(region), byte(rand.IntN(256)), byte(rand.IntN(256))})
		if err != nil {
			return err
		}
		n := int64(tx.Flush().Seq)
		one := func(t int64, ordered bool) segment.Segment {
			return segment.Segment{Metric: metric, Ordered: ordered, MinT: t, MaxT: t, Base: t,
				Series: []sequence.SeriesID{series}, Offsets: []int32{0}, Values: []float64{float64(n)}}
		}
		segs := []segment.Segment{one(n, true)}
		if n > overwriteAfter {
			segs = append(segs, one(n-overwriteAfter, false))
		}
		if err := tx.Commit(ctx, segs); err != nil {
			return err
		}
	}
	return nil
}

// checkBeside holds what a snapshot reads against what its position says.
func checkBeside(ctx context.Context, snap *raw.Snapshot, metric sequence.MetricID, series map[sequence.Region]sequence.SeriesID) error {
	vec := snap.Position().Vector
	got := map[sequence.SeriesID]map[int64]float64{}
	samples := 0
	err := snap.ReadRaw(ctx, segment.Select{Metrics: []sequence.MetricID{metric}}, func(seg *segment.Segment) error {
		for i, id := range seg.Series {
			if got[id] == nil {
				got[id] = map[int64]float64{}
			}
			got[id][seg.Time(i)] = seg.Values[i]
		}
		return nil
	})
	if err != nil {
		return err
	}
	for r, id := range series {
		last := int64(vec.At(r))
		for t := int64(1); t <= last; t++ {
			want := t
			if t+overwriteAfter <= last {
				want = t + overwriteAfter
			}
			if v, ok := got[id][t]; !ok || v != float64(want) {
				return fmt.Errorf("at %s: region %d has %v (%t) at time %d, want %d", vec, r, v, ok, t, want)
			}
			samples++
		}
		if len(got[id]) != int(last) {
			return fmt.Errorf("at %s: region %d has %d samples, want %d", vec, r, len(got[id]), last)
		}
	}
	return nil
}

// TestSnapshotsBesideWriters takes and reads snapshots while both regions are
// written to and generations are frozen, sealed and dropped as fast as they
// can be.
func TestSnapshotsBesideWriters(t *testing.T) {
	db := sqltest.NewRawDB(t, 2)
	metric, ids1 := db.AddMetric("m", 1, 1)
	_, ids2 := db.AddMetric("m", 2, 1)
	series := map[sequence.Region]sequence.SeriesID{1: ids1[0], 2: ids2[0]}

	// No deadline: a dial that ends by one fails before the context has.
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	began := time.Now()
	var wg sync.WaitGroup
	work := func(what string, fn func() error) {
		wg.Go(func() {
			if err := fn(); err != nil && ctx.Err() == nil {
				t.Errorf("%s: %v", what, err)
				cancel()
			}
		})
	}
	for r, id := range series {
		work("write", func() error { return writeBeside(ctx, db.Store, r, metric, id) })
	}
	work("seal", func() error {
		for ctx.Err() == nil {
			if err := sqltest.Answered(ctx, func() error {
				_, err := db.Store.Keeper.Seal(ctx, raw.SealOptions{Force: true})
				return err
			}); err != nil {
				return err
			}
		}
		return nil
	})
	const states = "select count(*) from generation where state in ('sealed', 'dropped')"
	var snapshots, sealed int
	work("read", func() error {
		defer cancel()
		for ctx.Err() == nil {
			// For 3 s, and until enough has happened to say anything.
			if past := time.Since(began); past > 3*time.Second && snapshots >= 5 {
				if sealed = sqltest.ScanOne[int](db, states); sealed >= 3 || past > 3*time.Minute {
					return nil
				}
			}
			snap, err := db.Store.Reader.Snapshot(ctx)
			if err != nil {
				return err
			}
			err = checkBeside(ctx, snap, metric, series)
			if closed := snap.Close(ctx); err == nil {
				err = closed
			}
			if err != nil {
				return err
			}
			snapshots++
		}
		return nil
	})
	wg.Wait()
	if snapshots < 5 || sealed < 3 {
		t.Errorf("%d snapshots were read and %d generations sealed: too few to say anything", snapshots, sealed)
	}
}

// TestSnapshotLocksWhatItMayRead makes a generation appear between the moment
// a snapshot lists the hot tables and the moment it is taken: it must hold the
// lock of that one's table too, or it could be dropped under the reader.
func TestSnapshotLocksWhatItMayRead(t *testing.T) {
	db := sqltest.NewRawDB(t, 1)
	for deadline := time.Now().Add(3 * time.Minute); !snapshotMet(db) && !t.Failed(); {
		if time.Now().After(deadline) {
			t.Fatal("within three minutes no generation has appeared while a snapshot waited for its locks")
		}
	}
}

// snapshotMet takes a snapshot that finds a table locked, and lets a generation appear in the
// moment in which that lock ends. It reports whether the snapshot was seen to wait for it: after
// a fifth of a second it would begin anew, and meet nothing.
func snapshotMet(db *sqltest.RawDB) bool {
	db.Helper()
	const patience = 200 * time.Millisecond // snapshotLockTimeout
	ctx := db.Context()
	blocker, err := db.Store.Pool().Begin(ctx)
	if err != nil {
		db.Fatal(err)
	}
	defer func() { _ = blocker.Rollback(context.Background()) }()
	if _, err := blocker.Exec(ctx, "lock table sealed in access exclusive mode"); err != nil {
		db.Fatal(err)
	}
	if err := db.FreezeIn(blocker); err != nil {
		db.Fatal(err)
	}
	began := time.Now()
	taken := make(chan *raw.Snapshot, 1)
	go func() {
		var snap *raw.Snapshot
		if err := sqltest.Answered(ctx, func() (err error) { snap, err = db.Store.Reader.Snapshot(ctx); return err }); err != nil {
			db.Error(err)
		}
		taken <- snap
	}()
	// Databases that were made of one template have the same numbers of tables.
	const here = "database = (select oid from pg_database where datname = current_database())"
	waits := false
	for !waits && time.Since(began) < patience {
		waits = sqltest.ScanOne[bool](db, "select exists (select from pg_locks where relation = 'sealed'::regclass and not granted and "+here+")")
	}
	if err := blocker.Commit(ctx); err != nil {
		db.Fatal(err)
	}
	waits = waits && time.Since(began) < patience
	snap := <-taken
	if snap == nil {
		return false
	}
	defer func() { _ = snap.Close(context.Background()) }()
	var held, tables int
	if err := db.Store.Pool().QueryRow(ctx, `with reads (relation) as (select 'sealed'::regclass union all select ('hot_' || id)::regclass from generation)
		select count(distinct relation) filter (where mode = 'AccessShareLock' and granted and pid <> pg_backend_pid() and `+here+`), count(distinct relation)
		from reads left join pg_locks using (relation)`).Scan(&held, &tables); err != nil {
		db.Fatal(err)
	}
	if held != tables {
		db.Errorf("the snapshot holds %d of %d locks", held, tables)
	}
	return waits
}
