package late_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"laminar/flownode/late"
	"laminar/flownode/pane"
	"laminar/flownode/partial"
	"laminar/flownode/progress"
	"laminar/sequence"
)

// none is no bounds that matter here.
var none = late.Bounds{Cells: 1e6, Windows: 1e6, Visits: 1e6, Flow: 1e6, Rows: 1e6}

// key is a window of a group.
type key struct {
	end   sequence.Time
	group string
}

func groupOf(_, group int32) string { return fmt.Sprintf("g%d", group) }

// world is random late samples, and what becomes of them window by window, found without
// the package.
type world struct {
	leaves          []pane.Windows
	emitted, frozen sequence.Time
	waits           map[key]bool

	lacks   map[key]int64 // by windows that keep their values: samples, each for every leaf
	reached map[key]bool  // windows that do not keep them
	samples int64         // that are late for a window of the first kind
	kept    []progress.LateSample
}

func newWorld(rng *rand.Rand) *world {
	w := &world{emitted: 600, waits: map[key]bool{}, lacks: map[key]int64{}, reached: map[key]bool{}}
	w.frozen = []sequence.Time{600, 400, 0, -2}[rng.IntN(4)]
	for range 1 + rng.IntN(3) {
		w.leaves = append(w.leaves, pane.Windows{Every: 10, Range: []int64{5, 10, 35, 200}[rng.IntN(4)], Offset: []int64{0, 0, 7, 50, -20}[rng.IntN(5)]})
	}
	for range rng.IntN(20) {
		w.waits[key{10 * rng.Int64N(60), groupOf(0, rng.Int32N(8))}] = true
	}
	return w
}

// sample notes one sample in both.
func (w *world) sample(n *late.Notes, group int32, t sequence.Time, series sequence.SeriesID) {
	var reaches []late.Reach
	var missed []sequence.Time
	for i, leaf := range w.leaves {
		first, last := leaf.Of(sequence.Between(t, t))
		if first > min(last, w.emitted) {
			continue
		}
		reaches = append(reaches, late.Reach{Leaf: int32(i), Group: group, First: first, Last: last})
		for end := int64(0); end <= w.emitted; end += leaf.Every {
			k := key{end, groupOf(0, group)}
			if b := leaf.Bounds(end); !b.Holds(t) {
				continue
			}
			if end > w.frozen {
				w.reached[k] = true
			} else if !w.waits[k] {
				w.lacks[k]++
				missed = append(missed, end)
			}
		}
	}
	x := progress.LateSample{Series: series, T: t, Value: 1}
	if n.Sample(reaches, late.Kind{}, x); len(missed) > 0 {
		w.samples++
		x.First, x.Last = slices.Min(missed), slices.Max(missed)
		w.kept = append(w.kept, x)
	}
}

// TestJudge: without bounds that matter every window of a group lacks what it lacks, every
// sample is counted and kept once, whatever leaves read it, and other windows are computed
// again. With bounds whatever lacks samples is noted too, perhaps among others; what is noted
// stays within the bounds.
func TestJudge(t *testing.T) {
	stretched, whole := 0, 0
	for seed := range uint64(400) {
		rng := rand.New(rand.NewPCG(1, seed))
		w, bounds := newWorld(rng), none
		if seed%2 == 1 {
			bounds = late.Bounds{Cells: 1 + rng.IntN(20), Windows: rng.IntN(100), Visits: rng.IntN(400), Flow: rng.IntN(200), Rows: 1}
		}
		n := late.NewNotes(bounds, 1000, w.emitted, w.frozen)
		for i := range rng.IntN(100) {
			w.sample(n, rng.Int32N(8), rng.Int64N(700)-20, sequence.SeriesID(i+1))
		}
		again := map[key]bool{}
		f := late.Flow{
			Every: 10, Noted: rng.Int64N(100), Key: groupOf,
			Waits: func(end sequence.Time, group string) bool { return w.waits[key{end, group}] },
			Again: func(end sequence.Time, group string, _ progress.Reason) { again[key{end, group}] = true },
		}
		noted := map[key]int64{}
		got := n.Judge(f).Result(nil, 0)
		if got == nil {
			got = &progress.Late{}
		}
		for _, x := range got.Windows {
			noted[key{x.End, x.Group}] = x.Samples
		}
		if len(got.Windows) > min(bounds.Windows, max(0, bounds.Flow-int(f.Noted))) {
			t.Fatalf("seed %d: %d windows with a group are noted, with %+v and %d before", seed, len(got.Windows), bounds, f.Noted)
		}
		for k, samples := range w.lacks {
			_, all := noted[key{k.end, progress.AllGroups}]
			if got.Stretches.Hold(k.end) {
				stretched++
			} else if _, one := noted[k]; !one && !all {
				t.Fatalf("seed %d: window %d lacks %d samples of %s, and nothing says so: %+v", seed, k.end, samples, k.group, got)
			}
			if bounds == none && noted[k] != samples {
				t.Fatalf("seed %d: window %d lacks %d samples of %s, want %d", seed, k.end, noted[k], k.group, samples)
			}
		}
		for k := range w.reached {
			if !again[k] && !again[key{k.end, progress.AllGroups}] {
				t.Fatalf("seed %d: window %d is not computed again for %s", seed, k.end, k.group)
			}
		}
		if bounds == none {
			whole++
			if len(noted) != len(w.lacks) || len(again) != len(w.reached) || len(got.Stretches) > 0 {
				t.Fatalf("seed %d: windows lack %v, want %v; %v are computed again, want %v", seed, noted, w.lacks, again, w.reached)
			}
			if got.Samples != w.samples || !slices.Equal(got.Kept, w.kept) {
				t.Fatalf("seed %d: %d samples are counted, want %d; kept are %v, want %v", seed, got.Samples, w.samples, got.Kept, w.kept)
			}
		}
		for k := range again {
			if k.end <= w.frozen {
				t.Fatalf("seed %d: window %d, which keeps its value, is computed again", seed, k.end)
			}
		}
		if got.Samples < w.samples || got.Samples > w.samples && len(w.waits) == 0 {
			t.Fatalf("seed %d: %d samples are counted, %d came too late", seed, got.Samples, w.samples)
		}
	}
	if stretched < 100 || whole < 100 {
		t.Errorf("%d windows in stretches, %d worlds without bounds", stretched, whole)
	}
}

// TestJudgeSide: of rows beside the table what is beyond the bounds is computed again: a row
// and what is noted of it make all that came, or the window is on the list.
func TestJudgeSide(t *testing.T) {
	over := 0
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(2, seed))
		w := newWorld(rng)
		w.leaves, w.frozen = w.leaves[:1], w.emitted
		bounds := late.Bounds{Cells: 1 + rng.IntN(40), Windows: rng.IntN(400), Visits: rng.IntN(400), Flow: 1, Rows: rng.IntN(400)}
		n := late.NewNotes(bounds, 0, w.emitted, w.frozen)
		for i := range rng.IntN(100) {
			w.sample(n, rng.Int32N(8), rng.Int64N(700)-20, sequence.SeriesID(i+1))
		}
		again := map[key]bool{}
		got := n.Judge(late.Flow{
			Every: 10, Key: groupOf,
			Side: &late.Side{
				Of:      func(p *partial.Simple) float64 { return float64(p.Count) },
				Columns: func(group int32) []string { return []string{groupOf(0, group)} },
			},
			Waits: func(end sequence.Time, group string) bool {
				return w.waits[key{end, group}] || again[key{end, group}] || again[key{end, progress.AllGroups}]
			},
			Again: func(end sequence.Time, group string, _ progress.Reason) { again[key{end, group}] = true },
		}).Result(nil, 0)
		if got == nil {
			got = &progress.Late{}
		}
		if len(got.Stretches) > 0 || len(got.Windows) > min(bounds.Windows, bounds.Rows) {
			t.Fatalf("seed %d: stretches %v and %d rows, with %+v", seed, got.Stretches, len(got.Windows), bounds)
		}
		rows := map[key]float64{}
		for _, x := range got.Windows {
			if x.Row.Columns[0] != x.Group {
				t.Fatalf("seed %d: the row %v is of group %s", seed, x.Row.Columns, x.Group)
			}
			rows[key{x.End, x.Group}] = x.Row.Value
		}
		for k, samples := range w.lacks {
			if again[k] || again[key{k.end, progress.AllGroups}] {
				over++
			} else if rows[k] != float64(samples) {
				t.Fatalf("seed %d: %v samples add to the row of %s in window %d, want %d", seed, rows[k], k.group, k.end, samples)
			}
		}
	}
	if over < 100 {
		t.Errorf("only %d windows were beyond the bounds", over)
	}
}

// TestNotesStayBounded: however many samples, windows and groups a sender makes up, what is
// kept of them and stored follows the bounds; one sample of a flow whose range has many steps
// is one stretch.
func TestNotesStayBounded(t *testing.T) {
	bounds := late.Bounds{Cells: 500, Windows: 1000, Visits: 10_000, Flow: 5000, Rows: 5000}
	leaf := pane.Windows{Every: 1000, Range: 30 * 86_400_000}
	const emitted = 60 * 86_400_000
	rng := rand.New(rand.NewPCG(3, 1))
	var before sequence.Spans
	noted := int64(0)
	for round := range 20 {
		n := late.NewNotes(bounds, 10, emitted, emitted)
		many := 20_000
		if round == 0 {
			many = 1
		}
		for range many {
			at := rng.Int64N(emitted)
			first, last := leaf.Of(sequence.Between(at, at))
			n.Sample([]late.Reach{{Group: rng.Int32N(1e6), First: first, Last: last}}, late.Kind{Unordered: rng.IntN(2) == 0}, progress.LateSample{T: at, Value: 1})
		}
		if cells := n.Cells(); cells > 2*bounds.Cells {
			t.Fatalf("%d cells, want %d at most", cells, 2*bounds.Cells)
		}
		got := n.Judge(late.Flow{
			Every: leaf.Every, Noted: noted, Key: groupOf,
			Waits: func(sequence.Time, string) bool { return false },
			Again: func(end sequence.Time, _ string, _ progress.Reason) { t.Fatalf("window %d is computed again", end) },
		}).Result(before, 0)
		if got.Samples != int64(many) || len(got.Windows) > bounds.Windows || len(got.Stretches) > 64 || round == 0 && (len(got.Windows) > 0 || len(got.Stretches) != 1) {
			t.Fatalf("round %d: %d samples, %d windows, stretches %v", round, got.Samples, len(got.Windows), got.Stretches)
		}
		before, noted = got.Stretches, noted+int64(len(got.Windows))
	}
	if noted > int64(bounds.Flow) {
		t.Errorf("%d windows are noted of the flow, want %d at most", noted, bounds.Flow)
	}
}

// BenchmarkSample is what a late sample costs that falls into a cell which is there.
func BenchmarkSample(b *testing.B) {
	n := late.NewNotes(late.DefaultBounds, 0, 1e9, 1e9)
	reaches := make([]late.Reach, 2)
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		group, end := int32(i%1000), int64(i%60)*1000
		reaches[0] = late.Reach{Group: group, First: end, Last: end + 5000}
		reaches[1] = late.Reach{Leaf: 1, Group: group, First: end, Last: end + 60_000}
		n.Sample(reaches[:1+i%2], late.Kind{}, progress.LateSample{T: end, Value: 1})
	}
}
