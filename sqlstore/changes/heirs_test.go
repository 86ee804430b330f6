package changes_test

import (
	"slices"
	"testing"

	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/sqlstore/flowstore"
	"laminar/sqlstore/sqltest"
)

// TestHeirsAreTold: when a rule goes, rows of another rule take the place of its rows, and
// who follows that one is told, although it has made no round.
func TestHeirsAreTold(t *testing.T) {
	db := sqltest.NewRawDB(t, 1)
	rules := func(first string) []flowdef.Flow {
		return sqltest.Define(t, "groups:\n  - name: g\n    rules:\n      - {record: r, expr: 'sum by (a) (m{x=\""+first+"\"})'}\n      - {record: r, expr: 'sum by (a) (m{x=\"2\"})'}\n")
	}
	apply := func(first string) {
		if _, err := db.Store.Catalogue.Apply(t.Context(), rules(first), flowstore.ApplyOptions{Replace: true}); err != nil {
			t.Fatal(err)
		}
	}
	apply("1")
	p := &pruned{RawDB: db}
	for i, title := range []string{"r#1", "r#2"} {
		p.rounds = sqltest.Rounds{Flow: db.Take(title)}
		p.put(1, "here", float64(i+1), true)
	}
	before, got, err := p.since(0)
	if err != nil || !slices.Equal(got, nil) {
		t.Fatalf("of r#2, whose row does not stand, is told %v: %v", got, err)
	}
	apply("3")
	after, got, err := p.since(before.Position)
	if want := []string{"1 closed=false whole=false here=2"}; err != nil || after.Incarnation != before.Incarnation || !slices.Equal(got, want) {
		t.Errorf("of r#2, whose row stands now, is told %v, want %v: %v; it stood at %+v, and stands at %+v", got, want, err, before, after)
	}
	snap, err := db.Store.Changes.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = snap.Close(t.Context()) }()
	rows, _, err := snap.Rows(t.Context(), p.rounds.Flow.ID, sequence.Span{After: sequence.NoTime, UpTo: 10 * sqltest.Minute}, 10, 10)
	if err != nil || len(rows) != 1 || len(rows[0].Rows) != 1 || !progress.SameValue(rows[0].Rows[0].Value, 2) {
		t.Errorf("r#2 has %+v: %v", rows, err)
	}
}
