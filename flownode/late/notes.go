package late

// Samples of one round's delta that reach closed windows.
// Before: nothing of the delta is read.
// After: each sample is noted once, with the windows of all leaves that read it.

import (
	"encoding/binary"
	"slices"

	"laminar/flownode/flowdef"
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

// Bounds is how much of late samples is told apart. What is beyond it is noted too, in
// stretches of windows (progress.LateState).
type Bounds struct {
	Cells   int // sets of windows and groups in memory that samples of a round have in common; of windows without groups so many once more
	Windows int // windows with a group that a round notes
	Visits  int // windows that a round looks at, each once for every cell
	Flow    int // windows with a group that are noted of a flow in all
	Rows    int // likewise, of a flow with flowdef.LateSideOutput
}

// DefaultBounds is what programs use.
var DefaultBounds = Bounds{Cells: 100_000, Windows: 100_000, Visits: 1_000_000, Flow: progress.MaxLateWindows, Rows: progress.MaxLateRows}

// Notes is the late samples of a round, by the windows that they reach. Its size follows
// these and the groups, up to Bounds.Cells, and not the samples; of the samples themselves it
// keeps as many as are to be stored.
type Notes struct {
	bounds          Bounds
	emitted, frozen sequence.Time
	cells           map[cell]*tally
	furthers        map[string]int32 // of cells: their numbers by their spelling
	further         [][]Reach        // by number
	rest            []*rest          // by leaf: what has no cell
	spans           []sequence.Span  // ends of windows of which it is unknown whether they lack samples
	spell           []byte

	keep int // how many samples are kept at most
	kept []noted
	next int // in kept, when it is full: the oldest
}

// Reach is the closed windows that a sample reaches, by one leaf.
type Reach struct {
	Leaf, Group int32         // anyGroup for one that is not told
	First, Last sequence.Time // ends of the windows
}

// anyGroup is the group of cells that tell windows and no groups.
const anyGroup = -1

// cell is what late samples have in common that reach the same windows in the same groups.
type cell struct {
	Reach
	further   int32 // windows by other leaves: a number of Notes.further, from 1; 0 for none
	unordered bool
	replaces  bool // other samples, perhaps: then it is unknown what it adds
}

// tally is the samples of a cell.
type tally struct {
	samples int64
	adds    partial.Simple
	missed  sequence.Span // judged: ends of the windows that stay without them
}

// rest is samples that have no cell, because there are too many: the windows between the
// first and the last that they reach.
type rest struct {
	tally
	ends   sequence.Span
	frozen int64 // how many of the samples reach windows that keep their values
}

type noted struct {
	of     *tally
	sample progress.LateSample // First and Last are of all windows that it reaches
}

// NewNotes keeps the newest of the samples, at most keep. emitted and frozen are the flow's,
// as Judge is given them.
func NewNotes(bounds Bounds, keep int, emitted, frozen sequence.Time) *Notes {
	return &Notes{bounds: bounds, emitted: emitted, frozen: frozen, cells: map[cell]*tally{}, furthers: map[string]int32{}, keep: keep}
}

// Kind is what matters of a late sample beside its windows, time and value.
type Kind struct {
	Unordered bool // late within its series, repeated or overwriting
	Replaces  bool // something else may be stored of the series at its time
}

// Sample notes a sample, with the windows that it reaches by all leaves that read it, one
// reach for a leaf; those that lie between windows of a leaf reach none by it, and it is left
// out of reaches. The list is the caller's again afterwards.
func (n *Notes) Sample(reaches []Reach, of Kind, x progress.LateSample) {
	if len(reaches) == 0 {
		return
	}
	x.First, x.Last = reaches[0].First, reaches[0].Last
	for i := range reaches {
		r := &reaches[i]
		r.Last = min(r.Last, n.emitted)
		x.First, x.Last = min(x.First, r.First), max(x.Last, r.Last)
	}
	t := n.tally(reaches, of, x.First)
	t.adds.Add(x.T, x.Value)
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

// tally is where a sample is counted: in the cell of its windows and groups, or if there are
// too many, of its windows, or in what has none.
func (n *Notes) tally(reaches []Reach, of Kind, first sequence.Time) *tally {
	for _, most := range [2]int{n.bounds.Cells, 2 * n.bounds.Cells} {
		if t := n.cellOf(reaches, of, len(n.cells) < most); t != nil {
			return t
		}
		of = Kind{}
		for i := range reaches {
			reaches[i].Group = anyGroup
		}
	}
	for int(reaches[0].Leaf) >= len(n.rest) {
		n.rest = append(n.rest, nil)
	}
	r := n.rest[reaches[0].Leaf]
	if r == nil {
		r = &rest{}
		n.rest[reaches[0].Leaf] = r
	}
	for _, one := range reaches {
		r.ends = r.ends.Join(sequence.Between(one.First, one.Last))
	}
	if first <= n.frozen {
		r.frozen++
	}
	return &r.tally
}

// cellOf is the tally of the cell for these windows; nil where there is none and makes is
// false.
func (n *Notes) cellOf(reaches []Reach, of Kind, makes bool) *tally {
	c := cell{Reach: reaches[0], unordered: of.Unordered, replaces: of.Replaces}
	if len(reaches) > 1 {
		n.spell = n.spell[:0]
		for _, r := range reaches[1:] {
			n.spell = binary.AppendVarint(binary.AppendVarint(n.spell, int64(r.Leaf)), int64(r.Group))
			n.spell = binary.AppendVarint(binary.AppendVarint(n.spell, r.First), r.Last)
		}
		number, there := n.furthers[string(n.spell)]
		if !there {
			if !makes {
				return nil
			}
			n.further = append(n.further, slices.Clone(reaches[1:]))
			number = int32(len(n.further))
			n.furthers[string(n.spell)] = number
		}
		c.further = number
	}
	t := n.cells[c]
	if t == nil && makes {
		t = &tally{}
		n.cells[c] = t
	}
	return t
}

// Unknown notes that windows with an end from first to last may lack samples: the delta
// holds samples that are sealed, and which of them it is not known.
func (n *Notes) Unknown(first, last sequence.Time) {
	if last = min(last, n.emitted); first <= last {
		n.spans = append(n.spans, sequence.Between(first, last))
	}
}
