package keep

import (
	"fmt"
	"math"
	"testing"
	"unsafe"

	"laminar/flownode/function"
	"laminar/flownode/partial"
	"laminar/flownode/partial/partialtest"
)

// bag is a partial that points to memory: all its samples, in order of time. Two
// bags with one store spoil each other.
type bag struct {
	in *bagStore // nil: none
}

type bagStore struct {
	times  []int64
	values []float64
}

// String shows what the bag points to, and not where.
func (b bag) String() string {
	if b.in == nil {
		return "{}"
	}
	return fmt.Sprint(*b.in)
}

func (b *bag) Empty() bool { return b.in == nil }

func (b *bag) Add(t int64, v float64) {
	if b.in == nil {
		b.in = &bagStore{}
	}
	b.in.times, b.in.values = append(b.in.times, t), append(b.in.values, v)
	for i := len(b.in.times) - 1; i > 0 && b.in.times[i] < b.in.times[i-1]; i-- {
		b.in.times[i], b.in.times[i-1] = b.in.times[i-1], b.in.times[i]
		b.in.values[i], b.in.values[i-1] = b.in.values[i-1], b.in.values[i]
	}
}

func (b *bag) Merge(later *bag) {
	if later.in == nil {
		return
	}
	for i, t := range later.in.times {
		b.Add(t, later.in.values[i])
	}
}

// held is what a bag takes beside itself.
func (b *bag) held() int64 {
	if b.in == nil {
		return 0
	}
	return int64(unsafe.Sizeof(*b.in)) + int64(8*cap(b.in.times)+8*cap(b.in.values))
}

func bagKind() *partial.Kind[bag] {
	return &partial.Kind[bag]{
		Traits: partial.Traits{Name: "bag", CellBytes: int64(unsafe.Sizeof(bag{})) + 160},
		Column: partial.Column[bag]{
			Add: func(cells []bag, slots []int32, times []int64, values []float64) {
				for i, s := range slots {
					cells[s].Add(times[i], values[i])
				}
			},
			Merge: func(into, later []bag) {
				for i := range later {
					into[i].Merge(&later[i])
				}
			},
		},
		Memory: partial.Memory[bag]{
			Held: func(cells []bag) int64 {
				n := int64(0)
				for i := range cells {
					n += cells[i].held()
				}
				return n
			},
			Clone: func(into, from []bag) {
				for i := range from {
					into[i] = bag{}
					into[i].Merge(&from[i])
				}
			},
		},
	}
}

// Fields lists nothing: nobody looks.
func (b *bag) Fields() []partial.Field { return nil }

// weighed is a number that depends on every sample of the bag and on its place.
func (b *bag) weighed() float64 {
	sum := 0.0
	if b.in == nil {
		return 0
	}
	for i, v := range b.in.values {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			sum += v * float64(i+1)
		}
	}
	return sum
}

// slideBags drives pane state of bags, and returns what was wrong first.
func slideBags(t *testing.T, kind *partial.Kind[bag], seed uint64) error {
	t.Helper()
	s := newSliding(t, seed, "sum_over_time(m[12m])", 60_000)
	s.builder = build(&building{leaf: s.leaf, step: s.step}, function.Use[bag]{
		Kind:   kind,
		Finish: func(b *bag, _ function.Window) (float64, bool) { return b.weighed(), !b.Empty() },
	})
	s.build()
	for range 200 {
		if err := s.event(); err != nil {
			return err
		}
		if kind.Held == nil {
			continue
		}
		least := int64(0)
		for slot := range s.samples {
			ts, _ := s.within(int32(slot), s.from, math.MaxInt64)
			least += 16 * int64(len(ts))
		}
		// Stale markers among the samples are left out of partials.
		if got := s.state.Bytes(); got < least/2 {
			t.Fatalf("seed %d: the state holds samples of %d bytes and says %d", seed, least, got)
		}
	}
	return nil
}

// TestStateOfPartialsThatPoint: partials that point to memory may be kept. Their
// windows are right, and their memory counts. Without Clone that is not so,
// which this test would see.
func TestStateOfPartialsThatPoint(t *testing.T) {
	partialtest.KindLaws[bag](t, bagKind())
	for seed := range uint64(20) {
		if err := slideBags(t, bagKind(), seed); err != nil {
			t.Errorf("seed %d: %v", seed, err)
		}
	}
	for seed := range uint64(20) {
		shallow := bagKind()
		shallow.Clone = nil
		if slideBags(t, shallow, seed) != nil {
			return
		}
	}
	t.Error("bags that are copied by assignment spoil nothing: the test proves nothing")
}

// TestSlidingLeavesAreAllFunctions: TestSlidingWindows has every function of
// the table.
func TestSlidingLeavesAreAllFunctions(t *testing.T) {
	slid := map[*function.Function]bool{}
	for _, l := range slidingLeaves {
		slid[newSliding(t, 1, l.promql, l.every).leaf.Func] = true
	}
	for _, f := range function.All() {
		if !slid[f] {
			t.Errorf("%s is not among slidingLeaves", f)
		}
	}
}
