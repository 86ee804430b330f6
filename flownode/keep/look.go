package keep

// Pane state as people look at it: copies, in words, of a part of it.

import (
	"github.com/prometheus/prometheus/model/histogram"

	"laminar/flownode/partial"
	"laminar/sequence"
)

// PaneLook is a pane in memory.
type PaneLook struct {
	End   sequence.Time
	Cells int64 // partials with samples
	Bytes int64 // what its array takes, with what the partials point to
}

// PartialLook is one partial: of a pane, or what the panes of a window merge to.
type PartialLook struct {
	End    sequence.Time // of the pane, or of the last pane of the window
	Slot   int32
	Fields []partial.Field

	// Of a window: what the leaf's function makes of it, and whether that has a value.
	Valued    bool
	Value     float64
	Histogram *histogram.FloatHistogram
}

// Look is what is looked at: of slots, in order, or of all with nil; at most Most partials.
type Look struct {
	Slots []int32
	Most  int
}

// each calls fn for each slot that is looked at and that an array of n cells has.
func (l *Look) each(n int, fn func(slot int32)) {
	if l.Slots == nil {
		for slot := range int32(n) {
			fn(slot)
		}
		return
	}
	for _, slot := range l.Slots {
		if int(slot) < n {
			fn(slot)
		}
	}
}

// Look lists the panes in memory with an end in the span, oldest first, and their partials.
// more is how many partials are left out.
func (s *leafState[P, PP]) Look(ends sequence.Span, look Look) (panes []PaneLook, partials []PartialLook, more int64) {
	for _, end := range s.Occupied() {
		if !ends.Holds(end) {
			continue
		}
		cells := s.byT[end]
		pane := PaneLook{End: end, Bytes: s.cell.Bytes(cells)}
		for i := range cells {
			if !PP(&cells[i]).Empty() {
				pane.Cells++
			}
		}
		panes = append(panes, pane)
		look.each(len(cells), func(slot int32) {
			p := PP(&cells[slot])
			switch {
			case p.Empty():
			case len(partials) < look.Most:
				partials = append(partials, PartialLook{End: end, Slot: slot, Fields: p.Fields()})
			default:
				more++
			}
		})
	}
	return panes, partials, more
}

// LookMerged lists what the panes in the span, which is that of a window, merge to. more is
// how many slots were not looked at any more: merging costs, and rounds wait meanwhile.
func (s *leafState[P, PP]) LookMerged(span sequence.Span, slots int, look Look) (merged []PartialLook, more int64) {
	lead, own := s.divide(span)
	win := s.over(own)
	var out SlotValues
	look.each(slots, func(slot int32) {
		if len(merged) >= look.Most {
			more++
			return
		}
		if acc := mergeSlot[P, PP](s.byT, s.grid.Width, slot, own); !PP(&acc).Empty() {
			m := PartialLook{End: span.UpTo, Slot: slot, Fields: PP(&acc).Fields()}
			out.reset()
			s.value(&acc, s.slotIn(slot, lead), slot, win, &out)
			if m.Valued = len(out.Slots) > 0; m.Valued {
				m.Value = out.Values[0]
				if len(out.Histograms) > 0 {
					m.Histogram = out.Histograms[0]
				}
			}
			merged = append(merged, m)
		}
	})
	return merged, more
}

// SlotsOf lists the slots of a group, ascending. They must not be changed.
func (m *Members) SlotsOf(group int32) []int32 { return m.Groups[group].slots }
