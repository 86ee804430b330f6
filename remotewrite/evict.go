package remotewrite

import "time"

// evictionsPerIdle is how often idle series are looked for within
// Config.SeriesIdle.
const evictionsPerIdle = 8

// evict forgets the series that had no sample for Config.SeriesIdle.
func (f *flusher) evict(now time.Time) {
	for _, s := range f.registry.takeFresh(f.region) {
		if s.seenAt == 0 { // not flushed yet
			s.seenAt = now.UnixMilli()
		}
		f.all = append(f.all, s)
	}
	limit := now.Add(-f.cfg.SeriesIdle).UnixMilli()
	var idle []*series
	for _, s := range f.all {
		if s.seenAt < limit {
			idle = append(idle, s)
		}
	}
	dead := f.buf.kill(idle)
	if len(dead) == 0 {
		return
	}
	f.known.evict(dead)
	f.registry.forget(f.region, dead)
	gone := make(map[*series]bool, len(dead))
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
