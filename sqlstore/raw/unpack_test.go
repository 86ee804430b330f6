package raw_test

import (
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"laminar/migrations"
	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sqlstore"
	"laminar/sqlstore/raw"
	"laminar/sqlstore/sqltest"
)

// packedValues makes series of values of every kind that packing tells apart,
// and those at its edges.
func packedValues(rnd *rand.Rand) (next func() float64) {
	v := 0.0
	edges := []float64{0, math.Copysign(0, -1), 0.1, -0.1, 1<<53 - 1, 1 << 53, math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64,
		0x1p-1022, -0x1p-1023, 0x1.fffffffffffffp-1023, math.Inf(1), math.Inf(-1), math.NaN(), segment.Stale()}
	switch rnd.IntN(7) {
	case 0: // counter with resets
		return func() float64 {
			if v += float64(rnd.IntN(1000)); rnd.IntN(50) == 0 {
				v = 0
			}
			return v
		}
	case 1: // decimals
		scale := math.Pow10(rnd.IntN(16))
		return func() float64 { return math.Round(rnd.NormFloat64()*1e6) / scale }
	case 2: // walk
		return func() float64 { v += rnd.NormFloat64(); return v }
	case 3: // noise of both signs
		return func() float64 { return 1000 * rnd.NormFloat64() }
	case 4: // any bits
		return func() float64 { return math.Float64frombits(rnd.Uint64()) }
	case 5: // any exponent
		return func() float64 { return math.Ldexp(1+rnd.Float64(), rnd.IntN(2098)-1074) }
	default:
		return func() float64 { return edges[rnd.IntN(len(edges))] }
	}
}

// randomPackable makes a segment as the sealing merge does.
func randomPackable(rnd *rand.Rand, metric sequence.MetricID) segment.Segment {
	seg := segment.Segment{Metric: metric, Region: 1, MinSeq: 1, MaxSeq: 1, Sealed: true, Base: sqltest.Day, MinT: math.MaxInt64}
	for id := range 1 + rnd.IntN(8) {
		next, t := packedValues(rnd), rnd.Int32N(1000)
		for range 1 + rnd.IntN(1<<rnd.IntN(9)) {
			v := next()
			if rnd.IntN(30) == 0 {
				v = segment.Stale()
			}
			seg.Series, seg.Offsets, seg.Values = append(seg.Series, sequence.SeriesID(1+100*id)), append(seg.Offsets, t), append(seg.Values, v)
			seg.MinT, seg.MaxT = min(seg.MinT, sqltest.Day+int64(t)), max(seg.MaxT, sqltest.Day+int64(t))
			seg.HasStale = seg.HasStale || segment.IsStale(v)
			if t += 5000; rnd.IntN(30) == 0 {
				t += rnd.Int32N(40_000)
			}
		}
	}
	return seg
}

// TestUnpackInSQL: SQL undoes what Go packed, bit for bit but for what NaN is
// which, of which SQL knows one; a stale marker is null.
func TestUnpackInSQL(t *testing.T) {
	pool := sqltest.New(t).Pool(t)
	var p segment.Packer
	for seed := range uint64(150) {
		seg := randomPackable(rand.New(rand.NewPCG(seed, 9)), 1)
		packed, err := p.Append(nil, &seg)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := pool.Query(t.Context(), "select series_id, t, value from unpack_segment($1, $2)", packed, seg.Base)
		if err != nil {
			t.Fatal(err)
		}
		if i, err := compareInSQL(rows, &seg); err != nil || i != seg.Len() {
			t.Fatalf("seed %d: %d samples of %d: %v", seed, i, seg.Len(), err)
		}
	}
}

// TestStorageExample: the examples of docs/storage.md is what packing gives, and
// what SQL says of it.
func TestStorageExample(t *testing.T) {
	text, err := os.ReadFile("../../docs/storage.md")
	if err != nil {
		t.Fatal(err)
	}
	const base = 1_700_006_400_000
	ex := segment.Segment{Base: base, Series: []sequence.SeriesID{7, 7, 7, 9, 9}, Offsets: []int32{0, 5000, 10000, 1000, 6000}, Values: []float64{0.5, 0.75, 0.25, 100, 103}}
	packed, err := new(segment.Packer).Append(nil, &ex)
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf(`unpack_segment('\x%x', %d)`, packed, int64(base)); !strings.Contains(string(text), want) {
		t.Errorf("docs/storage.md does not have %s", want)
	}
	hot := segment.Segment{Base: base, Series: []sequence.SeriesID{7, 9}, Offsets: []int32{0, 5000}, Values: []float64{0.5, 100.25}}
	columns, err := new(segment.Packer).AppendColumns(nil, &hot)
	if err != nil {
		t.Fatal(err)
	}
	if want := fmt.Sprintf(`unpack_columns('\x%x', %d)`, columns, int64(base)); !strings.Contains(string(text), want) {
		t.Errorf("docs/storage.md does not have %s", want)
	}
	pool := sqltest.New(t).Pool(t)
	var rows, more, ints string
	if err := pool.QueryRow(t.Context(), `select (select string_agg(format('%s | %s | %s', series_id, t, value), E'\n') from unpack_segment($1, $3)),
		(select string_agg(format('%s | %s | %s', series_id, t, value), E'\n') from unpack_columns($2, $3))`, packed, columns, int64(base)).Scan(&rows, &more); err != nil {
		t.Fatal(err)
	}
	spaces := regexp.MustCompile(" +")
	shown := spaces.ReplaceAllString(string(text), " ")
	for line := range strings.Lines(rows + "\n" + more) {
		if want := "-- " + strings.TrimSpace(line); !strings.Contains(shown, want+"\n") {
			t.Errorf("docs/storage.md does not have %q", want)
		}
	}
	if err := pool.QueryRow(t.Context(), `select unpack_ints('\x070f8e5806a0', 3)::text`).Scan(&ints); err != nil || !strings.Contains(string(text), ints) || !strings.Contains(string(packed), "\x07\x0f\x8e\x58\x06\xa0") {
		t.Errorf("docs/storage.md does not have %s, %v", ints, err)
	}
}

// sameInSQL reports whether v is shown as got.
func sameInSQL(v float64, got *float64) bool {
	switch {
	case segment.IsStale(v) || got == nil:
		return segment.IsStale(v) && got == nil
	case math.IsNaN(v):
		return math.IsNaN(*got)
	default:
		return math.Float64bits(v) == math.Float64bits(*got)
	}
}

// TestSealedBeforePacking: what a Laminar of schema version 3 sealed is read as
// before, by every way of reading, after the migration and beside packed
// segments; and migrating back is refused while there are any of those.
func TestSealedBeforePacking(t *testing.T) {
	bucket := segment.Bucket(sqltest.Day)
	db := sqltest.NewEmpty(t, "")
	pool := db.Pool(t)
	for _, file := range []string{"0001_raw", "0002_flow", "0003_flow_begin"} {
		text, err := fs.ReadFile(migrations.FS, file+".up.sql")
		if err != nil {
			t.Fatal(err)
		}
		sqltest.Run(t, db.URL, "create schema if not exists laminar; set search_path = laminar; "+string(text))
	}
	sqltest.Run(t, db.URL, fmt.Sprintf(`set search_path = laminar;
		create table schema_migrations (version bigint not null primary key, dirty boolean not null);
		insert into schema_migrations values (3, false);
		insert into installation (regions) values (2);
		insert into generation (id, state, sealed_at, frozen_vector) values (1, 'sealed', now(), '{"1": 1}'), (2, 'current', null, null);
		create table hot_2 (like hot_template including all);
		insert into region (id, last_seq, generation) values (1, 1, 2), (2, 0, 2);
		insert into metric (name) values ('up');
		insert into series (metric_id, region, seq, sha256, labels) select 1, 1, 1, sha256(i::text::bytea), jsonb_build_object('i', i::text) from generate_series(1, 2) i;
		create table sealed_%[2]s (like sealed including all);
		alter table sealed attach partition sealed_%[2]s for values from (%[1]d) to (%[1]d + 86400000);
		insert into sealed (bucket, min_seq, max_seq, base_t, min_t, max_t, region, metric_id, samples, has_stale, series_ids, offsets, vals)
		values (%[1]d, 1, 1, %[1]d, %[1]d, %[1]d + 7, 1, 1, 3, false, '{1,1,2}', '{0,7,5}', '{1.5,NaN,-0}')`,
		bucket, time.UnixMilli(bucket).UTC().Format("20060102")))
	store := db.Store(t)
	tx := sqltest.Begin(t, store, 1)
	sqltest.Commit(t, tx, sqltest.Segment(1, [3]float64{1, float64(bucket + 7), 4}, [3]float64{2, float64(bucket + 9), 6})) // over the NaN
	if _, err := store.Keeper.Seal(t.Context(), raw.SealOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	var forms string
	if err := pool.QueryRow(t.Context(), "select string_agg(case when packed is null then 'arrays' else 'packed' end, ' ' order by max_seq) from sealed").Scan(&forms); err != nil || forms != "arrays packed" {
		t.Fatalf("segments are %q, %v", forms, err)
	}
	const want = "1@0=1.5 1@7=4 2@5=-0 2@9=6"
	var view string
	if err := pool.QueryRow(t.Context(), `select string_agg(format('%s@%s=%s', series_id, (extract(epoch from ts) * 1000)::bigint - $1, value), ' ' order by series_id, ts)
		from sample where metric = 'up'`, bucket).Scan(&view); err != nil || view != want {
		t.Errorf("the view shows %s, %v, want %s", view, err, want)
	}
	if got := fmt.Sprint(readAll(t, store, 1, bucket)); got != "map[1@0:1.5 1@7:4 2@5:-0 2@9:6]" {
		t.Errorf("read %s", got)
	}
	down, err := fs.ReadFile(migrations.FS, "0004_packed.down.sql")
	if err != nil {
		t.Fatal(err)
	}
	if err := runAll(t, pool, string(down)); err == nil || !strings.Contains(err.Error(), "packed segments") {
		t.Errorf("migrating back with packed segments: %v", err)
	}
	if err := runAll(t, pool, "delete from sealed where packed is not null;"+string(down)); err != nil {
		t.Errorf("migrating back without: %v", err)
	}
}

// TestHotBeforePacking: what a Laminar of schema version 7 wrote and did not seal
// is read as before, by every way of reading, after the migration and beside
// packed segments in the same table; both are sealed; and migrating back is
// refused while there are any packed ones.
func TestHotBeforePacking(t *testing.T) {
	bucket := segment.Bucket(sqltest.Day)
	db := sqltest.NewEmpty(t, "")
	pool := db.Pool(t)
	for _, file := range []string{"0001_raw", "0002_flow", "0003_flow_begin", "0004_packed", "0005_metadata", "0006_ha_election", "0007_histogram"} {
		text, err := fs.ReadFile(migrations.FS, file+".up.sql")
		if err != nil {
			t.Fatal(err)
		}
		sqltest.Run(t, db.URL, "create schema if not exists laminar; set search_path = laminar; "+string(text))
	}
	sqltest.Run(t, db.URL, fmt.Sprintf(`set search_path = laminar;
		create table schema_migrations (version bigint not null primary key, dirty boolean not null);
		insert into schema_migrations values (7, false);
		insert into installation (regions) values (2);
		insert into generation (id) values (1);
		create table hot_1 (like hot_template including all);
		insert into region (id, last_seq, last_flush, generation) values (1, 1, '00000000-0000-0000-0000-000000000001', 1), (2, 0, null, 1);
		insert into flush (region, seq, id, metric_ids, samples, max_ts) values (1, 1, '00000000-0000-0000-0000-000000000001', '{1}', '{3}', '{%[1]d}');
		insert into metric (name) values ('up');
		insert into series (metric_id, region, seq, sha256, labels) select 1, 1, 1, sha256(i::text::bytea), jsonb_build_object('i', i::text) from generate_series(1, 2) i;
		insert into hot_1 (seq, base_t, min_t, max_t, region, metric_id, segment, samples, ordered, has_stale, series_ids, offsets, vals)
		values (1, %[1]d, %[1]d, %[1]d + 7, 1, 1, 0, 3, true, false, '{1,1,2}', '{0,7,5}', '{1.5,NaN,-0}')`, bucket))
	store := db.Store(t)
	tx := sqltest.Begin(t, store, 1)
	missed, err := tx.Missed(t.Context(), 0, 1)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(missed.Lasts); len(missed.Lasts) != 2 || missed.Lasts[0].T != bucket+7 || missed.Lasts[1].T != bucket+5 {
		t.Errorf("missed %s", got)
	}
	sqltest.Commit(t, tx, sqltest.Segment(1, [3]float64{1, float64(bucket + 7), 4}, [3]float64{2, float64(bucket + 9), 6})) // over the NaN
	var forms string
	if err := pool.QueryRow(t.Context(), "select string_agg(case when packed is null then 'arrays' else 'packed' end, ' ' order by seq) from hot_1").Scan(&forms); err != nil || forms != "arrays packed" {
		t.Fatalf("segments are %q, %v", forms, err)
	}
	check := func(when string) {
		t.Helper()
		const want = "1@0=1.5 1@7=4 2@5=-0 2@9=6"
		var view string
		if err := pool.QueryRow(t.Context(), `select string_agg(format('%s@%s=%s', series_id, (extract(epoch from ts) * 1000)::bigint - $1, value), ' ' order by series_id, ts)
			from sample where metric = 'up'`, bucket).Scan(&view); err != nil || view != want {
			t.Errorf("%s: the view shows %s, %v, want %s", when, view, err, want)
		}
		if got := fmt.Sprint(readAll(t, store, 1, bucket)); got != "map[1@0:1.5 1@7:4 2@5:-0 2@9:6]" {
			t.Errorf("%s: read %s", when, got)
		}
	}
	check("hot")
	down, err := fs.ReadFile(migrations.FS, "0008_hot_packed.down.sql")
	if err != nil {
		t.Fatal(err)
	}
	if err := runAll(t, pool, string(down)); err == nil || !strings.Contains(err.Error(), "packed hot segments") {
		t.Errorf("migrating back with packed segments: %v", err)
	}
	if report, err := store.Keeper.Seal(t.Context(), raw.SealOptions{Force: true}); err != nil || report.Samples != 4 {
		t.Fatalf("sealed %+v, %v", report, err)
	}
	check("sealed")
	if err := runAll(t, pool, string(down)); err != nil {
		t.Errorf("migrating back without: %v", err)
	}
}

// readAll reads a metric's samples as flows do.
func readAll(t *testing.T, store *sqlstore.Store, metric sequence.MetricID, base int64) map[string]float64 {
	t.Helper()
	snap, err := store.Reader.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close(t.Context())
	samples := map[string]float64{}
	if err := snap.ReadRaw(t.Context(), segment.Select{Metrics: []sequence.MetricID{metric}}, func(seg *segment.Segment) error {
		for i, id := range seg.Series {
			samples[fmt.Sprintf("%d@%d", id, seg.Time(i)-base)] = seg.Values[i]
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return samples
}

// runAll runs statements as one transaction.
func runAll(t *testing.T, pool *pgxpool.Pool, sql string) error {
	t.Helper()
	conn, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	_, err = conn.Conn().PgConn().Exec(t.Context(), sql).ReadAll()
	return err
}

// TestDamagedSegment: a damaged segment is an error that names it, and not other
// samples.
func TestDamagedSegment(t *testing.T) {
	m := newRawModel(t, 1)
	for len(m.truth) < 30 {
		m.flush()
	}
	if _, err := m.store.Keeper.Seal(t.Context(), raw.SealOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	if _, err := m.people.Exec(t.Context(), `update sealed set packed = set_byte(packed, octet_length(packed) - 1, get_byte(packed, octet_length(packed) - 1) # 64)
		where ctid = (select min(ctid) from sealed)`); err != nil {
		t.Fatal(err)
	}
	snap, err := m.store.Reader.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close(t.Context())
	err = snap.ReadRaw(t.Context(), segment.Select{Metrics: []sequence.MetricID{m.metric}}, func(*segment.Segment) error { return nil })
	if err == nil || !strings.Contains(err.Error(), fmt.Sprintf("sealed segment of metric %d in region", m.metric)) || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("reading a damaged segment: %v", err)
	}
}

// TestUnpackColumnsInSQL is TestUnpackInSQL for hot segments, whose samples stand
// in any order.
func TestUnpackColumnsInSQL(t *testing.T) {
	pool := sqltest.New(t).Pool(t)
	var p segment.Packer
	for seed := range uint64(150) {
		rnd := rand.New(rand.NewPCG(seed, 9))
		seg := randomColumns(rnd)
		packed, err := p.AppendColumns(nil, &seg)
		if err != nil {
			t.Fatal(err)
		}
		rows, err := pool.Query(t.Context(), "select series_id, t, value from unpack_columns($1, $2)", packed, seg.Base)
		if err != nil {
			t.Fatal(err)
		}
		if i, err := compareInSQL(rows, &seg); err != nil || i != seg.Len() {
			t.Fatalf("seed %d: %d samples of %d: %v", seed, i, seg.Len(), err)
		}
	}
}

// randomColumns makes a hot segment with ids, times and values of every width.
func randomColumns(rnd *rand.Rand) segment.Segment {
	seg := segment.Segment{Metric: 1, Region: 1, MinSeq: 1, MaxSeq: 1, Base: sqltest.Day}
	next := packedValues(rnd)
	ids, times, values := rnd.IntN(32), rnd.IntN(28), rnd.IntN(64)
	for range 1 + rnd.IntN(1<<rnd.IntN(9)) {
		v := next()
		if values > 30 { // whole numbers of so many bits
			v = math.Trunc(float64(rnd.Int64N(1<<(values-10))) - float64(int64(1)<<20))
		}
		seg.Series = append(seg.Series, sequence.SeriesID(min(1+rnd.Int64N(1<<ids), math.MaxInt32)))
		seg.Offsets = append(seg.Offsets, int32(rnd.Int64N(1<<times)%segment.BucketMillis))
		seg.Values = append(seg.Values, v)
	}
	return seg
}

// compareInSQL holds rows of (series, time, value) against a segment and returns
// how many there are.
func compareInSQL(rows pgx.Rows, seg *segment.Segment) (i int, err error) {
	var id int32
	var at int64
	var v *float64
	_, err = pgx.ForEachRow(rows, []any{&id, &at, &v}, func() error {
		if i >= seg.Len() || sequence.SeriesID(id) != seg.Series[i] || at != seg.Time(i) || !sameInSQL(seg.Values[i], v) {
			return fmt.Errorf("sample %d of %d is (%d, %d, %v), want (%d, %d, %x)", i, seg.Len(), id, at, v, seg.Series[i], seg.Time(i), seg.Values[i])
		}
		i++
		return nil
	})
	return i, err
}
