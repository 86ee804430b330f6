package sqltest

import (
	"context"
	"slices"
	"testing"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowfile"
	"laminar/flownode/progress"
	"laminar/sqlstore"
	"laminar/sqlstore/flowstore"
)

// Define makes flows from native definitions.
func Define(t testing.TB, yaml string) []flowdef.Flow {
	t.Helper()
	flows, problems := flowfile.Parse("flows.yaml", []byte(yaml))
	if len(problems) > 0 {
		t.Fatalf("definitions: %v", problems)
	}
	return flows
}

// FlowFor is one flow with a step of a minute.
func FlowFor(t testing.TB, name, promql string, more ...string) flowdef.Flow {
	t.Helper()
	yaml := "flows:\n  - name: " + name + "\n    promql: " + promql + "\n    every: 1m\n"
	for _, line := range more {
		yaml += "    " + line + "\n"
	}
	return Define(t, yaml)[0]
}

// Record makes flows of recording rules of one record.
func Record(t testing.TB, name, promql string, envs ...string) []flowdef.Flow {
	t.Helper()
	yaml := "groups:\n  - name: g\n    rules:\n"
	for _, env := range envs {
		yaml += "      - record: " + name + "\n        expr: " + promql + "\n        labels: {env: " + env + "}\n"
	}
	return Define(t, yaml)
}

// Apply applies flows that must be accepted.
func (db *RawDB) Apply(flows ...flowdef.Flow) []flowstore.ApplyResult {
	db.Helper()
	results, err := db.Store.Catalogue.Apply(db.Context(), flows, flowstore.ApplyOptions{})
	if err != nil {
		db.Fatal(err)
	}
	return results
}

// Take takes the flow with the title.
func (db *RawDB) Take(title string) progress.Flow {
	db.Helper()
	heads, err := db.Store.Catalogue.Heads(db.Context())
	if err != nil {
		db.Fatal(err)
	}
	i := slices.IndexFunc(heads, func(h progress.Head) bool { return h.Name == title })
	if i < 0 {
		db.Fatalf("no flow %s among %v", title, heads)
	}
	flow, err := db.Store.Catalogue.Take(db.Context(), heads[i].ID)
	if err != nil {
		db.Fatal(err)
	}
	return flow
}

// Minute is the step of the flows that FlowFor makes, ms.
const Minute = int64(60_000)

// Row is a result with one label.
func Row(label string, v float64) progress.Row {
	return progress.Row{Columns: []string{label}, Value: v}
}

// Window is a complete window of a minute.
func Window(end int64, rows ...progress.Row) progress.Window {
	return progress.Window{Start: end - Minute, End: end, Complete: true, Rows: rows}
}

// Rounds makes the next round of a flow whenever it is asked.
type Rounds struct{ Flow progress.Flow }

// Next is a round that writes the windows and moves the first region on by one
// sequence.
func (r *Rounds) Next(windows ...progress.Window) progress.Round {
	round := progress.Round{Flow: r.Flow.ID, Epoch: r.Flow.Epoch, From: r.Flow.Vector.Clone(), To: r.Flow.Progress, Windows: windows}
	round.To.Vector = r.Flow.Vector.Clone()
	round.To.Vector[1]++
	r.Flow.Vector = round.To.Vector
	return round
}

// CommitOne commits a round that must be written.
func CommitOne(t testing.TB, store *sqlstore.Store, round progress.Round) progress.Outcome {
	t.Helper()
	out, err := store.Results.Commit(t.Context(), []progress.Round{round})
	if err != nil {
		t.Fatal(err)
	}
	if out[0].Err != nil {
		t.Fatal(out[0].Err)
	}
	return out[0]
}

// CreateRefill asks for a refill of the flows of a name alone, and gives the jobs.
func CreateRefill(ctx context.Context, jobs *flowstore.Jobs, name string, from, to int64) ([]int64, error) {
	refills, err := jobs.CreateRefills(ctx, name, from, to, false)
	ids := make([]int64, len(refills))
	for i, r := range refills {
		ids[i] = r.Job
	}
	return ids, err
}
