package flowstore_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/sqlstore/applyplan"
	"laminar/sqlstore/flowstore"
	"laminar/sqlstore/sqltest"
)

func actions(results []flowstore.ApplyResult) string {
	var out []string
	for _, r := range results {
		out = append(out, r.Flow+" "+string(r.Action))
	}
	return strings.Join(out, ", ")
}

func TestApply(t *testing.T) {
	db := sqltest.NewRawDB(t, 2)
	metric, ids := db.AddMetric("m", 1, 1)
	db.Flush(1, sqltest.Points{Metric: metric, Series: ids, Times: []int64{90_000}, Values: []float64{1}})
	ctx := t.Context()
	a, b := sqltest.FlowFor(t, "a", "sum by (i) (rate(m[5m]))"), sqltest.FlowFor(t, "b", "avg(m)")
	if got := actions(db.Apply(a, b)); got != "a created, b created" {
		t.Errorf("first apply: %s", got)
	}
	if got := actions(db.Apply(a, b)); got != "a unchanged, b unchanged" {
		t.Errorf("second apply: %s", got)
	}
	regrouped := b
	regrouped.Group = "elsewhere"
	if got := actions(db.Apply(regrouped)); got != "b regrouped" {
		t.Errorf("apply with another group: %s", got)
	}

	retuned := regrouped
	retuned.Executor = flowdef.ExecutorPushdown
	if got := actions(db.Apply(retuned)); got != "b retuned" {
		t.Errorf("apply with another executor: %s", got)
	}
	if epoch := sqltest.ScanOne[int64](db, "select epoch from laminar.flow where name = 'b'"); epoch != 0 {
		t.Errorf("nobody has taken b, its epoch is %d", epoch)
	}
	if got := db.Take("b"); got.Def.Executor != flowdef.ExecutorPushdown || got.Epoch != 1 {
		t.Errorf("taken with executor %q at epoch %d", got.Def.Executor, got.Epoch)
	}
	retuned.Executor = ""
	if got := actions(db.Apply(retuned)); got != "b retuned" {
		t.Errorf("apply without an executor: %s", got)
	}
	if got := db.Take("b"); got.Def.Executor != "" || got.Epoch != 3 {
		t.Errorf("retuned, then taken: executor %q at epoch %d, want none at 3", got.Def.Executor, got.Epoch)
	}
	retuned.Emit = flowdef.EmitClose
	if got := actions(db.Apply(retuned)); got != "b retuned" {
		t.Errorf("apply with another emit: %s", got)
	}
	// A release that left less out of the hash has stored another one.
	db.Exec(`update laminar.flow set definition_hash = sha256('older') where name = 'b'`)
	if got := actions(db.Apply(retuned)); got != "b unchanged" {
		t.Errorf("apply what another release has hashed: %s", got)
	}
	if got := db.Take("b"); got.Def.Emit != flowdef.EmitClose || got.Epoch != 5 {
		t.Errorf("taken with emit %q at epoch %d, want close at 5", got.Def.Emit, got.Epoch)
	}

	flow := db.Take("a")
	if flow.Vector.String() != "{1:1}" || len(flow.Flushes) != 1 || flow.EmittedUntil != sequence.NoTime || flow.Epoch != 1 {
		t.Errorf("new flow stands at %s, flushes %v, emitted %d, epoch %d", flow.Vector, flow.Flushes, flow.EmittedUntil, flow.Epoch)
	}
	if got, want := flow.Def.Title(), "a"; got != want {
		t.Errorf("title %s, want %s", got, want)
	}
	db.Exec(`insert into flow.a (window_start, window_end, i, value) values (now(), now(), 'x', 1)`)

	changed := sqltest.FlowFor(t, "a", "max by (i) (rate(m[5m]))")
	_, err := db.Store.Catalogue.Apply(ctx, []flowdef.Flow{changed}, flowstore.ApplyOptions{})
	var refused *applyplan.ChangedError
	if !errors.As(err, &refused) || !strings.Contains(refused.Hint(), "--replace") {
		t.Fatalf("changed definition: got %v, want a ChangedError that hints at --replace", err)
	}
	results, err := db.Store.Catalogue.Apply(ctx, []flowdef.Flow{changed}, flowstore.ApplyOptions{Replace: true})
	if err != nil || actions(results) != "a replaced" {
		t.Fatalf("replace: %s, %v", actions(results), err)
	}
	if sqltest.ScanOne[int64](db, "select count(*) from flow.a") != 0 {
		t.Error("the results of the old definition are still there")
	}
	if again := db.Take("a"); again.Def.PromQL != changed.PromQL || sqltest.ScanOne[int64](db, "select count(*) from flow.a") != 0 {
		t.Errorf("after the replacement the flow is %s", again.Def.PromQL)
	}
	if _, err := db.Store.Catalogue.Take(ctx, flow.ID); !errors.Is(err, progress.ErrFlowGone) {
		t.Errorf("take the replaced flow: got %v, want ErrFlowGone", err)
	}
}

func TestApplyRefusesAllOrNothing(t *testing.T) {
	db := sqltest.NewRawDB(t, 2)
	db.Apply(sqltest.FlowFor(t, "a.b", "sum(m)"))
	flows := []flowdef.Flow{sqltest.FlowFor(t, "fine", "sum(m)"), sqltest.FlowFor(t, "a_b", "sum(m)"), sqltest.FlowFor(t, "far", "sum(rate(m[2h]))")}
	_, err := db.Store.Catalogue.Apply(t.Context(), flows, flowstore.ApplyOptions{Retention: 3_600_000})
	var problems *flowstore.ProblemsError
	if !errors.As(err, &problems) || len(problems.Problems) != 2 {
		t.Fatalf("got %v, want the clash of tables and the retention", err)
	}
	if n := sqltest.ScanOne[int64](db, "select count(*) from flow"); n != 1 {
		t.Errorf("%d flows in the catalogue, want the one from before", n)
	}
}

// shape is that of a flow's table.
func shape(db *sqltest.RawDB, title string) string {
	db.Helper()
	heads, err := db.Store.Catalogue.Heads(db.Context())
	if err != nil {
		db.Fatal(err)
	}
	for _, h := range heads {
		if h.Name == title {
			return h.Shape
		}
	}
	db.Fatalf("no flow %s", title)
	return ""
}

// TestAddedColumns: rows are written by the names of their columns, by each of the
// statements, so that columns which people add do no harm wherever they stand.
func TestAddedColumns(t *testing.T) {
	db := sqltest.NewRawDB(t, 2)
	db.Apply(sqltest.FlowFor(t, "f", "sum by (i) (m)"))
	r := sqltest.Rounds{Flow: db.Take("f")}
	db.Exec("alter table flow.f add column note text default 'n', add column at timestamptz default now()")
	var many []progress.Row
	for i := range 300 {
		many = append(many, sqltest.Row(fmt.Sprint(i), float64(i)))
	}
	for i, w := range []progress.Window{
		sqltest.Window(sqltest.Minute, many...), sqltest.Window(sqltest.Minute, many[:200]...),
		sqltest.Window(2*sqltest.Minute, many[:3]...), {Start: sqltest.Minute, End: 2 * sqltest.Minute, Rows: many[3:5]},
	} {
		sqltest.CommitOne(t, db.Store, r.Next(w))
		if n := sqltest.ScanOne[int64](db, "select count(*) from flow.f where note is distinct from 'n' or value <> i::float8"); n != 0 {
			t.Errorf("step %d: %d rows are wrong", i, n)
		}
	}
	if n := sqltest.ScanOne[int64](db, "select count(*) from flow.f"); n != 205 {
		t.Errorf("%d rows, want 205", n)
	}
}

func TestTakeRefusesAStrangersTable(t *testing.T) {
	db := sqltest.NewRawDB(t, 2)
	db.Apply(sqltest.FlowFor(t, "theirs", "sum(m)"), sqltest.FlowFor(t, "bent", "sum by (i) (m)"))
	db.Exec("drop table flow.theirs")
	db.Exec("create table flow.theirs (id int)")
	db.Exec("create table flow.before (id int)")
	late := []flowdef.Flow{sqltest.FlowFor(t, "before", "sum(m)")}
	if _, err := db.Store.Catalogue.Apply(t.Context(), late, flowstore.ApplyOptions{}); err == nil || !strings.Contains(err.Error(), "was not made by Laminar") {
		t.Errorf("a flow whose table is a stranger's: got %v", err)
	}
	take := func(title string) error {
		heads, err := db.Store.Catalogue.Heads(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range heads {
			if h.Name == title {
				_, err = db.Store.Catalogue.Take(t.Context(), h.ID)
			}
		}
		return err
	}
	if err := take("theirs"); err == nil || !strings.Contains(err.Error(), "was not made by Laminar") {
		t.Errorf("a stranger's table: got %v", err)
	}
	if err := take("bent"); err != nil {
		t.Fatal(err)
	}
	// Columns that people add are theirs. What rows need must be there.
	for _, c := range []struct{ sql, fault, hint string }{
		{"alter table flow.bent add column extra int, add column note text not null default 'x'", "", ""},
		{"alter table flow.bent drop column extra", "", ""},
		{"alter table flow.bent alter column value type real", `column "value" of type real, not double precision`, `alter column "value" type double precision`},
		{"alter table flow.bent alter column value type double precision", "", ""},
		{"alter table flow.bent alter column note drop default", `column "note"`, `alter column "note" drop not null`},
		{"alter table flow.bent alter column note drop not null", "", ""},
		{"alter table flow.bent drop column i", `no column "i"`, `drop table "flow"."bent"`},
		{"drop table flow.bent", "", ""},
	} {
		before := shape(db, "bent")
		db.Exec(c.sql)
		if after := shape(db, "bent"); after == before {
			t.Errorf("%s: the table's shape is still %s", c.sql, after)
		}
		err := take("bent")
		var hinted interface{ Hint() string }
		switch {
		case c.fault == "" && err != nil:
			t.Errorf("%s: got %v", c.sql, err)
		case c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault)):
			t.Errorf("%s: got %v, want %s", c.sql, err, c.fault)
		case c.fault != "" && (!errors.As(err, &hinted) || !strings.Contains(hinted.Hint(), c.hint)):
			t.Errorf("%s: %v has not the hint %s", c.sql, err, c.hint)
		case c.fault != "" && !strings.HasPrefix(err.Error(), "take over flow bent: "):
			t.Errorf("%s: %v does not name the flow", c.sql, err)
		case c.fault != "" && strings.Contains(hinted.Hint(), "laminar refill") && !strings.Contains(hinted.Hint(), "laminar refill bent --from T"):
			t.Errorf("%s: a refill takes a span, and the hint is %s", c.sql, hinted.Hint())
		}
	}
	if got := sqltest.ScanOne[string](db, "select obj_description('flow.bent'::regclass)"); got != "Laminar flow bent" {
		t.Errorf("comment %q", got)
	}
}

func TestDeleteLeavesOtherFlowsRows(t *testing.T) {
	db := sqltest.NewRawDB(t, 2)
	db.Apply(sqltest.Record(t, "r", "sum by (i) (m)", "prod", "test")...)
	db.Take(`r{env="prod"}`)
	db.Take(`r{env="test"}`)
	db.Exec("insert into flow.r (window_start, window_end, env, i, value) values (now(), now(), 'prod', 'x', 1), (now(), now(), 'test', 'x', 2)")
	if err := db.Store.Catalogue.Delete(t.Context(), `r{env="prod"}`); err != nil {
		t.Fatal(err)
	}
	if got := sqltest.ScanOne[string](db, "select string_agg(env, ',') from flow.r"); got != "test" {
		t.Errorf("rows of %s are left, want test", got)
	}
	if err := db.Store.Catalogue.Delete(t.Context(), `r{env="test"}`); err != nil {
		t.Fatal(err)
	}
	if sqltest.ScanOne[bool](db, "select to_regclass('flow.r') is not null") {
		t.Error("the table outlives its last flow")
	}
	db.Apply(sqltest.Record(t, "r", "sum by (i) (m)", "prod", "test")...)
	if err := db.Store.Catalogue.Delete(t.Context(), "r"); err != nil {
		t.Errorf("delete by the shared name: %v", err)
	}
	if left := sqltest.ScanOne[int](db, "select count(*) from flow"); left != 0 {
		t.Errorf("%d flows are left by a deletion of all of the name", left)
	}
	var unknown *progress.UnknownFlowError
	if err := db.Store.Catalogue.Delete(t.Context(), "nothing"); !errors.As(err, &unknown) {
		t.Errorf("delete what is not there: got %v", err)
	}
}

// TestApplyJudgesByTheServersRetention: a range is held against what the serving
// processes keep, where one has said so, and not against the settings of whoever
// applies.
func TestApplyJudgesByTheServersRetention(t *testing.T) {
	db := sqltest.NewRawDB(t, 2)
	const hour, day = time.Hour, 24 * time.Hour
	apply := func(name, promql string, own time.Duration) error {
		_, err := db.Store.Catalogue.Apply(t.Context(), []flowdef.Flow{sqltest.FlowFor(t, name, promql)}, flowstore.ApplyOptions{Retention: own.Milliseconds()})
		return err
	}
	refused := func(err error) bool {
		var problems *flowstore.ProblemsError
		return errors.As(err, &problems)
	}
	month, evening := "sum by (i) (rate(m[30d]))", "sum by (i) (rate(m[6h]))"
	if err := apply("a", month, 15*day); !refused(err) {
		t.Errorf("no server has said anything: %v", err)
	}
	for i, c := range []struct {
		server, own time.Duration
		promql      string
		refused     bool
	}{{60 * day, 15 * day, month, false}, {2 * hour, 15 * day, evening, true}, {0, 15 * day, month, false}, {7 * hour, 0, evening, false}} {
		if err := db.Store.Retainer.Keep(t.Context(), c.server, time.Hour); err != nil {
			t.Fatal(err)
		}
		if err := apply(fmt.Sprint("f", i), c.promql, c.own); refused(err) != c.refused || !c.refused && err != nil {
			t.Errorf("the server keeps %s, the command %s: %s: %v", c.server, c.own, c.promql, err)
		}
	}
}

// TestDeleteNamesWhatUsesTheTable: a view on a result table keeps the table, and is
// named, with what to do.
func TestDeleteNamesWhatUsesTheTable(t *testing.T) {
	db := sqltest.NewRawDB(t, 2)
	db.Apply(sqltest.FlowFor(t, "a", "sum by (i) (m)"))
	db.Take("a")
	db.Exec("create view my_view as select value from flow.a")
	err := db.Store.Catalogue.Delete(t.Context(), "a")
	var hinted interface{ Hint() string }
	if err == nil || !strings.Contains(err.Error(), "view my_view depends on table flow.a") || !errors.As(err, &hinted) || !strings.Contains(hinted.Hint(), "pg_get_viewdef") {
		t.Errorf("delete: %v", err)
	}
	if !sqltest.ScanOne[bool](db, "select exists (select from flow)") {
		t.Error("the flow is gone, its table is not")
	}
}

// TestBackfillStart looks at where new flows begin to emit.
func TestBackfillStart(t *testing.T) {
	db := sqltest.NewRawDB(t, 2)
	m, ids := db.AddMetric("m", 1, 1)
	other, more := db.AddMetric("other", 1, 1)
	db.Flush(1, sqltest.Points{Metric: other, Series: more, Times: []int64{5 * sqltest.Minute}, Values: []float64{1}},
		sqltest.Points{Metric: m, Series: []sequence.SeriesID{ids[0], ids[0]}, Times: []int64{10*sqltest.Minute + 1, 70 * sqltest.Minute}, Values: []float64{1, 2}})
	db.Freeze()
	db.Seal(1)
	now := db.Snapshot().Position().Now
	for name, c := range map[string]struct {
		promql, backfill string
		earliest         int64
		start, newest    int64
	}{
		"none":              {"sum(m)", "none", 0, sequence.NoTime, sequence.NoTime},
		"all":               {"sum(m)", "all", 0, 10 * sqltest.Minute, 70 * sqltest.Minute},
		"offset":            {"sum(m offset 3m)", "all", 0, 13 * sqltest.Minute, 70 * sqltest.Minute},
		"all of any metric": {`sum({i="0"})`, "all", 0, 4 * sqltest.Minute, 70 * sqltest.Minute},
		"of nothing":        {"sum(absent_metric)", "all", 0, sequence.NoTime, sequence.NoTime},
		"retention":         {"sum(sum_over_time(m[30m]))", "all", 20*sqltest.Minute + 1, 49 * sqltest.Minute, 70 * sqltest.Minute},
		"duration":          {"sum(m)", "1h", 0, (now-60*sqltest.Minute)/sqltest.Minute*sqltest.Minute + 0, 70 * sqltest.Minute},
	} {
		db.Exec("update retention set earliest_t = $1", c.earliest)
		flow := sqltest.FlowFor(t, "f", c.promql, "backfill: "+c.backfill)
		db.Apply(flow)
		got := db.Take("f").Progress
		if name == "duration" { // the clock has moved on by less than a sqltest.Minute
			got.EmittedUntil = min(max(got.EmittedUntil, c.start), c.start+sqltest.Minute)
			c.start = got.EmittedUntil
		}
		watermark := sequence.NoTime
		if c.newest != sequence.NoTime { // flow wait waits for the backfill up to there
			watermark = max(c.start, c.newest-flow.WatermarkDelay)
		}
		if got.EmittedUntil != c.start || got.NewestT != c.newest || got.Watermark != watermark {
			t.Errorf("%s: emitted until %d, newest %d, watermark %d; want %d, %d and %d", name, got.EmittedUntil, got.NewestT, got.Watermark, c.start, c.newest, watermark)
		}
		if err := db.Store.Catalogue.Delete(t.Context(), "f"); err != nil {
			t.Fatal(err)
		}
	}
}

// TestBackfillStartOverResults: a flow that reads raw samples and results begins where it
// has both; that it reaches far back into results does not count as reach into raw samples.
func TestBackfillStartOverResults(t *testing.T) {
	db := sqltest.NewRawDB(t, 1)
	m, ids := db.AddMetric("m", 1, 1)
	db.Flush(1, sqltest.Points{Metric: m, Series: []sequence.SeriesID{ids[0], ids[0]}, Times: []int64{10*sqltest.Minute + 1, 70 * sqltest.Minute}, Values: []float64{1, 2}})
	db.Freeze()
	db.Seal(1)
	db.Exec("update retention set earliest_t = $1", 20*sqltest.Minute+1)
	db.Apply(sqltest.FlowFor(t, "below", "sum(m)", "backfill: all"))
	db.Apply(sqltest.FlowFor(t, "above", "sum(m) + sum(max_over_time(below[30m]))", "backfill: all"))
	below, above := db.Take("below").Progress, db.Take("above").Progress
	if want := 24 * sqltest.Minute; below.EmittedUntil != want || above.EmittedUntil != want {
		t.Errorf("emitted until %d and %d, want %d", below.EmittedUntil, above.EmittedUntil, want)
	}
}

// TestSourcesAreKept: what is known of a flow's sources comes back as it was stored, for
// the next owner and for who only looks, and goes with a round that has none.
func TestSourcesAreKept(t *testing.T) {
	db := sqltest.NewRawDB(t, 1)
	db.Apply(sqltest.FlowFor(t, "f", "sum(m)"))
	flow := db.Take("f")
	want := []progress.Source{
		{Values: []string{"", "\"ü\\"}, Newest: 17, CommittedAt: 1 << 60},
		{Values: []string{"eu", "a"}, Newest: sequence.NoTime, CommittedAt: 4},
	}
	r := sqltest.Rounds{Flow: flow}
	for _, sources := range [][]progress.Source{want, nil} {
		round := r.Next()
		round.To.Sources = sources
		sqltest.CommitOne(t, db.Store, round)
		_, seen := storedFlow(db, flow.ID)
		status, err := db.Store.Catalogue.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := status[0].Sources; !reflect.DeepEqual(seen.Sources, sources) || !reflect.DeepEqual(got, sources) {
			t.Errorf("stored %v, seen %v, shown %v", sources, seen.Sources, got)
		}
	}
	round := r.Next()
	round.To.Sources = want
	sqltest.CommitOne(t, db.Store, round)
	if again := db.Take("f"); !reflect.DeepEqual(again.Sources, want) {
		t.Errorf("taken %v, want %v", again.Sources, want)
	}
}

// TestCommitted: a snapshot knows when each flush committed that it sees, by the database's
// clock, and leaves out those that were pruned.
func TestCommitted(t *testing.T) {
	db := sqltest.NewRawDB(t, 2)
	for region := range 2 {
		for seq := range 5 {
			db.Exec("insert into laminar.flush (region, seq, id, committed_at) values ($1, $2, gen_random_uuid(), to_timestamp($3::float8))",
				region+1, seq+1, float64(1000*(region+1)+seq)+0.25)
		}
	}
	db.Exec("delete from laminar.flush where region = 2 and seq = 3")
	snap, err := db.Store.Catalogue.Stored(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = snap.Close(t.Context()) }()
	got, err := snap.Committed(t.Context(), map[sequence.Region]sequence.Range{1: {After: 0, UpTo: 2}, 2: {After: 1, UpTo: 4}})
	want := map[sequence.Region]map[sequence.Seq]sequence.Time{1: {1: 1_000_250, 2: 1_001_250}, 2: {2: 2_001_250, 4: 2_003_250}}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
}

// TestVectorsAreExact: sequences beyond 2^53 and regions at 0 survive the way
// through the database, and the fence compares them exactly.
func TestVectorsAreExact(t *testing.T) {
	db := sqltest.NewRawDB(t, 2)
	db.Apply(sqltest.FlowFor(t, "f", "sum(m)"))
	flow := db.Take("f")
	big := sequence.Vector{1: 1<<62 + 1, 2: 0}
	id := sequence.FlushID{1, 2, 3}
	to := progress.Progress{Vector: big, Flushes: map[sequence.Region]sequence.FlushID{1: id}, EmittedUntil: 60_000, NewestT: 1, NewestAt: 2, Watermark: 3}
	sqltest.CommitOne(t, db.Store, progress.Round{Flow: flow.ID, Epoch: flow.Epoch, From: sequence.Vector{1: 0}, To: to})
	again := db.Take("f")
	if !again.Vector.Equal(big) || again.Flushes[1] != id || again.EmittedUntil != 60_000 || again.NewestT != 1 || again.NewestAt != 2 || again.Watermark != 3 {
		t.Errorf("read back %+v", again.Progress)
	}
	off := sequence.Vector{1: 1 << 62}
	out, err := db.Store.Results.Commit(context.Background(), []progress.Round{{Flow: flow.ID, Epoch: again.Epoch, From: off, To: to}})
	if err != nil || !errors.Is(out[0].Err, sequence.ErrFenced) {
		t.Errorf("a vector that is one off: %v, %v", out, err)
	}
}

// TestClockWasAhead: a flow that has closed windows of the future, by a clock that was set
// back since, does not look as if all were well; one that is at the clock does.
func TestClockWasAhead(t *testing.T) {
	db := sqltest.NewRawDB(t, 2)
	db.Apply(sqltest.FlowFor(t, "f", "sum(m)"))
	for ahead, want := range map[string]bool{"0 s": false, "50 s": false, "2 min": true, "30 days": true} {
		db.Exec("update flow set newest_t = 1, watermark = (extract(epoch from now() + interval '" + ahead + "') * 1000)::bigint")
		flows, err := db.Store.Catalogue.Show(t.Context(), "f")
		if err != nil {
			t.Fatal(err)
		}
		state := sqltest.ScanOne[string](db, "select state from flow_state")
		if got := strings.Contains(flows[0].Error, "clock was ahead"); got != want || (state == "failing") != want {
			t.Errorf("a watermark %s ahead: %s, %q", ahead, state, flows[0].Error)
		}
	}
}
