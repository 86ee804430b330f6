package flowstore_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/sqlstore/sqltest"
)

// statesOf spells window_state: "flow end state", ends in minutes.
func statesOf(db *sqltest.RawDB) string {
	db.Helper()
	rows, err := db.Store.Pool().Query(db.Context(), `select flow, extract(epoch from window_end)::bigint / 60,
		extract(epoch from window_end - window_start)::bigint, state from window_state order by 1, 2`)
	if err != nil {
		db.Fatal(err)
	}
	lines, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (string, error) {
		var flow, state string
		var end, length int64
		err := row.Scan(&flow, &end, &length, &state)
		return fmt.Sprintf("%s %d-%ds %s", flow, end, length, state), err
	})
	if err != nil {
		db.Fatal(err)
	}
	return strings.Join(lines, ", ")
}

func TestWindowState(t *testing.T) {
	db := sqltest.NewRawDB(t, 2)
	db.Apply(sqltest.FlowFor(t, "f", "sum by (i) (rate(m[2m] offset 1m))"), sqltest.FlowFor(t, "unmade", "sum(m)"))
	r := sqltest.Rounds{Flow: db.Take("f")}
	if got := statesOf(db); got != "" {
		t.Errorf("before any result: %s", got)
	}
	round := r.Next(sqltest.Window(1*sqltest.Minute, sqltest.Row("a", 1), sqltest.Row("b", 1)), sqltest.Window(2*sqltest.Minute, sqltest.Row("a", 1)), sqltest.Window(3*sqltest.Minute, sqltest.Row("a", 1)), sqltest.Window(5*sqltest.Minute, sqltest.Row("a", 1)))
	round.To.EmittedUntil, round.To.Watermark = 4*sqltest.Minute, 4*sqltest.Minute
	round.Add = []progress.Dirty{{WindowEnd: 2 * sqltest.Minute, Reason: "late"}, {WindowEnd: 4 * sqltest.Minute, Group: `{"i":"a"}`, Reason: "late"}}
	sqltest.CommitOne(t, db.Store, round)
	if got, want := statesOf(db), "f 1-180s closed, f 2-180s dirty, f 3-180s closed, f 4-180s dirty, f 5-180s open"; got != want {
		t.Errorf("states %s\nwant   %s", got, want)
	}
	if _, err := sqltest.CreateRefill(t.Context(), db.Store.Jobs, "f", 1*sqltest.Minute, 3*sqltest.Minute); err != nil {
		t.Fatal(err)
	}
	if got, want := statesOf(db), "f 1-180s closed, f 2-180s refilling, f 3-180s refilling, f 4-180s dirty, f 5-180s open"; got != want {
		t.Errorf("states %s\nwant   %s", got, want)
	}
}

// TestWindowStateOfSharedTable: each rule sees the windows of its own rows,
// closed because the flows have no open window before their first sample.
func TestWindowStateOfSharedTable(t *testing.T) {
	for name, promql := range map[string]string{"columns": "sum by (i) (m)", "labels": "m"} {
		db := sqltest.NewRawDB(t, 2)
		db.Apply(sqltest.Record(t, "r", promql, "it's", "test")...)
		first, second := sqltest.Rounds{Flow: db.Take(`r{env="it's"}`)}, sqltest.Rounds{Flow: db.Take(`r{env="test"}`)}
		cols := func(env string) []string {
			if name == "labels" {
				return []string{fmt.Sprintf(`{"env":%q}`, env)}
			}
			return []string{env, "x"}
		}
		sqltest.CommitOne(t, db.Store, first.Next(sqltest.Window(sqltest.Minute, progress.Row{Columns: cols("it's")})))
		sqltest.CommitOne(t, db.Store, second.Next(sqltest.Window(2*sqltest.Minute, progress.Row{Columns: cols("test")})))
		if got, want := statesOf(db), `r{env="it's"} 1-60s closed, r{env="test"} 2-60s closed`; got != want {
			t.Errorf("%s: states %s, want %s", name, got, want)
		}
	}
}

func TestFlowsBehind(t *testing.T) {
	db := sqltest.NewRawDB(t, 2)
	metric, ids := db.AddMetric("m", 1, 1)
	db.Apply(sqltest.FlowFor(t, "f", "sum(m)"), sqltest.FlowFor(t, "g", "sum(m)"))
	f := sqltest.Rounds{Flow: db.Take("f")}
	reasons := func(vec sequence.Vector) string {
		t.Helper()
		behind, err := db.Store.Catalogue.Behind(t.Context(), []string{"f"}, vec)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, b := range behind {
			out = append(out, b.Flow+" "+b.Reason)
		}
		return strings.Join(out, ", ")
	}
	for range 2 {
		db.Flush(1, sqltest.Points{Metric: metric, Series: ids, Times: []int64{90_000}, Values: []float64{1}})
	}
	vec, err := db.Store.Reader.CurrentVector(t.Context())
	if err != nil || vec.String() != "{1:2}" {
		t.Fatalf("current vector %s, %v", vec, err)
	}
	if got := reasons(vec); got != "f has read up to {} of {1:2}" {
		t.Errorf("before the flow has read: %q", got)
	}
	f.Next() // to {1:1}
	round := f.Next()
	round.From, round.To.EmittedUntil, round.To.Watermark = sequence.Vector{}, sqltest.Minute, 2*sqltest.Minute+5
	round.Add = []progress.Dirty{
		{WindowEnd: sqltest.Minute, Group: `{"i":"a"}`, Reason: "late", Since: sequence.Vector{1: 1}},
		{WindowEnd: sqltest.Minute, Group: `{"i":"b"}`, Reason: "late", Since: sequence.Vector{1: 1}},
		{WindowEnd: 0, Reason: "late", Since: sequence.Vector{1: 2}},
	}
	sqltest.CommitOne(t, db.Store, round)
	if got := reasons(vec); got != "f has 1 window still to be recomputed" {
		t.Errorf("with a dirty window due to sequence 2: %q", got)
	}
	if got := reasons(sequence.Vector{1: 1}); !strings.Contains(got, "has stored windows up to") {
		t.Errorf("with dirty windows due to later sequences only: %q", got)
	}
	round = f.Next()
	round.From, round.To.Vector = sequence.Vector{1: 2}, sequence.Vector{1: 2}
	round.Remove = []progress.DirtyKey{{WindowEnd: sqltest.Minute}}
	round.To.EmittedUntil, round.To.Watermark = 2*sqltest.Minute, 2*sqltest.Minute+5
	sqltest.CommitOne(t, db.Store, round)
	if got := reasons(vec); got != "" {
		t.Errorf("caught up, with a window dirty since later: %q", got)
	}
	behind, err := db.Store.Catalogue.Behind(t.Context(), nil, vec)
	if err != nil || len(behind) != 1 || behind[0].Flow != "g" {
		t.Errorf("of all flows %v are behind, %v; want g", behind, err)
	}
	if _, err := db.Store.Catalogue.Behind(t.Context(), []string{"h"}, vec); err == nil || !strings.Contains(err.Error(), `"h"`) {
		t.Errorf("an unknown flow: %v", err)
	}
}

func TestStatus(t *testing.T) {
	db := sqltest.NewRawDB(t, 2)
	db.Apply(sqltest.FlowFor(t, "f", "sum by (i) (m)"))
	metric, ids := db.AddMetric("m", 2, 1)
	for range 3 {
		db.Flush(2, sqltest.Points{Metric: metric, Series: ids, Times: []int64{90_000}, Values: []float64{1}})
	}
	r := sqltest.Rounds{Flow: db.Take("f")}
	round := r.Next(sqltest.Window(sqltest.Minute, sqltest.Row("a", 1)))
	round.To.Vector = sequence.Vector{2: 1}
	round.Add = []progress.Dirty{{WindowEnd: sqltest.Minute, Group: `{"i":"a"}`, Reason: "late"}, {WindowEnd: sqltest.Minute, Group: `{"i":"b"}`, Reason: "late"}, {WindowEnd: 0, Reason: "unordered"}}
	sqltest.CommitOne(t, db.Store, round)
	if _, err := sqltest.CreateRefill(t.Context(), db.Store.Jobs, "f", 0, sqltest.Minute); err != nil {
		t.Fatal(err)
	}
	db.Exec("update flush set committed_at = clock_timestamp() - interval '10 s' where seq = 2")
	st, err := db.Store.Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(st.Regions) != 2 || st.Regions[1].Seq != 3 || st.Regions[1].LastFlush <= 0 || st.Regions[0].LastFlush != sequence.NoTime {
		t.Errorf("regions %+v", st.Regions)
	}
	f := st.Flows[0]
	if f.LagSequences != 2 || f.LagMillis < 9_000 || f.LagMillis > 60_000 || f.Jobs != 1 || f.Dirty["late"] != 1 || f.Dirty["unordered"] != 1 ||
		f.Table != `"flow"."f"` || f.TableBytes == 0 || f.Epoch != 1 {
		t.Errorf("flow %+v", f)
	}
	if st.Storage.HotTables != 1 || st.Storage.HotBytes == 0 || st.Storage.Metrics != 1 || st.Storage.CurrentSince <= 0 {
		t.Errorf("storage %+v", st.Storage)
	}
	if shown, err := db.Store.Catalogue.Show(t.Context(), "f"); err != nil || len(shown) != 1 {
		t.Errorf("show: %v, %v", shown, err)
	}
	if _, err := db.Store.Catalogue.Show(t.Context(), "ff"); err == nil {
		t.Error("an unknown flow is shown")
	}
}
