package keep

// From slots to groups: the last step of a window.
//
// It is done for each window from the slots' values, not kept as state: one value per
// series is cheap to aggregate, and aggregating in memory would need an inverse for
// every series that changes.

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"

	"laminar/flownode/native"
	"laminar/flownode/partial"
	"laminar/sequence"
)

// LeafSample is the value of one group of a leaf in one window. Groups without a
// value have none: there is no zero in its place.
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

// NativeSample is the value of one series of a native leaf in one window: a histogram, or
// where that is nil a float.
type NativeSample struct {
	LeafSample
	Histogram *histogram.FloatHistogram
}

// NativeVector is LeafVector of a leaf whose series may hold native histograms. It has no
// aggregation, or is a sum of sketches.
func NativeVector(src WindowSource, m *Members, span sequence.Span, want GroupSet) ([]NativeSample, error) {
	m.scratch.reset()
	src.Window(span, m, want, &m.scratch)
	out := make([]NativeSample, 0, len(m.scratch.Slots))
	place := make([]int, len(m.Groups)) // in out, from 1
	seen, merged := make([]bool, len(m.setNum)), false
	for i, slot := range m.scratch.Slots {
		g := m.GroupOf[slot]
		twice := m.Def.Agg == nil && place[g] > 0
		if m.setOf != nil {
			twice = twice || seen[m.setOf[slot]]
			seen[m.setOf[slot]] = true
		}
		if twice {
			return nil, &DuplicateError{Leaf: m.Def.Text, Labels: m.Groups[g].Labels}
		}
		h := m.scratch.Histograms[i]
		if at := place[g]; at > 0 { // slots are series
			if _, _, _, err := out[at-1].Histogram.Add(h); err != nil {
				return nil, fmt.Errorf("add up %s of %s: %w", m.Def.Text, m.Groups[g].Labels, err)
			}
			merged = true
			continue
		}
		out = append(out, NativeSample{LeafSample{Group: g, Value: m.scratch.Values[i]}, h})
		place[g] = len(out)
	}
	if merged {
		for i := range out {
			out[i].Histogram = native.Coarser(out[i].Histogram)
		}
	}
	slices.SortFunc(out, func(a, b NativeSample) int { return cmp.Compare(a.Group, b.Group) })
	return out, nil
}

// LeafVector computes a leaf's vector in one window: the values of its slots,
// aggregated by group, groups ascending. Where state is kept by group the slot's
// value is the group's already, and aggregating one value gives that value.
//
// Two series of one group without an aggregation, or of one label set but for the
// name, are a DuplicateError when both have a value: Prometheus refuses that too,
// and to take either would be a guess.
func LeafVector(src WindowSource, m *Members, span sequence.Span, want GroupSet) ([]LeafSample, error) {
	m.scratch.reset()
	src.Window(span, m, want, &m.scratch)
	if m.Def.Agg == nil && !m.crossed && len(m.Groups) == len(m.GroupOf) {
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
	// By group number, and not a map: nearly every group has a value.
	aggs := make([]partial.Aggregator, len(m.Groups))
	fresh := m.Def.Agg.Aggregator()
	valued := 0
	seen := make([]bool, len(m.setNum))
	repeats := m.Def.CountsGroups && !m.ByGroup // several slots may be of one group of series
	if repeats {
		m.nextWindow()
	}
	for i, slot := range m.scratch.Slots {
		g := m.GroupOf[slot]
		if m.setOf != nil {
			set := m.setOf[slot]
			if seen[set] {
				return nil, &DuplicateError{Leaf: m.Def.Text, Labels: m.Groups[g].Labels}
			}
			seen[set] = true
		}
		if repeats && m.counted(slot) {
			continue // another series of its group was there
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
