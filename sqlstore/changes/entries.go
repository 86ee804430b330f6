package changes

import (
	"cmp"
	"slices"

	"laminar/flownode/progress"
	"laminar/sequence"
)

// What a commit has changed, as entries of the log. An entry costs about as much WAL as a
// row of results, and a late sample changes one row of each window that it falls into. So
// windows of which the same is to be said share an entry.
//
//	windows              entries
//	all of the window    one for all of them
//	the same keys        one for all of them
//	closed as it was     one, of the last one that the commit closes
//
// The windows of the entries of one position are different ones.

// entry is one entry of the log.
type entry struct {
	flow        progress.FlowID
	end         sequence.Time   // of a window
	more        []sequence.Time // of further ones, of which the same is said
	closedAfter *sequence.Time  // the commit closes the windows after this one up to end
	whole       bool            // perhaps all rows changed
	keys        []string        // else of these rows, ascending, each once
}

// entriesOf is the entries of a commit that has changed and closed these windows of flows, in
// the order of the log's primary key.
func entriesOf(changed map[window]*touched, closed map[progress.FlowID]sequence.Span) []entry {
	windows := make([]entry, 0, len(changed)+len(closed))
	for at, t := range changed {
		e := entry{flow: at.flow, end: at.end}
		// A window that the commit closes is read whole, so its keys are not stored.
		if e.whole = t.whole || closed[at.flow].Holds(at.end); !e.whole {
			slices.Sort(t.keys)
			e.keys = slices.Compact(t.keys)
		}
		windows = append(windows, e)
	}
	for flow, span := range closed {
		if _, known := changed[window{flow, span.UpTo}]; !known {
			windows = append(windows, entry{flow: flow, end: span.UpTo})
		}
	}
	slices.SortFunc(windows, func(a, b entry) int {
		return cmp.Or(cmp.Compare(a.flow, b.flow), a.compareSaid(&b), cmp.Compare(a.end, b.end))
	})
	var out []entry
	for _, w := range windows {
		if n := len(out); n > 0 && out[n-1].shares(&w) {
			out[n-1].more = append(out[n-1].more, w.end)
			continue
		}
		out = append(out, w)
	}
	for i := range out {
		out[i].close(closed[out[i].flow])
	}
	slices.SortFunc(out, func(a, b entry) int { return cmp.Or(cmp.Compare(a.flow, b.flow), cmp.Compare(a.end, b.end)) })
	return out
}

// compareSaid orders entries by what they say of their windows.
func (e *entry) compareSaid(other *entry) int {
	switch {
	case e.whole && other.whole:
		return 0
	case e.whole:
		return -1
	case other.whole:
		return 1
	}
	return slices.Compare(e.keys, other.keys)
}

// shares reports whether an entry can say what another one says, of its window too.
func (e *entry) shares(w *entry) bool {
	says := e.whole || len(e.keys) > 0
	return says && e.flow == w.flow && e.compareSaid(w) == 0 && len(e.more) < maxWindows-1
}

// close makes the entry of the last window that the commit closes say so.
func (e *entry) close(closed sequence.Span) {
	if closed.Empty() {
		return
	}
	switch i := slices.Index(e.more, closed.UpTo); {
	case e.end == closed.UpTo:
	case i >= 0:
		e.end, e.more[i] = e.more[i], e.end
	default:
		return
	}
	e.closedAfter = &closed.After
}
