package round_test

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"testing"

	"laminar/flownode/flowdef"
	"laminar/flownode/partial/partialtest"
	"laminar/flownode/progress"
	"laminar/flownode/round/roundtest"
	"laminar/flownode/session"
	"laminar/sequence"
	"laminar/sequence/segment"
)

// sessionFlows is flows of sessions over the metrics of a World. The samples come every
// 15 s; some are left out, and so are those that do not satisfy the condition.
const sessionFlows = `
flows:
  - {name: sums, promql: sum by (job) (temperature), session: {gap: 20s, max: 4m}}
  - {name: visits, promql: count by (n) (temperature), session: {gap: 40s, max: 10m, when: "> 20"}}
  - {name: grown, promql: sum by (job) (requests_total), session: {gap: 45s, max: 3m, value: increase}, emit: close}
  - {name: newest, promql: 'sum by (n) ({__name__=~"errors_total|requests_total"})', session: {gap: 16s, max: 2m, value: last}}
  - {name: lowest, promql: min without (n) (temperature), session: {gap: 30s, max: 90s}, watermark_delay: 40s}
  - {name: mapped, promql: sum by (place) (temperature), session: {gap: 20s, max: 4m}, relabel: [{source_labels: [n], regex: '[25]', action: drop}, {source_labels: [instance, job], target_label: place}]}
  - {name: beside, promql: 'sum by (job) (rate(requests_total[2m]))', every: 1m}
`

// sessionRow is a row of a flow of sessions.
type sessionRow struct {
	start, end int64
	key        string
}

// naiveSessions is the rows that a flow of sessions is to have, of all samples.
func naiveSessions(w *roundtest.World, def flowdef.Flow) map[sessionRow]float64 {
	type sample struct {
		series sequence.SeriesID
		t      int64
		v      float64
	}
	leaf, layout := &def.Expr.Leaves[0], flowdef.NewLayout(def)
	groups := map[string][]sample{}
	for _, x := range w.Committed() {
		if !leaf.Matches(x.Labels.Get) || leaf.LeavesOut(x.Labels) {
			continue
		}
		key := progress.RowKey(layout.Row(leaf.GroupLabels(x.Labels)))
		for i, v := range x.Values {
			if !segment.IsStale(v) && def.Session.When.Holds(v) {
				groups[key] = append(groups[key], sample{sequence.SeriesID(x.Labels.Hash()), x.Times[i], v})
			}
		}
	}
	half := def.Session.Max / 2
	out := map[sessionRow]float64{}
	for key, samples := range groups {
		slices.SortFunc(samples, func(a, b sample) int { return int(a.t - b.t) })
		begin, pieces := 0, 1
		for i := 1; i <= len(samples); i++ {
			if i < len(samples) {
				a, b := samples[i-1].t, samples[i].t
				switch {
				case b-a > def.Session.Gap:
					pieces = 1
				case (a+half-1)/half == (b+half-1)/half:
					continue
				default:
					if pieces++; pieces == 2 {
						continue
					}
				}
			}
			var vs []float64
			grown, last := 0.0, map[sequence.SeriesID]float64{}
			newest := math.Inf(-1)
			for _, s := range samples[begin:i] {
				vs = append(vs, s.v)
				if before, ok := last[s.series]; ok {
					if grown += s.v - before; s.v < before {
						grown += before
					}
				}
				last[s.series] = s.v
				if s.t == samples[i-1].t && (s.v > newest || math.IsNaN(newest)) {
					newest = s.v
				}
			}
			v := newest
			switch def.Session.Value {
			case session.Sum:
				v = 0
				for _, x := range vs {
					v += x
				}
			case session.Count:
				v = float64(len(vs))
			case session.Increase:
				v = grown
			case session.Min:
				v = math.NaN()
				for _, x := range vs {
					if x < v || math.IsNaN(v) {
						v = x
					}
				}
			}
			out[sessionRow{samples[begin].t, samples[i-1].t, key}] = v
			begin = i
		}
	}
	return out
}

// checkSessions holds the tables of flows of sessions against the definition: closed
// sessions, but near entries of the dirty list, and open ones where these have rows: not
// where the flow has no state.
func checkSessions(t *testing.T, w *roundtest.World) (closed int) {
	t.Helper()
	for _, mf := range w.Store.Flows {
		def := mf.Flow.Def
		if def.Session == nil || mf.Flow.EmittedUntil == sequence.NoTime {
			continue
		}
		emitted := mf.Flow.EmittedUntil
		var dirty sequence.Spans
		for k := range mf.Dirty {
			dirty = append(dirty, def.Session.Affected(k.WindowEnd))
		}
		want := naiveSessions(w, def)
		said := func(row sessionRow) bool { // whether the table has to agree
			return row.end > mf.Flow.BeginsAfter && !slices.ContainsFunc(dirty, func(s sequence.Span) bool { return s.Holds(row.end) }) &&
				(row.end <= emitted || def.Emit == flowdef.EmitUpdate && w.Flows[mf.Flow.ID] != nil && w.Flows[mf.Flow.ID].Leaves[0].State != nil)
		}
		got := map[sessionRow]float64{}
		for end, rows := range mf.Rows {
			for key, row := range rows {
				got[sessionRow{row.Start, end, key}] = row.Value
			}
		}
		var wrong []string
		for row, v := range want {
			if row.end <= emitted {
				closed++
			}
			if have, ok := got[row]; said(row) && (!ok || !partialtest.Close(have, v, 1e-9*max(1, math.Abs(v)))) {
				wrong = append(wrong, fmt.Sprintf("want %+v: %v, have %v (%v)", row, v, have, ok))
			}
		}
		for row, v := range got {
			if _, ok := want[row]; !ok && said(row) {
				wrong = append(wrong, fmt.Sprintf("have %+v: %v, which is none", row, v))
			}
		}
		if len(wrong) > 0 {
			slices.Sort(wrong)
			t.Fatalf("%s (emitted until %d, dirty %v): %d rows differ:\n%s\n%v", def.Name, emitted, slices.Collect(maps.Keys(mf.Dirty)), len(wrong),
				strings.Join(wrong[:min(len(wrong), 6)], "\n"), w.Log)
		}
	}
	return closed
}

// TestSessions holds tables of flows of sessions against the definition after random
// events: samples in and out of order, late joins and splits, overwritten ones, sealing,
// restarts, commits that fail, refills, state that is lost.
func TestSessions(t *testing.T) {
	closed := 0
	for seed := range seeds(24, 6) {
		w := roundtest.NewWorld(t, seed, 1+int(seed%3), "", sessionFlows)
		for range 60 {
			w.Act()
			if w.Rng.IntN(3) == 0 {
				checkSessions(t, w)
			}
		}
		w.Settle()
		closed += checkSessions(t, w)
		for _, mf := range w.Store.Flows {
			if len(mf.Dirty) > 0 {
				t.Fatalf("seed %d: %s is still dirty: %v", seed, mf.Flow.Def.Name, mf.Dirty)
			}
		}
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	if closed < 1000 {
		t.Errorf("%d sessions were closed: too few to say anything", closed)
	}
	t.Logf("%d closed sessions", closed)
}

// TestSessionsOverTheLimit: where no pause is shorter than the time between two samples,
// each is a run. A flow whose runs take more memory than they may goes on from raw samples,
// some groups at a time, without rows of open sessions, and its sessions are the same. One
// of the same series with long runs keeps its state.
func TestSessionsOverTheLimit(t *testing.T) {
	had := map[string]int{} // after how many of all 800 events there was state
	for seed := range uint64(10) {
		w := roundtest.NewWorld(t, seed, 1+int(seed%2), "", `
flows:
  - {name: single, promql: sum by (n) (temperature), session: {gap: 10s, max: 4m}}
  - {name: jobs, promql: count by (job) (temperature), session: {gap: 10s, max: 4m}, emit: close}
  - {name: long, promql: sum by (job) (temperature), session: {gap: 90s, max: 4m}}
`)
		w.Machine.MaxStateBytes = 10_000
		for range 80 {
			w.Act()
			for _, f := range w.Flows {
				if f.Leaves[0].State != nil {
					had[f.Def.Name]++
				}
			}
			if w.Rng.IntN(3) == 0 {
				checkSessions(t, w)
			}
		}
		w.Settle()
		checkSessions(t, w)
		for _, mf := range w.Store.Flows {
			for end, rows := range mf.Rows {
				if w.Flows[mf.Flow.ID].Leaves[0].State == nil && end > mf.Flow.EmittedUntil && len(rows) > 0 {
					t.Errorf("seed %d: %s has rows of open sessions and no state that knows what becomes of them", seed, mf.Flow.Def.Name)
				}
			}
		}
	}
	if had["single"] == 0 || had["single"] > 500 || had["jobs"] == 0 || had["jobs"] > 500 || had["long"] < 750 {
		t.Errorf("after %v of 800 events there was state, want some of single and jobs, and nearly all of long", had)
	}
	t.Logf("state after %v of 800 events", had)
}

// TestSessionsJoinInOneCommit holds what a late sample between two sessions does: two rows
// go and one comes, in one commit, and other groups are not touched.
func TestSessionsJoinInOneCommit(t *testing.T) {
	w := roundtest.NewWorld(t, 1, 1, "", `
flows:
  - {name: visits, promql: sum by (n) (temperature), session: {gap: 30s, max: 1h}}
`)
	var one, other *roundtest.WorldSeries
	for _, s := range w.Series {
		if s.Metric == 3 {
			one, other = other, s
		}
	}
	at := func(s *roundtest.WorldSeries, seconds ...int64) {
		points := map[int64]float64{}
		for _, sec := range seconds {
			points[w.Base+1000*sec] = 1
		}
		w.Flush(s.Region, map[*roundtest.WorldSeries]map[int64]float64{s: points})
		w.Clock = max(w.Clock, w.Base+1000*seconds[len(seconds)-1])
		w.Store.Now = max(w.Store.Now, w.Clock)
		w.Tick()
	}
	at(one, 0, 20, 70, 90, 600)
	at(other, 0, 90, 600)
	checkSessions(t, w)
	log := &commits{World: w}
	w.Results = log
	at(one, 45)
	checkSessions(t, w)
	// The second of the two ends where the joined one does: its row is changed.
	rows, gone := 0, 0
	for _, win := range log.windows {
		rows, gone = rows+len(win.Rows), gone+len(win.Gone)
		if len(win.Rows) > 0 && (win.Rows[0].Start != w.Base || win.End != w.Base+90_000 || win.Rows[0].Value != 5) {
			t.Errorf("the session that joins them is %+v", win)
		}
	}
	if rows != 1 || gone != 1 {
		t.Errorf("the late sample has changed %+v, want the row of one session, and that of the other gone", log.windows)
	}
}

// commits keeps the windows that are stored.
type commits struct {
	*roundtest.World
	windows []progress.Window
}

func (c *commits) Commit(ctx context.Context, rounds []progress.Round) ([]progress.Outcome, error) {
	for _, r := range rounds {
		c.windows = append(c.windows, r.Windows...)
	}
	return c.Store.Commit(ctx, rounds)
}

// TestRefillCountsSessions: what a refill of sessions has done is counted in sessions, in
// however many chunks it went.
func TestRefillCountsSessions(t *testing.T) {
	w := roundtest.NewWorld(t, 3, 1, "", `
flows:
  - {name: visits, promql: count by (n) (temperature), session: {gap: 16s, max: 1m}}
`)
	for range 60 {
		w.Act()
	}
	w.Settle()
	var (
		id   progress.FlowID
		want int64
		to   = sequence.NoTime
	)
	for _, mf := range w.Store.Flows {
		id, to = mf.Flow.ID, mf.Flow.EmittedUntil
		for end, rows := range mf.Rows {
			if end <= to {
				want += int64(len(rows))
			}
		}
	}
	job := progress.Job{ID: 7000, Flow: id, From: w.Base - 600_000, NextT: w.Base - 600_000, To: to, State: progress.JobQueued}
	w.Store.Jobs = append(w.Store.Jobs, job)
	for range 1000 {
		w.Tick()
		if job = w.Store.Jobs[len(w.Store.Jobs)-1]; job.State != progress.JobQueued && job.State != progress.JobRunning {
			break
		}
	}
	if job.State != progress.JobDone || want < 20 || job.WindowsDone != want {
		t.Errorf("the job is %+v, %d sessions are stored", job, want)
	}
}
