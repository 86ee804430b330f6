package round_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowplan"
	"laminar/flownode/keep"
	"laminar/flownode/progress"
	"laminar/flownode/round"
	"laminar/flownode/round/roundtest"
)

// sharingFlows repeat leaves as real files do: one rate under several groupings, one
// counter over several ranges, one range by several functions.
const sharingFlows = `
flows:
  - {name: by_job, promql: 'sum by (job) (rate(requests_total[5m]))', every: 1m}
  - {name: by_instance, promql: 'sum by (instance) (rate(requests_total[5m]))', every: 1m}
  - {name: by_none, promql: 'max(rate(requests_total[5m]))', every: 1m}
  - {name: each, promql: 'rate(requests_total[5m])', every: 1m}
  - {name: each_again, promql: 'rate(requests_total[5m])', every: 1m}
  - {name: longer, promql: 'sum by (job) (rate(requests_total[30m]))', every: 1m}
  - {name: shorter, promql: 'sum by (job) (increase(requests_total[2m]))', every: 1m}
  - {name: offset, promql: 'sum by (job) (rate(requests_total[5m] offset 2m))', every: 1m}
  - {name: sparse, promql: 'sum by (job) (rate(requests_total[10m] offset 1m))', every: 2m}
  - {name: burn, promql: 'sum(rate(errors_total[5m])) / sum(rate(requests_total[5m])) > 0 and sum(rate(errors_total[30m])) / sum(rate(requests_total[30m])) > 0', every: 1m}
  - {name: sums, promql: 'sum by (job) (sum_over_time(temperature[3m]))', every: 1m}
  - {name: sums_again, promql: '2 * sum by (job) (sum_over_time(temperature[3m]))', every: 1m}
  - {name: highest, promql: 'max by (job) (max_over_time(temperature[4m]))', every: 1m}
  - {name: means, promql: 'sum by (instance) (avg_over_time(temperature[4m]))', every: 1m}
  - {name: means_by_job, promql: 'stddev by (job) (avg_over_time(temperature[6m]))', every: 1m}
  - {name: late_start, promql: 'count(last_over_time(temperature[5m]))', every: 1m}
  - {name: last_by_job, promql: 'count by (job) (last_over_time(temperature[5m]))', every: 1m}
`

// TestSharedPanes drives flows that share panes through random histories in which
// single flows lose their state or are loaded again, and compares every window with
// Prometheus's engine. In the end leaves that may share do.
func TestSharedPanes(t *testing.T) {
	for seed := uint64(1); seed <= seeds(6, 1); seed++ {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			setting := flowdef.ExecutorColumnar
			if seed%3 == 0 {
				setting = flowdef.ExecutorPushdown
			}
			w := roundtest.NewWorld(t, seed, int(seed%3)+1, setting, sharingFlows)
			for range 60 {
				ids := slices.Sorted(maps.Keys(w.Flows))
				for _, id := range ids {
					switch w.Rng.IntN(40) {
					case 0:
						w.Log = append(w.Log, fmt.Sprintf("load %d again", id))
						delete(w.Flows, id)
					case 1:
						w.Log = append(w.Log, fmt.Sprintf("evict %d", id))
						w.Flows[id].Leaves.DropState()
					}
				}
				w.Step()
			}
			for range 3 {
				w.Store.Now += flowplan.DirtyAtLatest
				w.Tick()
			}
			w.Check()
			w.Scrape(120_000, false)
			w.Tick()
			panesAreShared(t, w.Flows)
		})
	}
}

// panesAreShared holds that leaves with one ShareKey use the same panes, and that what
// the flows say they take is what the panes take, each counted once.
func panesAreShared(t *testing.T, flows map[progress.FlowID]*round.Flow) {
	t.Helper()
	first, shared := map[string]*keep.Leaf{}, 0
	for _, id := range slices.Sorted(maps.Keys(flows)) {
		for _, l := range flows[id].Leaves {
			if l.ShareKey() == "" || l.State == nil {
				continue
			}
			switch f := first[l.ShareKey()]; {
			case f == nil:
				first[l.ShareKey()] = l
			case !l.State.Same(f.State):
				t.Errorf("%s of flow %d has panes of its own", l.Def.Text, id)
			default:
				shared++
			}
		}
	}
	if shared < 8 {
		t.Errorf("%d leaves share the panes of another", shared)
	}
}
