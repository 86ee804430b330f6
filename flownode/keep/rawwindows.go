package keep

// Windows without panes.
// Before: the columns hold all samples of the windows that are asked for, or of the
// wanted groups.
// After: the same values as panes would give, within the bound of I3.

import (
	"slices"

	"laminar/flownode/partial"
	"laminar/sequence"
)

// rawWindows computes windows straight from raw samples: for leaves whose windows
// have too many panes to keep (batch). Each window folds all of its samples again,
// which is what makes batch costly, and right without any state.
type rawWindows[P any, PP partial.Cell[P]] struct {
	raw  *Columns
	kind kind[P]
}

// Window folds the samples of the window, those of each series in time order.
func (w *rawWindows[P, PP]) Window(span sequence.Span, m *Members, want GroupSet, out *SlotValues) {
	lead, own := w.kind.divide(span)
	acc := w.fold(own, m, want)
	before := acc // not looked at
	if w.kind.lead > 0 {
		before = w.fold(lead, m, want)
	}
	win := w.kind.over(own)
	for slot := range acc {
		w.kind.value(&acc[slot], &before[slot], int32(slot), win, out)
	}
}

// fold is what the samples in the span merge to, by slot.
func (w *rawWindows[P, PP]) fold(span sequence.Span, m *Members, want GroupSet) []P {
	acc := make([]P, len(m.GroupOf))
	for c, slot := range w.raw.Slot {
		if !want.Has(m.GroupOf[slot]) {
			continue
		}
		ts, vs := w.raw.Within(c, span)
		for i, v := range vs {
			if w.kind.keep(v) {
				PP(&acc[slot]).Add(ts[i], v)
			}
		}
	}
	return acc
}

// Holds reports whether a sample that the function sees lies in the window.
func (w *rawWindows[P, PP]) Holds(span sequence.Span) bool {
	for c := range w.raw.Times {
		_, vs := w.raw.Within(c, span)
		if slices.ContainsFunc(vs, w.kind.keep) {
			return true
		}
	}
	return false
}
