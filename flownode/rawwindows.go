package flownode

import "slices"

// rawWindows computes windows straight from raw samples: for leaves whose
// windows have too many panes to keep (batch).
type rawWindows[P any, PP cell[P]] struct {
	raw  *rawColumns
	kind kind[P]
}

func (w *rawWindows[P, PP]) window(after, upTo int64, m *members, want groupSet, out *slotValues) {
	acc := make([]P, len(m.groupOf))
	for c, slot := range w.raw.slot {
		if !want.has(m.groupOf[slot]) {
			continue
		}
		ts, vs := w.raw.within(c, after, upTo)
		for i, v := range vs {
			if w.kind.keep(v) {
				PP(&acc[slot]).Add(ts[i], v)
			}
		}
	}
	for slot := range acc {
		if v, ok := w.kind.finish(&acc[slot], after, upTo); ok {
			out.add(int32(slot), v)
		}
	}
}

func (w *rawWindows[P, PP]) holds(after, upTo int64) bool {
	for c := range w.raw.ts {
		_, vs := w.raw.within(c, after, upTo)
		if slices.ContainsFunc(vs, w.kind.keep) {
			return true
		}
	}
	return false
}

// within is the samples of a column with after < t <= upTo.
func (r *rawColumns) within(column int, after, upTo int64) ([]int64, []float64) {
	ts := r.ts[column]
	lo, _ := slices.BinarySearch(ts, after+1)
	hi, _ := slices.BinarySearch(ts, upTo+1)
	hi = max(lo, hi)
	return ts[lo:hi], r.vs[column][lo:hi]
}
