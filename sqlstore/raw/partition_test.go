package raw_test

import (
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"laminar/sequence/segment"
	"laminar/sqlstore/raw"
	"laminar/sqlstore/sqltest"
)

// TestSamplesAreCompressed with lz4, where the server has it: in hot tables and
// partitions, which take it over from their templates.
func TestSamplesAreCompressed(t *testing.T) {
	m := newRawModel(t, 5)
	m.flush()
	m.seal()
	var lz4 bool
	if err := m.people.QueryRow(t.Context(), "select exists (select from pg_settings where name = 'default_toast_compression' and 'lz4' = any(enumvals))").Scan(&lz4); err != nil {
		t.Fatal(err)
	}
	if !lz4 {
		return // an older server: pglz, which is not set by column
	}
	rows, err := m.people.Query(t.Context(), `select c.relname || '.' || a.attname, a.attcompression::text
		from pg_class c join pg_attribute a on a.attrelid = c.oid
		where c.relnamespace = 'laminar'::regnamespace and c.relkind in ('r', 'p') and c.relname ~ '^(hot|sealed)'
		  and a.attname in ('series_ids', 'offsets', 'vals', 'packed', 'histograms')`)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	var column, how string
	if _, err := pgx.ForEachRow(rows, []any{&column, &how}, func() error {
		n++
		if how != "l" {
			t.Errorf("%s is compressed with %q, want lz4", column, how)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if n < 20 { // hot_template, a hot table, sealed, a partition
		t.Errorf("%d columns were found", n)
	}
}

// TestPartitionsFreeze: one vacuum after the inserts leaves nothing of a
// partition to be frozen later, in TOAST neither.
func TestPartitionsFreeze(t *testing.T) {
	m := newRawModel(t, 3)
	for range 300 {
		m.flush()
	}
	if _, err := m.store.Keeper.Seal(t.Context(), raw.SealOptions{Force: true}); err != nil {
		t.Fatal(err)
	}
	if got := reloptions(t, m.people); got != "autovacuum_freeze_min_age=0" {
		t.Errorf("partitions and their TOAST tables are made with %q", got)
	}
}

// reloptions is the settings that all partitions and their TOAST tables have.
func reloptions(t *testing.T, pool *pgxpool.Pool) (settings string) {
	t.Helper()
	if err := pool.QueryRow(t.Context(), `select coalesce(string_agg(distinct coalesce(o.settings, 'none'), ' '), '')
		from pg_inherits i join pg_class c on c.oid = i.inhrelid join pg_class r on r.oid in (c.oid, c.reltoastrelid)
		cross join lateral (select array_to_string(r.reloptions, ' ') as settings) o
		where i.inhparent = 'sealed'::regclass`).Scan(&settings); err != nil {
		t.Fatal(err)
	}
	return settings
}

// TestDecadesOfSamples: a sample a day back to 1972 makes some hundreds of partitions,
// which one query reads, and a month of it is given up as a whole.
func TestDecadesOfSamples(t *testing.T) {
	m := newRawModel(t, 7)
	const days = 54 * 365
	newest := sqltest.Day
	id := m.series[1][0]
	var segs []segment.Segment
	for day := range int64(days) {
		segs = append(segs, sqltest.Segment(m.metric, [3]float64{float64(id), float64(newest - day*segment.BucketMillis), 1}))
		if len(segs) == 2000 || day == days-1 {
			sqltest.Commit(t, sqltest.Begin(t, m.store, 1), segs...)
			segs = nil
		}
	}
	m.seal()
	count := func(sql string) (n int) {
		t.Helper()
		if err := m.people.QueryRow(t.Context(), sql).Scan(&n); err != nil {
			t.Fatal(err)
		}
		return n
	}
	const ofSealed = "select count(*) from pg_inherits where inhparent = 'sealed'::regclass"
	if n := count(ofSealed); n < 600 || n > 54*12+100+40 {
		t.Errorf("%d partitions, want about one a month and one a day for the last hundred days", n)
	}
	if n := count("select count(*) from sample"); n != days {
		t.Errorf("%d samples, want %d", n, days)
	}
	before := count(ofSealed)
	cut := time.Date(1980, 3, 15, 0, 0, 0, 0, time.UTC)
	dropped := len(partitions(settled(t, m.store.Keeper, m.retain(cut.UnixMilli()).Drop)))
	if after := count(ofSealed); dropped < 80 || after != before-dropped {
		t.Errorf("dropped %d of %d partitions, and %d are there", dropped, before, after)
	}
	want := days - int(cut.UnixMilli()-(newest-(days-1)*segment.BucketMillis)+segment.BucketMillis-1)/int(segment.BucketMillis)
	if n := count("select count(*) from sample"); n != want {
		t.Errorf("%d samples after the retention, want %d", n, want)
	}
}
