package flownode

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"laminar/flownode/flowdef"
	"laminar/flownode/partial"
)

// windowSource gives the value of every slot in one window of a leaf.
type windowSource interface {
	// window adds to out the value of each wanted slot that has one over the
	// samples with after < t <= upTo, slots ascending within a group.
	window(after, upTo int64, m *members, want groupSet, out *slotValues)
	// holds reports whether any sample lies in after < t <= upTo.
	holds(after, upTo int64) bool
}

// slotValues is the values of some slots.
type slotValues struct {
	slots  []int32
	values []float64
}

func (o *slotValues) add(slot int32, v float64) {
	o.slots = append(o.slots, slot)
	o.values = append(o.values, v)
}

// windowChunk is how many slots are merged and finished at a time: few enough
// to stay in the nearest cache.
const windowChunk = 512

// window merges the panes of the window slot by slot and finishes them.
func (s *panes[P, PP]) window(after, upTo int64, m *members, want groupSet, out *slotValues) {
	if !want.all {
		for g := range want.set {
			for _, slot := range m.groups[g].slots {
				acc := s.slide.mergeSlot(s.byT, slot, after, upTo)
				if v, ok := s.finish(&acc, after, upTo); ok {
					out.add(slot, v)
				}
			}
		}
		return
	}
	var parts [][]P
	rest := after
	if s.slide.follow(s.byT, len(m.groupOf), after, upTo) {
		parts, rest = append(parts, s.slide.base), s.slide.merged
	}
	for end := rest + s.grid.Width; end <= upTo; end += s.grid.Width {
		if c := s.byT[end]; c != nil {
			parts = append(parts, c)
		}
	}
	if cap(s.acc) < windowChunk {
		s.acc = make([]P, windowChunk)
	}
	for lo, n := 0, len(m.groupOf); lo < n; lo += windowChunk {
		acc := s.acc[:min(windowChunk, n-lo)]
		clear(acc)
		for _, part := range parts {
			if lo < len(part) {
				s.column.Merge(acc, part[lo:min(len(part), lo+len(acc))])
			}
		}
		for i := range acc {
			if v, ok := s.finish(&acc[i], after, upTo); ok {
				out.add(int32(lo+i), v)
			}
		}
	}
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
	m.scratch.slots, m.scratch.values = m.scratch.slots[:0], m.scratch.values[:0]
	src.window(after, upTo, m, want, &m.scratch)
	if m.leaf.Agg == flowdef.AggNone && len(m.groups) == len(m.groupOf) {
		// Every slot is a group of its own: they were numbered together.
		out := make([]leafSample, len(m.scratch.slots))
		for i, slot := range m.scratch.slots {
			out[i] = leafSample{group: slot, value: m.scratch.values[i]}
		}
		if !want.all {
			slices.SortFunc(out, func(a, b leafSample) int { return cmp.Compare(a.group, b.group) })
		}
		return out, nil
	}
	aggs := make([]partial.Aggregator, len(m.groups))
	fresh := *partial.NewAggregator(aggOf(m.leaf.Agg))
	valued := 0
	seen := make([]bool, len(m.setNum))
	for i, slot := range m.scratch.slots {
		g := m.groupOf[slot]
		if m.setOf != nil {
			set := m.setOf[slot]
			if seen[set] {
				return nil, &duplicateError{leaf: m.leaf.Text, labels: m.groups[g].labels}
			}
			seen[set] = true
		}
		agg := &aggs[g]
		if agg.Empty() {
			*agg = fresh
			valued++
		} else if m.leaf.Agg == flowdef.AggNone {
			return nil, &duplicateError{leaf: m.leaf.Text, labels: m.groups[g].labels}
		}
		agg.Add(m.scratch.values[i])
	}
	out := make([]leafSample, 0, valued)
	for g := range aggs {
		if !aggs[g].Empty() {
			out = append(out, leafSample{group: int32(g), value: aggs[g].Result()})
		}
	}
	return out, nil
}
