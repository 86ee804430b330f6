package raw_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sequence/series"
	"laminar/sqlstore"
	"laminar/sqlstore/pg"
	"laminar/sqlstore/raw"
	"laminar/sqlstore/sqltest"
)

// through opens a store whose connections go through a proxy.
func through(t *testing.T, db *sqltest.DB) (*sqlstore.Store, *sqltest.Proxy) {
	t.Helper()
	proxy := db.Proxy(t)
	return db.Store(t, func(c *sqlstore.Config) { c.URL = proxy.URL }), proxy
}

func bigSegment(metric sequence.MetricID) segment.Segment {
	points := make([][3]float64, 50_000)
	for i := range points {
		points[i] = [3]float64{1, float64(sqltest.Day + int64(i)), float64(i)}
	}
	return sqltest.Segment(metric, points...)
}

// TestCutConnections breaks the connection at every point of a flush: what the
// flush answers must agree with what the server did, and an unknown outcome is
// found out by asking (I2).
func TestCutConnections(t *testing.T) {
	db := sqltest.New(t)
	sure := db.Store(t)
	store, proxy := through(t, db)
	metric := sqltest.MetricOf(t, store, "up")
	for _, c := range []struct {
		name      string
		cut       sqltest.Cut
		unknown   bool
		committed bool
	}{
		{"in the COPY", sqltest.CutCopy, false, false},
		{"before the commit", sqltest.CutBeforeCommit, true, false},
		{"after the commit", sqltest.CutAfterCommit, true, true},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		tx := sqltest.Begin(t, store, 1)
		happened := proxy.CutNext(c.cut)
		err := tx.Commit(ctx, []segment.Segment{bigSegment(metric)})
		<-happened
		if errors.Is(err, sequence.ErrCommitUnknown) != c.unknown || !c.unknown && !errors.Is(err, sequence.ErrUnavailable) {
			t.Errorf("cut %s: commit says %v", c.name, err)
		}
		for _, asked := range []*sqlstore.Store{store, sure} {
			committed, err := asked.Writer.Resolve(ctx, 1, tx.Flush().Seq, tx.Flush().ID)
			if err != nil || committed != c.committed {
				t.Errorf("cut %s: committed is %v, %v; want %v", c.name, committed, err, c.committed)
			}
		}
	}
	// A broken connection is given back in the background.
	deadline := time.Now().Add(2 * time.Minute)
	for store.Pool().Stat().AcquiredConns() != 0 {
		if time.Now().After(deadline) {
			t.Fatalf("%d connections were not given back", store.Pool().Stat().AcquiredConns())
		}
		time.Sleep(time.Millisecond) // polls the pool, which tells nobody
	}
}

// TestResolveWaitsForACommitUnderWay: while a lost connection's COMMIT may
// still arrive, nobody is told that it did not happen.
func TestResolveWaitsForACommitUnderWay(t *testing.T) {
	db := sqltest.New(t)
	sure := db.Store(t)
	store, proxy := through(t, db)
	tx := sqltest.Begin(t, store, 1)
	proxy.CutNext(sqltest.CutHoldCommit)
	if err := tx.Commit(t.Context(), nil); !errors.Is(err, sequence.ErrCommitUnknown) {
		t.Fatalf("commit says %v", err)
	}
	type answer struct {
		committed bool
		err       error
	}
	answers := make(chan answer, 1)
	go func() {
		committed, err := sure.Writer.Resolve(context.Background(), 1, tx.Flush().Seq, tx.Flush().ID)
		answers <- answer{committed, err}
	}()
	waitForLockWaiter(t, sure)
	select {
	case a := <-answers:
		t.Fatalf("answered %+v while the commit was under way", a)
	default:
	}
	proxy.Release()
	if a := <-answers; !a.committed || a.err != nil {
		t.Errorf("after the commit: %+v", a)
	}
}

// waitForLockWaiter returns when a session of the database waits for a lock.
func waitForLockWaiter(t *testing.T, store *sqlstore.Store) {
	t.Helper()
	deadline := time.Now().Add(2 * time.Minute)
	for {
		var waiting bool
		if err := store.Pool().QueryRow(t.Context(), `select exists (select from pg_stat_activity
			where datname = current_database() and wait_event_type = 'Lock')`).Scan(&waiting); err != nil {
			t.Fatal(err)
		}
		if waiting {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal("nobody waits for a lock")
		}
		time.Sleep(5 * time.Millisecond) // polls the server, which tells nobody when a session begins to wait
	}
}

// TestCommitOrderIsSequenceOrder flushes two regions from three processes at
// once while generations are frozen: every snapshot sees sequences without a
// gap, flush rows agree, and nothing enters a generation after its freeze (I1).
func TestCommitOrderIsSequenceOrder(t *testing.T) {
	const writers, flushes = 3, 40
	db := sqltest.New(t)
	people := db.Pool(t)
	stores := []*sqlstore.Store{db.Store(t), db.Store(t), db.Store(t)}
	metric := sqltest.MetricOf(t, stores[0], "up")
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	var writing, watching sync.WaitGroup
	for w := range writers {
		for region := sequence.Region(1); region <= sqltest.Regions; region++ {
			writing.Go(func() {
				for i := range flushes {
					tx, err := stores[w].Writer.BeginFlush(ctx, region, sqltest.NewFlushID())
					if err != nil {
						t.Error(err)
						return
					}
					if i%7 == 3 {
						_ = tx.Rollback(ctx)
						continue
					}
					if err := tx.Commit(ctx, []segment.Segment{sqltest.Segment(metric, [3]float64{1, float64(sqltest.Day + int64(i)), 1})}); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
	}
	stop := make(chan struct{})
	watching.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				if _, err := stores[0].Keeper.Freeze(ctx); err != nil && !errors.Is(err, sequence.ErrUnavailable) {
					t.Error(err)
					return
				}
			}
		}
	})
	watching.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				checkNoGap(ctx, t, people)
			}
		}
	})
	writing.Wait()
	close(stop)
	watching.Wait()
	checkNoGap(ctx, t, people)
	var late int
	if err := people.QueryRow(ctx, `select count(*) from generation g
		cross join lateral (select * from pg_catalog.jsonb_each_text(g.frozen_vector)) v
		join flush f on f.region = v.key::integer
		where f.seq <= v.value::bigint and f.committed_at > g.frozen_at`).Scan(&late); err != nil {
		t.Fatal(err)
	}
	if late != 0 {
		t.Errorf("%d flushes up to a frozen position are younger than the freeze", late)
	}
	checkGenerations(t, stores[0])
}

// checkNoGap looks for a region whose flushes are not 1 to its last sequence.
func checkNoGap(ctx context.Context, t *testing.T, q pg.Querier) {
	t.Helper()
	rows, err := q.Query(ctx, `select r.id, r.last_seq, count(f.seq), coalesce(max(f.seq), 0),
			coalesce(r.last_flush = (select id from flush x where x.region = r.id and x.seq = r.last_seq), r.last_seq = 0)
		from region r left join flush f on f.region = r.id group by r.id`)
	if err != nil {
		t.Error(err)
		return
	}
	var region int32
	var last, n, newest int64
	var same bool
	if _, err := pgx.ForEachRow(rows, []any{&region, &last, &n, &newest, &same}, func() error {
		if n != last || newest != last || !same {
			t.Errorf("region %d stands at %d and has %d flushes up to %d, last one the region's: %v", region, last, n, newest, same)
		}
		return nil
	}); err != nil {
		t.Error(err)
	}
}

// checkGenerations looks for a hot segment outside the sequences of its
// generation.
func checkGenerations(t *testing.T, store *sqlstore.Store) {
	t.Helper()
	type frozen struct {
		id     int32
		vector map[string]int64
	}
	rows, err := store.Pool().Query(t.Context(), "select id, frozen_vector from generation where state = 'frozen' order by id")
	if err != nil {
		t.Fatal(err)
	}
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (f frozen, err error) {
		err = row.Scan(&f.id, &f.vector)
		return f, err
	})
	if err != nil {
		t.Fatal(err)
	}
	before := map[string]int64{}
	for _, f := range all {
		for region, upTo := range f.vector {
			var outside int
			if err := store.Pool().QueryRow(t.Context(), "select count(*) from "+pgx.Identifier{"hot_" + fmt.Sprint(f.id)}.Sanitize()+
				" where region = $1::text::integer and (seq <= $2 or seq > $3)", region, before[region], upTo).Scan(&outside); err != nil {
				t.Fatal(err)
			}
			if outside != 0 {
				t.Errorf("generation %d holds %d segments of region %s outside (%d,%d]", f.id, outside, region, before[region], upTo)
			}
			before[region] = upTo
		}
	}
	if len(all) == 0 {
		t.Error("nothing was frozen")
	}
}

// TestMissed lets another writer write and asks what it did.
func TestMissed(t *testing.T) {
	db := sqltest.New(t)
	few := func(c *sqlstore.Config) { c.MissedSamples = 3 }
	store := db.Store(t, few)
	ctx := t.Context()
	a, b := sqltest.MetricOf(t, store, "a"), sqltest.MetricOf(t, store, "b")
	write := func(segs ...segment.Segment) { sqltest.Commit(t, sqltest.Begin(t, store, 1), segs...) }
	at := func(ms int64) float64 { return float64(sqltest.Day + ms) }

	write(sqltest.Segment(a, [3]float64{1, at(10), 1}), sqltest.Segment(b, [3]float64{9, at(500), 9})) // 1
	write(sqltest.Segment(a, [3]float64{1, at(50), 2}, [3]float64{2, at(90), 3}))                      // 2
	if _, err := store.Keeper.Freeze(ctx); err != nil {
		t.Fatal(err)
	}
	write(sqltest.Segment(a, [3]float64{1, at(60), 4}, [3]float64{1, at(60), 5})) // 3
	write(sqltest.Segment(a, [3]float64{3, at(100), 6}))                          // 4

	for _, c := range []struct {
		name        string
		after, upTo sequence.Seq
		lasts       []series.Last
		floors      map[sequence.MetricID]int64
	}{
		{"nothing", 4, 4, nil, nil},
		{"one flush", 3, 4, []series.Last{{Series: 3, T: sqltest.Day + 100, Value: 6}}, nil},
		{"two flushes, the later of one time", 2, 4, []series.Last{{Series: 1, T: sqltest.Day + 60, Value: 5}, {Series: 3, T: sqltest.Day + 100, Value: 6}}, nil},
		{"up to an earlier one, over a freeze", 1, 3, nil, map[sequence.MetricID]int64{a: sqltest.Day + 90}},
		{"all", 0, 4, []series.Last{{Series: 3, T: sqltest.Day + 100, Value: 6}}, map[sequence.MetricID]int64{a: sqltest.Day + 90, b: sqltest.Day + 500}},
	} {
		checkMissed(t, store, c.name, c.after, c.upTo, c.lasts, c.floors)
	}
	checkFloors(t, store, 0, nil)
	checkFloors(t, store, 2, map[sequence.MetricID]int64{a: sqltest.Day + 90, b: sqltest.Day + 500})
	checkFloors(t, store, 4, map[sequence.MetricID]int64{a: sqltest.Day + 100, b: sqltest.Day + 500})
	if _, err := store.Keeper.Seal(ctx, raw.SealOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	write(sqltest.Segment(b, [3]float64{9, at(400), 7})) // 5
	sealed := map[sequence.MetricID]int64{a: sqltest.Day + 100, b: sqltest.Day + 500}
	checkMissed(t, store, "sealed, and late behind the floor", 0, 5, nil, sealed)
	checkMissed(t, store, "hot only", 4, 5, []series.Last{{Series: 9, T: sqltest.Day + 400, Value: 7}}, nil)
	checkMissed(t, store, "sealed only", 0, 2, nil, sealed)
	checkFloors(t, store, 5, sealed)
	write(sqltest.Segment(b, [3]float64{9, at(600), 8})) // 6
	checkFloors(t, store, 6, map[sequence.MetricID]int64{a: sqltest.Day + 100, b: sqltest.Day + 600})
}

func checkFloors(t *testing.T, store *sqlstore.Store, upTo sequence.Seq, want map[sequence.MetricID]int64) {
	t.Helper()
	tx := sqltest.Begin(t, store, 1)
	defer func() { _ = tx.Rollback(context.Background()) }()
	got, err := tx.Floors(t.Context(), upTo)
	if err != nil || !maps.Equal(got, want) {
		t.Errorf("floors up to sequence %d: %v, %v; want %v", upTo, got, err, want)
	}
}

func checkMissed(t *testing.T, store *sqlstore.Store, name string, after, upTo sequence.Seq, lasts []series.Last, floors map[sequence.MetricID]int64) {
	t.Helper()
	tx := sqltest.Begin(t, store, 1)
	defer func() { _ = tx.Rollback(context.Background()) }()
	got, err := tx.Missed(t.Context(), after, upTo)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	if !slices.Equal(got.Lasts, lasts) {
		t.Errorf("%s: newest samples %v, want %v", name, got.Lasts, lasts)
	}
	if len(got.Floors) != len(floors) {
		t.Errorf("%s: floors %v, want %v", name, got.Floors, floors)
	}
	for metric, want := range floors {
		if got.Floors[metric] != want {
			t.Errorf("%s: floor of metric %d is %d, want %d", name, metric, got.Floors[metric], want)
		}
	}
}
