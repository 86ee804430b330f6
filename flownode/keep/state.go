package keep

// What the rest of the code sees of pane state.
//
// The kinds of partials differ in type, and a leaf's kind is known only when its
// definition is read. So there is an interface where segments, windows and repairs
// cross, and code of one type below it.

import (
	"github.com/prometheus/prometheus/promql"

	"laminar/flownode/partial"
	"laminar/sequence"
	"laminar/sequence/segment"
)

// State is the pane state of a leaf, whatever its kind of partial. It is crossed
// once per segment, not once per sample. It is for one goroutine.
type State interface {
	Folder
	WindowSource

	// Position is what the state holds: complete panes with an end after from, of
	// all samples up to at.
	Position() (at sequence.Vector, from int64)

	// Advance moves the state to the position to, after the delta rng was folded.
	// An error says that the delta does not begin where the state stands: then the
	// state must be dropped.
	Advance(rng map[sequence.Region]sequence.Range, to sequence.Vector) error

	// Trim says that the leaf needs no pane with an end up to from. Panes that no
	// leaf needs are dropped.
	Trim(from int64)

	// Occupied lists the panes that hold samples by their ends, ascending. Beyond
	// reports whether one with a later end does.
	Occupied() []int64
	Beyond(after int64) bool

	// PaneCount is how many panes hold samples.
	PaneCount() int

	// Bytes is about how much memory the state takes: of panes that several leaves
	// use, its part.
	Bytes() int64

	// Look lists panes in a span and their partials, LookMerged what the panes of a
	// window merge to: copies, for people.
	Look(ends sequence.Span, look Look) (panes []PaneLook, partials []PartialLook, more int64)
	LookMerged(span sequence.Span, slots int, look Look) (merged []PartialLook, more int64)

	// Panes is equal for states that use the same panes, which Same asks of two.
	// UsedBy says which do from now on. See Leaves.Sets.
	Panes() any
	Same(other State) bool
	UsedBy(states []State)
}

// Folder adds samples to panes. Samples at or before the beginning of the panes
// are left out.
type Folder interface {
	// Fold adds the members' samples of a hot ordered segment. touched is called
	// for samples with t <= closedT, which reach closed windows.
	Fold(seg *segment.Segment, m *Members, closedT int64, touched func(t int64, slot int32))

	// FoldSorted adds samples of one of slots slots, in time order, each time once
	// per series.
	FoldSorted(slot int32, slots int, ts []int64, vs []float64)

	// FoldHistograms adds native histograms of one of slots slots, in time order, each
	// time once. They are kept, and must not be changed afterwards.
	FoldHistograms(slot int32, slots int, points []promql.HPoint)

	// FoldMixed adds samples of any of slots slots, those of one series in time
	// order, each time once per series.
	FoldMixed(slot []int32, slots int, ts []int64, vs []float64)

	// MergeSimple adds a partial that the database aggregated, where the kind of
	// partial is simple.
	MergeSimple(end int64, slot int32, slots int, part partial.Simple)

	// ClearCells empties cells of a pane, before they are folded again.
	ClearCells(end int64, slots []int32)

	// Lane is a view for a goroutine that folds while others do, each into slots of
	// its own, until the state itself is used again. No window of the state may have
	// been computed before.
	Lane() State

	// Merge joins the panes of a state of the same kind that holds other samples,
	// in any order of time: for kinds that fold late.
	Merge(other State)
}

// WindowSource gives the value of every slot in one window of a leaf.
type WindowSource interface {
	// Window adds to out the value of each wanted slot that has one over the
	// samples in the span, slots ascending within a group.
	Window(span sequence.Span, m *Members, want GroupSet, out *SlotValues)

	// Holds reports whether any sample lies in the span.
	Holds(span sequence.Span) bool
}

// FoldColumns adds all samples of the columns to pane state of slots slots.
func FoldColumns(s State, raw *Columns, slots int) {
	for c, slot := range raw.Slot {
		s.FoldSorted(slot, slots, raw.Times[c], raw.Values[c])
	}
}
