package read_test

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"

	"laminar/flownode/flowdef"
	"laminar/flownode/keep"
	"laminar/flownode/partial/partialtest"
	"laminar/flownode/read"
	"laminar/flownode/round/roundtest"
	"laminar/sequence"
)

// laneLeaves is a leaf of each kind of partial, with slots that are series and
// slots that are groups.
var laneLeaves = []string{
	"sum by (job) (sum_over_time(temperature[3m]))",
	"max by (job) (max_over_time(temperature[3m]))",
	"min(min_over_time(temperature[2m]))",
	"sum(count_over_time(temperature[5m]))",
	"avg_over_time(temperature[5m])",
	"stddev_over_time(temperature[5m])",
	"last_over_time(temperature[4m])",
	"first_over_time(temperature[4m])",
	"sum by (job) (temperature)",
	"sum by (job) (rate(temperature[5m]))",
	"delta(temperature[3m])",
	"irate(temperature[5m])",
	"changes(temperature[5m])",
	"deriv(temperature[10m])",
}

// TestLanesFoldTheSame folds the raw samples of random histories (late ones,
// repeats, markers, sealed and hot segments) in one lane and in several: of
// series each lane has its own, so their windows agree to the bit; groups are
// merged from the lanes', so sums agree to rounding. Several lanes give the same
// bits every time, whichever is faster.
func TestLanesFoldTheSame(t *testing.T) {
	var defs strings.Builder
	defs.WriteString("flows:\n")
	for i, promql := range laneLeaves {
		fmt.Fprintf(&defs, "  - {name: f%d, promql: '%s', every: 1m}\n", i, promql)
	}
	for seed := range uint64(18) {
		w := roundtest.NewWorld(t, seed, 3, flowdef.ExecutorColumnar, defs.String())
		for range 12 {
			w.Scrape(int64(1+w.Rng.IntN(4))*60_000, false)
			switch w.Rng.IntN(4) {
			case 0:
				w.Scrape(60_000, true)
			case 1:
				w.Overwrite()
			case 2:
				w.Store.Seal()
			}
		}
		w.Tick() // members
		snap, err := w.Store.Snapshot(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		r := read.NewReader(&w.Reading, snap, snap)
		for id, f := range w.Flows {
			for _, l := range f.Leaves {
				one, several, again := inLanes(w, r, l, 1, false), inLanes(w, r, l, 3, false), inLanes(w, r, l, 3, true)
				if len(one) == 0 {
					t.Fatalf("seed %d: flow %d %s has no windows: nothing is compared", seed, id, l.Def.Text)
				}
				if diff := differ(several, again, 0); diff != "" {
					t.Fatalf("seed %d: flow %d %s: in three lanes, alone and together: %s", seed, id, l.Def.Text, diff)
				}
				bound := 0.0
				if l.Members.ByGroup {
					bound = 1e-9
				}
				if diff := differ(one, several, bound); diff != "" {
					t.Fatalf("seed %d: flow %d %s: in one lane and in three: %s", seed, id, l.Def.Text, diff)
				}
			}
		}
	}
}

// laneValue is what a slot of a leaf says of a window.
type laneValue struct {
	after int64
	slot  int32
	value float64
}

// inLanes builds a leaf's pane state from raw in so many lanes, from the middle
// of what is stored, and computes windows of it: alone, or together with that of
// a leaf that begins later.
func inLanes(w *roundtest.World, r *read.Reader, l *keep.Leaf, lanes int, together bool) []laneValue {
	w.T.Helper()
	w.Reading.Lanes = lanes
	ctx, from := context.Background(), w.Base+10*60_000
	var state keep.State
	if together {
		a, b := *l, *l
		if _, err := r.BuildTogether(ctx, []read.Missing{{Leaf: &a, From: from}, {Leaf: &b, From: from + 5*60_000}}); err != nil {
			w.T.Fatal(err)
		}
		state = a.State
	} else {
		var err error
		if state, err = r.BuildState(ctx, l, from); err != nil {
			w.T.Fatal(err)
		}
	}
	var out []laneValue
	for after := from; after < w.Clock; after += l.Windows.Every {
		var vals keep.SlotValues
		state.Window(sequence.Span{After: after, UpTo: after + l.Def.Range}, l.Members, keep.EveryGroup(), &vals)
		for i, slot := range vals.Slots {
			out = append(out, laneValue{after, slot, vals.Values[i]})
		}
	}
	return out
}

// differ says how values differ by more than the bound; "" when they do not.
func differ(a, b []laneValue, bound float64) string {
	if len(a) != len(b) {
		return fmt.Sprintf("%d values and %d", len(a), len(b))
	}
	for i, x := range a {
		y := b[i]
		same := math.Float64bits(x.value) == math.Float64bits(y.value)
		if bound > 0 {
			same = same || partialtest.Close(y.value, x.value, bound*max(1, math.Abs(x.value)))
		}
		if x.after != y.after || x.slot != y.slot || !same {
			return fmt.Sprintf("%+v and %+v", x, y)
		}
	}
	return ""
}
