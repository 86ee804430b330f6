package oracle

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/prometheus/prometheus/rules"

	"laminar/flownode/alert"
	"laminar/flownode/alert/expand"
	"laminar/flownode/alertround"
	"laminar/flownode/flowdef"
	"laminar/flownode/flowgraph"
	"laminar/flownode/partial/partialtest"
	"laminar/flownode/progress"
	"laminar/flownode/results"
	"laminar/flownode/round/roundtest"
	"laminar/sequence"
	"laminar/sequence/segment"
)

// world is flows over a store in memory, alerts folded over their rounds as a flownode
// does it.
type world struct {
	*roundtest.World
	machine alertround.Machine
	rules   map[progress.FlowID]*folded
}

// folded is an alerting rule as one owner of its flow has it.
type folded struct {
	epoch int64
	rule  *alertround.Rule
}

// newWorld has the rules of a file. Rules of one record are numbered, as the catalogue
// does it.
func newWorld(t testing.TB, seed uint64, text string) *world {
	t.Helper()
	w := &world{World: roundtest.NewWorld(t, seed, 2, flowdef.ExecutorAuto, text), rules: map[progress.FlowID]*folded{}}
	w.machine = alertround.Machine{Stored: w.Store, Rows: w.Store, Expand: &expand.Expander{}, Log: slog.New(slog.DiscardHandler)}
	ids, all := slices.Sorted(maps.Keys(w.Store.Flows)), []flowdef.Flow{}
	for _, id := range ids {
		all = append(all, w.Store.Flows[id].Flow.Def)
	}
	known, _, err := flowgraph.WithLabels(all, func(int) bool { return false })
	if err != nil {
		t.Fatal(err)
	}
	records := map[string][]progress.FlowID{}
	for i, id := range ids {
		w.Store.Flows[id].Flow.Def = known[i]
		if def := &w.Store.Flows[id].Flow.Def; def.Alert == nil {
			records[def.Name] = append(records[def.Name], id)
		}
	}
	for _, ids := range records {
		var defs []flowdef.Flow
		for _, id := range ids {
			defs = append(defs, w.Store.Flows[id].Flow.Def)
		}
		defs, _ = flowdef.Membered(defs, 0)
		for i, id := range ids {
			w.Store.Flows[id].Flow.Def = defs[i]
		}
	}
	w.Results = w
	return w
}

// Commit folds alerting rules over rounds and stores both.
func (w *world) Commit(ctx context.Context, rounds []progress.Round) ([]progress.Outcome, error) {
	made := map[int]*alertround.Outcome{}
	for i := range rounds {
		r := &rounds[i]
		flow := w.Store.Flows[r.Flow].Flow
		if flow.Def.Alert == nil {
			continue
		}
		if own := w.rules[r.Flow]; own == nil || own.epoch != r.Epoch {
			w.rules[r.Flow] = &folded{r.Epoch, alertround.NewRule(&flow)}
		}
		out, err := w.machine.Round(ctx, w.rules[r.Flow].rule, r, flow.EmittedUntil)
		if err != nil {
			return nil, err
		}
		made[i], r.Alerts = out, out.Update
	}
	outcomes, err := w.Store.Commit(ctx, rounds)
	for i, out := range made {
		if err == nil && outcomes[i].Err == nil {
			w.rules[rounds[i].Flow].rule.Committed(out)
		}
	}
	return outcomes, err
}

// TestRulesAsPrometheus: over random groups of rules that read each other, records of
// several rules, and alerts, with late, repeated and overwritten samples, restarts,
// seals, failing commits and refills, every row, every stale marker and every state of an
// alert is Prometheus's once all samples have come.
func TestRulesAsPrometheus(t *testing.T) {
	var all counts
	t.Run("seeds", func(t *testing.T) {
		for seed := range uint64(20) {
			t.Run(fmt.Sprint(seed), func(t *testing.T) {
				t.Parallel()
				rng := rand.New(rand.NewPCG(seed, 12))
				text := groups(rng, 8)
				w := newWorld(t, seed, text)
				for range 40 {
					w.Act()
				}
				w.Settle()
				w.compare(text, &all)
			})
		}
	})
	t.Log(all.String())
	if all.samples.Load() < 6000 || all.markers.Load() < 200 || all.hidden.Load() < 500 || all.alerts.Load() < 2000 || all.corrected.Load() < 50 || all.between.Load() < 10 {
		t.Errorf("the scenarios test too little: %s", all.String())
	}
}

// counts is what was compared.
type counts struct{ samples, markers, hidden, alerts, corrected, between atomic.Int64 }

func (c *counts) String() string {
	return fmt.Sprintf("%d samples, %d markers, %d rows that another rule hides, %d states of alerts, %d corrected changes, %d rules between others of a record",
		c.samples.Load(), c.markers.Load(), c.hidden.Load(), c.alerts.Load(), c.corrected.Load(), c.between.Load())
}

// compare evaluates the rules in Prometheus, and compares what both have.
func (w *world) compare(text string, all *counts) {
	w.T.Helper()
	p := newPrometheus(w.T, text, w.Committed())
	newest := sequence.NoTime
	for _, mf := range w.Store.Flows {
		newest = max(newest, mf.Flow.EmittedUntil)
		if w.between(&mf.Flow.Def) {
			all.between.Add(1)
		}
		if mf.Flow.Def.Expr.FromNothing {
			p.held.not[mf.Flow.Def.Name] = func(t int64) bool { return t <= mf.Flow.BeginsAfter && mf.Rows[t] == nil }
		}
	}
	states := map[string]map[int64][]string{} // of alerts, by rule and time
	for t := w.Base - 3_600_000; t <= newest; t += 30_000 {
		p.evaluate(t)
		for _, g := range p.groups {
			for _, r := range g.AlertingRules() {
				if t%g.Interval().Milliseconds() == 0 {
					key := g.Name() + ":" + r.Name()
					if states[key] == nil {
						states[key] = map[int64][]string{}
					}
					r.ForEachActiveAlert(func(a *rules.Alert) { states[key][t] = append(states[key][t], ofPrometheus(a)) })
					slices.Sort(states[key][t])
				}
			}
		}
	}
	records := map[string][]*roundtest.MemFlow{}
	for _, id := range slices.Sorted(maps.Keys(w.Store.Flows)) {
		mf := w.Store.Flows[id]
		if def := &mf.Flow.Def; def.Alert != nil {
			w.alerts(mf, states["g"+def.Name[len("alert:g"):]], text, all)
		} else {
			records[def.Name] = append(records[def.Name], mf)
		}
	}
	for name, of := range records {
		w.record(name, of, p.series(name), text, all)
	}
}

// between reports whether the rule stands between rules of a record that it reads.
func (w *world) between(def *flowdef.Flow) bool {
	for title := range def.Behind {
		for _, mf := range w.Store.Flows {
			if p := &mf.Flow.Def; p.RecordTitle() == title && !def.SeesPrevious(p) && p.Title() != def.Title() {
				return true
			}
		}
	}
	return false
}

// record compares the series of a record.
func (w *world) record(name string, of []*roundtest.MemFlow, want map[string][]point, text string, all *counts) {
	w.T.Helper()
	until, every := sequence.EndOfTime, of[0].Flow.Def.Every
	rows := map[int64]map[string]float64{} // those that stand
	for _, mf := range of {
		layout := flowdef.NewLayout(mf.Flow.Def)
		until = min(until, mf.Flow.EmittedUntil)
		for end, list := range mf.Rows {
			if rows[end] == nil {
				rows[end] = map[string]float64{}
			}
			for _, row := range list {
				key := layout.Labels(row.Columns).String()
				if _, taken := rows[end][key]; !taken {
					rows[end][key] = row.Value
				} else {
					all.hidden.Add(1)
				}
			}
		}
	}
	got := map[string][]point{}
	walk := results.Walk[string, float64]{Every: every, Until: until, Stale: segment.Stale(), Sample: func(key string, t sequence.Time, v float64) {
		got[key] = append(got[key], point{t, v})
		if all.samples.Add(1); segment.IsStale(v) {
			all.markers.Add(1)
		}
	}}
	for _, end := range slices.Sorted(maps.Keys(rows)) {
		if end > until {
			break
		}
		walk.Window(end)
		for key, v := range rows[end] {
			walk.Row(key, v)
		}
	}
	walk.Done()
	for key := range want {
		want[key] = slices.DeleteFunc(want[key], func(x point) bool { return x.t > until })
		if len(want[key]) == 0 {
			delete(want, key)
		}
	}
	if !maps.EqualFunc(got, want, func(a, b []point) bool { return slices.EqualFunc(a, b, same) }) {
		for _, key := range slices.Sorted(maps.Keys(both(got, want))) {
			for i := range max(len(got[key]), len(want[key])) {
				if i >= len(got[key]) || i >= len(want[key]) || !same(got[key][i], want[key][i]) {
					w.T.Errorf("%s%s from sample %d on:\n got %s\nwant %s", name, key, i, w.said(got[key][min(i, len(got[key])):]), w.said(want[key][min(i, len(want[key])):]))
					break
				}
			}
		}
		w.T.Fatalf("up to %+ds\n%s\n%v", (until-w.Base)/1000, text, w.Log)
	}
}

func both[V any](a, b map[string]V) map[string]V {
	out := maps.Clone(a)
	maps.Copy(out, b)
	return out
}

// said is the first of some points.
func (w *world) said(list []point) (out string) {
	for _, x := range list[:min(len(list), 8)] {
		out += fmt.Sprintf(" %+ds:%v", (x.t-w.Base)/1000, x.v)
	}
	return out
}

// same reports whether points are equal within the bound of docs/semantics.md.
func same(a, b point) bool {
	return a.t == b.t && segment.IsStale(a.v) == segment.IsStale(b.v) && partialtest.Close(a.v, b.v, 1e-9*(1e4+math.Abs(b.v)))
}

// alerts compares the states of a rule's alerts after each evaluation.
func (w *world) alerts(mf *roundtest.MemFlow, want map[int64][]string, text string, all *counts) {
	w.T.Helper()
	def := &mf.Flow.Def
	for _, t := range slices.Sorted(maps.Keys(want)) {
		if t > mf.Flow.EmittedUntil {
			break
		}
		n, _ := slices.BinarySearchFunc(mf.Alerts.History, t+1, func(c alert.Change, t int64) int { return int(c.At - t) })
		state := alert.Restore(mf.Alerts.History[:n], t)
		got := ofLaminar(&state)
		all.alerts.Add(int64(len(got)))
		if !slices.Equal(got, want[t]) {
			w.T.Fatalf("%s (%s) at %+ds:\n got %v\nwant %v\n%s\n%v", def.Title(), def.PromQL, (t-w.Base)/1000, got, want[t], text, w.Log)
		}
	}
	for _, c := range mf.Alerts.History {
		if c.Corrected {
			all.corrected.Add(1)
		}
	}
	state := alert.Restore(mf.Alerts.Now, sequence.NoTime)
	if got := ofLaminar(&state); !slices.Equal(got, want[mf.Flow.EmittedUntil]) {
		w.T.Fatalf("%s now:\n got %v\nwant %v\n%s", def.Title(), got, want[mf.Flow.EmittedUntil], text)
	}
}

// saidAlert is an alert as text.
func saidAlert(phase string, lset fmt.Stringer, times ...sequence.Time) string {
	return fmt.Sprint(phase, " ", lset, " ", times)
}

func ofLaminar(s *alert.State) (out []string) {
	for _, i := range s.Instances() {
		out = append(out, saidAlert(string(i.Phase), i.Labels, i.ActiveAt, i.FiredAt, i.ResolvedAt, i.KeptSince))
	}
	slices.Sort(out)
	return out
}

func ofPrometheus(a *rules.Alert) string {
	ms := func(t time.Time) sequence.Time {
		if t.IsZero() {
			return sequence.NoTime
		}
		return t.UnixMilli()
	}
	phase := map[rules.AlertState]string{rules.StatePending: "pending", rules.StateFiring: "firing", rules.StateInactive: "resolved"}[a.State]
	return saidAlert(phase, a.Labels, ms(a.ActiveAt), ms(a.FiredAt), ms(a.ResolvedAt), ms(a.KeepFiringSince))
}
