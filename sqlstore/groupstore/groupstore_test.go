package groupstore_test

import (
	"slices"
	"testing"

	"laminar/flownode/progress"
	"laminar/sqlstore/applyplan"
	"laminar/sqlstore/flowstore"
	"laminar/sqlstore/sqltest"
)

func TestMain(m *testing.M) { sqltest.VerifyTestMain(m) }

// TestGroups: the choice moves with the progress, is loaded with the flow, and what another
// limit does to it is committed with the definition and the refill.
func TestGroups(t *testing.T) {
	db := sqltest.NewRawDB(t, 1)
	apply := func(limit string) applyplan.Applied {
		t.Helper()
		return db.Apply(sqltest.FlowFor(t, "f", "sum by (i) (sum_over_time(m[1m]))", "max_groups: "+limit))[0].Action
	}
	apply("2")
	const a, b = `{"i":"a"}`, `{"i":"b"}`
	r := sqltest.Rounds{Flow: db.Take("f")}
	choose := func(c *progress.Chosen) {
		round := r.Next(sqltest.Window(sqltest.Minute, sqltest.Row("a", 1)))
		round.To.EmittedUntil = sqltest.Minute
		round.Chosen = c
		sqltest.CommitOne(t, db.Store, round)
		r.Flow.EmittedUntil = sqltest.Minute
	}
	choose(&progress.Chosen{Keys: []string{a}})
	choose(&progress.Chosen{First: 1, Keys: []string{b}})
	choose(&progress.Chosen{First: 2, Folds: true})
	check := func(what string, folds bool, want ...string) {
		t.Helper()
		if got := db.Take("f"); !slices.Equal(got.Chosen, want) || got.Folds != folds {
			t.Errorf("%s: %v keep their rows, folds %v", what, got.Chosen, got.Folds)
		}
	}
	check("chosen", true, a, b)
	status, err := db.Store.Catalogue.Show(t.Context(), "f")
	if err != nil || !status[0].Folds {
		t.Errorf("status %+v, %v", status, err)
	}
	hash := func() string {
		return sqltest.ScanOne[string](db, "select encode(definition_hash, 'hex') from laminar.flow")
	}
	jobs := func() int64 {
		return sqltest.ScanOne[int64](db, "select count(*) from laminar.job where from_t < 60000 and to_t = 60000")
	}
	before := hash()
	if got := apply("2"); got != applyplan.Unchanged || jobs() != 0 {
		t.Errorf("the same limit: %s, %d refills", got, jobs())
	}
	if got := apply("3"); got != applyplan.Retuned || jobs() != 1 || hash() == before {
		t.Errorf("a larger limit: %s, %d refills, another hash: %v", got, jobs(), hash() != before)
	}
	check("a larger limit", false, a, b)
	if got := apply("1"); got != applyplan.Retuned || jobs() != 2 {
		t.Errorf("a smaller limit: %s, %d refills", got, jobs())
	}
	check("a smaller limit", false, a)
	if got := apply("0"); got != applyplan.Retuned || jobs() != 3 {
		t.Errorf("no limit: %s, %d refills", got, jobs())
	}
	if n := sqltest.ScanOne[int64](db, "select count(*) from laminar.flow_group"); n != 0 {
		t.Errorf("%d groups are chosen without a limit", n)
	}
	if n := sqltest.ScanOne[int64](db, "select count(*) from flow.f"); n != 1 {
		t.Errorf("%d rows are left of one: they stay until they are refilled", n)
	}
	if _, err := db.Store.Catalogue.Apply(t.Context(), sqltest.Define(t, "flows:\n  - {name: f, promql: 'sum by (i) (sum_over_time(m[2m]))', every: 1m, max_groups: 3}\n"), flowstore.ApplyOptions{}); err == nil {
		t.Error("another expression was applied without being asked for")
	}
}
