package ingest

import (
	"time"
)

// Forgetting series, so that a process can run for years while label values come
// and go. Only caches shrink: the database keeps every series.

// evictionsPerIdle is how often idle series are looked for within
// Config.SeriesIdle. A series is therefore forgotten after between one and one and
// an eighth of that time.
const evictionsPerIdle = 8

// remembered gives every series of the region that is remembered, those included
// that were created since it was last called.
func (f *flusher) remembered(yield func(*knownSeries) bool) {
	f.all = append(f.all, f.registry.takeFresh(f.region)...)
	for _, s := range f.all {
		if !yield(s) {
			return
		}
	}
}

// evict forgets the series that had no sample for Config.SeriesIdle, so that memory
// follows the series that are active and not those that ever were. A series that
// comes back is looked up in the database like a new one; what it may have is kept
// as its metric's floor (known.evict). A series that no flush has committed, because
// all its samples were refused then, goes at the second look.
//
// The order of the steps matters. A series is marked dead under the buffer's mutex
// first: from then on no request adds to it. Only then is it removed from what is
// known and from the registry.
func (f *flusher) evict(now time.Time) {
	limit := now.Add(-f.cfg.SeriesIdle).UnixMilli()
	var idle []*knownSeries
	for s := range f.remembered {
		if s.seenAt == 0 { // not flushed yet
			s.seenAt = now.UnixMilli()
		}
		if s.seenAt < limit || s.id == 0 && s.seenAt < now.UnixMilli() {
			idle = append(idle, s)
		}
	}
	dead := f.buf.kill(idle)
	if len(dead) == 0 {
		return
	}
	f.known.evict(dead)
	f.registry.forget(f.region, dead)
	gone := make(map[*knownSeries]bool, len(dead))
	for _, s := range dead {
		gone[s] = true
	}
	kept := f.all[:0]
	for _, s := range f.all {
		if !gone[s] {
			kept = append(kept, s)
		}
	}
	clear(f.all[len(kept):])
	f.all = kept
}
