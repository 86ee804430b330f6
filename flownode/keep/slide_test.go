package keep

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowfile"
	"laminar/flownode/function"
	"laminar/flownode/pane"
	"laminar/flownode/partial"
	"laminar/flownode/partial/partialtest"
	"laminar/sequence"
	"laminar/sequence/nativehist"
	"laminar/sequence/segment"
	"laminar/sequence/series"
)

// sliding drives the pane state of one leaf through scrapes, late changes,
// trims and evictions, and knows every sample.
type sliding struct {
	rng     *rand.Rand
	leaf    *flowdef.Leaf
	step    int64
	builder builder
	state   State
	members *Members
	samples []map[int64]float64 // by slot
	newest  []int64             // by slot
	clock   int64
	end     int64 // of the newest window asked for
	from    int64 // where the state begins
	log     []string
}

// slidingLeaves is every kind of partial, with ranges and steps of all sorts:
// overlapping or not, many panes in a step, offsets.
var slidingLeaves = []struct {
	promql string
	every  int64 // ms
}{
	{"rate(m[10m])", 60_000},
	{"increase(m[1h])", 60_000},
	{"rate(m[7m])", 120_000},
	{"delta(m[10m] offset 90s)", 60_000},
	{"rate(m[2m])", 300_000},
	{"sum_over_time(m[12m])", 60_000},
	{"avg_over_time(m[20m])", 240_000},
	{"min_over_time(m[5m])", 60_000},
	{"max_over_time(m[6m])", 90_000},
	{"count_over_time(m[3m])", 180_000},
	{"distinct_over_time(m[9m])", 60_000},
	{"count_distinct(values_over_time(m[6m]))", 120_000},
	{"stddev_over_time(m[9m])", 60_000},
	{"stdvar_over_time(m[6m])", 120_000},
	{"present_over_time(m[4m])", 60_000},
	{"last_over_time(m[8m])", 60_000},
	{"first_over_time(m[16m])", 60_000},
	{"m", 60_000},
	{"irate(m[5m])", 30_000},
	{"idelta(m[4m])", 60_000},
	{"changes(m[30m])", 60_000},
	{"resets(m[10m] offset 1m)", 30_000},
	{"deriv(m[11m])", 60_000},
	{"predict_linear(m[10m], 60)", 60_000},
	{"increase_pure(m[10m])", 60_000},
	{"increase_pure(m[4m] offset 1ms)", 240_000},
	{"increase_pure(m[1m])", 30_000},
	{"sum_over_time(m[6m] offset 1500ms)", 60_000},
	{"histogram_over_time(m[10m], 0.1)", 60_000},
}

func newSliding(t testing.TB, seed uint64, promql string, every int64) *sliding {
	t.Helper()
	flows, problems := flowfile.Parse("", fmt.Appendf(nil, "flows: [{name: f, promql: '%s', every: %dms}]", promql, every))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	s := &sliding{rng: rand.New(rand.NewPCG(seed, 21)), leaf: &flows[0].Expr.Leaves[0], step: every}
	s.members = NewMembers(s.leaf)
	s.clock = 1_700_000_000_000 - 1_700_000_000_000%3_600_000
	s.end = s.clock + s.step
	s.builder = builderOf(s.leaf, every, seed%3 == 0)
	for range 1 + s.rng.IntN(8) {
		s.grow()
	}
	s.from = gridOf(s.leaf).End(s.clock - s.leaf.Range - s.leaf.Offset - 10*s.leaf.Pane)
	s.build()
	return s
}

func (s *sliding) note(format string, args ...any) {
	s.log = append(s.log, fmt.Sprintf(format, args...))
}

// grow adds a series.
func (s *sliding) grow() {
	n := len(s.samples)
	s.members.Add(&series.Series{ID: sequence.SeriesID(n + 1), Metric: 1, Labels: []series.Label{
		{Name: series.MetricName, Value: "m"}, {Name: "n", Value: fmt.Sprint(n)},
	}})
	s.samples = append(s.samples, map[int64]float64{})
	s.newest = append(s.newest, 0)
}

// build makes the state from all samples.
func (s *sliding) build() {
	s.state = s.builder.panes(s.from, sequence.Vector{})
	for slot := range s.samples {
		s.foldSorted(int32(slot), s.from, math.MaxInt64)
	}
}

func (s *sliding) foldSorted(slot int32, after, upTo int64) {
	ts, vs := s.within(slot, after, upTo)
	s.state.FoldSorted(slot, len(s.samples), ts, vs)
}

// within is the samples of a slot with after < t <= upTo, in time order.
func (s *sliding) within(slot int32, after, upTo int64) (ts []int64, vs []float64) {
	for t := range s.samples[slot] {
		if after < t && t <= upTo {
			ts = append(ts, t)
		}
	}
	slices.Sort(ts)
	for _, t := range ts {
		vs = append(vs, s.samples[slot][t])
	}
	return ts, vs
}

func (s *sliding) value() float64 {
	switch p := s.rng.IntN(40); p {
	case 0:
		return segment.Stale()
	case 1:
		return math.NaN()
	case 2:
		return math.Inf(1)
	default:
		return float64(s.rng.IntN(1000))
	}
}

// scrape folds samples of most series, each later than its series' last.
func (s *sliding) scrape() {
	s.clock += s.rng.Int64N(2 * s.step)
	seg := segment.Segment{Metric: 1, Ordered: true, Base: segment.Bucket(s.clock), MinT: math.MaxInt64}
	for slot := range s.samples {
		for t := s.clock - s.rng.Int64N(3*s.step); s.rng.IntN(3) > 0; t += 1 + s.rng.Int64N(s.step) {
			if t <= s.newest[slot] {
				continue
			}
			s.newest[slot], s.samples[slot][t] = t, s.value()
			seg.Series = append(seg.Series, sequence.SeriesID(slot+1))
			seg.Offsets = append(seg.Offsets, int32(t-seg.Base))
			seg.Values = append(seg.Values, s.samples[slot][t])
			seg.MinT, seg.MaxT = min(seg.MinT, t), max(seg.MaxT, t)
		}
	}
	if seg.Len() > 0 {
		s.state.Fold(&seg, s.members, -1, nil)
	}
}

// late changes some samples of a few series in an old pane, which is folded
// again.
func (s *sliding) late() {
	ago := s.rng.Int64N(s.leaf.Range + 3*s.step)
	end := gridOf(s.leaf).End(s.clock - ago)
	if end-s.leaf.Pane < s.from {
		return
	}
	for range 1 + s.rng.IntN(3) {
		slot := int32(s.rng.IntN(len(s.samples)))
		for range 1 + s.rng.IntN(3) {
			t := end - s.rng.Int64N(s.leaf.Pane)
			if _, ok := s.samples[slot][t]; ok && s.rng.IntN(2) == 0 {
				delete(s.samples[slot], t)
			} else {
				s.samples[slot][t] = s.value()
				s.newest[slot] = max(s.newest[slot], t)
			}
		}
		s.state.ClearCells(end, []int32{slot})
		s.foldSorted(slot, end-s.leaf.Pane, end)
	}
}

// check compares a window of all groups, or of some, with folding its samples
// in one go.
func (s *sliding) check(end int64, want GroupSet) error {
	span := s.leaf.Bounds(end)
	if span.After < s.from {
		return nil
	}
	raw := &Columns{}
	for slot := range s.samples {
		ts, vs := s.within(int32(slot), span.After, span.UpTo)
		raw.Slot, raw.Times, raw.Values = append(raw.Slot, int32(slot)), append(raw.Times, ts), append(raw.Values, vs)
	}
	if s.leaf.Native {
		return s.checkNative(raw, span, end, want)
	}
	expected, err := LeafVector(s.builder.raw(raw), s.members, span, want)
	if err != nil {
		return err
	}
	got, err := LeafVector(s.state, s.members, span, want)
	if err != nil {
		return err
	}
	if len(got) != len(expected) {
		return fmt.Errorf("window %d: %v, want %v", end, got, expected)
	}
	for i := range got {
		a, b := got[i], expected[i]
		if a.Group != b.Group || !partialtest.Close(a.Value, b.Value, 1e-9*(1000+math.Abs(b.Value))) {
			return fmt.Errorf("window %d: %v, want %v", end, a, b)
		}
	}
	return nil
}

// checkNative is check for a leaf whose values are histograms.
func (s *sliding) checkNative(raw *Columns, span sequence.Span, end int64, want GroupSet) error {
	expected, err := NativeVector(s.builder.raw(raw), s.members, span, want)
	if err != nil {
		return err
	}
	got, err := NativeVector(s.state, s.members, span, want)
	if err != nil {
		return err
	}
	if len(got) != len(expected) {
		return fmt.Errorf("window %d: %v, want %v", end, got, expected)
	}
	for i := range got {
		a, b := nativehist.NewSparse(got[i].Histogram), nativehist.NewSparse(expected[i].Histogram)
		if partialtest.Close(a.Sum, b.Sum, 1e-9*(1000+math.Abs(b.Sum))) {
			a.Sum = b.Sum
		}
		if got[i].Group != expected[i].Group || !a.Equal(b) {
			return fmt.Errorf("window %d, group %d: %v, want %v", end, got[i].Group, got[i].Histogram, expected[i].Histogram)
		}
	}
	return nil
}

func (s *sliding) event() error {
	all := EveryGroup()
	switch p := s.rng.IntN(100); {
	case p < 40:
		s.note("scrape")
		s.scrape()
	case p < 50:
		s.note("late")
		s.late()
	case p < 53:
		s.note("new series")
		s.grow()
	case p < 56:
		s.note("trim")
		s.from = max(s.from, gridOf(s.leaf).End(s.end-s.leaf.Offset-s.leaf.Range-s.rng.Int64N(5*s.step)+s.step)-s.leaf.Pane)
		s.state.Trim(s.from)
	case p < 58:
		s.note("evict")
		s.build()
	case p < 62:
		s.note("older window")
		return s.check(s.end-s.step*s.rng.Int64N(5), all)
	case p < 66:
		s.note("some groups")
		return s.check(s.end-s.step*s.rng.Int64N(3), GroupSet{Set: map[int32]struct{}{int32(s.rng.IntN(len(s.samples))): {}}})
	case p < 68:
		s.note("gap")
		s.clock += s.leaf.Range
		s.end += s.rng.Int64N(s.leaf.Range/s.step+3) * s.step
	case p < 85:
		s.note("next window")
		if s.end < s.clock+s.leaf.Offset+2*s.step {
			s.end += s.step
		}
		return s.check(s.end, all)
	default:
		s.note("window again")
		return s.check(s.end, all)
	}
	return nil
}

// TestSlidingWindows compares windows that slide over panes with folding their
// samples in one go, for every kind of partial.
func TestSlidingWindows(t *testing.T) {
	for _, l := range slidingLeaves {
		t.Run(l.promql, func(t *testing.T) {
			for seed := range uint64(15) {
				s := newSliding(t, seed, l.promql, l.every)
				for range 150 {
					if err := s.event(); err != nil {
						t.Fatalf("seed %d: %v\n%v", seed, err, s.log)
					}
				}
			}
		})
	}
}

// TestSlideCost counts merges of whole arrays: what a step of the window costs
// must not grow with the number of its panes, nor what a window costs that is
// computed again after a change in its newest pane.
func TestSlideCost(t *testing.T) {
	const width, slots = 1000, 4
	for _, panes := range []int64{5, 60, 1000} {
		merges := 0
		counting := *partial.CounterKind
		counting.Merge = func(into, later []partial.Counter) {
			merges++
			partial.CounterKind.Merge(into, later)
		}
		use := kind[partial.Counter]{Use: function.Use[partial.Counter]{Kind: &counting}}
		w := windowing{Windows: pane.Windows{Every: width, Range: panes * width}}
		s := newLeafState[partial.Counter, *partial.Counter](use, w, pane.Grid{Width: width}, 0, sequence.Vector{})
		const steps = 5000
		for end := int64(width); end <= steps*width; end += width {
			for slot := range int32(slots) {
				s.FoldSorted(slot, slots, []int64{end - 1}, []float64{1})
			}
			for range 4 {
				s.slide.follow(s.byT, slots, max(0, end-panes*width), end)
				s.FoldSorted(0, slots, []int64{end}, []float64{1})
			}
			if s.slide.merged < end-width {
				t.Fatalf("%d panes: at %d merged up to %d", panes, end, s.slide.merged)
			}
			s.Trim(end - panes*width)
		}
		if per := float64(merges) / steps; per > 8 {
			t.Errorf("%d panes: %.1f merges per step", panes, per)
		}
	}
}

// stateBytes is the most bytes per series and pane of its window that the state
// of a leaf takes while its window slides over all blocks.
func stateBytes(t testing.TB, promql string, every int64, count int) (perPane, bytes float64) {
	t.Helper()
	s := newSliding(t, 1, promql, every)
	for len(s.samples) < count {
		s.grow()
	}
	panes := s.leaf.Range / s.leaf.Pane
	s.from = s.clock - s.leaf.Range
	s.build()
	var most int64
	seg := segment.Segment{Metric: 1, Ordered: true, Base: segment.Bucket(s.clock)}
	for slot := range s.samples {
		seg.Series, seg.Values = append(seg.Series, sequence.SeriesID(slot+1)), append(seg.Values, 1)
	}
	var out SlotValues
	for step := range 3 * panes {
		at := s.clock + (step+1)*s.leaf.Pane
		seg.Base, seg.MinT, seg.MaxT = at, at, at
		seg.Offsets = make([]int32, len(seg.Series))
		s.state.Fold(&seg, s.members, -1, nil)
		if at%every == 0 {
			out = SlotValues{}
			s.state.Window(sequence.Span{After: at - s.leaf.Range, UpTo: at}, s.members, EveryGroup(), &out)
			s.state.Trim(at - s.leaf.Range)
		}
		most = max(most, s.state.Bytes())
	}
	return float64(most) / float64(int64(count)*panes), float64(most)
}

// TestStateBytes holds down what state takes, with everything that sliding
// windows need beside the panes.
func TestStateBytes(t *testing.T) {
	for _, c := range []struct {
		promql string
		every  int64
		most   float64
	}{
		{"rate(m[1h])", 60_000, 60},
		{"rate(m[15m])", 60_000, 80},
		{"rate(m[1h])", 300_000, 70},
		{"rate(m[24h])", 300_000, 60},
		{"sum_over_time(m[1h])", 60_000, 60},
	} {
		if got, _ := stateBytes(t, c.promql, c.every, 1000); got > c.most {
			t.Errorf("%s every %d s: %.1f bytes per series and pane, want %.0f at most", c.promql, c.every/1000, got, c.most)
		}
	}
}

// BenchmarkState reports the memory of pane state at its largest: per series
// and pane of counters, and of a tumbling window of 100,000 series.
func BenchmarkState(b *testing.B) {
	for _, bm := range []struct {
		promql string
		every  int64
	}{{"rate(m[5m])", 60_000}, {"rate(m[1h])", 60_000}, {"rate(m[24h])", 300_000}, {"sum_over_time(m[1m])", 60_000}} {
		b.Run(bm.promql, func(b *testing.B) {
			count := 10_000
			if bm.promql == "sum_over_time(m[1m])" {
				count = 100_000
			}
			for b.Loop() {
				perPane, bytes := stateBytes(b, bm.promql, bm.every, count)
				b.ReportMetric(perPane, "B/(series*pane)")
				b.ReportMetric(bytes/1e6, "MB")
			}
		})
	}
}

// BenchmarkDistinctWindow is a window of sets that are kept as registers, which point to
// 16 KiB each, after one more pane.
func BenchmarkDistinctWindow(b *testing.B) {
	s := newSliding(b, 1, "distinct_over_time(m[5m])", 60_000)
	for len(s.samples) < 100 {
		s.grow()
	}
	end := s.end
	ts, vs := make([]int64, 1500), make([]float64, 1500)
	fill := func() {
		for slot := range s.samples {
			for i := range ts {
				ts[i], vs[i] = end-59_000+int64(i), float64(slot*1000+i)
			}
			s.state.FoldSorted(int32(slot), len(s.samples), ts, vs)
		}
	}
	fill()
	b.ReportAllocs()
	var out SlotValues
	for b.Loop() {
		out.reset()
		s.state.Window(s.leaf.Bounds(end), s.members, EveryGroup(), &out)
	}
}
