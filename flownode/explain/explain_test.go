package explain

import (
	"errors"
	"slices"
	"testing"
	"time"

	"laminar/flownode/executor"
	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	"laminar/flownode/round/roundtest"
	"laminar/sequence"
	"laminar/sequence/segment"
)

// TestExplainSaysWhatARoundReads: the counts are those of the samples that have
// come since the flow's vector, by leaf, and afterwards those of the newest
// commits; who is to aggregate follows word and possibility.
func TestExplainSaysWhatARoundReads(t *testing.T) {
	w := roundtest.NewWorld(t, 1, 2, flowdef.ExecutorColumnar, `flows:
  - {name: f, every: 1m, executor: pushdown, promql: 'sum by (job) (rate(requests_total[5m])) / on (job) sum by (job) (count_over_time(temperature[5m]))'}
`)
	explain := func() Explanation {
		t.Helper()
		snap, err := w.Store.StoredSnapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		x, err := Explain(t.Context(), snap, 1, flowdef.ExecutorColumnar, time.Now)
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	for range 3 {
		w.Scrape(15_000, false)
	}
	want := map[sequence.MetricID]int64{}
	for i := range w.Store.Hot {
		want[w.Store.Hot[i].Metric] += int64(w.Store.Hot[i].Len())
	}
	x := explain()
	if len(x.Leaves) != 2 || x.Idle || len(x.Since) != 0 || x.Def.Expr.ResidualText() != "leaf_1 / on (job) leaf_2" {
		t.Fatalf("explained as %+v, residual %s", x, x.Def.Expr.ResidualText())
	}
	for i, metric := range []sequence.MetricID{1, 3} {
		l := x.Leaves[i]
		if l.Samples != want[metric] || l.Bytes != want[metric]*segment.ArrayBytes || l.Metrics != 1 || l.Groups != 2 || l.Series == 0 || l.Columnar <= 0 {
			t.Errorf("leaf %d is %+v, want %d samples", i+1, l, want[metric])
		}
	}
	if c := x.Leaves[0].Choice; c.Executor != flowdef.ExecutorColumnar || c.Refused == "" {
		t.Errorf("a counter is computed by %+v", c)
	}
	if c := x.Leaves[1].Choice; c.Executor != flowdef.ExecutorPushdown || c.Reason != executor.ByFlow {
		t.Errorf("a count is computed by %+v", c)
	}

	w.Tick()
	x = explain()
	if !x.Idle || !x.Vector.Equal(x.Position) || x.Leaves[0].Samples == 0 || x.Leaves[0].Samples > want[1] {
		t.Errorf("of a flow that has read everything: %+v", x)
	}
	snap, err := w.Store.StoredSnapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Explain(t.Context(), snap, 99, flowdef.ExecutorAuto, time.Now); !errors.Is(err, progress.ErrFlowGone) {
		t.Errorf("explain a flow that is not there: %v", err)
	}
}

// TestExplainNamesWhatIsRead: of a flow over results, its leaves name the flows whose
// results they may select, and count these.
func TestExplainNamesWhatIsRead(t *testing.T) {
	w := roundtest.NewWorld(t, 1, 2, flowdef.ExecutorColumnar, `flows:
  - {name: 'a:x', every: 1m, promql: 'max by (n) (temperature)'}
  - {name: 'b:x', every: 1m, promql: 'sum by (job) (rate(requests_total[5m]))'}
  - {name: 'c:x', every: 1m, promql: 'sum by (job) (temperature) + sum(last_over_time({__name__=~"(a|b):x"}[3m])) + count(b:x)'}
`)
	for range 8 {
		w.Scrape(60_000, false)
	}
	w.Tick()
	snap, err := w.Store.StoredSnapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	x, err := Explain(t.Context(), snap, 3, flowdef.ExecutorColumnar, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	var defs []flowdef.Flow
	rows := map[string]int{}
	for _, mf := range w.Store.Flows {
		defs = append(defs, mf.Flow.Def)
		rows[mf.Flow.Def.Name] = len(mf.Rows[mf.Flow.EmittedUntil])
	}
	named := Upstream(x.Def, defs)
	for i, want := range [][]string{nil, {"a:x", "b:x"}, {"b:x"}} {
		n := 0
		for _, name := range want {
			n += rows[name]
		}
		if !slices.Equal(named[i], want) || x.Leaves[i].Results != n || n == 0 != (want == nil) {
			t.Errorf("leaf %d reads %v, %d rows, want %v, %d", i+1, named[i], x.Leaves[i].Results, want, n)
		}
	}
}
