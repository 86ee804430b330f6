package sqltest

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sqlstore"
	"laminar/sqlstore/raw"
)

// RawDB writes raw data with plain SQL, so that what readers are held against
// does not come from the code that they share with the writers.
type RawDB struct {
	testing.TB
	Store   *sqlstore.Store
	Regions int
	Samples []Sample // everything ever written by Flush, in order
	Newest  int64    // ms: for tests that write at times of their own, how far they are

	gen int32 // current generation
}

// Sample is a written sample with where it landed.
type Sample struct {
	Series  sequence.SeriesID
	Metric  sequence.MetricID
	Region  sequence.Region
	Seq     sequence.Seq
	T       int64 // ms since the epoch
	V       float64
	Ordered bool
	Gen     int32 // generation
}

// Points is the samples of one segment to be written.
type Points struct {
	Metric    sequence.MetricID
	Unordered bool
	Series    []sequence.SeriesID
	Times     []int64 // ms since the epoch
	Values    []float64
}

// NewRawDB makes a database with a store and so many regions, at least Regions.
func NewRawDB(t testing.TB, regions int) *RawDB {
	t.Helper()
	db := &RawDB{TB: t, Store: New(t).Store(t), gen: 1, Regions: regions}
	for r := Regions + 1; r <= regions; r++ {
		db.Exec("insert into region (id) values ($1)", r)
	}
	return db
}

// Exec runs a statement that must succeed.
func (db *RawDB) Exec(sql string, args ...any) {
	db.Helper()
	if _, err := db.Store.Pool().Exec(db.Context(), sql, args...); err != nil {
		db.Fatalf("%s: %v", sql, err)
	}
}

// ScanOne is the one value that a query gives.
func ScanOne[T any](db *RawDB, sql string, args ...any) T {
	db.Helper()
	var v T
	if err := db.Store.Pool().QueryRow(db.Context(), sql, args...).Scan(&v); err != nil {
		db.Fatalf("%s: %v", sql, err)
	}
	return v
}

// AddMetric makes a metric with n series in a region, labelled i="0".. and
// created by the region's next flush, which the caller has to write.
func (db *RawDB) AddMetric(name string, region sequence.Region, n int) (sequence.MetricID, []sequence.SeriesID) {
	db.Helper()
	metric := ScanOne[int32](db, "insert into metric (name) values ($1) on conflict (name) do update set name = excluded.name returning id", name)
	seq := ScanOne[int64](db, "select last_seq + 1 from region where id = $1", int32(region))
	var ids []sequence.SeriesID
	for i := range n {
		labels, err := json.Marshal(map[string]string{"__name__": name, "i": fmt.Sprint(i), "r": fmt.Sprint(region)})
		if err != nil {
			db.Fatal(err)
		}
		sum := sha256.Sum256(labels)
		ids = append(ids, sequence.SeriesID(ScanOne[int32](db,
			"insert into series (metric_id, region, seq, sha256, labels) values ($1, $2, $3, $4, $5) returning id",
			metric, int32(region), seq, sum[:], string(labels))))
	}
	return sequence.MetricID(metric), ids
}

// Flush writes segments as the region's next flush.
func (db *RawDB) Flush(region sequence.Region, segs ...Points) sequence.Seq {
	db.Helper()
	var seq sequence.Seq
	err := pgx.BeginFunc(db.Context(), db.Store.Pool(), func(tx pgx.Tx) error {
		id := uuid.New()
		var gen int32
		if err := tx.QueryRow(db.Context(), "update region set last_seq = last_seq + 1, last_flush = $2 where id = $1 returning last_seq, generation",
			int32(region), id).Scan((*int64)(&seq), &gen); err != nil {
			return err
		}
		for n, p := range segs {
			if err := insertHot(db.Context(), tx, gen, region, seq, n, p); err != nil {
				return err
			}
			for i := range p.Series {
				db.Samples = append(db.Samples, Sample{Series: p.Series[i], Metric: p.Metric, Region: region, Seq: seq,
					T: p.Times[i], V: p.Values[i], Ordered: !p.Unordered, Gen: gen})
			}
		}
		_, err := tx.Exec(db.Context(), "insert into flush (region, seq, id) values ($1, $2, $3)", int32(region), int64(seq), id)
		return err
	})
	if err != nil {
		db.Fatalf("flush region %d: %v", region, err)
	}
	return seq
}

// insertHot writes a hot segment: packed, or as arrays, as it was before there
// were packed ones, by turns.
func insertHot(ctx context.Context, tx pgx.Tx, gen int32, region sequence.Region, seq sequence.Seq, n int, p Points) error {
	minT, maxT := slices.Min(p.Times), slices.Max(p.Times)
	offsets := make([]int32, len(p.Times))
	for i, at := range p.Times {
		offsets[i] = int32(at - minT)
	}
	stale := slices.ContainsFunc(p.Values, segment.IsStale)
	columns, values, args := "series_ids, offsets, vals", "$10, $11, $12", []any{ids32(p.Series), offsets, p.Values}
	if (int(seq)+n)%2 == 0 {
		packed, err := new(segment.Packer).AppendColumns(nil, &segment.Segment{Series: p.Series, Offsets: offsets, Values: p.Values})
		if err != nil {
			return err
		}
		columns, values, args = "packed", "$10", []any{packed}
	}
	_, err := tx.Exec(ctx, fmt.Sprintf(`insert into hot_%d (seq, base_t, min_t, max_t, region, metric_id, segment, samples, ordered, has_stale, `+columns+`)
		values ($1, $2, $2, $3, $4, $5, $6, $7, $8, $9, `+values+`)`, gen),
		append([]any{int64(seq), minT, maxT, int32(region), int32(p.Metric), n, len(p.Times), !p.Unordered, stale}, args...)...)
	return err
}

func ids32(ids []sequence.SeriesID) []int32 {
	out := make([]int32, len(ids))
	for i, id := range ids {
		out[i] = int32(id)
	}
	return out
}

// Freeze moves the current generation on.
func (db *RawDB) Freeze() {
	db.Helper()
	if err := pgx.BeginFunc(db.Context(), db.Store.Pool(), db.FreezeIn); err != nil {
		db.Fatalf("freeze: %v", err)
	}
}

// FreezeIn moves the current generation on in a transaction that is going to be committed.
func (db *RawDB) FreezeIn(tx pgx.Tx) error {
	for _, stmt := range []string{
		"select id from region order by id for update",
		fmt.Sprintf("create table hot_%d (like hot_template including all)", db.gen+1),
		"update generation set state = 'frozen', frozen_at = now(), frozen_vector = '{}' where state = 'current'",
		fmt.Sprintf("insert into generation (id) values (%d)", db.gen+1),
		fmt.Sprintf("update region set generation = %d", db.gen+1),
	} {
		if _, err := tx.Exec(db.Context(), stmt); err != nil {
			return fmt.Errorf("%s: %w", stmt, err)
		}
	}
	db.gen++
	return nil
}

// Seal merges a frozen generation: one sealed segment per region, metric and
// time bucket.
func (db *RawDB) Seal(gen int32) {
	db.Helper()
	type key struct {
		region sequence.Region
		metric sequence.MetricID
		bucket int64
	}
	groups := map[key][]Sample{}
	for _, s := range db.Samples {
		if s.Gen == gen {
			k := key{s.Region, s.Metric, segment.Bucket(s.T)}
			groups[k] = append(groups[k], s)
		}
	}
	err := pgx.BeginFunc(db.Context(), db.Store.Pool(), func(tx pgx.Tx) error {
		for k, samples := range groups {
			part := fmt.Sprintf("sealed_%d", k.bucket)
			if err := ensurePartition(db.Context(), tx, part, k.bucket); err != nil {
				return err
			}
			if err := insertSealed(db.Context(), tx, k.bucket, samples); err != nil {
				return err
			}
		}
		_, err := tx.Exec(db.Context(), "update generation set state = 'sealed', sealed_at = now() where id = $1 and state = 'frozen'", gen)
		return err
	})
	if err != nil {
		db.Fatalf("seal generation %d: %v", gen, err)
	}
}

// ensurePartition makes a partition standalone and attaches it, which readers
// of the parent do not hold up.
func ensurePartition(ctx context.Context, tx pgx.Tx, part string, bucket int64) error {
	var exists bool
	if err := tx.QueryRow(ctx, "select to_regclass($1) is not null", part).Scan(&exists); err != nil || exists {
		return err
	}
	for _, stmt := range []string{
		fmt.Sprintf("create table %s (like sealed including all)", part),
		fmt.Sprintf("alter table sealed attach partition %s for values from (%d) to (%d)", part, bucket, bucket+segment.BucketMillis),
	} {
		if _, err := tx.Exec(ctx, stmt); err != nil {
			return err
		}
	}
	return nil
}

// insertSealed writes one sealed segment: packed, or as arrays, as it was before
// there were packed ones, by turns.
func insertSealed(ctx context.Context, tx pgx.Tx, bucket int64, samples []Sample) error {
	newest := latest(samples)
	seg := segment.Segment{Region: newest[0].Region, Metric: newest[0].Metric, MinSeq: samples[0].Seq, MaxSeq: samples[len(samples)-1].Seq,
		MinT: newest[0].T, MaxT: newest[0].T}
	for _, s := range newest {
		seg.Series, seg.Values = append(seg.Series, s.Series), append(seg.Values, s.V)
		seg.MinT, seg.MaxT = min(seg.MinT, s.T), max(seg.MaxT, s.T)
		seg.HasStale = seg.HasStale || segment.IsStale(s.V)
	}
	seg.Base = seg.MinT
	for _, s := range newest {
		seg.Offsets = append(seg.Offsets, int32(s.T-seg.Base))
	}
	columns, values, args := "series_ids, offsets, vals", "$11, $12, $13", []any{ids32(seg.Series), seg.Offsets, seg.Values}
	if seg.MaxSeq%2 == 0 {
		packed, err := new(segment.Packer).Append(nil, &seg)
		if err != nil {
			return err
		}
		columns, values, args = "packed", "$11", []any{packed}
	}
	_, err := tx.Exec(ctx, `insert into sealed (bucket, min_seq, max_seq, base_t, min_t, max_t, region, metric_id, samples, has_stale, `+columns+`)
		values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, `+values+`)`,
		append([]any{bucket, int64(seg.MinSeq), int64(seg.MaxSeq), seg.Base, seg.MinT, seg.MaxT, int32(seg.Region), int32(seg.Metric), seg.Len(), seg.HasStale}, args...)...)
	return err
}

// latest keeps one sample per (series, time), the one written last, sorted by
// (series, time).
func latest(samples []Sample) []Sample {
	type key struct {
		series sequence.SeriesID
		t      int64
	}
	last := map[key]Sample{}
	for _, s := range samples {
		last[key{s.Series, s.T}] = s
	}
	out := make([]Sample, 0, len(last))
	for _, s := range last {
		out = append(out, s)
	}
	slices.SortFunc(out, func(a, b Sample) int {
		return cmp.Or(cmp.Compare(a.Series, b.Series), cmp.Compare(a.T, b.T))
	})
	return out
}

// Drop drops the hot table of a sealed generation.
func (db *RawDB) Drop(gen int32) error {
	return pgx.BeginFunc(db.Context(), db.Store.Pool(), func(tx pgx.Tx) error {
		for _, stmt := range []string{
			"set local lock_timeout = '50ms'",
			fmt.Sprintf("drop table hot_%d", gen),
			fmt.Sprintf("update generation set state = 'dropped' where id = %d", gen),
		} {
			if _, err := tx.Exec(db.Context(), stmt); err != nil {
				return err
			}
		}
		return nil
	})
}

// Snapshot takes a snapshot that is closed at the end of the test at the latest.
func (db *RawDB) Snapshot() *raw.Snapshot {
	db.Helper()
	snap, err := db.Store.Reader.Snapshot(db.Context())
	if err != nil {
		db.Fatal(err)
	}
	db.Cleanup(func() { _ = snap.Close(context.Background()) })
	return snap
}
