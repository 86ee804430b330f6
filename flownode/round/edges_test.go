package round_test

import (
	"testing"

	"laminar/flownode/flowdef"
	"laminar/flownode/round"
	"laminar/flownode/round/roundtest"
)

// TestWindowEdges puts samples exactly on the borders of windows of a second to
// a month, and a millisecond beside them, some of them late.
func TestWindowEdges(t *testing.T) {
	const second, hour, day = int64(1000), int64(3_600_000), int64(86_400_000)
	for _, c := range []struct {
		name, defs  string
		apart, span int64
	}{
		{"seconds", `flows:
  - {name: a, promql: 'sum by (job) (sum_over_time(temperature[1s]))', every: 1s}
  - {name: b, promql: 'sum by (job) (rate(requests_total[3s]))', every: 2s}
  - {name: c, promql: 'max by (job) (max_over_time(temperature[1s] offset 1s))', every: 1s}`, second, 90 * second},
		{"no multiple of the step", `flows:
  - {name: a, promql: 'max by (job) (max_over_time(temperature[7m30s]))', every: 4m}
  - {name: b, promql: 'sum by (job) (increase(requests_total[95s] offset 35s))', every: 1m}
  - {name: c, promql: 'sum by (job) (count_over_time(temperature[1m1s]))', every: 5m}`, 30 * second, hour},
		{"beyond the end", `flows:
  - {name: a, promql: 'sum by (job) (sum_over_time(temperature[1m] offset -1m))', every: 1m}
  - {name: b, promql: 'max by (job) (temperature offset -2m)', every: 30s, lookback: 30s}
  - {name: c, promql: 'sum by (job) (max_over_time(temperature[2m:30s] offset -1m))', every: 1m, emit: close}
  - {name: d, promql: 'sum(temperature) - sum(count_over_time(temperature[5m] @ 1700000100))', every: 1m, emit: close}
  - {name: e, promql: 'sum(temperature) - sum(temperature @ 1700000400)', every: 1m, emit: close, lookback: 30s}`, 30 * second, hour},
		{"a month", `flows:
  - {name: a, promql: 'sum by (job) (increase(requests_total[31d]))', every: 1d}
  - {name: b, promql: 'avg by (job) (avg_over_time(temperature[31d]))', every: 7d}
  - {name: c, promql: 'sum by (job) (count_over_time(temperature[1d]))', every: 1d}`, 12 * hour, 40 * day},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := roundtest.NewWorld(t, 3, 2, flowdef.ExecutorColumnar, c.defs)
			for at, n := w.Base, 0; at <= w.Base+c.span; at, n = at+c.apart, n+1 {
				for _, s := range w.Series {
					points := map[int64]float64{at + int64(n%3-1): w.Value(s)}
					if n%5 == 4 {
						// On the border before: late.
						points[at-c.apart] = w.Value(s)
					}
					w.Flush(s.Region, map[*roundtest.WorldSeries]map[int64]float64{s: points})
				}
				w.Store.Now = max(w.Store.Now, at+1)
				w.Clock = at
				if n%4 == 0 {
					w.Tick()
				}
				if n == 40 {
					w.Store.Seal()
				}
			}
			w.Tick()
			w.SettleAll()
		})
	}
}

// TestBacklogOfADay sends a day of samples in random order within 20 seconds, as
// queues of several senders do, while the flow is at the present: windows are
// touched all the time, and each is computed twice at most.
func TestBacklogOfADay(t *testing.T) {
	const day, step, flushes = int64(86_400_000), int64(20_000), 100
	w := roundtest.NewWorld(t, 3, 2, flowdef.ExecutorColumnar, `flows:
  - {name: a, promql: 'sum by (job) (sum_over_time(temperature[5m]))', every: 5m}
  - {name: b, promql: 'sum by (instance) (rate(requests_total[10m]))', every: 5m}`)
	for _, s := range w.Series {
		w.Flush(s.Region, map[*roundtest.WorldSeries]map[int64]float64{s: {w.Base + day + 1: w.Value(s)}})
	}
	w.Store.Now = w.Base + day + 1
	w.Tick()
	type sample struct {
		s *roundtest.WorldSeries
		t int64
	}
	var queue []sample
	for _, s := range w.Series {
		for at := w.Base; at < w.Base+day; at += step {
			queue = append(queue, sample{s, at})
		}
	}
	w.Rng.Shuffle(len(queue), func(i, j int) { queue[i], queue[j] = queue[j], queue[i] })
	before := w.Counts.Windows[round.Recomputed]
	for n := range flushes {
		for region := range w.Store.Vec {
			points := map[*roundtest.WorldSeries]map[int64]float64{}
			for _, x := range queue[n*len(queue)/flushes : (n+1)*len(queue)/flushes] {
				if x.s.Region != region {
					continue
				}
				if points[x.s] == nil {
					points[x.s] = map[int64]float64{}
				}
				points[x.s][x.t] = w.Value(x.s)
			}
			w.Flush(region, points)
		}
		w.Store.Now += 200
		w.Tick()
	}
	w.SettleAll()
	// A sample at the day's beginning reaches the windows that end from then on
	// until 10 minutes after its end.
	const windows = int(day/300_000 + 1 + day/300_000 + 2)
	if n := w.Counts.Windows[round.Recomputed] - before; n < windows-4 || n > 2*windows {
		t.Errorf("%d windows were computed again, want each of %d once or twice", n, windows)
	}
}
