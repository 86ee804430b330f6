package ingest

import (
	"time"

	"laminar/ingest/registry"
)

// Forgetting series, so that a process can run for years while label values come
// and go. Only caches shrink: the database keeps
// every series that has samples.

// evictionsPerIdle is how often idle series are looked for within
// Config.SeriesIdle. A series is therefore forgotten after between one and one and
// an eighth of that time.
const evictionsPerIdle = 8

// remembered gives every series of the region that is remembered, those included
// that were created since it was last called.
func (f *flusher) remembered(yield func(*registry.Series) bool) {
	f.all = append(f.all, f.registry.TakeFresh(f.region)...)
	for _, s := range f.all {
		if !yield(s) {
			return
		}
	}
}

// evict forgets the series that had no sample for Config.SeriesIdle, so that memory
// follows the series that are active and not those that ever were. A series that
// comes back is looked up in the database like a new one; what it may have is kept
// as its metric's floor (known.evict).
//
// The order of the steps matters. A series is marked dead under the buffer's mutex
// first: from then on no request adds to it. Only then is it removed from what is
// known and from the registry.
func (f *flusher) evict(now time.Time) {
	limit := now.Add(-f.cfg.SeriesIdle).UnixMilli()
	var idle []*registry.Series
	for s := range f.remembered {
		if s.SeenAt == 0 { // not flushed yet
			s.SeenAt = now.UnixMilli()
		}
		if s.SeenAt < limit {
			idle = append(idle, s)
		}
	}
	f.forget(idle)
}

// forgetUnborn forgets the series of a draft that were let in while nothing was known
// of the database's clock, and whose samples the flush refused: what is refused
// leaves nothing behind.
func (f *flusher) forgetUnborn(d *draft) {
	var unborn []*registry.Series
	for s := range d.unborn {
		if s.ID == 0 {
			unborn = append(unborn, s)
		}
	}
	if len(unborn) > 0 {
		f.all = append(f.all, f.registry.TakeFresh(f.region)...)
		f.forget(unborn)
	}
}

// forget forgets those of the given series, each of which is there once, that no
// draft holds.
func (f *flusher) forget(candidates []*registry.Series) {
	dead := f.buf.kill(candidates)
	if len(dead) == 0 {
		return
	}
	f.known.evict(dead)
	for _, name := range f.registry.Forget(f.region, dead) {
		delete(f.known.metrics, name)
	}
	gone := make(map[*registry.Series]bool, len(dead))
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
