package flownode

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"laminar/flownode/partial"
)

// WindowSource gives the value of every slot in one window of a leaf.
type WindowSource interface {
	// Window adds to out the value of each wanted slot that has one over the
	// samples with after < t <= upTo, slots ascending within a group.
	Window(after, upTo int64, m *Members, want GroupSet, out *SlotValues)
	// Holds reports whether any sample lies in after < t <= upTo.
	Holds(after, upTo int64) bool
}

// SlotValues is the values of some slots.
type SlotValues struct {
	Slots  []int32
	Values []float64
}

func (o *SlotValues) add(slot int32, v float64) {
	o.Slots = append(o.Slots, slot)
	o.Values = append(o.Values, v)
}

// windowChunk is how many slots are merged and finished at a time: few enough
// to stay in the nearest cache.
const windowChunk = 512

// Window merges the panes of the window slot by slot and finishes them.
func (s *panes[P, PP]) Window(after, upTo int64, m *Members, want GroupSet, out *SlotValues) {
	win := s.over(after, upTo)
	if !want.All {
		for g := range want.Set {
			for _, slot := range m.Groups[g].slots {
				acc := s.slide.mergeSlot(s.byT, slot, after, upTo)
				if v, ok := s.Finish(&acc, win); ok {
					out.add(slot, v)
				}
			}
		}
		return
	}
	var parts [][]P
	rest := after
	if s.slide.follow(s.byT, len(m.GroupOf), after, upTo) {
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
	for lo, n := 0, len(m.GroupOf); lo < n; lo += windowChunk {
		acc := s.acc[:min(windowChunk, n-lo)]
		clear(acc)
		for _, part := range parts {
			if lo < len(part) {
				s.Kind.Merge(acc, part[lo:min(len(part), lo+len(acc))])
			}
		}
		for i := range acc {
			if v, ok := s.Finish(&acc[i], win); ok {
				out.add(int32(lo+i), v)
			}
		}
	}
}

// LeafSample is the value of one group of a leaf in one window.
type LeafSample struct {
	Group int32
	Value float64
}

// DuplicateError says that two series of a leaf have one label set in a
// window, which Prometheus refuses too.
type DuplicateError struct {
	Leaf   string
	Labels labels.Labels
}

func (e *DuplicateError) Error() string {
	return fmt.Sprintf("%s: more than one series has the labels %s", e.Leaf, e.Labels)
}

// Hint tells what to change in the definition.
func (e *DuplicateError) Hint() string {
	return "select one metric name, or aggregate with sum by (...) (...)"
}

// LeafVector computes a leaf's vector in one window: the values of its slots,
// aggregated by group, groups ascending.
func LeafVector(src WindowSource, m *Members, after, upTo int64, want GroupSet) ([]LeafSample, error) {
	m.scratch.Slots, m.scratch.Values = m.scratch.Slots[:0], m.scratch.Values[:0]
	src.Window(after, upTo, m, want, &m.scratch)
	if m.Def.Agg == nil && len(m.Groups) == len(m.GroupOf) {
		// Every slot is a group of its own: they were numbered together.
		out := make([]LeafSample, len(m.scratch.Slots))
		for i, slot := range m.scratch.Slots {
			out[i] = LeafSample{Group: slot, Value: m.scratch.Values[i]}
		}
		if !want.All {
			slices.SortFunc(out, func(a, b LeafSample) int { return cmp.Compare(a.Group, b.Group) })
		}
		return out, nil
	}
	aggs := make([]partial.Aggregator, len(m.Groups))
	fresh := m.Def.Agg.Aggregator()
	valued := 0
	seen := make([]bool, len(m.setNum))
	for i, slot := range m.scratch.Slots {
		g := m.GroupOf[slot]
		if m.setOf != nil {
			set := m.setOf[slot]
			if seen[set] {
				return nil, &DuplicateError{Leaf: m.Def.Text, Labels: m.Groups[g].Labels}
			}
			seen[set] = true
		}
		agg := &aggs[g]
		if agg.Empty() {
			*agg = fresh
			valued++
		} else if m.Def.Agg == nil {
			return nil, &DuplicateError{Leaf: m.Def.Text, Labels: m.Groups[g].Labels}
		}
		agg.Add(m.scratch.Values[i])
	}
	out := make([]LeafSample, 0, valued)
	for g := range aggs {
		if !aggs[g].Empty() {
			out = append(out, LeafSample{Group: int32(g), Value: aggs[g].Result()})
		}
	}
	return out, nil
}
