package round_test

import (
	"maps"
	"slices"
	"testing"
	"time"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowplan"
	"laminar/flownode/round/roundtest"
	"laminar/sequence"
)

// TestItselfGoesOn: what flows give by their own results alone goes on when no samples
// come any more: time brings their rounds, and each window has its rows.
func TestItselfGoesOn(t *testing.T) {
	w := roundtest.NewWorld(t, 1, 2, flowdef.ExecutorColumnar, `
flows:
  - {name: 'last', promql: 'max by (job) (temperature) or last', every: 30s}
  - {name: 'base', promql: 'count(temperature)', every: 30s}
  - {name: 'passed', promql: '(base or passed) + 1', every: 1m}
`)
	for range 3 {
		w.Scrape(60_000, false)
		w.Tick()
	}
	for range 150 {
		next := sequence.EndOfTime
		for _, f := range w.Flows {
			if at := f.Deadline(); at != sequence.NoTime {
				next = min(next, at)
			}
		}
		if next == sequence.EndOfTime {
			t.Fatalf("nothing is to come after %+d s", (w.Store.Now-w.Base)/1000)
		}
		w.Store.Now = max(w.Store.Now, next)
		w.Tick()
	}
	w.SettleAll()
	for _, f := range []*roundtest.MemFlow{w.Store.Flows[1], w.Store.Flows[3]} {
		if f.Flow.EmittedUntil < w.Base+40*60_000 {
			t.Fatalf("%s is at %+d s only", f.Flow.Def.Name, (f.Flow.EmittedUntil-w.Base)/1000)
		}
		for end := w.Base + 3*60_000; end <= f.Flow.EmittedUntil; end += f.Flow.Def.Every {
			if len(f.Rows[end]) == 0 {
				t.Fatalf("%s has no rows at %+d s", f.Flow.Def.Name, (end-w.Base)/1000)
			}
		}
	}
}

// values is the flow's results in windows that have one row.
func values(f *roundtest.MemFlow) map[sequence.Time]float64 {
	out := map[sequence.Time]float64{}
	for end, rows := range f.Rows {
		for _, row := range rows {
			out[end] = row.Value
		}
	}
	return out
}

// changed is the ends of windows whose results are others than before, from one to another.
func changed(before, now map[sequence.Time]float64, from, to sequence.Time) (n int) {
	for end, v := range now {
		if was, ok := before[end]; end >= from && end <= to && ok && was != v {
			n++
		}
	}
	return n
}

// runningTotal is a world with a running total, after so many minutes of samples. From then
// on a round computes a window of each kind.
func runningTotal(t *testing.T, minutes int) *roundtest.World {
	t.Helper()
	w := roundtest.NewWorld(t, 3, 2, flowdef.ExecutorColumnar, `
flows:
  - {name: total, promql: 'sum(count_over_time(temperature[1m])) + (total or vector(0))', every: 1m}
`)
	for range minutes {
		w.Scrape(60_000, false)
		w.Tick()
	}
	w.SettleAll()
	w.Budget = 0
	return w
}

// TestWalkLeavesTimeForNewer: while a correction walks through hours of a running total, a
// newer one reaches the newest window, however little time a round has; and both are right
// in the end.
func TestWalkLeavesTimeForNewer(t *testing.T) {
	w := runningTotal(t, 300)
	f := w.Store.Flows[1]
	before := values(f)
	newest := slices.Max(slices.Collect(maps.Keys(before)))
	late := newest - 10*60_000
	for _, s := range w.Series {
		if !s.Counter && s.Region == 1 {
			w.Flush(1, map[*roundtest.WorldSeries]map[int64]float64{s: {w.Base + 90_001: 1, late - 1: 1}})
			break
		}
	}
	round := func() {
		if _, err := w.Round(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	round()
	w.Store.Now += flowplan.DirtyAtLatest
	for range 30 {
		round()
	}
	now := values(f)
	if n := changed(before, now, late, newest); n < 11 {
		t.Errorf("after 30 rounds the newer correction has reached %d of 11 windows", n)
	}
	if n := changed(before, now, 0, late-60_000); n < 10 || n > 60 {
		t.Errorf("after 30 rounds the older correction has reached %d windows, want some and not all", n)
	}
	w.Budget = time.Second
	w.SettleAll()
	if n := changed(before, values(f), 0, newest); n < 290 {
		t.Errorf("in the end the older correction has reached %d windows", n)
	}
}

// TestWalkIsWaitedFor: so long as a correction walks through a running total, some window on
// the dirty list is due to what came in before it, as flow wait looks for. When none is, the
// total is as it will be.
func TestWalkIsWaitedFor(t *testing.T) {
	w := runningTotal(t, 60)
	f := w.Store.Flows[1]
	before := values(f)
	newest := slices.Max(slices.Collect(maps.Keys(before)))
	for _, s := range w.Series {
		if !s.Counter && s.Region == 1 {
			w.Flush(1, map[*roundtest.WorldSeries]map[int64]float64{s: {w.Base + 90_001: 1}})
			break
		}
	}
	due := func(vec sequence.Vector) bool {
		for _, d := range f.Dirty {
			if !d.Since.Covers(vec) {
				return true
			}
		}
		return false
	}
	waited, vec := 0, w.Store.Vec.Clone()
	for ; waited == 0 || due(vec); waited++ {
		if _, err := w.Round(t.Context()); err != nil {
			t.Fatal(err)
		}
		w.Store.Now += flowplan.DirtyQuiet
	}
	then := values(f)
	if n := changed(before, then, 0, newest); n < 50 || waited < 20 {
		t.Errorf("%d windows are another after %d rounds", n, waited)
	}
	w.Budget = time.Second
	w.SettleAll()
	if n := changed(then, values(f), 0, newest); n > 0 {
		t.Errorf("nothing was waited for, and then %d windows were corrected", n)
	}
}

// TestCorrectionsTakeTurns: of two flows with many corrections each takes its part of a
// round, whichever is computed first.
func TestCorrectionsTakeTurns(t *testing.T) {
	w := roundtest.NewWorld(t, 4, 2, flowdef.ExecutorColumnar, `
flows:
  - {name: total, promql: 'sum(count_over_time(temperature[1m])) + (total or vector(0))', every: 1m}
  - {name: middle, promql: 'sum(quantile_over_time(0.5, errors_total[1m]))', every: 1m, emit: close}
`)
	for range 300 {
		w.Scrape(60_000, false)
		w.Tick()
	}
	w.SettleAll()
	// A clock that every look moves on: what a round does is the same on any machine.
	clock := time.Unix(0, 0)
	w.Machine.Now = func() time.Time {
		clock = clock.Add(10 * time.Millisecond)
		return clock
	}
	total, middle := w.Store.Flows[1], w.Store.Flows[2]
	before, newest := values(total), total.Flow.EmittedUntil
	done := map[string]bool{}
	for _, s := range w.Series {
		samples := map[int64]float64{}
		switch name := s.Labels[0].Value; {
		case done[name]:
			continue
		case name == "temperature":
			samples[w.Base+90_001] = 1
		case name == "errors_total":
			for at := w.Base + 59_001; at < newest; at += 60_000 {
				samples[at] = 1e6
			}
		}
		done[s.Labels[0].Value] = true
		w.Flush(s.Region, map[*roundtest.WorldSeries]map[int64]float64{s: samples})
	}
	round := func() {
		if _, err := w.Round(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	round()
	w.Store.Now += flowplan.DirtyAtLatest
	dirty := len(middle.Dirty)
	for range 3 {
		round()
	}
	walked, corrected := changed(before, values(total), 0, newest), dirty-len(middle.Dirty)
	t.Logf("of 300 windows %d were walked through and %d corrected", walked, corrected)
	if walked < 20 || walked > 280 || corrected < 20 || corrected > 280 {
		t.Errorf("in 3 rounds %d windows were walked through and %d corrected, want a part of both", walked, corrected)
	}
}
