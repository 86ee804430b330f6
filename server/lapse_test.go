package server_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"laminar/ingest"
	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sqlstore"
	"laminar/sqlstore/lapsed"
	"laminar/sqlstore/raw"
	"laminar/sqlstore/sqltest"
)

// TestNoSampleLosesItsSeries lets series come and go for some days while processes write
// and others seal, drop and remove without a pause: two writers with caches of their own,
// one that is started anew now and then, and one that sleeps from the first day to the
// last. Series lapse and come back in the same moments. Whatever was acknowledged and is
// not dropped can be read with its labels, and in the end only the series and metrics
// that have samples are there.
func TestNoSampleLosesItsSeries(t *testing.T) {
	const days, kept, senders = 7, 2, 4
	db := sqltest.New(t)
	store := db.Store(t)
	pool := db.Pool(t)
	l := &lapsing{t: t, store: store, pool: pool, today: time.Now().UnixMilli() / segment.BucketMillis * segment.BucketMillis}
	processes := []http.Handler{l.process(db.URL), l.process(db.URL), l.process(db.URL)}
	sleeper := l.process(db.URL)

	all := make(map[sampleKey]float64)
	note := func(s *sender) {
		for k, v := range s.sent {
			all[k] = v
		}
	}
	l.clock(0)
	early := &sender{t: t, number: 0, of: senders, to: sleeper, sent: make(map[sampleKey]float64)}
	l.back.Store(true)
	l.sent.Store(4 * sharedSeries)
	l.send(t.Context(), early, 0, 4)
	l.back.Store(false)
	l.sent.Store(0)
	note(early)
	asleep := l.positions()

	other := db.Store(t)
	for day := range days {
		l.clock(day)
		if day%3 == 2 {
			processes[2] = l.process(db.URL)
		}
		ctx, stop := context.WithCancel(t.Context())
		var working, moving sync.WaitGroup
		list := make([]*sender, senders)
		for i := range list {
			s := &sender{t: t, number: i, of: senders, to: processes[i%len(processes)], sent: make(map[sampleKey]float64)}
			list[i] = s
			working.Go(func() { l.send(ctx, s, day, 2000) })
		}
		for range 4 {
			l.once(ctx, day-kept)
		}
		l.back.Store(true)
		for _, on := range []*sqlstore.Store{l.store, other} {
			moving.Go(func() { l.removeOnce(ctx, on) })
		}
		moving.Wait()
		for deadline := time.Now().Add(5 * time.Minute); l.sent.Load() < 4*sharedSeries/3+40 && !t.Failed(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Errorf("after five minutes %d samples were sent", l.sent.Load())
			}
		}
		stop()
		l.back.Store(false)
		working.Wait()
		l.sent.Store(0)
		for _, s := range list {
			note(s)
		}
	}
	if l.removed.Load() < 20 {
		t.Errorf("%d series were removed: the test tests nothing", l.removed.Load())
	}
	// The sleeper's flushes are remembered, as that of a flow that stands still is, and
	// what came in between is not.
	for region, seq := range asleep {
		l.exec("delete from flush f using region r where r.id = f.region and f.region = $1 and f.seq <> $2 and f.seq < r.last_seq - 1", int32(region), int64(seq))
	}
	late := &sender{t: t, number: 0, of: senders, to: sleeper, sent: make(map[sampleKey]float64)}
	l.back.Store(true)
	l.sent.Store(4 * sharedSeries)
	l.send(t.Context(), late, days-1, 10)
	note(late)

	l.check(all)
	// A week later there is one sample, and all others are dropped.
	l.clock(days + 7)
	last := &sender{t: t, to: l.process(db.URL), of: 1}
	last.deliver(map[sampleKey]float64{{sharedSeries + 1, l.today + (days+7)*segment.BucketMillis}: 1})
	for deadline := time.Now().Add(5 * time.Minute); l.count("series") > 1 || l.count("metric") > 1; {
		l.once(t.Context(), days+6)
		l.removeOnce(t.Context(), store)
		if time.Now().After(deadline) {
			t.Fatalf("%d series and %d metrics are left of one sample", l.count("series"), l.count("metric"))
		}
	}
	if n := l.count("sample where metric like 'm%'"); n != 1 {
		t.Errorf("%d samples are left", n)
	}
}

// process is an ingester that does not mind how the clock jumps.
func (l *lapsing) process(url string) http.Handler {
	return runIngester(l.t, url, func(cfg *ingest.Config, _ *sqlstore.Store) { cfg.Limits.Ahead = 1000 * time.Hour }).Write()
}

// lapsing is a database whose days pass quickly.
type lapsing struct {
	t       testing.TB
	store   *sqlstore.Store
	pool    *pgxpool.Pool
	today   int64        // begin of the first day, ms since the epoch
	back    atomic.Bool  // the series of the day are sent
	sent    atomic.Int64 // requests since they are
	removed atomic.Int64
}

func (l *lapsing) exec(sql string, args ...any) {
	l.t.Helper()
	if _, err := l.pool.Exec(l.t.Context(), sql, args...); err != nil {
		l.t.Errorf("%s: %v", sql, err)
	}
}

func (l *lapsing) count(table string) (n int) {
	l.t.Helper()
	if err := l.pool.QueryRow(l.t.Context(), "select count(*) from "+table).Scan(&n); err != nil {
		l.t.Fatal(err)
	}
	return n
}

// clock sets the database's clock to the end of a day, but for ten minutes.
func (l *lapsing) clock(day int) {
	ahead := l.today + int64(day+1)*segment.BucketMillis - 600_000 - time.Now().UnixMilli()
	l.exec("create or replace function db_clock() returns timestamptz language sql volatile as " +
		fmt.Sprintf("$$ select clock_timestamp() + interval '%d ms' $$", ahead))
}

// send sends requests of a day: of one series, and when they are back of those that have
// samples on every third day only. On that day their last ones have been dropped, and
// they are removed while they come back, one after the other.
func (l *lapsing) send(ctx context.Context, s *sender, day, requests int) {
	at := l.today + int64(day)*segment.BucketMillis
	for n := 0; n < requests && ctx.Err() == nil; n++ {
		batch, back := make(map[sampleKey]float64), l.back.Load()
		for range 10 {
			k := sampleKey{sharedSeries, s.own(at + int64(n+1)*1000)}
			if back {
				k.series = rand.IntN(int(min(l.sent.Load()/4+1, sharedSeries/3)))*3 + day%3
			}
			batch[k] = rand.Float64()
		}
		s.deliver(batch)
		for k, v := range batch {
			s.sent[k] = v
		}
		if back {
			l.sent.Add(1)
		}
	}
}

// once seals, and drops what is older than a day.
func (l *lapsing) once(ctx context.Context, before int) {
	_, err := l.store.Keeper.Seal(ctx, raw.SealOptions{Force: true})
	if err == nil {
		_, err = l.store.Retainer.GiveUp(ctx, time.Millisecond, l.today+int64(before)*segment.BucketMillis)
	}
	if err == nil {
		_, err = l.store.Keeper.DropUnused(ctx)
	}
	if errors.Is(err, sequence.ErrUnavailable) && ctx.Err() == nil && !l.t.Failed() { // a busy server is tried again
		l.once(ctx, before)
		return
	}
	if err != nil && ctx.Err() == nil {
		l.t.Errorf("upkeep: %v", err)
	}
}

// removeOnce looks for what has lapsed whether or not something was dropped since.
func (l *lapsing) removeOnce(ctx context.Context, store *sqlstore.Store) {
	l.exec("update retention set swept_t = 0")
	report, err := store.Remover.Remove(ctx)
	l.removed.Add(report.Series)
	if err != nil && ctx.Err() == nil && !errors.Is(err, sequence.ErrUnavailable) {
		l.t.Errorf("remove: %v", err)
	}
}

// remove removes until a busy server has done it all, and reports all that was removed.
func (l *lapsing) remove() (report lapsed.Report, err error) {
	err = sqltest.Answered(l.t.Context(), func() error {
		part, err := l.store.Remover.Remove(l.t.Context())
		report = lapsed.Report{Series: report.Series + part.Series, Metrics: report.Metrics + part.Metrics, Unlisted: part.Unlisted}
		return err
	})
	return report, err
}

func (l *lapsing) positions() map[sequence.Region]sequence.Seq {
	snap, err := l.store.Reader.Snapshot(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	defer func() { _ = snap.Close(l.t.Context()) }()
	return snap.Position().Vector
}

// check holds what can be read with its labels against what was acknowledged and is not
// dropped.
func (l *lapsing) check(all map[sampleKey]float64) {
	l.t.Helper()
	var dropped int64
	if err := l.pool.QueryRow(l.t.Context(), "select dropped_t from retention").Scan(&dropped); err != nil || dropped == 0 {
		l.t.Fatalf("samples before %d have been dropped: %v", dropped, err)
	}
	got := make(map[sampleKey]float64)
	rows, err := l.pool.Query(l.t.Context(), "select (labels->>'i')::integer, (extract(epoch from ts) * 1000)::bigint, value from sample where metric like 'm%'")
	if err != nil {
		l.t.Fatal(err)
	}
	for rows.Next() {
		var k sampleKey
		var v float64
		if err := rows.Scan(&k.series, &k.t, &v); err != nil {
			l.t.Fatal(err)
		}
		got[k] = v
	}
	if rows.Err() != nil {
		l.t.Fatal(rows.Err())
	}
	lost, n := 0, 0
	for k, v := range all {
		if k.t < dropped {
			continue
		}
		n++
		if stored, ok := got[k]; !ok || stored != v {
			if lost++; lost < 10 {
				l.t.Errorf("%+v was acknowledged as %v, with its labels there is %v (%v)", k, v, stored, ok)
			}
		}
	}
	l.t.Logf("%d of %d samples are kept, %d series were removed", n, len(all), l.removed.Load())
	if lost > 0 || n == 0 {
		l.t.Errorf("%d of %d acknowledged samples are lost", lost, n)
	}
}

// TestLapseKeepsWhatCanComeBack: the series of samples that are given up and not dropped
// stay, and so do all while a sealed segment does not say which series it holds.
func TestLapseKeepsWhatCanComeBack(t *testing.T) {
	db := sqltest.New(t)
	l := &lapsing{t: t, store: db.Store(t), pool: db.Pool(t), today: time.Now().UnixMilli() / segment.BucketMillis * segment.BucketMillis}
	to := l.process(db.URL)
	for day, series := range []int{1, 2, 3} {
		l.clock(day)
		s := &sender{t: t, of: 1, to: to}
		s.deliver(map[sampleKey]float64{{series, l.today + int64(day)*segment.BucketMillis}: 1})
	}
	remove := func(step string, wantRemoved, wantUnlisted int64) {
		t.Helper()
		l.exec("update retention set swept_t = -1")
		report, err := l.remove()
		if err != nil || report.Series != wantRemoved || report.Unlisted != wantUnlisted {
			t.Errorf("%s: %+v, want %d series removed and %d segments unlisted: %v", step, report, wantRemoved, wantUnlisted, err)
		}
	}
	l.exec("update retention set grace_ms = 86400000")
	for range 4 {
		l.once(t.Context(), 1)
	}
	remove("given up", 0, 0)
	if _, _, err := l.store.Retainer.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := l.count("sample where metric like 'm%'"); n != 3 {
		t.Errorf("after a restore %d samples can be read with their labels, want 3", n)
	}
	l.exec("update retention set grace_ms = 0")
	for deadline := time.Now().Add(5 * time.Minute); l.count("pg_inherits where inhparent = 'sealed'::regclass") > 2 && time.Now().Before(deadline); {
		l.once(t.Context(), 1)
	}
	l.exec("update sealed set held_series = null where ctid = (select min(ctid) from sealed)")
	remove("not all segments list their series", 0, int64(l.count("sealed where held_series is null")))
	l.exec("delete from sealed where held_series is null")
	remove("dropped", 3-int64(l.count("sealed")), 0)
}
