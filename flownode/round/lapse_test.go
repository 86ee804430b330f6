package round_test

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"testing"

	"laminar/flownode/flowdef"
	"laminar/flownode/partial/partialtest"
	"laminar/flownode/progress"
	"laminar/flownode/round"
	"laminar/flownode/round/roundtest"
	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sequence/series"
)

const lapseFlows = `
flows:
  - {name: all, promql: 'sum(rate(m[2m]))', every: 30s}
  - {name: by_job, promql: 'sum by (job) (rate(m[2m])) + on () group_left sum(rate(m{job=~"[1-6]"}[1m]))', every: 30s}
  - {name: peak, promql: 'max(rate(m{job=~"[1-6]"}[1m]))', every: 30s}
  - {name: each, promql: 'rate(m{job!="0"}[2m])', every: 30s}
  - {name: whole, promql: 'sum by (job) (quantile_over_time(0.5, m[2m]))', every: 30s}
`

// TestLapse: series come and go all the time, and what a flow keeps of them stays level,
// while its results are those of a flow that begins anew with each round.
func TestLapse(t *testing.T) {
	const perStep, steps = 300, 30
	kept, anew := newChurn(t, lapseFlows), newChurn(t, lapseFlows)
	most := 0
	for step := range steps {
		for _, c := range []*churn{kept, anew} {
			c.step(perStep)
		}
		anew.Restart()
		for _, c := range []*churn{kept, anew} {
			c.Tick()
		}
		for _, f := range kept.Flows {
			for _, l := range f.Leaves {
				if n := len(l.Members.Series); step > steps/2 {
					most = max(most, n)
				}
			}
		}
	}
	// Series have samples for 10 steps; a quarter may be gone, and a step is late.
	if limit := perStep * 10 * 4 / 3 * 3 / 2; most > limit || most < perStep*5 {
		t.Errorf("a leaf has up to %d members after %d series, want at most %d", most, perStep*steps, limit)
	}
	sameTables(t, kept, anew, steps)
}

// sameTables compares the tables of two worlds, which have at least so many windows.
func sameTables(t *testing.T, kept, anew *churn, steps int) {
	t.Helper()
	for range 3 { // what a round on a busy machine had no time for
		kept.Tick()
		anew.Tick()
	}
	for id, f := range kept.Store.Flows {
		other := anew.Store.Flows[id]
		if len(f.Rows) < steps || len(f.Rows) != len(other.Rows) {
			t.Errorf("%s: %d windows, anew there are %d", f.Flow.Def.Name, len(f.Rows), len(other.Rows))
		}
		for end, rows := range f.Rows {
			if !maps.EqualFunc(rows, other.Rows[end], func(a, b progress.Row) bool { return partialtest.Close(a.Value, b.Value, 1e-9*(1+math.Abs(b.Value))) }) {
				t.Fatalf("%s, window ending %d: stored is %d rows, anew %d, or others", f.Flow.Def.Name, end, len(rows), len(other.Rows[end]))
			}
		}
	}
}

// TestLapseOfResults: label values of a record come and go all the time, and what is kept
// of its series stays level, while results above it are those of flows that begin anew
// with each round.
func TestLapseOfResults(t *testing.T) {
	defer round.SetFewResults(100)()
	const defs = `
flows:
  - {name: 'each:x', promql: 'sum by (instance, job) (rate(m[1m]))', every: 30s}
  - {name: 'over:x', promql: 'sum by (job) (max_over_time(each:x[2m]))', every: 30s}
  - {name: 'last:x', promql: 'count(each:x offset 30s) + on () sum(over:x)', every: 30s}
  - {name: 'gone:x', promql: 'count(each:x) unless on () (count(last:x) > 1)', every: 30s}
`
	const perStep, steps = 20, 240
	kept, anew := newChurn(t, defs), newChurn(t, defs)
	most, fell, before := 0, 0, 0
	for step := range steps {
		for _, c := range []*churn{kept, anew} {
			c.step(perStep)
		}
		anew.Restart()
		for _, c := range []*churn{kept, anew} {
			c.Tick()
		}
		n := kept.Cascade.Numbered()
		if n < before {
			fell++
		}
		if before = n; step > steps/2 {
			most = max(most, n)
		}
	}
	// Each step has its own series. State of windows of 2 minutes, with what may be late,
	// knows those of 18 steps, and four times as many may have a number.
	if limit := 4 * perStep * 20; most > limit || fell < 2 {
		t.Errorf("up to %d series have a number after %d, want at most %d; %d times there were fewer than before", most, perStep*steps, limit, fell)
	}
	sameTables(t, kept, anew, steps-4)
}

// churn is a world in which each step has series of its own.
type churn struct {
	*roundtest.World
	created int
}

func newChurn(t *testing.T, defs string) *churn {
	t.Helper()
	w := roundtest.NewWorld(t, 1, 1, flowdef.ExecutorColumnar, defs)
	w.Series = w.Series[:0]
	return &churn{World: w}
}

// step makes n series, commits two samples of each, 15 s apart, and drops what is more
// than 10 steps old.
func (c *churn) step(n int) {
	first := c.created + 1
	c.created += n
	for i := first; i <= c.created; i++ {
		c.Store.Series = append(c.Store.Series, series.Series{
			ID: sequence.SeriesID(i), Metric: 1, Region: 1, Seq: c.Store.Vec.At(1) + 1,
			Labels: []series.Label{{Name: series.MetricName, Value: "m"}, {Name: "instance", Value: fmt.Sprint(i)}, {Name: "job", Value: fmt.Sprint(i % 7)}},
		})
	}
	for range 2 {
		c.Clock += 15_000
		seg := segment.Segment{Metric: 1, Ordered: true, Base: segment.Bucket(c.Clock), MinT: c.Clock, MaxT: c.Clock}
		for i := first; i <= c.created; i++ {
			seg.Series = append(seg.Series, sequence.SeriesID(i))
			seg.Offsets = append(seg.Offsets, int32(c.Clock-seg.Base))
			seg.Values = append(seg.Values, float64(c.Clock/1000%1000+int64(i)))
		}
		c.Store.Append(1, seg)
		c.Store.Now = c.Clock
	}
	c.Store.Lapse(c.Clock - 10*30_000)
}

// TestForgetOfParts: rounds of a few flows of a group, computed apart, neither take
// numbers back nor say how many are needed; where the others are gone for good, they do.
func TestForgetOfParts(t *testing.T) {
	defer round.SetFewResults(10)()
	w := newChurn(t, lapseFlows)
	w.Tick()
	var all []*round.Flow
	for _, id := range slices.Sorted(maps.Keys(w.Flows)) {
		all = append(all, w.Flows[id])
	}
	part, c := all[1:2], round.NewCascade() // both end with a flow by job
	c.ForgetWith(all, 11)
	if n := c.Numbered(); n != 0 {
		t.Fatalf("%d series have a number, want none", n)
	}
	c.ForgetWith(part, 2)
	for range 3 {
		c.ForgetWith(all, 100)
		c.ForgetWith(part, 1)
		if n := c.Numbered(); n != 102 {
			t.Fatalf("%d series have a number, want 102", n)
		}
	}
	back := false
	for range len(all) {
		c.ForgetWith(part, 500)
		back = back || c.Numbered() == 0
	}
	if !back {
		t.Error("with the others gone, numbers are never taken back")
	}
}
