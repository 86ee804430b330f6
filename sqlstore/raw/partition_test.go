package raw_test

import (
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"laminar/sqlstore/raw"
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
