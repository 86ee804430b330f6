package flowstore_test

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/sqlstore/sqltest"
)

// tableOf spells a result table: "end label=value", sorted, ends in minutes.
func tableOf(db *sqltest.RawDB, name, label string) string {
	db.Helper()
	rows, err := db.Store.Pool().Query(db.Context(), fmt.Sprintf(
		`select extract(epoch from window_end)::bigint / 60, %s::text, value from flow.%s order by 1, 2`, pgx.Identifier{label}.Sanitize(), name))
	if err != nil {
		db.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
		var end int64
		var l string
		var v float64
		err := row.Scan(&end, &l, &v)
		return fmt.Sprintf("%d %s=%g", end, l, v), err
	})
	if err != nil {
		db.Fatal(err)
	}
	return strings.Join(lines, ", ")
}

func TestCommitWritesOnlyWhatChanged(t *testing.T) {
	db := sqltest.NewRawDB(t, 2)
	db.Apply(sqltest.FlowFor(t, "f", "sum by (i) (m)"))
	r := sqltest.Rounds{Flow: db.Take("f")}
	partly := func(end int64, rows ...progress.Row) progress.Window {
		return progress.Window{Start: end - sqltest.Minute, End: end, Rows: rows}
	}
	for i, c := range []struct {
		windows []progress.Window
		changed int64
		table   string
	}{
		{[]progress.Window{sqltest.Window(sqltest.Minute, sqltest.Row("a", 1), sqltest.Row("b", 2)), sqltest.Window(2*sqltest.Minute, sqltest.Row("a", 3))}, 3, "1 a=1, 1 b=2, 2 a=3"},
		{[]progress.Window{sqltest.Window(sqltest.Minute, sqltest.Row("a", 1), sqltest.Row("b", 2))}, 0, "1 a=1, 1 b=2, 2 a=3"},
		{[]progress.Window{sqltest.Window(sqltest.Minute, sqltest.Row("a", 1), sqltest.Row("b", 5))}, 1, "1 a=1, 1 b=5, 2 a=3"},
		{[]progress.Window{sqltest.Window(sqltest.Minute, sqltest.Row("b", 5), sqltest.Row("c", 0))}, 2, "1 b=5, 1 c=0, 2 a=3"},
		{[]progress.Window{partly(sqltest.Minute, sqltest.Row("c", math.Copysign(0, -1)))}, 0, "1 b=5, 1 c=0, 2 a=3"},
		{[]progress.Window{partly(sqltest.Minute, sqltest.Row("c", math.NaN()))}, 1, "1 b=5, 1 c=NaN, 2 a=3"},
		{[]progress.Window{partly(sqltest.Minute, sqltest.Row("c", math.NaN()))}, 0, "1 b=5, 1 c=NaN, 2 a=3"},
		{[]progress.Window{{Start: 0, End: sqltest.Minute, Gone: [][]string{{"c"}, {"never"}}}}, 1, "1 b=5, 2 a=3"},
		{[]progress.Window{{Start: 0, End: sqltest.Minute, Gone: [][]string{{"b"}}, Rows: []progress.Row{sqltest.Row("d", 1)}}}, 2, "1 d=1, 2 a=3"},
		{[]progress.Window{sqltest.Window(sqltest.Minute)}, 1, "2 a=3"},
		{[]progress.Window{sqltest.Window(2*sqltest.Minute, sqltest.Row("a", math.Inf(1)))}, 1, "2 a=+Inf"},
		{[]progress.Window{{Start: 2*sqltest.Minute - 7, End: 2 * sqltest.Minute, Rows: []progress.Row{sqltest.Row("a", math.Inf(1))}}}, 1, "2 a=+Inf"},
		{nil, 0, "2 a=+Inf"},
	} {
		out := sqltest.CommitOne(t, db.Store, r.Next(c.windows...))
		if got := tableOf(db, "f", "i"); out.RowsWritten != c.changed || got != c.table {
			t.Errorf("step %d: %d rows changed, table %s; want %d and %s", i, out.RowsWritten, got, c.changed, c.table)
		}
	}
	if got := sqltest.ScanOne[float64](db, "select extract(epoch from window_start)::float8 from flow.f"); got != 119.993 {
		t.Errorf("window_start %v, want the new one, to the millisecond", got)
	}
}

// TestCommitDeletesOnlyOwnRows: two rules of one record share a table; a
// complete window of one says nothing about rows of the other.
func TestCommitDeletesOnlyOwnRows(t *testing.T) {
	for name, promql := range map[string]string{"columns": "sum by (i) (m)", "labels": "m"} {
		db := sqltest.NewRawDB(t, 2)
		db.Apply(sqltest.Record(t, "r", promql, "prod", "test")...)
		prod, test := sqltest.Rounds{Flow: db.Take(`r{env="prod"}`)}, sqltest.Rounds{Flow: db.Take(`r{env="test"}`)}
		cols := func(env, i string) []string {
			if name == "labels" {
				return []string{fmt.Sprintf(`{"env":%q,"i":%q}`, env, i)}
			}
			return []string{env, i}
		}
		sqltest.CommitOne(t, db.Store, prod.Next(sqltest.Window(sqltest.Minute, progress.Row{Columns: cols("prod", "a"), Value: 1})))
		sqltest.CommitOne(t, db.Store, test.Next(sqltest.Window(sqltest.Minute, progress.Row{Columns: cols("test", "a"), Value: 2})))
		out := sqltest.CommitOne(t, db.Store, prod.Next(sqltest.Window(sqltest.Minute, progress.Row{Columns: cols("prod", "b"), Value: 3})))
		if out.RowsWritten != 2 {
			t.Errorf("%s: %d rows changed, want one gone and one new", name, out.RowsWritten)
		}
		if got := sqltest.ScanOne[string](db, "select string_agg(value::text, ',' order by value) from flow.r"); got != "2,3" {
			t.Errorf("%s: values %s, want 2,3", name, got)
		}
	}
}

// TestCommitFences: whoever takes a flow stops its earlier owner, and nothing
// of the earlier owner's round is written.
func TestCommitFences(t *testing.T) {
	db := sqltest.NewRawDB(t, 2)
	db.Apply(sqltest.FlowFor(t, "f", "sum by (i) (m)"), sqltest.FlowFor(t, "g", "sum by (i) (m)"))
	old, other := sqltest.Rounds{Flow: db.Take("f")}, sqltest.Rounds{Flow: db.Take("g")}
	current := sqltest.Rounds{Flow: db.Take("f")}
	stale := old.Next(sqltest.Window(sqltest.Minute, sqltest.Row("a", 666)))
	stale.Add = []progress.Dirty{{WindowEnd: sqltest.Minute, Reason: "unordered"}}
	out, err := db.Store.Results.Commit(t.Context(), []progress.Round{stale, other.Next(sqltest.Window(sqltest.Minute, sqltest.Row("a", 2)))})
	if err != nil {
		t.Fatal(err)
	}
	if !errors.Is(out[0].Err, sequence.ErrFenced) || out[1].Err != nil {
		t.Errorf("outcomes %v and %v, want the first fenced and the second written", out[0].Err, out[1].Err)
	}
	if f, g := tableOf(db, "f", "i"), tableOf(db, "g", "i"); f != "" || g != "1 a=2" {
		t.Errorf("tables %q and %q", f, g)
	}
	if n := sqltest.ScanOne[int64](db, "select count(*) from flow_dirty"); n != 0 {
		t.Errorf("%d dirty windows of a fenced round", n)
	}
	sqltest.CommitOne(t, db.Store, current.Next(sqltest.Window(sqltest.Minute, sqltest.Row("a", 1))))
	repeated := current.Next()
	repeated.From = sequence.Vector{} // where the flow was before
	if out, err := db.Store.Results.Commit(t.Context(), []progress.Round{repeated}); err != nil || !errors.Is(out[0].Err, sequence.ErrFenced) {
		t.Errorf("a round from an old vector: %v, %v", out, err)
	}
}

// TestCommitRace lets two owners of one flow commit at the same moment, many
// times: exactly one wins each time, and the table is the winner's.
func TestCommitRace(t *testing.T) {
	db := sqltest.NewRawDB(t, 2)
	db.Apply(sqltest.FlowFor(t, "f", "sum by (i) (m)"))
	flow := db.Take("f")
	for i := range 20 {
		var wg sync.WaitGroup
		outs := make([]progress.Outcome, 2)
		for k := range outs {
			r := sqltest.Rounds{Flow: flow}
			round := r.Next(sqltest.Window(sqltest.Minute, sqltest.Row("a", float64(10*i+k))))
			round.To.Vector = sequence.Vector{1: sequence.Seq(i + 1)}
			wg.Go(func() {
				// Of a busy server, who waits for the winner's lock may have to commit again.
				if err := sqltest.Answered(t.Context(), func() error {
					out, err := db.Store.Results.Commit(t.Context(), []progress.Round{round})
					if err == nil {
						outs[k] = out[0]
					}
					return err
				}); err != nil {
					t.Errorf("commit: %v", err)
				}
			})
		}
		wg.Wait()
		if (outs[0].Err == nil) == (outs[1].Err == nil) {
			t.Fatalf("outcomes %v and %v: want exactly one written", outs[0].Err, outs[1].Err)
		}
		winner := 0
		if outs[0].Err != nil {
			winner = 1
		}
		if got, want := tableOf(db, "f", "i"), fmt.Sprintf("1 a=%d", 10*i+winner); got != want {
			t.Fatalf("table %s, want the winner's %s", got, want)
		}
		flow.Vector = sequence.Vector{1: sequence.Seq(i + 1)}
	}
}

// TestCommitIsolatesFailures: a flow whose table is gone, bent or locked by
// somebody must not hold up the others of its group.
func TestCommitIsolatesFailures(t *testing.T) {
	db := sqltest.NewRawDB(t, 2)
	names := []string{"gone", "bent", "twice", "short", "fine"}
	var flows []sqltest.Rounds
	for _, name := range names {
		db.Apply(sqltest.FlowFor(t, name, "sum by (i) (m)"))
		flows = append(flows, sqltest.Rounds{Flow: db.Take(name)})
	}
	for range 2 { // with and without the statements in the connection's cache
		for k := range flows {
			sqltest.CommitOne(t, db.Store, flows[k].Next(sqltest.Window(sqltest.Minute, sqltest.Row("a", 1))))
		}
	}
	db.Exec("drop table flow.gone")
	db.Exec("alter table flow.bent rename column i to j")
	batch := make([]progress.Round, len(flows))
	for k := range flows {
		batch[k] = flows[k].Next(sqltest.Window(2*sqltest.Minute, sqltest.Row("a", 2)))
		batch[k].Add = []progress.Dirty{{WindowEnd: sqltest.Minute, Reason: "late"}}
	}
	batch[2].Windows[0].Rows = append(batch[2].Windows[0].Rows, sqltest.Row("a", 3)) // one key twice
	batch[3].Windows[0].Rows[0].Columns = nil
	out, err := db.Store.Results.Commit(t.Context(), batch)
	if err != nil {
		t.Fatal(err)
	}
	for k, name := range names {
		if written := out[k].Err == nil; written != (name == "fine") {
			t.Errorf("%s: %v", name, out[k].Err)
		}
		if errors.Is(out[k].Err, sequence.ErrFenced) {
			t.Errorf("%s counts as fenced", name)
		}
	}
	if got := tableOf(db, "fine", "i"); got != "1 a=1, 2 a=2" {
		t.Errorf("table of the sound flow: %s", got)
	}
	moved := sqltest.ScanOne[string](db, "select string_agg(name, ',') from flow where vector = '{\"1\": 3}'")
	dirty := sqltest.ScanOne[string](db, "select string_agg(distinct f.name, ',') from flow f join flow_dirty d on d.flow_id = f.id")
	if moved != "fine" || dirty != "fine" {
		t.Errorf("progress of %s and dirty lists of %s moved, want fine's only", moved, dirty)
	}

	// What is broken can still be told, in a round that writes no results.
	told := progress.Round{Flow: flows[0].Flow.ID, Epoch: flows[0].Flow.Epoch, From: sequence.Vector{1: 2}, To: flows[0].Flow.Progress, Error: "table is gone"}
	sqltest.CommitOne(t, db.Store, told)
	if got := db.Take("gone"); got.Error != "table is gone" || tableOf(db, "gone", "i") != "" {
		t.Errorf("error %q; taking the flow must have made its table again", got.Error)
	}
}

func TestDirtyList(t *testing.T) {
	db := sqltest.NewRawDB(t, 2)
	db.Apply(sqltest.FlowFor(t, "f", "sum by (i) (m)"))
	r := sqltest.Rounds{Flow: db.Take("f")}
	dirty := func(end int64, group string, reason progress.Reason, since sequence.Seq, at int64) progress.Dirty {
		return progress.Dirty{WindowEnd: end, Group: group, Reason: reason, Since: sequence.Vector{1: since}, FirstAt: at, LastAt: at}
	}
	round := r.Next()
	round.Add = []progress.Dirty{dirty(sqltest.Minute, "", "late", 1, 100), dirty(2*sqltest.Minute, `{"i":"a"}`, "unordered", 2, 100), dirty(2*sqltest.Minute, `{"i":"b"}`, "unordered", 2, 100)}
	sqltest.CommitOne(t, db.Store, round)
	round = r.Next()
	round.Add = []progress.Dirty{dirty(sqltest.Minute, "", "precision_lost", 9, 200)}
	sqltest.CommitOne(t, db.Store, round)
	flow := db.Take("f")
	if len(flow.Dirty) != 3 {
		t.Fatalf("dirty list %+v", flow.Dirty)
	}
	if d := flow.Dirty[0]; d.Reason != "late" || !d.Since.Equal(sequence.Vector{1: 1}) || d.FirstAt != 100 || d.LastAt != 200 {
		t.Errorf("touched again: %+v; want the first reason and since, and the last time", d)
	}
	// Samples from before the one that was noted first: of each region the least counts.
	r = sqltest.Rounds{Flow: flow}
	round = r.Next()
	for _, since := range []sequence.Vector{{1: 5, 2: 7}, {1: 2, 2: 9}, {1: 3, 2: 8, 3: 1}} {
		again := dirty(3*sqltest.Minute, "", "upstream", 0, 200)
		again.Since = since
		round.Add = []progress.Dirty{again}
		sqltest.CommitOne(t, db.Store, round)
		round = r.Next()
	}
	flow = db.Take("f")
	if d := flow.Dirty[len(flow.Dirty)-1]; d.WindowEnd != 3*sqltest.Minute || !d.Since.Equal(sequence.Vector{1: 2, 2: 7}) {
		t.Errorf("touched by what was before: %+v", d)
	}
	r = sqltest.Rounds{Flow: flow}
	round = r.Next()
	round.Remove = []progress.DirtyKey{{WindowEnd: 3 * sqltest.Minute}}
	sqltest.CommitOne(t, db.Store, round)
	flow = db.Take("f")
	r = sqltest.Rounds{Flow: flow}
	round = r.Next()
	round.Remove = []progress.DirtyKey{{WindowEnd: sqltest.Minute}, {WindowEnd: 2 * sqltest.Minute, Group: `{"i":"a"}`}}
	round.Add = []progress.Dirty{dirty(sqltest.Minute, "", "late", 12, 300)}
	sqltest.CommitOne(t, db.Store, round)
	flow = db.Take("f")
	if len(flow.Dirty) != 2 || flow.Dirty[0].FirstAt != 300 || flow.Dirty[1].Group != `{"i":"b"}` {
		t.Errorf("after removing two and adding one again: %+v", flow.Dirty)
	}
	r = sqltest.Rounds{Flow: flow}
	round = r.Next()
	round.Remove = []progress.DirtyKey{{WindowEnd: 2 * sqltest.Minute}}
	sqltest.CommitOne(t, db.Store, round)
	if flow = db.Take("f"); len(flow.Dirty) != 1 {
		t.Errorf("a window removed as a whole keeps entries of groups: %+v", flow.Dirty)
	}
}

func TestCommitOfNothing(t *testing.T) {
	db := sqltest.NewRawDB(t, 2)
	if out, err := db.Store.Results.Commit(t.Context(), nil); err != nil || len(out) != 0 {
		t.Errorf("no rounds: %v, %v", out, err)
	}
	db.Apply(sqltest.FlowFor(t, "f", "sum(m)"))
	r := sqltest.Rounds{Flow: db.Take("f")}
	twice := []progress.Round{r.Next(), r.Next()}
	if _, err := db.Store.Results.Commit(t.Context(), twice); err == nil {
		t.Error("two rounds of one flow in one commit were accepted")
	}
	never := progress.Round{Flow: 999, From: sequence.Vector{}, To: r.Flow.Progress}
	if out, err := db.Store.Results.Commit(t.Context(), []progress.Round{never}); err != nil || !errors.Is(out[0].Err, sequence.ErrFenced) {
		t.Errorf("a flow that was never taken: %v, %v", out, err)
	}
}

// TestCommitOfUnknownOutcome cuts the connection while COMMIT is under way: it
// is neither done nor undone to the caller.
func TestCommitOfUnknownOutcome(t *testing.T) {
	db := sqltest.NewRawDB(t, 2)
	db.Apply(sqltest.FlowFor(t, "f", "sum by (i) (m)"))
	r := sqltest.Rounds{Flow: db.Take("f")}
	db.Exec(`create function cut() returns trigger language plpgsql as $$ begin
		perform pg_terminate_backend(pg_backend_pid()); return null; end $$`)
	db.Exec(`create constraint trigger cut after update on flow deferrable initially deferred for each row execute function cut()`)
	_, err := db.Store.Results.Commit(t.Context(), []progress.Round{r.Next(sqltest.Window(sqltest.Minute, sqltest.Row("a", 1)))})
	if !errors.Is(err, sequence.ErrCommitUnknown) {
		t.Errorf("got %v, want ErrCommitUnknown", err)
	}
	db.Exec("drop trigger cut on flow")
	db.Exec(`create function refuse() returns trigger language plpgsql as $$ begin raise exception 'no'; end $$`)
	db.Exec(`create constraint trigger refuse after update on flow deferrable initially deferred for each row execute function refuse()`)
	r = sqltest.Rounds{Flow: r.Flow}
	r.Flow.Vector = sequence.Vector{}
	if _, err := db.Store.Results.Commit(t.Context(), []progress.Round{r.Next()}); err == nil || errors.Is(err, sequence.ErrCommitUnknown) {
		t.Errorf("got %v, want the server's refusal, which is no unknown outcome", err)
	}
}
