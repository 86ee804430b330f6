package flownode

import (
	"fmt"

	"github.com/prometheus/prometheus/model/labels"

	"laminar/flownode/flowdef"
	"laminar/flownode/partial"
)

// windowSource gives the value of every slot in one window of a leaf.
type windowSource interface {
	// window calls emit for each wanted slot that has a value over the samples
	// with after < t <= upTo, slots ascending within a group.
	window(after, upTo int64, m *members, want groupSet, emit func(slot int32, v float64))
	// holds reports whether any sample lies in after < t <= upTo.
	holds(after, upTo int64) bool
}

// window merges the panes of the window slot by slot and finishes them.
func (s *panes[P, PP]) window(after, upTo int64, m *members, want groupSet, emit func(slot int32, v float64)) {
	if want.all {
		acc := s.scratch(len(m.groupOf))
		for end := after + s.grid.Width; end <= upTo; end += s.grid.Width {
			cells := s.byT[end]
			for i := range cells {
				if PP(&cells[i]).Empty() {
					continue
				}
				PP(&acc[i]).Merge(&cells[i])
			}
		}
		for slot := range acc {
			if v, ok := s.finish(&acc[slot], after, upTo); ok {
				emit(int32(slot), v)
			}
		}
		return
	}
	for g := range want.set {
		for _, slot := range m.groups[g].slots {
			acc := s.scratch(1)
			for end := after + s.grid.Width; end <= upTo; end += s.grid.Width {
				if cells := s.byT[end]; int(slot) < len(cells) && !PP(&cells[slot]).Empty() {
					PP(&acc[0]).Merge(&cells[slot])
				}
			}
			if v, ok := s.finish(&acc[0], after, upTo); ok {
				emit(slot, v)
			}
		}
	}
}

// scratch returns n empty partials that are valid until the next call.
func (s *panes[P, PP]) scratch(n int) []P {
	if cap(s.acc) < n {
		s.acc = make([]P, n)
	}
	s.acc = s.acc[:n]
	clear(s.acc)
	return s.acc
}

// leafSample is the value of one group of a leaf in one window.
type leafSample struct {
	group int32
	value float64
}

// duplicateError says that two series of a leaf have one label set in a
// window, which Prometheus refuses too.
type duplicateError struct {
	leaf   string
	labels labels.Labels
}

func (e *duplicateError) Error() string {
	return fmt.Sprintf("%s: more than one series has the labels %s", e.leaf, e.labels)
}

// Hint tells what to change in the definition.
func (e *duplicateError) Hint() string {
	return "select one metric name, or aggregate with sum by (...) (...)"
}

// leafVector computes a leaf's vector in one window: the values of its slots,
// aggregated by group, groups ascending.
func leafVector(src windowSource, m *members, after, upTo int64, want groupSet) ([]leafSample, error) {
	aggs := make([]partial.Aggregator, len(m.groups))
	fresh := *partial.NewAggregator(aggOf(m.leaf.Agg))
	valued := 0
	var dup *duplicateError
	seen := make([]bool, len(m.setNum))
	src.window(after, upTo, m, want, func(slot int32, v float64) {
		g := m.groupOf[slot]
		if m.setOf != nil {
			if set := m.setOf[slot]; !seen[set] {
				seen[set] = true
			} else if dup == nil {
				dup = &duplicateError{leaf: m.leaf.Text, labels: m.groups[g].labels}
			}
		}
		agg := &aggs[g]
		if agg.Empty() {
			*agg = fresh
			valued++
		} else if m.leaf.Agg == flowdef.AggNone && dup == nil {
			dup = &duplicateError{leaf: m.leaf.Text, labels: m.groups[g].labels}
		}
		agg.Add(v)
	})
	if dup != nil {
		return nil, dup
	}
	out := make([]leafSample, 0, valued)
	for g := range aggs {
		if !aggs[g].Empty() {
			out = append(out, leafSample{group: int32(g), value: aggs[g].Result()})
		}
	}
	return out, nil
}
