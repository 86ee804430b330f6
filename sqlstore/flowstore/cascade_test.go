package flowstore_test

import (
	"errors"
	"fmt"
	"testing"

	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/sqlstore/applyplan"
	"laminar/sqlstore/flowstore"
	"laminar/sqlstore/sqltest"
)

// TestChainIsStoredWhole: of rounds with one chain none is stored if one is fenced or
// refused; rounds beside it are.
func TestChainIsStoredWhole(t *testing.T) {
	db := sqltest.NewRawDB(t, 2)
	rounds := map[string]*sqltest.Rounds{}
	for _, name := range []string{"a", "b", "alone"} {
		db.Apply(sqltest.FlowFor(t, name, "sum by (i) (m)"))
		rounds[name] = &sqltest.Rounds{Flow: db.Take(name)}
	}
	all := func(minute int64) []progress.Round {
		var out []progress.Round
		for _, name := range []string{"a", "b", "alone"} {
			round := rounds[name].Next(sqltest.Window(minute*sqltest.Minute, sqltest.Row("x", float64(minute))))
			if name != "alone" {
				round.Chain = 7
			}
			out = append(out, round)
		}
		return out
	}
	commit := func(minute int64) []progress.Outcome {
		t.Helper()
		out, err := db.Store.Results.Commit(t.Context(), all(minute))
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	tables := func() string {
		return fmt.Sprintf("%s | %s | %s", tableOf(db, "a", "i"), tableOf(db, "b", "i"), tableOf(db, "alone", "i"))
	}
	if out := commit(1); out[0].Err != nil || out[1].Err != nil || out[2].Err != nil {
		t.Fatalf("outcomes %v", out)
	}
	// The second table refuses its row.
	db.Exec(`alter table flow.b add constraint refuses check (value < 2)`)
	out := commit(2)
	if out[0].Err == nil || out[1].Err == nil || out[2].Err != nil {
		t.Errorf("with a table that refuses, outcomes %v", out)
	}
	if got, want := tables(), "1 x=1 | 1 x=1 | 1 x=1, 2 x=2"; got != want {
		t.Errorf("with a table that refuses: %s, want %s", got, want)
	}
	// Another owner takes the first flow.
	db.Exec(`alter table flow.b drop constraint refuses`)
	for _, name := range []string{"a", "b"} {
		rounds[name] = &sqltest.Rounds{Flow: db.Take(name)}
	}
	db.Take("a")
	out = commit(3)
	if !errors.Is(out[0].Err, sequence.ErrFenced) || !errors.Is(out[1].Err, sequence.ErrFenced) || out[2].Err != nil {
		t.Errorf("with another owner, outcomes %v", out)
	}
	if got, want := tables(), "1 x=1 | 1 x=1 | 1 x=1, 2 x=2, 3 x=3"; got != want {
		t.Errorf("with another owner: %s, want %s", got, want)
	}
}

// TestApplyJoinsFenceGroups: flows that read each other are in one group, also when the
// one that is read was applied before; a refill names the flows above.
func TestApplyJoinsFenceGroups(t *testing.T) {
	db := sqltest.NewRawDB(t, 2)
	bottom := sqltest.FlowFor(t, "bottom", "sum by (i) (m)")
	bottom.Group = "z.yml"
	db.Apply(bottom)
	middle, top := sqltest.FlowFor(t, "middle", "max by (i) (max_over_time(bottom[5m]))"), sqltest.FlowFor(t, "top", "sum(middle)")
	middle.Group, top.Group = "m.yml", "n.yml"
	db.Apply(top, middle)
	if got := sqltest.ScanOne[string](db, "select string_agg(distinct fence_group, ' ') from laminar.flow"); got != "m.yml" {
		t.Errorf("fence groups are %q, want m.yml", got)
	}
	if again := db.Apply(bottom); again[0].Action != "unchanged" {
		t.Errorf("the bottom applied again is %s", again[0].Action)
	}
	jobs, err := db.Store.Jobs.CreateRefills(t.Context(), "bottom", 10*sqltest.Minute, 11*sqltest.Minute, true)
	if err != nil || len(jobs) != 3 || jobs[1].Flow != "middle" || jobs[2].Flow != "top" {
		t.Fatalf("refills %v, %v", jobs, err)
	}
	if jobs[1].From != 10*sqltest.Minute || jobs[1].To != 17*sqltest.Minute || jobs[2].To < 22*sqltest.Minute {
		t.Errorf("refills reach %v", jobs)
	}
	circle := sqltest.FlowFor(t, "bottom", "sum by (i) (m) + sum by (i) (top)")
	if _, err := db.Store.Catalogue.Apply(t.Context(), []flowdef.Flow{circle}, flowstore.ApplyOptions{Replace: true}); err == nil {
		t.Error("a circle was applied")
	}
}

// TestApplyLooksThroughRecords: a flow over a record has the record's labels as columns,
// whatever call brought either; it keeps them, and is made again with a record that gets
// another.
func TestApplyLooksThroughRecords(t *testing.T) {
	db := sqltest.NewRawDB(t, 2)
	columns := func(table string) string {
		t.Helper()
		return sqltest.ScanOne[string](db, "select string_agg(column_name, ' ' order by ordinal_position) from information_schema.columns where table_schema = 'flow' and table_name = '"+table+"'")
	}
	const own, open = "window_start window_end i value", "window_start window_end labels value"
	early, bottom := sqltest.FlowFor(t, "early", "3 * bottom"), sqltest.FlowFor(t, "bottom", "sum by (i) (m)")
	db.Apply(early)
	db.Apply(bottom)
	double, above := sqltest.FlowFor(t, "double", "2 * bottom"), sqltest.FlowFor(t, "above", "double + 1")
	db.Apply(above, double)
	for table, want := range map[string]string{"early": open, "bottom": own, "double": own, "above": own} {
		if got := columns(table); got != want {
			t.Errorf("%s has the columns %s, want %s", table, got, want)
		}
	}
	if got := actions(db.Apply(early, above, bottom, double)); got != "early unchanged, above unchanged, bottom unchanged, double unchanged" {
		t.Errorf("applied again: %s", got)
	}
	if def := db.Take("early").Def; def.Expr.LabelsKnown {
		t.Error("early has forgotten that its table has one column of labels")
	}
	if def := db.Take("above").Def; !def.Expr.LabelsKnown {
		t.Error("above has forgotten its columns")
	}

	wider := sqltest.FlowFor(t, "bottom", "sum by (i, k) (m)")
	_, err := db.Store.Catalogue.Apply(t.Context(), []flowdef.Flow{wider}, flowstore.ApplyOptions{})
	var refused *applyplan.ChangedError
	if !errors.As(err, &refused) || len(refused.Flows) != 3 || refused.Flows[1] != "double (a record that it reads has other labels now)" {
		t.Fatalf("a record with another label: %v", err)
	}
	results, err := db.Store.Catalogue.Apply(t.Context(), []flowdef.Flow{wider}, flowstore.ApplyOptions{Replace: true})
	if err != nil || actions(results) != "bottom replaced, double replaced, above replaced" {
		t.Fatalf("replaced: %s, %v", actions(results), err)
	}
	for table, want := range map[string]string{"early": open, "double": "window_start window_end i k value", "above": "window_start window_end i k value"} {
		if got := columns(table); got != want {
			t.Errorf("after the replacement %s has the columns %s, want %s", table, got, want)
		}
	}
	if got := actions(db.Apply(early, above, wider, double)); got != "early unchanged, above unchanged, bottom unchanged, double unchanged" {
		t.Errorf("applied again after the replacement: %s", got)
	}
}
