package flowstore_test

import (
	"errors"
	"fmt"
	"testing"

	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	"laminar/sequence"
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
