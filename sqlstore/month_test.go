package sqlstore_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"laminar/cmd/fleet"
	"laminar/flownode/progress"
	"laminar/sequence/segment"
	"laminar/sqlstore/raw"
	"laminar/sqlstore/sqltest"
)

// TestMonth lives through a month in miniature, day after day: samples come in,
// a flow writes windows and has a dirty list, segments are sealed, and what is
// older than five days is given up. In the last eight days nothing may grow, and
// no table may hold more dead rows than a vacuum leaves.
//
// Every day is vacuumed as autovacuum does; that autovacuum itself comes often
// enough is its settings' affair, and dead rows that it may not remove, because
// somebody holds an old snapshot, would show here.
func TestMonth(t *testing.T) {
	const (
		days, steady, kept = 26, 18, 5
		scrapes            = 60 // a day, each a flush of two regions: more than the 1,000 that are remembered
	)
	db := sqltest.NewRawDB(t, 2)
	// Flushes are forgotten an hour after their commit; no time passes here.
	db.Exec("alter table flush alter committed_at set default clock_timestamp() - interval '2 hours'")
	db.Apply(sqltest.FlowFor(t, "f", "sum by (i) (m)"))
	r := sqltest.Rounds{Flow: db.Take("f")}
	opts := fleet.DefaultOptions()
	opts.Instances, opts.Interval, opts.MaxDelay = 1, 20*time.Minute, time.Hour
	f := fleet.New(opts)
	s := newStorage(t, db.Store, feed{series: f.Series()})

	sizes := map[int]map[string]int64{}
	for day := range days {
		start := int64(20_000+day) * segment.BucketMillis
		for n := range scrapes {
			at := time.UnixMilli(start + int64(n+1)*opts.Interval.Milliseconds())
			s.write(f.Scrape(nil, at))
			if n%10 == 0 {
				end := at.Truncate(time.Minute).UnixMilli()
				round := r.Next(sqltest.Window(end, sqltest.Row("a", float64(n)), sqltest.Row("b", float64(day))))
				round.Add = []progress.Dirty{{WindowEnd: end, Reason: "late"}}
				sqltest.CommitOne(t, db.Store, round)
				again := r.Next(sqltest.Window(end, sqltest.Row("a", float64(n+1)), sqltest.Row("b", float64(day))))
				again.Remove = []progress.DirtyKey{{WindowEnd: end}}
				sqltest.CommitOne(t, db.Store, again)
			}
		}
		if _, err := db.Store.Keeper.Seal(t.Context(), raw.SealOptions{Force: true}); err != nil {
			t.Fatal(err)
		}
		if _, err := db.Store.Retainer.GiveUp(t.Context(), time.Millisecond, start-kept*segment.BucketMillis); err != nil {
			t.Fatal(err)
		}
		db.Exec("delete from flow.f where window_end < to_timestamp($1)", float64(start-kept*segment.BucketMillis)/1000) // as keep does
		dropAll(t, db)
		db.Exec("vacuum")
		sizes[day] = tableSizes(db)
	}
	for _, table := range slices.Sorted(maps.Keys(sizes[days-1])) {
		before, after := sizes[steady-1][table], sizes[days-1][table]
		t.Logf("%-12s %8d bytes after %d days, %8d after %d", table, before, steady, after, days)
		// A page more in the table, in its TOAST and in each index is no trend.
		if after > before+before/20+4*8192 {
			t.Errorf("%s grew from %d to %d bytes in the last %d days", table, before, after, days-steady)
		}
	}
	if got := sqltest.ScanOne[int](db, "select count(*) from pg_inherits where inhparent = 'sealed'::regclass"); got != kept+1 {
		t.Errorf("%d partitions are there, want %d", got, kept+1)
	}
	requireQuiet(t, db)
}

// dropAll waits until the tables that are not used any more are dropped: whoever
// was reading them, the server's own workers among them, must have ended.
func dropAll(t *testing.T, db *sqltest.RawDB) {
	t.Helper()
	for deadline := time.Now().Add(3 * time.Minute); sqltest.ScanOne[int](db, "select count(*) from unused_table") > 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("tables that nobody uses are still there")
		}
		if _, err := db.Store.Keeper.DropUnused(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// tableSizes is the bytes of every table with its indexes and TOAST, the hot
// tables and the partitions together.
func tableSizes(db *sqltest.RawDB) map[string]int64 {
	db.Helper()
	rows, err := db.Store.Pool().Query(db.Context(), `
		select regexp_replace(relname, '_[0-9]+$', ''), sum(pg_total_relation_size(oid))::bigint from pg_class
		where relkind = 'r' and relnamespace in ('laminar'::regnamespace, 'flow'::regnamespace) group by 1`)
	if err != nil {
		db.Fatal(err)
	}
	out := map[string]int64{}
	var name string
	var bytes int64
	if _, err := pgx.ForEachRow(rows, []any{&name, &bytes}, func() error { out[name] = bytes; return nil }); err != nil {
		db.Fatal(err)
	}
	return out
}

// requireQuiet waits for the server's statistics and holds them to what the
// layout promises: rows that are updated all the time stay on their page, what
// is said to be insert-only is never updated or deleted from, and what the last
// vacuum could have removed is gone.
func requireQuiet(t *testing.T, db *sqltest.RawDB) {
	t.Helper()
	type table struct {
		inserts, updates, hot, deletes, dead int64
	}
	read := func() map[string]table {
		rows, err := db.Store.Pool().Query(t.Context(), `select regexp_replace(relname, '_[0-9]+$', ''), sum(n_tup_ins)::bigint, sum(n_tup_upd)::bigint,
			sum(n_tup_hot_upd)::bigint, sum(n_tup_del)::bigint, sum(n_dead_tup)::bigint from pg_stat_user_tables where schemaname in ('laminar', 'flow') group by 1`)
		if err != nil {
			t.Fatal(err)
		}
		out := map[string]table{}
		var name string
		var x table
		if _, err := pgx.ForEachRow(rows, []any{&name, &x.inserts, &x.updates, &x.hot, &x.deletes, &x.dead}, func() error { out[name] = x; return nil }); err != nil {
			t.Fatal(err)
		}
		return out
	}
	for deadline := time.Now().Add(3 * time.Minute); ; time.Sleep(100 * time.Millisecond) { // sessions report what they did now and then
		db.Exec("vacuum") // what was reported as dead after the last one may have been gone by then
		stats := read()
		fault := ""
		for _, name := range []string{"hot", "sealed", "series", "metric"} {
			if x := stats[name]; x.inserts == 0 && name != "hot" || x.updates+x.deletes > 0 { // full hot tables are gone
				fault = fmt.Sprintf("%s is not insert-only: %+v", name, x)
			}
		}
		for name, share := range map[string]int64{"region": 95, "flow": 80} {
			if x := stats[name]; x.updates == 0 || 100*x.hot < share*x.updates {
				fault = fmt.Sprintf("%s: under %d %% of the updates stay on their page: %+v", name, share, x)
			}
		}
		for name, x := range stats {
			if x.dead > 100 {
				fault = fmt.Sprintf("%s has dead rows that vacuum leaves: %+v", name, x)
			}
		}
		if fault == "" {
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(fault)
		}
	}
}
