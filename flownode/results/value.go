package results

import (
	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/sequence/nativehist"
	"laminar/sequence/segment"
)

// laid is a window as the round leaves it: all of it, or some rows.
type laid struct {
	complete bool
	rows     map[sequence.SeriesID]value
	gone     map[sequence.SeriesID]struct{} // not complete: rows that must not be there
}

// value is a result: a number, or a native histogram, whose number is its sum.
type value struct {
	float float64
	hist  *nativehist.Sparse // nil for a number
	gone  bool               // a marker in the place of a row that the round takes away
}

// stale is the value of a marker.
var stale = value{float: segment.Stale()}

// removed takes the place of a row that the round takes away. In the table no marker
// will stand there, unless a row stands one step before.
var removed = value{float: segment.Stale(), gone: true}

func (v value) isStale() bool { return v.hist == nil && segment.IsStale(v.float) }

func valueOf(row *progress.Row) value {
	if row.Histogram != nil {
		return value{float: row.Histogram.Sum, hist: row.Histogram}
	}
	return value{float: row.Value}
}

// same reports whether the result table would hold the same.
func (v value) same(o value) bool {
	return progress.SameValue(v.float, o.float) && v.hist.Equal(o.hist)
}

// samples is samples of one metric as arrays.
type samples struct {
	series []sequence.SeriesID
	times  []int64
	values []value
}

func (s *samples) add(id sequence.SeriesID, t sequence.Time, v value) {
	s.series, s.times, s.values = append(s.series, id), append(s.times, t), append(s.values, v)
}

// removes reports whether a row that is stored and not among the window's own is
// not there any more.
func (w *laid) removes(id sequence.SeriesID) bool {
	_, gone := w.gone[id]
	return w.complete || gone
}

// of is the value of a series in the window laid over stored rows; the window may be
// nil.
func (w *laid) of(id sequence.SeriesID, stored map[sequence.SeriesID]value) (value, bool) {
	if w != nil {
		if v, ok := w.rows[id]; ok {
			return v, true
		}
		if w.removes(id) {
			return value{}, false
		}
	}
	v, ok := stored[id]
	return v, ok
}
