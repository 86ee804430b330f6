package sqlstore_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/sqlstore"
)

// define makes flows from native definitions.
func define(t testing.TB, yaml string) []flowdef.Flow {
	t.Helper()
	flows, problems := flowdef.Parse("flows.yaml", []byte(yaml))
	if len(problems) > 0 {
		t.Fatalf("definitions: %v", problems)
	}
	return flows
}

// flowFor is one flow with a step of a minute.
func flowFor(t testing.TB, name, promql string, more ...string) flowdef.Flow {
	t.Helper()
	yaml := "flows:\n  - name: " + name + "\n    promql: " + promql + "\n    every: 1m\n"
	for _, line := range more {
		yaml += "    " + line + "\n"
	}
	return define(t, yaml)[0]
}

// record makes flows of recording rules of one record.
func record(t *testing.T, name, promql string, envs ...string) []flowdef.Flow {
	t.Helper()
	yaml := "groups:\n  - name: g\n    rules:\n"
	for _, env := range envs {
		yaml += "      - record: " + name + "\n        expr: " + promql + "\n        labels: {env: " + env + "}\n"
	}
	return define(t, yaml)
}

// apply applies flows that must be accepted.
func (db *rawDB) apply(flows ...flowdef.Flow) []sqlstore.ApplyResult {
	db.Helper()
	results, err := db.store.Apply(db.Context(), flows, sqlstore.ApplyOptions{})
	if err != nil {
		db.Fatal(err)
	}
	return results
}

// take takes the flow with the title.
func (db *rawDB) take(title string) progress.Flow {
	db.Helper()
	heads, err := db.store.Heads(db.Context())
	if err != nil {
		db.Fatal(err)
	}
	i := slices.IndexFunc(heads, func(h progress.Head) bool { return h.Name == title })
	if i < 0 {
		db.Fatalf("no flow %s among %v", title, heads)
	}
	flow, err := db.store.Take(db.Context(), heads[i].ID)
	if err != nil {
		db.Fatal(err)
	}
	return flow
}

func actions(results []sqlstore.ApplyResult) string {
	var out []string
	for _, r := range results {
		out = append(out, r.Flow+" "+string(r.Action))
	}
	return strings.Join(out, ", ")
}

func TestApply(t *testing.T) {
	db := newRawDB(t, 2)
	metric, ids := db.addMetric("m", 1, 1)
	db.flush(1, points{metric: metric, series: ids, times: []int64{90_000}, values: []float64{1}})
	ctx := t.Context()
	a, b := flowFor(t, "a", "sum by (i) (rate(m[5m]))"), flowFor(t, "b", "avg(m)")
	if got := actions(db.apply(a, b)); got != "a created, b created" {
		t.Errorf("first apply: %s", got)
	}
	if got := actions(db.apply(a, b)); got != "a unchanged, b unchanged" {
		t.Errorf("second apply: %s", got)
	}
	regrouped := b
	regrouped.Group = "elsewhere"
	if got := actions(db.apply(regrouped)); got != "b regrouped" {
		t.Errorf("apply with another group: %s", got)
	}

	retuned := regrouped
	retuned.Executor = flowdef.ExecutorPushdown
	if got := actions(db.apply(retuned)); got != "b retuned" {
		t.Errorf("apply with another executor: %s", got)
	}
	if epoch := scanOne[int64](db, "select epoch from laminar.flow where name = 'b'"); epoch != 0 {
		t.Errorf("nobody has taken b, its epoch is %d", epoch)
	}
	if got := db.take("b"); got.Def.Executor != flowdef.ExecutorPushdown || got.Epoch != 1 {
		t.Errorf("taken with executor %q at epoch %d", got.Def.Executor, got.Epoch)
	}
	retuned.Executor = ""
	if got := actions(db.apply(retuned)); got != "b retuned" {
		t.Errorf("apply without an executor: %s", got)
	}
	if got := db.take("b"); got.Def.Executor != "" || got.Epoch != 3 {
		t.Errorf("retuned, then taken: executor %q at epoch %d, want none at 3", got.Def.Executor, got.Epoch)
	}

	flow := db.take("a")
	if flow.Vector.String() != "{1:1}" || len(flow.Flushes) != 1 || flow.EmittedUntil != progress.Unset || flow.Epoch != 1 {
		t.Errorf("new flow stands at %s, flushes %v, emitted %d, epoch %d", flow.Vector, flow.Flushes, flow.EmittedUntil, flow.Epoch)
	}
	if got, want := flow.Def.Title(), "a"; got != want {
		t.Errorf("title %s, want %s", got, want)
	}
	db.exec(`insert into flow.a (window_start, window_end, i, value) values (now(), now(), 'x', 1)`)

	changed := flowFor(t, "a", "max by (i) (rate(m[5m]))")
	_, err := db.store.Apply(ctx, []flowdef.Flow{changed}, sqlstore.ApplyOptions{})
	var refused *sqlstore.ChangedError
	if !errors.As(err, &refused) || !strings.Contains(refused.Hint(), "--replace") {
		t.Fatalf("changed definition: got %v, want a ChangedError that hints at --replace", err)
	}
	results, err := db.store.Apply(ctx, []flowdef.Flow{changed}, sqlstore.ApplyOptions{Replace: true})
	if err != nil || actions(results) != "a replaced" {
		t.Fatalf("replace: %s, %v", actions(results), err)
	}
	if scanOne[bool](db, "select to_regclass('flow.a') is not null") {
		t.Error("the results of the old definition are still there")
	}
	if again := db.take("a"); again.Def.PromQL != changed.PromQL || scanOne[int64](db, "select count(*) from flow.a") != 0 {
		t.Errorf("after the replacement the flow is %s", again.Def.PromQL)
	}
	if _, err := db.store.Take(ctx, flow.ID); !errors.Is(err, progress.ErrFlowGone) {
		t.Errorf("take the replaced flow: got %v, want ErrFlowGone", err)
	}
}

func TestApplyRefusesAllOrNothing(t *testing.T) {
	db := newRawDB(t, 2)
	db.apply(flowFor(t, "a.b", "sum(m)"))
	flows := []flowdef.Flow{flowFor(t, "fine", "sum(m)"), flowFor(t, "a_b", "sum(m)"), flowFor(t, "far", "sum(rate(m[2h]))")}
	_, err := db.store.Apply(t.Context(), flows, sqlstore.ApplyOptions{Retention: 3_600_000})
	var problems *sqlstore.ProblemsError
	if !errors.As(err, &problems) || len(problems.Problems) != 2 {
		t.Fatalf("got %v, want the clash of tables and the retention", err)
	}
	if n := scanOne[int64](db, "select count(*) from flow"); n != 1 {
		t.Errorf("%d flows in the catalogue, want the one from before", n)
	}
}

func TestTakeRefusesAStrangersTable(t *testing.T) {
	db := newRawDB(t, 2)
	db.apply(flowFor(t, "theirs", "sum(m)"), flowFor(t, "bent", "sum by (i) (m)"))
	db.exec("create table flow.theirs (id int)")
	take := func(title string) error {
		heads, err := db.store.Heads(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, h := range heads {
			if h.Name == title {
				_, err = db.store.Take(t.Context(), h.ID)
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
	db.exec("alter table flow.bent add column extra int")
	if err := take("bent"); err == nil || !strings.Contains(err.Error(), "extra integer") {
		t.Errorf("other columns: got %v", err)
	}
	if got := scanOne[string](db, "select obj_description('flow.bent'::regclass)"); got != "Laminar flow bent" {
		t.Errorf("comment %q", got)
	}
}

func TestDeleteLeavesOtherFlowsRows(t *testing.T) {
	db := newRawDB(t, 2)
	db.apply(record(t, "r", "sum by (i) (m)", "prod", "test")...)
	db.take(`r{env="prod"}`)
	db.take(`r{env="test"}`)
	db.exec("insert into flow.r (window_start, window_end, env, i, value) values (now(), now(), 'prod', 'x', 1), (now(), now(), 'test', 'x', 2)")
	var ambiguous *progress.AmbiguousFlowError
	if err := db.store.Delete(t.Context(), "r"); !errors.As(err, &ambiguous) || len(ambiguous.Titles) != 2 {
		t.Errorf("delete by the shared name: got %v", err)
	}
	if err := db.store.Delete(t.Context(), `r{env="prod"}`); err != nil {
		t.Fatal(err)
	}
	if got := scanOne[string](db, "select string_agg(env, ',') from flow.r"); got != "test" {
		t.Errorf("rows of %s are left, want test", got)
	}
	if err := db.store.Delete(t.Context(), `r{env="test"}`); err != nil {
		t.Fatal(err)
	}
	if scanOne[bool](db, "select to_regclass('flow.r') is not null") {
		t.Error("the table outlives its last flow")
	}
	var unknown *progress.UnknownFlowError
	if err := db.store.Delete(t.Context(), "nothing"); !errors.As(err, &unknown) {
		t.Errorf("delete what is not there: got %v", err)
	}
}

// TestBackfillStart looks at where new flows begin to emit.
func TestBackfillStart(t *testing.T) {
	const minute = 60_000
	db := newRawDB(t, 2)
	m, ids := db.addMetric("m", 1, 1)
	other, more := db.addMetric("other", 1, 1)
	db.flush(1, points{metric: other, series: more, times: []int64{5 * minute}, values: []float64{1}},
		points{metric: m, series: []sequence.SeriesID{ids[0], ids[0]}, times: []int64{10*minute + 1, 70 * minute}, values: []float64{1, 2}})
	db.freeze()
	db.seal(1)
	now := db.snapshot().Position().Now
	for name, c := range map[string]struct {
		promql, backfill string
		earliest         int64
		start, newest    int64
	}{
		"none":              {"sum(m)", "none", 0, progress.Unset, progress.Unset},
		"all":               {"sum(m)", "all", 0, 10 * minute, 70 * minute},
		"offset":            {"sum(m offset 3m)", "all", 0, 13 * minute, 70 * minute},
		"all of any metric": {`sum({i="0"})`, "all", 0, 4 * minute, 70 * minute},
		"of nothing":        {"sum(absent_metric)", "all", 0, progress.Unset, progress.Unset},
		"retention":         {"sum(sum_over_time(m[30m]))", "all", 20*minute + 1, 49 * minute, 70 * minute},
		"duration":          {"sum(m)", "1h", 0, (now-60*minute)/minute*minute + 0, 70 * minute},
	} {
		db.exec("update retention set earliest_t = $1", c.earliest)
		flow := flowFor(t, "f", c.promql, "backfill: "+c.backfill)
		db.apply(flow)
		got := db.take("f").Progress
		if name == "duration" { // the clock has moved on by less than a minute
			got.EmittedUntil = min(max(got.EmittedUntil, c.start), c.start+minute)
			c.start = got.EmittedUntil
		}
		watermark := progress.Unset
		if c.newest != progress.Unset { // flow wait waits for the backfill up to there
			watermark = max(c.start, c.newest-flow.WatermarkDelay)
		}
		if got.EmittedUntil != c.start || got.NewestT != c.newest || got.Watermark != watermark {
			t.Errorf("%s: emitted until %d, newest %d, watermark %d; want %d, %d and %d", name, got.EmittedUntil, got.NewestT, got.Watermark, c.start, c.newest, watermark)
		}
		if err := db.store.Delete(t.Context(), "f"); err != nil {
			t.Fatal(err)
		}
	}
}

// TestVectorsAreExact: sequences beyond 2^53 and regions at 0 survive the way
// through the database, and the fence compares them exactly.
func TestVectorsAreExact(t *testing.T) {
	db := newRawDB(t, 2)
	db.apply(flowFor(t, "f", "sum(m)"))
	flow := db.take("f")
	big := sequence.Vector{1: 1<<62 + 1, 2: 0}
	id := sequence.FlushID{1, 2, 3}
	to := progress.Progress{Vector: big, Flushes: map[sequence.Region]sequence.FlushID{1: id}, EmittedUntil: 60_000, NewestT: 1, NewestAt: 2, Watermark: 3}
	commitOne(t, db.store, progress.Round{Flow: flow.ID, Epoch: flow.Epoch, From: sequence.Vector{1: 0}, To: to})
	again := db.take("f")
	if !again.Vector.Equal(big) || again.Flushes[1] != id || again.EmittedUntil != 60_000 || again.NewestT != 1 || again.NewestAt != 2 || again.Watermark != 3 {
		t.Errorf("read back %+v", again.Progress)
	}
	off := sequence.Vector{1: 1 << 62}
	out, err := db.store.Commit(context.Background(), []progress.Round{{Flow: flow.ID, Epoch: again.Epoch, From: off, To: to}})
	if err != nil || !errors.Is(out[0].Err, sequence.ErrFenced) {
		t.Errorf("a vector that is one off: %v, %v", out, err)
	}
}

// commitOne commits a round that must be written.
func commitOne(t testing.TB, store *sqlstore.Store, round progress.Round) progress.Outcome {
	t.Helper()
	out, err := store.Commit(t.Context(), []progress.Round{round})
	if err != nil {
		t.Fatal(err)
	}
	if out[0].Err != nil {
		t.Fatal(out[0].Err)
	}
	return out[0]
}
