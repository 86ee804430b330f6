package evaluate

// The earliest open window, as it was last written.
// Before: nothing is known of it.
// After: only rows that differ from those that are stored are written.

import (
	"slices"

	"laminar/flownode/progress"
	"laminar/sequence"
)

// Open is the provisional result of the earliest open window as it was last
// written, so that only changed rows are written again: with a scrape every few
// seconds and many groups, most rows are as they were. After a start it is not
// known, and the window is written whole once.
//
// While known, the stored rows of the window are exactly rows, until it has closed.
// Two things write it up to then, provisional results and the close itself, and
// both write through Changes. Recomputing and refilling are for closed windows.
type Open struct {
	end   int64
	rows  []progress.Row // ascending by columns
	known bool           // rows is what was written
}

// OpenAt is the window with this end, of which nothing is known; sequence.NoTime for
// none.
func OpenAt(end sequence.Time) Open { return Open{end: end} }

// Is reports whether it is the window with this end.
func (o *Open) Is(end sequence.Time) bool { return o.end == end }

// Written reports whether it is known what was written of the window.
func (o *Open) Written() bool { return o.known }

// Changes turns a result of all groups of the open window into its difference from
// what was last written, and remembers the result. Both are in the order of their
// columns, so one pass over the two finds rows that are new, changed and gone.
//
// It remembers before anything is stored. That is safe, because a flow whose
// result is not stored is not used again (Result).
func (f *Evaluator) Changes(o *Open, res Result) progress.Window {
	old, known := o.rows, o.end == res.End && o.known
	*o = Open{end: res.End, rows: res.Rows, known: true}
	if !known {
		return f.Complete(res)
	}
	w := progress.Window{Start: f.def.WindowStart(res.End), End: res.End}
	for _, row := range res.Rows {
		// Old rows that sort before this one have no value any more.
		order := 1
		for len(old) > 0 {
			if order = compareColumns(old[0].Columns, row.Columns); order >= 0 {
				break
			}
			w.Gone = append(w.Gone, old[0].Columns)
			old = old[1:]
		}
		if len(old) > 0 && order == 0 {
			same := progress.SameResult(old[0], row)
			old = old[1:]
			if same {
				continue
			}
		}
		w.Rows = append(w.Rows, row)
	}
	for _, row := range old {
		w.Gone = append(w.Gone, row.Columns)
	}
	return w
}

// compareColumns orders label columns; nearly always they are the very same.
func compareColumns(a, b []string) int {
	if len(a) > 0 && len(a) == len(b) && &a[0] == &b[0] {
		return 0
	}
	return slices.Compare(a, b)
}
