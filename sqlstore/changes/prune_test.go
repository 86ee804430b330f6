package changes_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"laminar/flownode/changelog"
	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/sqlstore/sqltest"
)

// pruned is one flow whose change log is pruned, with its first commits.
type pruned struct {
	*sqltest.RawDB
	rounds sqltest.Rounds
}

func newPruned(t *testing.T) *pruned {
	t.Helper()
	db := sqltest.NewRawDB(t, 1)
	db.Apply(sqltest.FlowFor(t, "f", "sum by (i) (m)"))
	return &pruned{RawDB: db, rounds: sqltest.Rounds{Flow: db.Take("f")}}
}

// put commits a row of the n-th window, which closes all up to the n-th with closes.
func (p *pruned) put(n int64, label string, v float64, closes bool) {
	p.Helper()
	round := p.rounds.Next(progress.Window{Start: (n - 1) * sqltest.Minute, End: n * sqltest.Minute, Rows: []progress.Row{sqltest.Row(label, v)}})
	if closes {
		round.To.EmittedUntil = n * sqltest.Minute
		p.rounds.Flow.EmittedUntil = round.To.EmittedUntil
	}
	sqltest.CommitOne(p, p.Store, round)
}

// age makes all entries older, and prunes.
func (p *pruned) age(by, keep time.Duration) {
	p.Helper()
	p.Exec("update flow_change set at = at - make_interval(secs => $1)", by.Seconds())
	if _, err := p.Store.Changes.Prune(p.Context(), time.Now().Add(-keep).UnixMilli()); err != nil {
		p.Fatal(err)
	}
}

// entries counts the entries of the log up to a position.
func (p *pruned) entries(upTo changelog.Position) (n int) {
	p.Helper()
	if err := p.Store.Pool().QueryRow(p.Context(), "select count(*) from flow_change where position <= $1", int64(upTo)).Scan(&n); err != nil {
		p.Fatal(err)
	}
	return n
}

// since is the stand of the flow, and the changes after a position in words.
func (p *pruned) since(after changelog.Position) (changelog.Stand, []string, error) {
	p.Helper()
	snap, err := p.Store.Changes.Snapshot(p.Context())
	if err != nil {
		p.Fatal(err)
	}
	defer func() { _ = snap.Close(p.Context()) }()
	stands, err := snap.Stands(p.Context(), []progress.FlowID{p.rounds.Flow.ID})
	if err != nil || len(stands) != 1 {
		p.Fatal(stands, err)
	}
	list, more, err := snap.Changes(p.Context(), p.rounds.Flow.ID, after, sequence.NoTime, 100, 1000)
	if more {
		p.Fatal("there are more than 100 windows")
	}
	var out []string
	for _, c := range list {
		text := fmt.Sprintf("%d closed=%v whole=%v", c.End/sqltest.Minute, c.Closed, c.Whole)
		for _, r := range c.Rows {
			text += fmt.Sprintf(" %s=%g", r.Columns[0], r.Value)
		}
		out = append(out, text)
	}
	return stands[0], out, err
}

// TestPruneMerges: entries of one window become one, which says what all of them said, to
// whoever stood before the first of them or between them.
func TestPruneMerges(t *testing.T) {
	p := newPruned(t)
	p.put(5, "a", 1, false)
	p.put(5, "b", 2, false)
	p.put(7, "a", 3, true) // closes the 5th window too
	p.put(7, "b", 4, false)
	p.put(5, "a", 5, false)
	var want [5][]string
	for after := range want {
		_, want[after], _ = p.since(changelog.Position(after))
	}
	p.age(2*time.Hour, 24*time.Hour)
	if n := p.entries(5); n != 2 {
		t.Fatalf("%d entries of two windows", n)
	}
	for after, w := range want {
		stand, got, err := p.since(changelog.Position(after))
		if err != nil || stand.Position != 5 || stand.Floor != 0 {
			t.Fatalf("after pruning the flow stands at %+v: %v", stand, err)
		}
		// Before anything was closed nothing is told twice; later on perhaps.
		if after < 3 && !slices.Equal(got, w) {
			t.Errorf("after position %d: %v, before pruning %v", after, got, w)
		}
		for _, c := range w {
			end, _, _ := strings.Cut(c, " ")
			if !slices.ContainsFunc(got, func(g string) bool { return strings.HasPrefix(g, end+" ") }) {
				t.Errorf("after position %d window %s is not told any more: %v", after, end, got)
			}
		}
	}
}

// TestPruneFloor: what is older than is kept is below the floor, and what stands there is
// known to be lost; nothing above it is.
func TestPruneFloor(t *testing.T) {
	p := newPruned(t)
	p.put(1, "a", 1, true)
	p.put(2, "a", 2, true)
	p.age(3*time.Hour, 24*time.Hour)
	p.put(3, "a", 3, true)
	p.put(1, "a", 4, false)
	p.age(0, 2*time.Hour)
	stand, got, err := p.since(2)
	if want := []string{"1 closed=false whole=false a=4", "3 closed=true whole=true a=3"}; err != nil || stand.Floor != 2 || stand.Position != 4 || !slices.Equal(got, want) {
		t.Errorf("at %d, floor %d: %v, want %v: %v", stand.Position, stand.Floor, got, want, err)
	}
	if _, _, err := p.since(1); err == nil {
		t.Error("changes after position 1 are given, though those up to 2 are forgotten")
	}
	if n := p.entries(2); n != 0 {
		t.Errorf("%d entries are below the floor", n)
	}
}

// TestAnotherDatabase: positions of a flow mean something else after its database was
// restored, or a standby has taken its place; not after its owner has changed.
func TestAnotherDatabase(t *testing.T) {
	p := newPruned(t)
	p.put(1, "a", 1, true)
	before, _, _ := p.since(0)
	p.Take("f")
	if now, _, _ := p.since(0); now.Incarnation != before.Incarnation {
		t.Error("another owner makes another incarnation")
	}
	p.Exec("update flow set lineage = 'another'")
	p.Take("f")
	now, _, _ := p.since(0)
	if now.Incarnation == before.Incarnation || now.Position != before.Position {
		t.Errorf("another database is at %+v, and was at %+v", now, before)
	}
	// A version that knows nothing of this has taken it, as it does while versions are mixed.
	p.Exec("update flow set lineage = null")
	p.Take("f")
	if known, _, _ := p.since(0); known.Incarnation == now.Incarnation {
		t.Error("a flow of which it is not known in which database it was taken has the same incarnation")
	}
}

// TestEmptiedTable: who follows a flow is told to begin again after somebody has emptied its
// table, and not after a column came.
func TestEmptiedTable(t *testing.T) {
	p := newPruned(t)
	p.put(1, "a", 1, true)
	before, _, _ := p.since(0)
	p.Exec("alter table flow.f add column histogram laminar.histogram")
	if now, _, _ := p.since(0); now.Incarnation != before.Incarnation {
		t.Error("a column makes another incarnation")
	}
	p.Exec("truncate flow.f")
	emptied, _, _ := p.since(0)
	if emptied.Incarnation == before.Incarnation {
		t.Error("nobody is told that the table was emptied")
	}
	p.put(1, "a", 1, false)
	if now, got, err := p.since(emptied.Position); now.Incarnation != emptied.Incarnation || len(got) != 1 {
		t.Errorf("after it was emptied: %+v, %v, %v", now, got, err)
	}
}

// TestPruneAfterAJump: a database clock that jumps by a month while the senders' are right
// makes nobody read a table anew, nor does it while nothing is known to be old; a log that is
// too large is cut all the same.
func TestPruneAfterAJump(t *testing.T) {
	p := newPruned(t)
	metric, ids := p.AddMetric("other", 1, 1)
	real := time.Now()
	sqltest.Commit(t, sqltest.Begin(t, p.Store, 1), sqltest.Segment(metric, [3]float64{float64(ids[0]), float64(real.UnixMilli()), 1}))
	p.put(1, "a", 1, true)
	p.put(2, "a", 2, true)
	p.Exec("create or replace function laminar.db_clock() returns timestamptz language sql volatile as $$ select clock_timestamp() + interval '30 days' $$")
	prune := func(before sequence.Time) {
		t.Helper()
		if _, err := p.Store.Changes.Prune(t.Context(), before); err != nil {
			t.Fatal(err)
		}
	}
	floor := func(want changelog.Position) {
		t.Helper()
		if stand, _, err := p.since(want); err != nil || stand.Floor != want {
			t.Errorf("the floor is %d, want %d: %v", stand.Floor, want, err)
		}
	}
	now, known, err := p.Store.Expiry.Clock(t.Context())
	if err != nil || !known || now > real.UnixMilli() {
		t.Fatalf("forgetting goes by %d, %v: %v", now, known, err)
	}
	prune(now - (24 * time.Hour).Milliseconds())
	floor(0)
	p.Exec("update flow_change set at = at - interval '1 year'")
	prune(sequence.NoTime)
	floor(0)
	prune(now - (24 * time.Hour).Milliseconds())
	floor(2)
	p.put(3, "a", 1, true)
	p.put(3, "b", 1, false)
	p.Exec("alter table flow_change alter keys set storage external")
	p.Exec("update flow_change set keys = array(select repeat('a', 1000) from generate_series(1, 70000)) where position = 3")
	prune(sequence.NoTime)
	floor(3)
}
