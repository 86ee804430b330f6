package results

import "laminar/sequence"

// Walk turns the rows of one flow, window by window, into samples: a row's value at
// its window's end, and a stale marker at the next end where a key that had a row
// has none. Times ascend, and of one key they strictly ascend. K names a series,
// V is a value, with Stale for a marker.
//
//	w := results.Walk[string, float64]{Every: step, Until: emittedUntil, Stale: segment.Stale(), Sample: use}
//	for each window with rows, by ascending end {
//		w.Window(end)
//		for each row { w.Row(key, value) }
//	}
//	w.Done()
//
// Markers up to After+Every need the rows of the window before the first: a reader
// of the span (After, UpTo] walks the windows in (After-Every, UpTo], and leaves out
// what Sample gives outside the span.
type Walk[K comparable, V any] struct {
	Every  int64         // ms between window ends
	Until  sequence.Time // the end of the newest window that is closed; there is no marker beyond
	Stale  V             // the value of a marker
	Sample func(key K, t sequence.Time, v V)

	begun       bool
	at          sequence.Time // the window that rows are added to
	now, before map[K]struct{}
	beforeAt    sequence.Time
}

// Window begins the window with this end, which is later than those before.
func (w *Walk[K, V]) Window(end sequence.Time) {
	w.close(end)
	w.at, w.begun = end, true
	if w.now == nil {
		w.now, w.before = map[K]struct{}{}, map[K]struct{}{}
	}
}

// Row adds a row to the window.
func (w *Walk[K, V]) Row(key K, v V) {
	w.now[key] = struct{}{}
	w.Sample(key, w.at, v)
}

// Done ends the walk: rows of the last window may have no successor.
func (w *Walk[K, V]) Done() { w.close(sequence.EndOfTime) }

// close ends the window that rows were added to. next is the end of the following
// one: windows between them have no rows.
func (w *Walk[K, V]) close(next sequence.Time) {
	if !w.begun {
		return
	}
	if w.beforeAt+w.Every == w.at {
		w.end(w.before, w.now, w.at)
	}
	w.before, w.now, w.beforeAt = w.now, w.before, w.at
	clear(w.now)
	if after := w.at + w.Every; next != after {
		w.end(w.before, w.now, after)
		clear(w.before)
	}
}

// end writes markers at t for the keys of had that are not in has.
func (w *Walk[K, V]) end(had, has map[K]struct{}, t sequence.Time) {
	if t > w.Until {
		return
	}
	for key := range had {
		if _, still := has[key]; !still {
			w.Sample(key, t, w.Stale)
		}
	}
}
