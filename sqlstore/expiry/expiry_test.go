package expiry_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	"laminar/sqlstore/sqltest"
)

func TestMain(m *testing.M) { sqltest.VerifyTestMain(m) }

// TestDelete: of every flow that keeps its results for a time the rows go that are older,
// counted from the newest time that samples and clock have both reached, of one that reads
// its own results also its windows, in pieces of any size; those of other flows stay, in the same table, too.
func TestDelete(t *testing.T) {
	for seed := range uint64(4) {
		rng := rand.New(rand.NewPCG(seed, 112))
		db := sqltest.NewRawDB(t, 1)
		db.AddMetric("m", 1, 2)
		flows := []flowdef.Flow{
			sqltest.FlowFor(t, "for_ever", "sum by (i) (sum_over_time(m[1m]))"),
			sqltest.FlowFor(t, "some", "sum by (i) (sum_over_time(m[1m]))", "keep: 30m"),
			sqltest.FlowFor(t, "total", "sum by (i) (sum_over_time(m[1m])) + (sum by (i) (total offset 1m) or sum by (i) (m) * 0)", "keep: 20m"),
			sqltest.FlowFor(t, "nothing_read", "sum by (i) (sum_over_time(m[1m]))", "keep: 1h"),
		}
		const rules = "groups:\n  - name: g\n    interval: 1m\n    rules:\n"
		shared := sqltest.Define(t, rules+"      - {record: shared, expr: sum by (i) (m), labels: {of: a}}\n      - {record: shared, expr: sum by (i) (m), labels: {of: b}}\n")
		shared[0].Keep = 10 * sqltest.Minute
		flows = append(flows, shared...)
		db.Apply(flows...)
		heads, err := db.Store.Catalogue.Heads(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		newest, at := (60+rng.Int64N(60))*sqltest.Minute, (60+rng.Int64N(60))*sqltest.Minute
		now := (60 + rng.Int64N(60)) * sqltest.Minute
		for _, h := range heads {
			i := slices.IndexFunc(flows, func(f flowdef.Flow) bool { return f.Title() == h.Name })
			if flows[i].Title() == "nothing_read" {
				continue
			}
			r := sqltest.Rounds{Flow: db.Take(h.Name)}
			var windows []progress.Window
			for n := range int64(60) {
				end := (n + 1) * sqltest.Minute
				windows = append(windows, progress.Window{Start: end - sqltest.Minute, End: end, Complete: true, Rows: rowsOf(&flows[i])})
			}
			round := r.Next(windows...)
			round.To.EmittedUntil, round.To.NewestT, round.To.NewestAt = 60*sqltest.Minute, newest, at
			if out := sqltest.CommitOne(t, db.Store, round); out.RowsWritten != 120 {
				t.Fatalf("%s: %d rows written, want 120", h.Name, out.RowsWritten)
			}
		}
		store := db.Store.Expiry
		store.SetMost(1 + rng.IntN(200))
		want := int64(0)
		left := func(keep int64, and ...int64) int64 {
			n, from := int64(0), slices.Min(append(and, newest, at, now))-keep
			for end := sqltest.Minute; end <= 60*sqltest.Minute; end += sqltest.Minute {
				if keep == 0 || end >= from {
					n += 2
				}
			}
			return n
		}
		for _, keep := range []int64{0, 30 * sqltest.Minute, 10 * sqltest.Minute, 0} {
			want += 120 - left(keep)
		}
		want += 120 - left(20*sqltest.Minute, 60*sqltest.Minute) // it reads its own results: from its last window on
		if deleted, err := store.Delete(t.Context(), now); err != nil || deleted != want {
			t.Fatalf("seed %d: deleted %d rows, want %d: %v", seed, deleted, want, err)
		}
		for table, n := range map[string]int64{
			"flow.for_ever": 120, "flow.some": left(30 * sqltest.Minute), "flow.total": left(20*sqltest.Minute, 60*sqltest.Minute), "flow.shared": left(10*sqltest.Minute) + 120,
		} {
			if got := sqltest.ScanOne[int64](db, "select count(*) from "+table); got != n {
				t.Errorf("seed %d: %s has %d rows, want %d", seed, table, got, n)
			}
		}
		if deleted, err := store.Delete(t.Context(), now); err != nil || deleted != 0 {
			t.Errorf("seed %d: once more deleted %d rows: %v", seed, deleted, err)
		}
	}
}

// TestClock: what is forgotten for good goes by the clock and by the newest sample, whichever
// is behind, and by nothing while retention would give up more than a day.
func TestClock(t *testing.T) {
	const hour, day = 3600_000, 24 * 3600_000
	db := sqltest.NewRawDB(t, 1)
	metric, ids := db.AddMetric("m", 1, 1)
	real := sqltest.ScanOne[int64](db, "select (extract(epoch from clock_timestamp()) * 1000)::bigint")
	clock := func(ahead int64) {
		db.Exec(fmt.Sprintf("create or replace function laminar.db_clock() returns timestamptz language sql volatile as $$ select clock_timestamp() + interval '%d ms' $$", ahead))
	}
	write := func(at int64) {
		sqltest.Commit(t, sqltest.Begin(t, db.Store, 1), sqltest.Segment(metric, [3]float64{float64(ids[0]), float64(at), 1}))
	}
	want := func(what string, earliest, latest int64) {
		t.Helper()
		now, known, err := db.Store.Expiry.Clock(t.Context())
		if err != nil || known != (latest >= 0) || known && (now < earliest || now > latest) {
			t.Errorf("%s: it is %d, %t, %v; want it from %d to %d", what, now-real, known, err, earliest-real, latest-real)
		}
	}
	keep := func(d time.Duration) {
		if err := db.Store.Retainer.Keep(t.Context(), d, 0); err != nil {
			t.Fatal(err)
		}
	}
	keep(15 * 24 * time.Hour)
	db.Exec("update laminar.installation set created_at = clock_timestamp() - interval '40 days'")
	want("without samples", 0, -1)
	write(real - 14*day)
	db.Exec("update laminar.retention set earliest_t = $1", (real-15*day)/day*day)
	want("an old sample", real-14*day, real-14*day)
	write(real - hour)
	want("the newest sample is behind", real-hour, real-hour)
	write(real + hour)
	want("the newest sample is ahead", real, real+hour-1)
	clock(30 * day)
	want("the clock alone has jumped", real+hour, real+hour)
	write(real + 30*day)
	want("the clock has jumped, and samples say so", 0, -1)
	keep(0)
	want("all raw samples are kept", real+30*day, real+30*day)
	keep(15 * 24 * time.Hour)
	r, err := db.Store.Retainer.Retain(t.Context(), 15*24*time.Hour)
	if err != nil || r.Held == 0 {
		t.Fatalf("retention is not held back: %+v, %v", r, err)
	}
	want("it is held back", 0, -1)
	if _, err := db.Store.Retainer.GiveUp(t.Context(), 15*24*time.Hour, r.Held); err != nil {
		t.Fatal(err)
	}
	want("a person has confirmed it", real+30*day, real+30*day)
	clock(-30 * day)
	want("the clock is set back", real-30*day, real-30*day+hour)
}

// TestFlowAtFault: a flow whose table is gone is named, and holds up no other.
func TestFlowAtFault(t *testing.T) {
	db := sqltest.NewRawDB(t, 1)
	db.AddMetric("m", 1, 2)
	flow := func(name string) flowdef.Flow {
		return sqltest.FlowFor(t, name, "sum by (i) (sum_over_time(m[1m]))", "keep: 10m")
	}
	flows := []flowdef.Flow{flow("a"), flow("b")}
	db.Apply(flows...)
	for i, name := range []string{"a", "b"} {
		r := sqltest.Rounds{Flow: db.Take(name)}
		round := r.Next(progress.Window{Start: 0, End: sqltest.Minute, Complete: true, Rows: rowsOf(&flows[i])})
		round.To.EmittedUntil, round.To.NewestT, round.To.NewestAt = sqltest.Minute, 60*sqltest.Minute, 60*sqltest.Minute
		sqltest.CommitOne(t, db.Store, round)
	}
	db.Exec("drop table flow.a cascade")
	if deleted, err := db.Store.Expiry.Delete(t.Context(), 60*sqltest.Minute); err == nil || deleted != 2 {
		t.Errorf("deleted %d rows, want 2 and an error: %v", deleted, err)
	}
}

// rowsOf is two rows of a flow of m by i.
func rowsOf(f *flowdef.Flow) (rows []progress.Row) {
	for _, value := range []string{"1", "2"} {
		columns := []string{value}
		for _, l := range f.StaticLabels {
			columns = append(columns, l.Value)
		}
		rows = append(rows, progress.Row{Columns: columns, Value: 1})
	}
	return rows
}
