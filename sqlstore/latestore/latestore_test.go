package latestore_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"laminar/flownode/flowdef"
	"laminar/flownode/function"
	"laminar/flownode/progress"
	lateq "laminar/queries/late"
	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sqlstore/flowstore"
	"laminar/sqlstore/pg"
	"laminar/sqlstore/sqltest"
)

func TestMain(m *testing.M) { sqltest.VerifyTestMain(m) }

// lacks is what windows of a flow lack.
func lacks(db *sqltest.RawDB, id progress.FlowID) []progress.LateWindow {
	db.Helper()
	snap, err := db.Store.Catalogue.Stored(db.Context())
	if err != nil {
		db.Fatal(err)
	}
	defer func() { _ = snap.Close(context.WithoutCancel(db.Context())) }()
	out, err := snap.LateWindows(db.Context(), id, sequence.Span{After: 0, UpTo: sequence.EndOfTime})
	if err != nil {
		db.Fatal(err)
	}
	return out
}

// TestLate: what a round leaves out is stored with its progress or not at all, adds up,
// and goes from windows that are computed whole.
func TestLate(t *testing.T) {
	db := sqltest.NewRawDB(t, 2)
	_, ids := db.AddMetric("m", 1, 2)
	db.Apply(sqltest.FlowFor(t, "f", "sum by (i) (sum_over_time(m[1m]))", "late: drop", "keep_late: 1h"))
	r := sqltest.Rounds{Flow: db.Take("f")}
	const a, b = `{"i":"a"}`, `{"i":"b"}`
	with := func(l *progress.Late) progress.Round {
		round := r.Next()
		round.Late = l
		return round
	}
	counted := func() {
		t.Helper()
		if got := sqltest.ScanOne[string](db, `select concat_ws(' ', late_noted, late_kept) from laminar.flow where name = 'f'`); got !=
			sqltest.ScanOne[string](db, `select concat_ws(' ', (select count(*) from laminar.flow_late), (select count(*) from laminar.flow_late_sample))`) {
			t.Errorf("%s windows and samples are counted", got)
		}
	}
	first := with(&progress.Late{
		Samples: 3,
		Windows: []progress.LateWindow{{End: sqltest.Minute, Group: a, Samples: 2}, {End: sqltest.Minute, Group: b, Samples: 1}, {End: 2 * sqltest.Minute, Samples: 0}},
		Kept:    []progress.LateSample{{Series: ids[0], T: 30_000, Value: 7, First: sqltest.Minute, Last: 2 * sqltest.Minute}},
	})
	if out := sqltest.CommitOne(t, db.Store, first); out.LateNoted != 3 {
		t.Errorf("%d windows are noted, want 3", out.LateNoted)
	}
	counted()
	// Once more from where it began: fenced, and nothing is counted again.
	if out, err := db.Store.Results.Commit(t.Context(), []progress.Round{first}); err != nil || !errors.Is(out[0].Err, sequence.ErrFenced) {
		t.Fatalf("a repeated round: %v, %v", out, err)
	}
	want := []progress.LateWindow{{End: sqltest.Minute, Group: a, Samples: 2}, {End: sqltest.Minute, Group: b, Samples: 1}, {End: 2 * sqltest.Minute}}
	if got := lacks(db, r.Flow.ID); !slices.Equal(got, want) {
		t.Errorf("windows lack %v, want %v", got, want)
	}
	if got := sqltest.ScanOne[string](db, "select string_agg(concat_ws(' ', flow, metric, labels ->> 'i', extract(epoch from ts)::int, value, extract(epoch from first_window_end)::int, extract(epoch from last_window_end)::int), ',') from laminar.late_sample"); got != "f m 0 30 7 60 120" && got != "f m 30 7 60 120" {
		t.Errorf("kept: %s", got)
	}
	out := sqltest.CommitOne(t, db.Store, with(&progress.Late{
		Samples: 2, Stretches: sequence.Spans{{After: 5 * sqltest.Minute, UpTo: 8 * sqltest.Minute}},
		Windows: []progress.LateWindow{{End: sqltest.Minute, Group: b, Samples: 2}},
		Whole:   []progress.DirtyKey{{WindowEnd: sqltest.Minute, Group: a}, {WindowEnd: 2 * sqltest.Minute}},
	}))
	if counted(); out.LateNoted != 1 {
		t.Errorf("%d windows are noted, want 1", out.LateNoted)
	}
	want = []progress.LateWindow{{End: sqltest.Minute, Group: b, Samples: 3}, {End: 6 * sqltest.Minute}, {End: 7 * sqltest.Minute}, {End: 8 * sqltest.Minute}}
	if got := lacks(db, r.Flow.ID); !slices.Equal(got, want) {
		t.Errorf("windows lack %v, want %v", got, want)
	}
	if got := sqltest.ScanOne[string](db, "select string_agg(concat_ws(' ', flow, extract(epoch from window_start)::int, extract(epoch from window_end)::int, labels ->> 'i', samples, windows), ', ' order by window_end) from laminar.late_window"); got != "f 0 60 b 3 1, f 300 480 0 3" {
		t.Errorf("late_window: %s", got)
	}
	stretches := sequence.Spans{{After: 5 * sqltest.Minute, UpTo: 8 * sqltest.Minute}}
	if taken := db.Take("f"); !slices.Equal(taken.Late.Stretches, stretches) || taken.Late.Noted != 1 {
		t.Errorf("an owner finds %+v", taken.Late)
	} else {
		r.Flow.Epoch = taken.Epoch
	}
	status, err := db.Store.Catalogue.Show(t.Context(), "f")
	if err != nil || status[0].LateSamples != 5 || status[0].LateWindows != 1 || !slices.Equal(status[0].LateStretches, stretches) {
		t.Errorf("status %+v, %v", status, err)
	}

	// Kept samples go where there are too many.
	sqltest.CommitOne(t, db.Store, with(&progress.Late{
		Samples: 1, Windows: []progress.LateWindow{{End: 3 * sqltest.Minute, Group: a, Samples: 1}}, Whole: []progress.DirtyKey{{WindowEnd: sqltest.Minute}},
		Kept: []progress.LateSample{{Series: ids[1], T: 31_000, Value: 8, First: sqltest.Minute, Last: sqltest.Minute}},
	}))
	if got, want := lacks(db, r.Flow.ID), []progress.LateWindow{{End: 3 * sqltest.Minute, Group: a, Samples: 1}}; !slices.Equal(got, want) {
		t.Errorf("windows lack %v, want %v", got, want)
	}
	counted()
	if n := sqltest.ScanOne[int64](db, "select count(*) from laminar.late_sample where value in (7, 8)"); n != 2 {
		t.Errorf("%d samples are kept, want 2", n)
	}
	db.Exec("insert into laminar.flow_late_sample (flow_id, series_id, labels, ts, value, first_end, last_end, at) select $1, 1, '{}', n, 0, 60000, 60000, laminar.db_clock() from generate_series(1, $2) n", int32(r.Flow.ID), progress.MaxKeptLate)
	r.Flow.Epoch = db.Take("f").Epoch // which counts them
	counted()
	sqltest.CommitOne(t, db.Store, with(&progress.Late{
		Samples: 1, Windows: []progress.LateWindow{{End: 3 * sqltest.Minute, Group: a, Samples: 1}},
		Kept: []progress.LateSample{{Series: ids[1], T: 32_000, Value: 9, First: sqltest.Minute, Last: sqltest.Minute}},
	}))
	if n := sqltest.ScanOne[int64](db, "select count(*) from laminar.flow_late_sample"); n != progress.MaxKeptLate {
		t.Errorf("%d samples are kept, want %d", n, progress.MaxKeptLate)
	}
	if n := sqltest.ScanOne[int64](db, "select count(*) from laminar.flow_late_sample where value = 9"); n != 1 {
		t.Error("the newest sample is not among them")
	}
	counted()

	// What is forgotten with one more sample is found without looking at the others.
	db.Exec("vacuum analyze laminar.flow_late_sample")
	plan := sqltest.ScanOne[string](db, "explain (analyze, timing off, format json) "+lateq.LatePrune, int32(r.Flow.ID), int64(progress.MaxKeptLate-3))
	if counted(); sqltest.ScanOne[int64](db, "select late_kept from laminar.flow where name = 'f'") != progress.MaxKeptLate-3 {
		t.Error("not all are forgotten that are too many")
	}
	for _, m := range regexp.MustCompile(`"Actual Rows": (\d+)`).FindAllStringSubmatch(plan, -1) {
		if n, _ := strconv.Atoi(m[1]); n > 10 {
			t.Errorf("it reads %d rows:\n%s", n, plan)
		}
	}
}

// TestKeptMarkers: a stale marker has no value where kept samples are read, and a NaN that was
// sent is one, as in laminar.sample.
func TestKeptMarkers(t *testing.T) {
	db := sqltest.NewRawDB(t, 1)
	db.Apply(sqltest.FlowFor(t, "f", "sum by (i) (sum_over_time(m[1m]))", "late: drop", "keep_late: 1d"))
	db.Exec(`insert into laminar.flow_late_sample (flow_id, series_id, labels, ts, value, first_end, last_end, at)
		select $1, 1, '{}', n, v, 0, 60000, laminar.db_clock() from unnest($2::float8[]) with ordinality x(v, n)`,
		int32(db.Take("f").ID), []float64{segment.Stale(), math.NaN(), 0, math.Inf(-1)})
	const want = "none NaN 0 -Infinity"
	if got := sqltest.ScanOne[string](db, "select string_agg(coalesce(value::text, 'none'), ' ' order by ts) from laminar.late_sample"); got != want {
		t.Errorf("kept are %s, want %s", got, want)
	}
}

// TestForget: kept samples go when they are old, although no others come; those of another
// flow, which keeps them longer, stay.
func TestForget(t *testing.T) {
	db := sqltest.NewRawDB(t, 1)
	for name, keep := range map[string]string{"short": "1h", "long": "1d"} {
		db.Apply(sqltest.FlowFor(t, name, "sum by (i) (sum_over_time(m[1m]))", "late: drop", "keep_late: "+keep))
		db.Exec(`insert into laminar.flow_late_sample (flow_id, series_id, labels, ts, value, first_end, last_end, at)
			select $1, 1, '{}', n, 0, 60000, 60000, laminar.db_clock() - n * interval '30 min' from generate_series(0, 4) n`, int32(db.Take(name).ID))
	}
	now := sqltest.ScanOne[int64](db, "select (extract(epoch from laminar.db_clock()) * 1000)::bigint")
	db.Take("short") // which counts them
	db.Take("long")
	kept := func() string {
		return sqltest.ScanOne[string](db, "select string_agg(flow || ' ' || extract(epoch from ts) * 1000, ', ' order by flow, ts) from laminar.late_sample")
	}
	n, err := db.Store.Late.Forget(t.Context(), now)
	const want = "long 0, long 1, long 2, long 3, long 4, short 0, short 1"
	if got := strings.ReplaceAll(kept(), ".000000", ""); err != nil || n != 3 || got != want {
		t.Errorf("%d are forgotten, %v; left are %s, want %s", n, err, got, want)
	}
	if n, err := db.Store.Late.Forget(t.Context(), now); err != nil || n != 0 {
		t.Errorf("%d more are forgotten at once, %v", n, err)
	}
}

// TestForgetWindows: what is noted of windows goes when they cannot be computed any more, or
// when their results are not kept, although nothing else comes; in as many transactions as it
// takes.
func TestForgetWindows(t *testing.T) {
	const minute = sqltest.Minute
	for _, c := range []struct {
		keep    string
		dropped int64 // raw samples, minutes
		want    string
	}{
		{"", 0, "1 to 30, (0,600000] (900000,1500000]"},
		{"", 20, "22 to 30, (1260000,1500000]"},
		{"keep: 6m", 0, "24 to 30, (1380000,1500000]"},
		{"keep: 6m", 24, "26 to 30, none"},
	} {
		db := sqltest.NewRawDB(t, 1)
		more := []string{"late: drop"}
		if c.keep != "" {
			more = append(more, c.keep)
		}
		db.Apply(sqltest.FlowFor(t, "f", "sum by (i) (sum_over_time(m[2m]))", more...))
		id := int32(db.Take("f").ID)
		db.Exec(`insert into laminar.flow_late (flow_id, window_end, group_key, samples) select $1, n * 60000, g, 1 from generate_series(1, 30) n, unnest(array['', '{"i":"a"}']) g`, id)
		db.Exec("update laminar.flow set late_stretches = '{0,600000,900000,1500000}', newest_t = $2::bigint, newest_at = $2::bigint + 100 where id = $1", id, 30*minute)
		db.Take("f") // which counts them
		if c.dropped > 0 {
			// Given up are all; what is dropped will not be there again.
			db.Exec("update laminar.retention set earliest_t = $1, dropped_t = $2", 40*minute, c.dropped*minute+1)
		}
		db.Store.Late.SetMost(7)
		before := sqltest.ScanOne[int64](db, "select count(*) from laminar.flow_late")
		n, err := db.Store.Late.Forget(t.Context(), 40*minute)
		if left := sqltest.ScanOne[int64](db, "select count(*) from laminar.flow_late"); err != nil || n != before-left || left != sqltest.ScanOne[int64](db, "select late_noted from laminar.flow") {
			t.Errorf("%+v: %d are forgotten, %v; %d of %d are left", c, n, err, left, before)
		}
		taken := db.Take("f")
		stretches := "none"
		if s := taken.Late.Stretches; len(s) > 0 {
			stretches = strings.TrimPrefix(fmt.Sprint(s), "[")
			stretches = strings.TrimSuffix(stretches, "]")
		}
		got := sqltest.ScanOne[string](db, "select min(window_end) / 60000 || ' to ' || max(window_end) / 60000 from laminar.flow_late")
		if got += ", " + stretches; got != c.want {
			t.Errorf("%+v: left are %s", c, got)
		}
		if n, err := db.Store.Late.Forget(t.Context(), 40*minute); err != nil || n != 0 {
			t.Errorf("%d more are forgotten at once, %v", n, err)
		}
	}
}

// TestSideOutput: what late samples add to rows is in a view beside the table, and joins them
// in another, as in Go; both come and go with the flow.
func TestSideOutput(t *testing.T) {
	db := sqltest.NewRawDB(t, 1)
	db.Exec(`do $$ begin create role side_reader; exception when duplicate_object then null; end $$`)
	for _, c := range []struct {
		name, promql string
		join         function.Join
		values       []float64 // of the row as its window closed, then what comes late
	}{
		{"sums", "sum by (i) (sum_over_time(m[1m]))", function.JoinSum, []float64{1.5, 2, -7}},
		{"large", "sum by (i) (sum_over_time(m[1m]))", function.JoinSum, []float64{1e308, 1.5e308, 1e308}},
		{"odd", "sum by (i) (sum_over_time(m[1m]))", function.JoinSum, []float64{1, math.Inf(-1), math.NaN()}},
		{"counts", "sum by (i) (count_over_time(m[1m]))", function.JoinSum, []float64{3, 1, 1}},
		{"minima", "min by (i) (min_over_time(m[1m]))", function.JoinMin, []float64{math.NaN(), 4, 2}},
		{"maxima", "max by (i) (max_over_time(m[1m]))", function.JoinMax, []float64{1, math.NaN(), math.Inf(1)}},
	} {
		db.Apply(sqltest.FlowFor(t, c.name, c.promql, "late: side_output"))
		r := sqltest.Rounds{Flow: db.Take(c.name)}
		sqltest.CommitOne(t, db.Store, r.Next(sqltest.Window(sqltest.Minute, sqltest.Row("a", c.values[0]))))
		late := math.NaN()
		for n, v := range c.values[1:] {
			round := r.Next()
			round.Late = &progress.Late{Samples: 1, Join: string(c.join), Windows: []progress.LateWindow{
				{End: sqltest.Minute, Group: `{"i":"a"}`, Samples: 1, Row: &progress.Row{Columns: []string{"a"}, Value: v}},
				{End: 2 * sqltest.Minute, Group: `{"i":"b"}`, Samples: 2, Row: &progress.Row{Columns: []string{"b"}, Value: v}},
			}}
			sqltest.CommitOne(t, db.Store, round)
			if late = c.join.Of(late, v); n == 0 {
				late = v
			}
		}
		same := func(what string, got, want float64) {
			t.Helper()
			if got != want && (got == got || want == want) {
				t.Errorf("%s: %s is %v, want %v", c.name, what, got, want)
			}
		}
		same("late", sqltest.ScanOne[float64](db, "select value from flow."+c.name+"_late where i = 'a' and window_end = to_timestamp(60)"), late)
		same("merged", sqltest.ScanOne[float64](db, "select merged from flow."+c.name+"_merged where i = 'a'"), c.join.Of(c.values[0], late))
		same("the row", sqltest.ScanOne[float64](db, "select value from flow."+c.name+"_merged where i = 'a'"), c.values[0])
		same("what only late samples gave", sqltest.ScanOne[float64](db, "select merged from flow."+c.name+"_merged where i = 'b' and value is null and late_samples = 4"), late)
	}

	// A refill takes what came late in.
	r := sqltest.Rounds{Flow: db.Take("sums")}
	round := r.Next(sqltest.Window(sqltest.Minute, sqltest.Row("a", -3.5)))
	round.Late = &progress.Late{Whole: []progress.DirtyKey{{WindowEnd: sqltest.Minute}}}
	sqltest.CommitOne(t, db.Store, round)
	if got := sqltest.ScanOne[string](db, "select string_agg(concat_ws(' ', i, value, late, merged), ', ' order by i) from flow.sums_merged"); got != "a -3.5 -3.5, b -5 -5" {
		t.Errorf("after a refill: %s", got)
	}

	// Who reads the table reads the views of the flow that takes its place; what late samples
	// added to the old one is gone.
	db.Exec("grant select on flow.sums to side_reader")
	replaced := sqltest.FlowFor(t, "sums", "sum by (i) (sum_over_time(m[2m]))", "late: side_output")
	if _, err := db.Store.Catalogue.Apply(t.Context(), []flowdef.Flow{replaced}, flowstore.ApplyOptions{Replace: true}); err != nil {
		t.Fatal(err)
	}
	if n := sqltest.ScanOne[int64](db, "select count(*) from flow.sums_merged"); n != 0 {
		t.Errorf("%d rows are left of the flow before", n)
	}
	if !sqltest.ScanOne[bool](db, "select has_table_privilege('side_reader', 'flow.sums_late', 'select') and has_table_privilege('side_reader', 'flow.sums_merged', 'select')") {
		t.Error("who may read the table may not read the views")
	}
	views := func() int64 {
		return sqltest.ScanOne[int64](db, "select count(*) from pg_views where schemaname = 'flow' and viewname in ('sums_late', 'sums_merged')")
	}
	// Dropped by hand, they are made again when the flow is taken.
	db.Exec("drop view flow.sums_merged")
	if db.Take("sums"); views() != 2 {
		t.Errorf("%d views", views())
	}
	plain := sqltest.FlowFor(t, "sums", "sum by (i) (sum_over_time(m[2m]))")
	if _, err := db.Store.Catalogue.Apply(t.Context(), []flowdef.Flow{plain}, flowstore.ApplyOptions{Replace: true}); err != nil || views() != 0 {
		t.Errorf("without side output: %d views, %v", views(), err)
	}
	if err := db.Store.Catalogue.Delete(t.Context(), "counts"); err != nil {
		t.Fatal(err)
	}
	if n := sqltest.ScanOne[int64](db, "select count(*) from pg_class where relname like 'counts%'"); n != 0 {
		t.Errorf("%d tables and views are left of a flow that was deleted", n)
	}
	// Names that are taken.
	db.Exec("create table flow.taken_late (x int)")
	if _, err := db.Store.Catalogue.Apply(t.Context(), []flowdef.Flow{sqltest.FlowFor(t, "taken", "sum by (i) (sum_over_time(m[1m]))", "late: side_output")}, flowstore.ApplyOptions{}); err == nil || !strings.Contains(err.Error(), `"taken_late" exists and was not made by Laminar`) {
		t.Errorf("a table in the place of a view: %v", err)
	}
	if _, err := db.Store.Catalogue.Apply(t.Context(), []flowdef.Flow{sqltest.FlowFor(t, "minima_merged", "sum(m)")}, flowstore.ApplyOptions{}); err == nil || !strings.Contains(err.Error(), "has the name of a view of late samples of flow minima") {
		t.Errorf("a flow in the place of a view: %v", err)
	}
}

// TestDeleteNamesWhoIsInTheWay: who reads only a view beside a flow's table, or locks what is
// kept of it, is named by a delete that waits.
func TestDeleteNamesWhoIsInTheWay(t *testing.T) {
	db := sqltest.NewRawDB(t, 1)
	db.AddMetric("m", 1, 1)
	db.Apply(sqltest.FlowFor(t, "sums", "sum by (i) (sum_over_time(m[1m]))", "late: side_output"))
	db.Take("sums")
	for _, sql := range []string{
		"select from flow.sums_late", "select from flow.sums_merged", "select from flow.sums", "lock table flow_late in share mode", "lock table flow in share mode",
	} {
		tx, err := db.Store.Pool().Begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := tx.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
		pid := fmt.Sprintf("pid %d, ", tx.Conn().PgConn().PID())
		err = db.Store.Catalogue.Patiently(pg.Patience{Limit: time.Millisecond}).Delete(t.Context(), "sums")
		var locked *pg.LockedError
		if !errors.As(err, &locked) || len(locked.Holders) != 1 || !strings.HasPrefix(locked.Holders[0], pid) {
			t.Errorf("%s: %v, want it to name %s", sql, err, pid)
		}
		if err := tx.Rollback(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Store.Catalogue.Delete(t.Context(), "sums"); err != nil {
		t.Error(err)
	}
}
