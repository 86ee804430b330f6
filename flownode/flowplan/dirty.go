package flowplan

import (
	"cmp"
	"maps"
	"slices"

	"laminar/flownode/progress"
	"laminar/sequence"
)

// A dirty window is recomputed once nothing has touched it for DirtyQuiet, and
// at the latest DirtyAtLatest after it became dirty; both in milliseconds. So
// hours of backlog cost a window one or two computations, not one per flush.
const (
	DirtyQuiet    int64 = 2_000
	DirtyAtLatest int64 = 30_000
)

// MaxDirtyGroups is how many groups of one window are listed one by one. More
// make the whole window dirty, so that the list stays small in memory and in the
// database.
const MaxDirtyGroups = 256

// maxDirtyKey is up to how many bytes of labels a group is listed by. A longer one
// makes the whole window dirty: PostgreSQL refuses index entries of a third of a
// page (2,704 bytes), and the list is found by its groups.
const maxDirtyKey = 2000

// DirtyWindow is a closed window to be recomputed: all of it, or some groups.
type DirtyWindow struct {
	End     sequence.Time
	All     bool
	Groups  map[string]struct{} // empty when All
	Reason  progress.Reason     // of the first touch
	Since   sequence.Vector     // a vector of the flow that every touch is after: whoever waits for more waits for the window
	FirstAt sequence.Time       // by the database's clock
	LastAt  sequence.Time       // by the database's clock
	Hurried bool                // to be recomputed in this round: Hurry
	AtOnce  bool                // not to wait for silence: AtOnce
}

// Ready reports whether the window should be recomputed now. One that was touched in the
// future is ready: the database's clock was set back since, and nobody knows when that
// was.
func (w *DirtyWindow) Ready(now sequence.Time) bool {
	return w.Hurried || w.AtOnce || now-w.LastAt >= DirtyQuiet || now-w.FirstAt >= DirtyAtLatest || w.LastAt > now
}

// DirtyList is the dirty windows of a flow in memory, with the changes since it
// was last stored. The stored list is the authority (I4): what was changed but
// never committed is lost with the flow's other state, and loaded again. It is
// for one goroutine.
type DirtyList struct {
	windows map[int64]*DirtyWindow
	changed map[int64]struct{}
}

// NewDirtyList returns an empty list.
func NewDirtyList() *DirtyList {
	return &DirtyList{windows: map[int64]*DirtyWindow{}, changed: map[int64]struct{}{}}
}

// Len is the number of dirty windows.
func (l *DirtyList) Len() int { return len(l.windows) }

// GroupName is how a group is named in the list, and wherever windows are listed by group:
// by its key, or where that is too long for an index by no name, which means all groups.
func GroupName(key string) string {
	if len(key) > maxDirtyKey {
		return progress.AllGroups
	}
	return key
}

// Holds reports whether the group of the window is to be computed again, alone or with
// all others.
func (l *DirtyList) Holds(end sequence.Time, group string) bool {
	w := l.windows[end]
	if w == nil || w.All {
		return w != nil
	}
	_, ok := w.Groups[group]
	return ok
}

// Restore puts an entry back as it was stored; group "" is the whole window.
func (l *DirtyList) Restore(end sequence.Time, group string, reason progress.Reason, since sequence.Vector, firstAt, lastAt sequence.Time) {
	w := l.windows[end]
	if w == nil {
		w = &DirtyWindow{End: end, Groups: map[string]struct{}{}, Reason: reason, Since: since, FirstAt: firstAt, LastAt: lastAt}
		l.windows[end] = w
	}
	w.Since, w.FirstAt, w.LastAt = w.Since.Min(since), min(w.FirstAt, firstAt), max(w.LastAt, lastAt)
	if group == "" {
		w.All = true
	} else {
		w.Groups[group] = struct{}{}
	}
}

// Touch makes one group of a window dirty, or with group "" all of it, for samples after a
// vector. The first touch gives the reason; every touch moves LastAt to now. So a
// window that is touched again and again waits, but FirstAt bounds the wait. Since need not
// rise from touch to touch: what a correction walks on to is due to samples from before.
func (l *DirtyList) Touch(end sequence.Time, group string, reason progress.Reason, since sequence.Vector, now sequence.Time) {
	group = GroupName(group)
	w := l.windows[end]
	if w == nil {
		w = &DirtyWindow{End: end, Groups: map[string]struct{}{}, Reason: reason, Since: since, FirstAt: now}
		l.windows[end] = w
	}
	w.Since = w.Since.Min(since)
	w.FirstAt, w.LastAt = min(w.FirstAt, now), now // an earlier now: the clock was set back
	switch {
	case w.All:
	case group == "" || len(w.Groups) >= MaxDirtyGroups:
		w.All = true
	default:
		w.Groups[group] = struct{}{}
	}
	l.changed[end] = struct{}{}
}

// Hurry makes a window that is on the list one to be recomputed in this very round:
// results that it reads change in the same commit, and the two must not disagree. It
// is not stored, because no such window is left when the round ends.
func (l *DirtyList) Hurry(end sequence.Time) { l.windows[end].Hurried = true }

// AtOnce makes a window that is on the list ready, and returns it: its flow has changed
// results of its own that it reads, and nothing more is to be waited for. It is not
// stored: a window that is loaded waits as others do.
func (l *DirtyList) AtOnce(end sequence.Time) *DirtyWindow {
	w := l.windows[end]
	w.AtOnce = true
	return w
}

// AnyAtOnce reports whether a window is ready for that reason.
func (l *DirtyList) AnyAtOnce() bool {
	for _, w := range l.windows {
		if w.AtOnce {
			return true
		}
	}
	return false
}

// Hurried lists the windows that must not wait, oldest end first.
func (l *DirtyList) Hurried() []*DirtyWindow {
	var out []*DirtyWindow
	for _, w := range l.windows {
		if w.Hurried {
			out = append(out, w)
		}
	}
	slices.SortFunc(out, func(a, b *DirtyWindow) int { return cmp.Compare(a.End, b.End) })
	return out
}

// All lists the windows, in no order.
func (l *DirtyList) All() []*DirtyWindow { return slices.Collect(maps.Values(l.windows)) }

// Ready lists the windows to recompute now, oldest end first, at most limit.
func (l *DirtyList) Ready(now sequence.Time, limit int) []*DirtyWindow {
	var out []*DirtyWindow
	for _, end := range slices.Sorted(maps.Keys(l.windows)) {
		if w := l.windows[end]; w.Ready(now) {
			if out = append(out, w); len(out) == limit {
				break
			}
		}
	}
	return out
}

// AnyReady reports whether some window is to be recomputed now.
func (l *DirtyList) AnyReady(now sequence.Time) bool {
	for _, w := range l.windows {
		if w.Ready(now) {
			return true
		}
	}
	return false
}

// Newest lists the newest stretch of the windows to recompute now, oldest end first, at
// most limit: of the windows behind the last pair that is more than gap apart. It is empty
// where no pair is.
func (l *DirtyList) Newest(now sequence.Time, gap int64, limit int) []*DirtyWindow {
	ends := make([]int64, 0, len(l.windows))
	for end, w := range l.windows {
		if w.Ready(now) {
			ends = append(ends, end)
		}
	}
	slices.Sort(ends)
	for i := len(ends) - 1; i > 0; i-- {
		if ends[i]-ends[i-1] <= gap {
			continue
		}
		out := make([]*DirtyWindow, 0, limit)
		for _, end := range ends[i:min(len(ends), i+limit)] {
			out = append(out, l.windows[end])
		}
		return out
	}
	return nil
}

// NextReady is when, by the database's clock, the next window becomes ready;
// sequence.NoTime when there is none.
func (l *DirtyList) NextReady() sequence.Time {
	next := sequence.NoTime
	for _, w := range l.windows {
		at := min(w.LastAt+DirtyQuiet, w.FirstAt+DirtyAtLatest)
		if next == sequence.NoTime || at < next {
			next = at
		}
	}
	return next
}

// Remove takes a window off the list, because it was recomputed or cannot be
// (I6). The caller removes it from the stored list in the same commit.
func (l *DirtyList) Remove(end sequence.Time) {
	delete(l.windows, end)
	delete(l.changed, end)
}

// TakeChanged returns the windows touched since the last call, oldest end first,
// and forgets that they were. The caller stores them in the round's commit; if
// that fails, the whole flow is loaded again, so nothing is lost.
func (l *DirtyList) TakeChanged() []*DirtyWindow {
	if len(l.changed) == 0 {
		return nil
	}
	out := make([]*DirtyWindow, 0, len(l.changed))
	for _, end := range slices.Sorted(maps.Keys(l.changed)) {
		out = append(out, l.windows[end])
	}
	clear(l.changed)
	return out
}
