package late

// Samples of one round's delta that reach closed windows.
// Before: nothing of the delta is read.
// After: each sample is noted for each leaf that selects it, and counted for one.

import (
	"laminar/flownode/flowdef"
	"laminar/flownode/pane"
	"laminar/flownode/partial"
	"laminar/flownode/progress"
	"laminar/sequence"
)

// Frozen is the end of the last window that keeps its value whatever comes, of a flow
// that has emitted up to a time, at a watermark. It is below the ends of all windows
// where every closed window is computed again.
func Frozen(def *flowdef.Flow, emitted, watermark sequence.Time) sequence.Time {
	switch {
	case def.Late == flowdef.LateDrop, def.Late == flowdef.LateSideOutput:
		return emitted
	case def.AllowedLateness > 0:
		return min(emitted, def.Windows().Last(watermark-def.AllowedLateness-1))
	}
	return sequence.NoTime - 1
}

// Notes is the late samples of a round, by the windows that they reach. Its size follows
// these and the groups, not the samples; of the samples themselves it keeps as many as
// are to be stored.
type Notes struct {
	cells map[cell]*tally
	spans []sequence.Span // ends of windows of which it is unknown whether they lack samples
	keep  int             // how many samples are kept at most
	kept  []noted
	next  int // in kept, when it is full: the oldest
}

// cell is what late samples have in common that reach the same windows of a leaf in one
// group.
type cell struct {
	leaf, group int32
	first, last sequence.Time // ends of the windows
	unordered   bool
	replaces    bool // other samples, perhaps: then it is unknown what it adds
}

// tally is the samples of a cell.
type tally struct {
	samples int64 // not noted for a leaf before this one
	read    int64 // all
	adds    partial.Simple
	missed  sequence.Span // judged: ends of the windows that stay without them
}

type noted struct {
	of     *tally
	sample progress.LateSample
}

// NewNotes keeps the newest of the samples, at most keep.
func NewNotes(keep int) *Notes { return &Notes{cells: map[cell]*tally{}, keep: keep} }

// Kind is what matters of a late sample beside its time and value.
type Kind struct {
	Group     int32
	Unordered bool // late within its series, repeated or overwriting
	Replaces  bool // something else may be stored of the series at its time
}

// Sample notes a sample that a leaf selects, by the leaf's windows. again says that it was
// noted for another leaf: then it is not counted, nor kept. One that lies between windows
// is not noted.
func (n *Notes) Sample(leaf int, windows pane.Windows, of Kind, again bool, x progress.LateSample) {
	first, last := windows.Of(sequence.Between(x.T, x.T))
	if first > last {
		return
	}
	key := cell{leaf: int32(leaf), group: of.Group, first: first, last: last, unordered: of.Unordered, replaces: of.Replaces}
	t := n.cells[key]
	if t == nil {
		t = &tally{}
		n.cells[key] = t
	}
	t.adds.Add(x.T, x.Value)
	if t.read++; again {
		return
	}
	t.samples++
	switch {
	case n.keep == 0:
	case len(n.kept) < n.keep:
		n.kept = append(n.kept, noted{t, x})
	default:
		n.kept[n.next] = noted{t, x}
		n.next = (n.next + 1) % n.keep
	}
}

// Unknown notes that windows with an end from first to last may lack samples: the delta
// holds samples that are sealed, and which of them it is not known.
func (n *Notes) Unknown(first, last sequence.Time) {
	if first <= last {
		n.spans = append(n.spans, sequence.Between(first, last))
	}
}
