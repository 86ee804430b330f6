package round_test

import (
	"fmt"
	"testing"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowplan"
	"laminar/flownode/round/roundtest"
)

// countingFlows is flows that count: different values, and groups of series.
const countingFlows = `
flows:
  - {name: kinds, promql: 'count_distinct(sum by (job) (values_over_time(temperature[4m])))', every: 1m}
  - {name: kinds_all, promql: 'count_distinct(sum(values_over_time(requests_total[90s] offset 1m))) > 2', every: 30s}
  - {name: kinds_single, promql: 'count_distinct(values_over_time(errors_total[2m]))', every: 1m}
  - {name: kinds_series, promql: 'max by (instance) (distinct_over_time(errors_total[3m] offset 1m))', every: 90s}
  - {name: kinds_sets, promql: 'sum by (job) (values_over_time(temperature[2m]))', every: 1m, emit: close}
  - {name: kinds_batch, promql: 'max_over_time(count_distinct(sum(values_over_time(errors_total[2m])))[4m:2m])', every: 2m, emit: close}
  - {name: users, promql: 'count by (job) (count by (job, n) (present_over_time(temperature[3m])))', every: 1m}
  - {name: users_changes, promql: 'group by (job) (stddev by (job, instance) (changes(requests_total[100s])))', every: 50s}
  - {name: users_instant, promql: 'count(group by (job, instance) (requests_total))', every: 1m}
  - {name: users_rate, promql: 'count by (instance) (sum by (instance, n) (rate(requests_total[2m] offset 1m)))', every: 1m}
  - {name: users_last, promql: 'count by (job) (count by (instance, job) (last_over_time(temperature[90s])))', every: 1m}
  - {name: users_any, promql: 'count(count by (n) (max by (n, job) (min_over_time({job="j0"}[2m])))) > 1', every: 1m, emit: close}
  - {name: users_above, promql: 'count by (job) (sum by (job, n) (increase(requests_total[3m])) > 10)', every: 1m}
  - {name: users_top, promql: 'topk(2, sum by (n) (increase(requests_total[3m])))', every: 1m, emit: close}
`

// TestCountsEqualEngine holds the tables of flows that count against Prometheus's engine,
// through late, repeated and overwriting samples, restarts and refills.
func TestCountsEqualEngine(t *testing.T) {
	for seed := uint64(1); seed <= seeds(4, 1); seed++ {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			w := roundtest.NewWorld(t, seed, int(seed%3)+1, flowdef.ExecutorColumnar, countingFlows)
			for range 80 {
				w.Step()
			}
			for range 3 { // in the end everything is recomputed
				w.Store.Now += flowplan.DirtyAtLatest
				w.Tick()
			}
			w.Check()
		})
	}
}
