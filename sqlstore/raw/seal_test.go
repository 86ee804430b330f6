package raw_test

import (
	"context"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sqlstore"
	"laminar/sqlstore/raw"
	"laminar/sqlstore/sqltest"
)

// point names a stored sample.
type point struct {
	series sequence.SeriesID
	t      int64
}

// rawModel writes random samples and knows what must be there: of each series
// and time the value that was written last, as bits.
type rawModel struct {
	testing.TB
	store  *sqlstore.Store
	people *pgxpool.Pool // of the database's other users
	rnd    *rand.Rand
	metric sequence.MetricID
	series map[sequence.Region][]sequence.SeriesID
	truth  map[point]uint64
	gone   int64 // ms: samples before it are given up
}

func newRawModel(t testing.TB, seed uint64) *rawModel {
	t.Helper()
	db := sqltest.New(t)
	m := &rawModel{TB: t, store: db.Store(t), people: db.Pool(t), rnd: rand.New(rand.NewPCG(seed, 0)),
		series: map[sequence.Region][]sequence.SeriesID{}, truth: map[point]uint64{}}
	m.metric = sqltest.MetricOf(t, m.store, "up")
	for region := sequence.Region(1); region <= sqltest.Regions; region++ {
		tx := sqltest.Begin(t, m.store, region)
		created, err := tx.CreateSeries(context.Background(), sqltest.NewSeries(m.metric, "up", 100*int(region), 4))
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range created {
			m.series[region] = append(m.series[region], c.ID)
		}
		sqltest.Commit(t, tx)
	}
	return m
}

// flush writes a few samples of three days, many of them over older ones.
func (m *rawModel) flush() {
	m.Helper()
	region := sequence.Region(1 + m.rnd.IntN(sqltest.Regions))
	written := map[point]uint64{}
	byDay := map[int64][][3]float64{}
	for range 1 + m.rnd.IntN(12) {
		t := sqltest.Day + m.rnd.Int64N(3)*segment.BucketMillis + m.rnd.Int64N(20)
		id := m.series[region][m.rnd.IntN(4)]
		p := point{id, t}
		if _, twice := written[p]; twice || t < m.gone {
			continue
		}
		v := m.rnd.NormFloat64()
		if m.rnd.IntN(10) == 0 {
			v = segment.Stale()
		}
		written[p] = math.Float64bits(v)
		byDay[segment.Bucket(t)] = append(byDay[segment.Bucket(t)], [3]float64{float64(id), float64(t), v})
	}
	var segs []segment.Segment
	for _, bucket := range slices.Sorted(maps.Keys(byDay)) {
		segs = append(segs, sqltest.Segment(m.metric, byDay[bucket]...))
	}
	sqltest.Commit(m, sqltest.Begin(m, m.store, region), segs...)
	maps.Copy(m.truth, written)
}

// reader is a transaction with a snapshot, and what it must see.
type reader struct {
	name string
	tx   pgx.Tx
	want map[point]uint64
}

// reader begins a transaction and takes its snapshot; with touch it also reads
// the view, so that it holds locks on all the tables.
func (m *rawModel) reader(name string, touch bool) *reader {
	m.Helper()
	tx, err := m.people.BeginTx(context.Background(), pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
	if err != nil {
		m.Fatal(err)
	}
	m.Cleanup(func() { _ = tx.Rollback(context.Background()) })
	r := &reader{name: name, tx: tx, want: maps.Clone(m.truth)}
	if touch {
		m.check(r)
	} else if _, err := tx.Exec(context.Background(), "select count(*) from metric"); err != nil {
		m.Fatal(err)
	}
	return r
}

// check holds what a reader reads from the view against the truth.
func (m *rawModel) check(r *reader) {
	m.Helper()
	rows, err := r.tx.Query(context.Background(),
		`select series_id, (extract(epoch from ts) * 1000)::bigint, value is null, coalesce(value, 0) from sample where metric = 'up'`)
	if err != nil {
		m.Fatalf("%s: %v", r.name, err)
	}
	got := map[point]uint64{}
	var id int32
	var t int64
	var stale bool
	var v float64
	if _, err := pgx.ForEachRow(rows, []any{&id, &t, &stale, &v}, func() error {
		p := point{sequence.SeriesID(id), t}
		if _, twice := got[p]; twice {
			return fmt.Errorf("%v is there twice", p)
		}
		if stale {
			v = segment.Stale()
		}
		got[p] = math.Float64bits(v)
		return nil
	}); err != nil {
		m.Fatalf("%s: %v", r.name, err)
	}
	if !maps.Equal(got, r.want) {
		m.Fatalf("%s reads %d samples, or other values: want %d", r.name, len(got), len(r.want))
	}
}

func (m *rawModel) close(r *reader) {
	m.Helper()
	if err := r.tx.Rollback(context.Background()); err != nil {
		m.Fatal(err)
	}
}

// seal must not be held up by any reader.
func (m *rawModel) seal() raw.SealReport {
	m.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	report, err := m.store.Keeper.Seal(ctx, raw.SealOptions{})
	if err != nil {
		m.Fatal(err)
	}
	return report
}

func (m *rawModel) retain(before int64) raw.RetainReport {
	m.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	report, err := m.store.Retainer.GiveUp(ctx, time.Millisecond, before)
	if err != nil {
		m.Fatal(err)
	}
	m.gone = report.Earliest
	maps.DeleteFunc(m.truth, func(p point, _ uint64) bool { return p.t < m.gone })
	return report
}

// TestReadersAcrossSealing holds snapshots of every age, some that have read
// the tables and some that have not, across freezes, seals, drops and
// retention: every one sees each sample exactly once, as of its own time, and
// none holds up a flush.
func TestReadersAcrossSealing(t *testing.T) {
	for seed := range uint64(3) {
		m := newRawModel(t, seed)
		var held []*reader
		for round := range 8 {
			for range 1 + m.rnd.IntN(10) {
				m.flush()
			}
			held = append(held, m.reader(fmt.Sprintf("reader %d of seed %d", round, seed), m.rnd.IntN(2) == 0))
			switch m.rnd.IntN(4) {
			case 0:
				if _, err := m.store.Keeper.Freeze(t.Context()); err != nil {
					t.Fatal(err)
				}
			case 1, 2:
				m.seal()
			case 3:
				if round > 4 {
					m.retain(sqltest.Day + segment.BucketMillis)
				}
			}
			for _, r := range held {
				m.check(r)
			}
			now := m.reader("a new reader", true)
			m.close(now)
			if len(held) > 3 {
				m.close(held[0])
				held = held[1:]
			}
		}
		for _, r := range held {
			m.check(r)
			m.close(r)
		}
		m.seal()
		settled(t, m.store.Keeper, m.retain(sqltest.Day+2*segment.BucketMillis).Drop)
		m.close(m.reader("the last reader", true))
		var left int
		if err := m.people.QueryRow(t.Context(), `select count(*) from pg_class where relnamespace = 'laminar'::regnamespace
			and relkind = 'r' and (relname ~ '^hot_[0-9]+$' or relname ~ '^sealed_') `).Scan(&left); err != nil {
			t.Fatal(err)
		}
		if left != 2 { // the current hot table, and one day that is kept
			t.Errorf("seed %d: %d tables are left, want 2", seed, left)
		}
	}
}

// TestLongReadHoldsUpNothing is a psql or pg_dump that began long ago: flushes,
// a freeze, a seal and retention go on, only the drops wait for it.
func TestLongReadHoldsUpNothing(t *testing.T) {
	m := newRawModel(t, 42)
	m.flush()
	long := m.reader("the long reader", true)
	m.flush()
	sealed := m.seal()
	if len(sealed.Sealed) != 1 || len(sealed.Drop.Dropped) != 0 || sealed.Drop.Waiting != 1 {
		t.Errorf("sealed under a reader: %+v", sealed)
	}
	m.flush()
	if r := m.retain(sqltest.Day + segment.BucketMillis); len(r.Drop.Dropped) != 0 || r.Drop.Waiting == 0 {
		t.Errorf("retention under a reader: %+v", r)
	}
	m.flush()
	m.close(m.reader("a new reader", true))
	m.check(long)
	m.close(long)
	drop, err := m.store.Keeper.DropUnused(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if drop = settled(t, m.store.Keeper, drop); len(drop.Dropped) == 0 {
		t.Errorf("after the reader has ended: %+v", drop)
	}
}

// TestSealInParts merges a metric that is too large to be held at once.
func TestSealInParts(t *testing.T) {
	db := sqltest.New(t)
	m := newRawModel(t, 7)
	small := func(c *sqlstore.Config) { c.MergeSamples = 5; c.URL = m.people.Config().ConnString() }
	m.store = db.Store(t, small)
	for range 40 {
		m.flush()
	}
	if report := m.seal(); report.Samples != int64(len(m.truth)) || report.Segments < 10 {
		t.Errorf("sealed %d samples in %d segments, want %d in many", report.Samples, report.Segments, len(m.truth))
	}
	m.close(m.reader("a reader", true))
}

// TestFreezeOfNothing leaves an empty generation as it is.
func TestFreezeOfNothing(t *testing.T) {
	m := newRawModel(t, 1)
	if closed, err := m.store.Keeper.Freeze(t.Context()); err != nil || closed != 0 {
		t.Errorf("freeze of an empty generation: %d, %v", closed, err)
	}
	m.flush()
	if closed, err := m.store.Keeper.Freeze(t.Context()); err != nil || closed != 1 {
		t.Errorf("freeze: %d, %v; want generation 1", closed, err)
	}
	if got := sqltest.Begin(t, m.store, 1); got.Flush().Generation != 2 {
		t.Errorf("the flush after the freeze writes to generation %d", got.Flush().Generation)
	} else {
		sqltest.Commit(t, got)
	}
}

// TestFrozenVector: where a generation ends is written as all vectors are, so
// that equal vectors are equal texts: regions without a flush are left out.
func TestFrozenVector(t *testing.T) {
	db := sqltest.NewRawDB(t, 2)
	metric, ids := db.AddMetric("m", 2, 1)
	db.Flush(2, sqltest.Points{Metric: metric, Series: ids, Times: []int64{1}, Values: []float64{1}})
	if _, err := db.Store.Keeper.Freeze(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := sqltest.ScanOne[string](db, "select frozen_vector::text from generation where id = 1"); got != `{"2": 1}` {
		t.Errorf("frozen at %s, want region 2 alone", got)
	}
}

// TestRetentionTimeOnlyGrows, is aligned, and what it has given up does not come back
// by sealing (I6).
func TestRetentionTimeOnlyGrows(t *testing.T) {
	m := newRawModel(t, 3)
	for range 10 {
		m.flush()
	}
	cut := segment.Bucket(sqltest.Day) + segment.BucketMillis
	if r := m.retain(cut + 17); r.Earliest != cut {
		t.Errorf("retention gave up samples before %d, want %d", r.Earliest, cut)
	}
	if r := m.retain(5); r.Earliest != cut {
		t.Errorf("retention went back to %d", r.Earliest)
	}
	tx := sqltest.Begin(t, m.store, 1)
	if tx.Flush().Earliest != cut {
		t.Errorf("a flush sees %d as the earliest time, want %d", tx.Flush().Earliest, cut)
	}
	if err := tx.Rollback(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := m.retain(math.MaxInt64); r.Earliest > time.Now().UnixMilli() {
		t.Errorf("retention went beyond the clock, to %d", r.Earliest)
	}
	m.seal()
	settled(t, m.store.Keeper, m.retain(5).Drop) // drops what sealing has kept, because it could have been taken back
	var old int
	if err := m.people.QueryRow(t.Context(), "select count(*) from sealed where min_t < $1", cut).Scan(&old); err != nil || old != 0 {
		t.Errorf("%d sealed segments hold samples that were given up, %v", old, err)
	}
}
