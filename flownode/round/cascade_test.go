package round_test

import (
	"fmt"
	"testing"

	"laminar/flownode/flowdef"
	"laminar/flownode/round/roundtest"
)

// cascadeFlows read each other up to a depth of five, with one step and with several,
// by name and by expression, by ordered and unordered state, and in batch. Readers
// stand before what they read.
const cascadeFlows = `
flows:
  - {name: 'e:sum', promql: 'sum(sum_over_time(d:both[6m]))', every: 1m}
  - {name: 'd:both', promql: 'c:count * 2 unless on () (b:ratio > 1e9)', every: 1m}
  - {name: 'd:sub', promql: 'max_over_time(b:sum[4m:1m] offset 1m)', every: 1m}
  - {name: 'c:count', promql: 'count_over_time(b:last[10m])', every: 2m}
  - {name: 'c:changes', promql: 'changes(b:sum[5m])', every: 1m}
  - {name: 'c:top', promql: 'topk(1, b:sum)', every: 1m}
  - {name: 'c:delta', promql: 'max by (job) (delta(b:avg[7m]))', every: 1m}
  - {name: 'c:ahead', promql: 'b:sum offset -2m', every: 1m}
  - {name: 'b:re', promql: 'sum by (job) ({__name__=~"a:.*"})', every: 1m}
  - {name: 'b:mix', promql: 'sum by (job, instance) (temperature) - on (job) group_left a:temp', every: 1m}
  - {name: 'b:ratio', promql: 'sum by (job) (a:rate) / on (job) a:temp', every: 1m}
  - {name: 'b:sum', promql: 'sum by (job) (a:rate)', every: 1m}
  - {name: 'b:late', promql: 'sum by (job) (a:rate)', every: 1m, watermark_delay: 40s}
  - {name: 'b:last', promql: 'last_over_time(a:rate[3m])', every: 1m}
  - {name: 'b:avg', promql: 'avg by (job) (avg_over_time(a:rate[5m]))', every: 1m}
  - {name: 'b:min', promql: 'min(min_over_time(a:temp[2m])) + max(stddev_over_time(a:temp[3m]))', every: 2m}
  - {name: 'd:total', promql: 'sum(b:sum) + (d:total or on () vector(0))', every: 1m}
  - {name: 'c:held', promql: 'max by (job) (a:temp > 0) or max_over_time(c:held[3m])', every: 30s}
  - {name: 'e:both', promql: 'd:total + count(c:held)', every: 1m}
  - {name: 'a:own', promql: 'sum(temperature) + (a:own offset 2m or on () vector(0)) * 0.5', every: 1m}
  - {name: 'b:clock', promql: 'b:clock offset 45s + 1 or vector(0)', every: 30s}
  - {name: 'a:rate', promql: 'sum by (job, instance) (rate(requests_total[2m]))', every: 1m}
  - {name: 'a:temp', promql: 'max by (job) (temperature)', every: 30s}
`

// TestCascades compares every cell of flows that read each other with the engine, over
// raw samples and over what the tables hold, while samples come late, repeated and
// overwritten, flows are loaded again, commits fail, and refills run.
func TestCascades(t *testing.T) {
	for seed := range seeds(12, 3) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := roundtest.NewWorld(t, seed, 2, flowdef.ExecutorAuto, cascadeFlows)
			for range 60 {
				w.Step()
			}
			w.SettleAll()
		})
	}
}

// TestCascadesFromTheEpoch: the same where time begins, at 0. The first windows read spans
// that begin before it, in which nothing is missing.
func TestCascadesFromTheEpoch(t *testing.T) {
	for seed := range seeds(6, 2) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			w := roundtest.NewWorld(t, seed, 2, flowdef.ExecutorAuto, cascadeFlows)
			w.Base, w.Clock, w.Store.Now = 0, 0, 0
			for range 25 {
				w.Step()
			}
			w.SettleAll()
		})
	}
}
