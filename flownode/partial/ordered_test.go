package partial_test

import (
	"testing"
	"unsafe"

	"laminar/flownode/partial"
	"laminar/flownode/partial/partialtest"
)

func TestFirstLaws(t *testing.T) {
	partialtest.Laws(t, partialtest.Kind[partial.First]{
		Commutes: true,
		Values: func(p *partial.First, _, _ int64) []float64 {
			return []float64{float64(p.Since - 1), p.V}
		},
		Naive: func(s []partialtest.Sample, after, upTo int64) (values, bounds []float64) {
			if len(s) == 0 {
				return nil, nil
			}
			return []float64{float64(s[0].T), engine("first_over_time", s, after, upTo)}, []float64{0, 0}
		},
	})
}

func TestPairLaws(t *testing.T) {
	partialtest.Laws(t, partialtest.Kind[partial.Pair]{
		Values: func(p *partial.Pair, _, _ int64) []float64 {
			return []float64{float64(p.New.Until - 1), orNaN(p.Irate()), orNaN(p.Idelta())}
		},
		Naive: func(s []partialtest.Sample, after, upTo int64) (values, bounds []float64) {
			if len(s) == 0 {
				return nil, nil
			}
			return []float64{float64(s[len(s)-1].T), engine("irate", s, after, upTo), engine("idelta", s, after, upTo)},
				[]float64{0, 0, 0}
		},
	})
}

func TestTurnsLaws(t *testing.T) {
	partialtest.Laws(t, partialtest.Kind[partial.Turns]{
		Values: func(p *partial.Turns, _, _ int64) []float64 {
			return []float64{float64(p.Count), float64(p.Changes), float64(p.Resets)}
		},
		Naive: func(s []partialtest.Sample, after, upTo int64) (values, bounds []float64) {
			return []float64{float64(len(s)), engine("changes", s, after, upTo), engine("resets", s, after, upTo)},
				[]float64{0, 0, 0}
		},
	})
}

func TestFirstKeepsTheLaterOfTwoAtOneTime(t *testing.T) {
	var p, b partial.First
	p.Add(0, 1)
	if p.Empty() {
		t.Error("a sample at the epoch is lost")
	}
	if p.Add(0, 2); p.V != 2 {
		t.Errorf("after two samples at one time V = %v, want the later, 2", p.V)
	}
	b.Add(0, 3)
	if p.Merge(&b); p.V != 3 {
		t.Errorf("after merging a later sample of the same time V = %v, want 3", p.V)
	}
}

// TestSizes holds down what one series costs per pane.
func TestSizes(t *testing.T) {
	for name, size := range map[string]uintptr{
		"Simple": unsafe.Sizeof(partial.Simple{}), "Counter": unsafe.Sizeof(partial.Counter{}),
		"Turns": unsafe.Sizeof(partial.Turns{}), "Pair": unsafe.Sizeof(partial.Pair{}),
		"Regression": unsafe.Sizeof(partial.Regression{}),
	} {
		if size > 64 {
			t.Errorf("%s takes %d bytes, a cache line has 64", name, size)
		}
	}
}
