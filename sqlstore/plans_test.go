package sqlstore_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"laminar/flownode/flowdef"
	flowsql "laminar/queries/flow"
	rawsql "laminar/queries/raw"
	"laminar/sequence/segment"
	"laminar/sqlstore/sqltest"
)

// What the tables hold in TestHotQueriesReadByIndex: half of it in each region,
// the segments of plansMetrics metrics in turn, the series of the first of them.
const (
	plansSeries   = 20_000
	plansSegments = 16_000 // hot, in two generations, and as many sealed
	plansMetrics  = 40
	plansFlushes  = 20_000
	plansDirty    = 20_000 // of 20 flows
)

// TestHotQueriesReadByIndex runs the queries that read large tables in every
// round of a flow or in every flush, as the product runs them: prepared, more
// often than PostgreSQL plans for the parameters it is given. Whatever it plans
// for afterwards, which is parameters it does not know, no query may read a
// large table in sequence, nor more rows of it than are asked for.
func TestHotQueriesReadByIndex(t *testing.T) {
	db := fillForPlans(t)
	hot := func(query string) string {
		return strings.ReplaceAll(query, "hot_template h", "(table hot_1 union all table hot_2) h")
	}
	const (
		last     = plansFlushes / 2 // sequence of both regions
		segments = 2 * plansSegments / plansMetrics
	)
	one, both := []int32{1}, []int32{1, 2}
	behind, newest := []int64{last - 10, last - 10}, []int64{last, last}
	for _, q := range []struct {
		name string
		sql  string
		args []any
		most int64  // rows of large tables
		mode string // that the product sets; else PostgreSQL chooses
	}{
		{"series_after", rawsql.SeriesAfter, []any{both, newest, []string{"m1", "m2"}}, 10, ""},
		{"series_after, of all metrics", rawsql.SeriesAfter, []any{both, newest, []string(nil)}, 10, ""},
		{"segment_infos", hot(rawsql.SegmentInfos), []any{[]int32{1, 2}, both, behind}, 50, ""},
		{"segment_spans", hot(rawsql.SegmentSpans), []any{one, int64(0), int64(50_000)}, segments, ""},
		{"simple_delta", hot(rawsql.SimpleDelta), []any{one, both, behind, newest, []int32{1, 2}, []int32{0, 0}, int64(60_000), int64(-1)}, 50, "force_custom_plan"},
		{"simple_raw", hot(rawsql.SimpleRaw), []any{one, both, int64(0), int64(50_000), []int32{1, 2}, []int32{0, 0}, int64(60_000)}, 2 * segments, "force_custom_plan"},
		{"read_delta", hot(rawsql.ReadDelta), []any{one, both, behind, newest, (*bool)(nil)}, 50, ""},
		{"read_raw_hot", hot(rawsql.ReadRawHot), []any{one, both, int64(0), int64(50_000), []int64(nil), []int64(nil)}, segments, ""},
		{"read_raw_sealed", rawsql.ReadRawSealed, []any{one, both, int64(0), int64(50_000), []int64(nil), []int64(nil)}, segments, ""},
		{"missed_hot", strings.ReplaceAll(rawsql.MissedHot, "hot_template", "hot_2"), []any{int32(1), []int32{1, 2}, int64(last - 10), int64(last)}, 50, ""},
		{"missed_flushes", rawsql.MissedFlushes, []any{int32(1), int64(last - 10), int64(last)}, 10, ""},
		{"missed_newest", rawsql.MissedNewest, []any{int32(1), int64(last - 10), int64(last)}, 10, ""},
		{"snapshot_flushes", rawsql.SnapshotFlushes, []any{both, newest}, 2, ""},
		{"flush_took", rawsql.FlushTook, []any{int32(1), int64(last)}, 1, ""},
		{"status_flows", flowsql.StatusFlows, nil, plansDirty + 40, ""},
		{"series_find", rawsql.SeriesFind, []any{[][]byte{make([]byte, 32)}}, 10, ""},
		{"flow_dirty", flowsql.FlowDirty, []any{int32(1)}, plansDirty / 20, ""},
		{"dirty_remove", flowsql.DirtyRemove, []any{int32(1), []int64{60_000, 120_000}, []string{"", "g"}}, 4, ""},
		{
			"dirty_add", flowsql.DirtyAdd, []any{int32(1), []int64{60_000}, []string{""}, []string{"unordered"}, []string{"{}"}, []int64{1}, []int64{1}},
			2, "",
		},
	} {
		modes := []string{"auto", "force_generic_plan"}
		if q.mode != "" {
			modes = []string{q.mode}
		}
		for _, mode := range modes {
			t.Run(q.name+"/"+mode, func(t *testing.T) { requireFewRows(t, db, mode, q.sql, q.args, q.most) })
		}
	}
}

// fillForPlans makes a database whose tables are so large that a plan that
// reads one of them in sequence is a mistake, and whose statistics say so.
func fillForPlans(t *testing.T) *sqltest.RawDB {
	t.Helper()
	db := sqltest.NewRawDB(t, 2)
	db.Exec("create table hot_2 (like hot_template including all)")
	db.Exec(fmt.Sprintf("create table sealed_plans partition of sealed for values from (0) to (%d)", segment.BucketMillis))
	db.Exec("insert into metric (name) select 'm' || i from generate_series(1, $1::integer) i", plansMetrics)
	db.Exec(`insert into series (metric_id, region, seq, sha256, labels)
		select 1, 1 + i % 2, 1 + i / 2 % 5000, sha256(i::text::bytea), jsonb_build_object('__name__', 'm1', 'i', i)
		from generate_series(1, $1::integer) i`, plansSeries)
	for generation := range 2 {
		db.Exec(fmt.Sprintf(`insert into hot_%d (seq, base_t, min_t, max_t, region, metric_id, segment, samples, ordered, has_stale, series_ids, offsets, vals)
			select $2::integer + i / 2, i, i, i, 1 + i %% 2, 1 + i / 2 %% $3::integer, 0, 1, i %% 50 > 0, false, array[1], array[0], array[1.0]
			from generate_series(0, $1::integer - 1) i`, generation+1),
			plansSegments/2, plansFlushes/2-(2-generation)*plansSegments/4+1, plansMetrics)
	}
	db.Exec(`insert into sealed (bucket, min_seq, max_seq, base_t, min_t, max_t, region, metric_id, samples, has_stale, series_ids, offsets, vals)
		select 0, 1 + i / 2, 1 + i / 2, i, i, i, 1 + i % 2, 1 + i / 2 % $2::integer, 1, false, array[1], array[0], array[1.0]
		from generate_series(0, $1::integer - 1) i`, plansSegments, plansMetrics)
	db.Exec(`insert into flush (region, seq, id, metric_ids, samples, max_ts)
		select 1 + i % 2, 1 + i / 2, gen_random_uuid(), '{1}', '{1}', array[i] from generate_series(0, $1::integer - 1) i`, plansFlushes)
	db.Exec("update region set last_seq = $1", plansFlushes/2)
	var flows []flowdef.Flow
	for i := range 20 {
		flows = append(flows, sqltest.FlowFor(t, fmt.Sprintf("plan%d", i), "sum(m1)"))
	}
	db.Apply(flows...)
	db.Exec(`insert into flow_dirty (flow_id, window_end, group_key, reason, since_vector, first_at, last_at)
		select 1 + i % 20, i / 20 * 60000, '', 'unordered', '{}', 0, 0 from generate_series(0, $1::integer - 1) i`, plansDirty)
	db.Exec(`update flow set vector = '{"1": 5000, "2": 5000}'`)
	db.Exec("analyze")
	return db
}

// requireFewRows runs a query in a mode of planning, eight times prepared, and
// looks each time at what PostgreSQL counted.
func requireFewRows(t *testing.T, db *sqltest.RawDB, mode, sql string, args []any, most int64) {
	t.Helper()
	ctx := t.Context()
	conn, err := db.Store.Pool().Acquire(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	tx, err := conn.Begin(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(ctx) }()
	// What the processes of a parallel plan read is not counted here.
	if _, err := tx.Exec(ctx, "set local max_parallel_workers_per_gather = 0; set local plan_cache_mode = "+mode, pgx.QueryExecModeSimpleProtocol); err != nil {
		t.Fatal(err)
	}
	before := tableReads(t, tx)
	for run := range 8 {
		rows, err := tx.Query(ctx, sql, args...)
		if err != nil {
			t.Fatal(err)
		}
		rows.Close()
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		after := tableReads(t, tx)
		var fetched int64
		for table, now := range after {
			if scans := now.scans - before[table].scans; scans > 0 {
				t.Errorf("execution %d reads %s in sequence, %d rows\n%s", run+1, table, now.scanned-before[table].scanned, explain(t, tx, sql, args))
				return
			}
			fetched += now.fetched - before[table].fetched
		}
		if fetched > most {
			t.Errorf("execution %d fetches %d rows, want %d at most\n%s", run+1, fetched, most, explain(t, tx, sql, args))
			return
		}
		before = after
	}
}

// reads is what this transaction has read of a table.
type reads struct{ scans, scanned, fetched int64 }

// tableReads lists it for the large tables.
func tableReads(t *testing.T, tx pgx.Tx) map[string]reads {
	t.Helper()
	large := []string{"series", "hot_1", "hot_2", "sealed_plans", "flush", "flow_dirty"}
	rows, err := tx.Query(t.Context(), `select relname, seq_scan, seq_tup_read, coalesce(idx_tup_fetch, 0)
		from pg_stat_xact_user_tables where relname = any($1)`, large)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]reads{}
	var name string
	var r reads
	if _, err := pgx.ForEachRow(rows, []any{&name, &r.scans, &r.scanned, &r.fetched}, func() error {
		out[name] = r
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	if len(out) != len(large) {
		t.Fatalf("statistics of %v, want %v", out, large)
	}
	return out
}

// explain is the plan for these parameters. The one that was used may be for
// any, which PostgreSQL shows from version 16 on only.
func explain(t *testing.T, tx pgx.Tx, sql string, args []any) string {
	t.Helper()
	rows, err := tx.Query(t.Context(), "explain "+sql, args...)
	if err != nil {
		return err.Error()
	}
	lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
	if err != nil {
		return err.Error()
	}
	return strings.Join(slices.Compact(lines), "\n")
}
