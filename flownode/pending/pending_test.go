package pending

import (
	"context"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	"laminar/flownode/read"
	"laminar/flownode/round"
	"laminar/flownode/round/roundtest"
	"laminar/sequence"
)

// TestPendingByGroup: whatever lands, in known and new series, and however often it is
// looked, the group with most pending samples has as many as a count of all of them says.
func TestPendingByGroup(t *testing.T) {
	const defs = `flows:
  - {name: by_job, promql: 'sum by (job) (rate(requests_total[5m]))', every: 1m}
  - {name: each, promql: 'temperature', every: 1m}
  - {name: two, promql: 'sum by (n) (errors_total) / scalar(count(last_over_time(requests_total{job="j1"}[3m])))', every: 1m}
  - {name: shared, promql: 'sum by (job) (sum_over_time(temperature[2m])) + sum by (job) (sum_over_time(temperature[4m]))', every: 1m}
  - {name: folded, promql: 'sum by (job, n) (count_over_time(temperature[3m]))', every: 1m, max_groups: 1}
  - {name: relabelled, promql: 'count by (where) (count_over_time({job="j0"}[3m]))', every: 1m, relabel: [{source_labels: [instance], regex: i1, action: drop}, {source_labels: [instance], target_label: where}]}
`
	ctx := context.Background()
	looked := 0
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 4))
		w := roundtest.NewWorld(t, seed, 2, flowdef.ExecutorColumnar, defs)
		w.Scrape(20_000, false)
		w.Tick()
		counters := map[progress.FlowID]*Pending{}
		for range 40 {
			switch n := rng.IntN(10); {
			case n < 5:
				w.Scrape(rng.Int64N(30_000), false)
			case n < 7:
				w.Scrape(rng.Int64N(30_000), true)
			case n < 8:
				w.Overwrite()
			case n < 9:
				w.Tick()
			default:
				w.Restart()
				w.Tick()
			}
			snap, err := w.Store.Snapshot(ctx)
			if err != nil {
				t.Fatal(err)
			}
			r := read.NewReader(&w.Reading, snap, snap)
			for id, f := range w.Flows {
				if counters[id] == nil {
					counters[id] = &Pending{}
				}
				got, err := counters[id].Count(ctx, r, f, 1)
				if err != nil {
					t.Fatal(err)
				}
				want := pendingOf(w, f)
				if got != want {
					t.Fatalf("seed %d: %s has %d samples of a group pending, want %d", seed, f.Def.Name, got, want)
				}
				if want > 1 {
					looked++
				}
			}
			if err := snap.Close(ctx); err != nil {
				t.Fatal(err)
			}
		}
		// What is sealed does not tell what of it is pending.
		w.Scrape(60_000, false)
		w.Store.Seal()
		snap, err := w.Store.Snapshot(ctx)
		if err != nil {
			t.Fatal(err)
		}
		r := read.NewReader(&w.Reading, snap, snap)
		for _, f := range w.Flows {
			if n, err := new(Pending).Count(ctx, r, f, 1000); err != nil || n < 1000 {
				t.Errorf("seed %d: of sealed samples %d are counted (%v)", seed, n, err)
			}
		}
	}
	if looked < 500 {
		t.Errorf("%d counts above one: the test shows little", looked)
	}
}

// pendingOf counts all samples behind the flow's vector, by group.
func pendingOf(w *roundtest.World, f *round.Flow) (most int64) {
	of := map[sequence.SeriesID]labels.Labels{}
	for _, s := range w.Series {
		b := labels.NewScratchBuilder(len(s.Labels))
		for _, l := range s.Labels {
			b.Add(l.Name, l.Value)
		}
		b.Sort()
		of[s.ID] = b.Labels()
	}
	for i := range f.Def.Expr.Leaves {
		l, counts := &f.Def.Expr.Leaves[i], map[string]int64{}
		for j := range w.Store.Hot {
			seg := &w.Store.Hot[j]
			if seg.MinSeq <= f.Vector.At(seg.Region) {
				continue
			}
			for _, id := range seg.Series {
				if lset := of[id]; l.Matches(lset.Get) && !l.LeavesOut(lset) {
					key := flowdef.GroupKey(l.GroupLabels(lset))
					if chosen := w.Store.Flows[f.ID].Flow.Chosen; f.Def.MaxGroups > 0 && len(chosen) == int(f.Def.MaxGroups) && !slices.Contains(chosen, key) {
						key = flowdef.OtherGroups // wherever it is
					}
					counts[key]++
					most = max(most, counts[key])
				}
			}
		}
	}
	return most
}
