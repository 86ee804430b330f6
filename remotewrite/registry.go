package remotewrite

import (
	"hash/maphash"
	"sync"
	"sync/atomic"

	"laminar/sequence"
)

// maxSpellings bounds how many ways to write one series' labels are
// remembered. Senders use one each; whoever uses more pays for decoding.
const maxSpellings = 8

// registry finds the series that label bytes stand for. A sender writes a
// series' labels the same way every time, so the bytes as they stand in the
// message are looked up first, without a lock and without decoding them; only
// a spelling that is new is decoded, validated and made canonical.
//
// Both versions of the protocol lead to the same series; each has a table,
// because they write labels in other bytes.
type registry struct {
	limits Limits
	seed   maphash.Seed
	v1     *spellings // key: the label fields as they stand in the message
	v2     *spellings // key: names and values in the sender's order, 0xff behind each
	ha     *haTracker // nil when there are no pairs of senders

	mu        sync.Mutex
	canonical map[string]*series
	metrics   []map[string]*metric // by region - 1
	fresh     [][]*series          // by region - 1: created, not yet taken by the flusher
	created   uint64
	count     atomic.Int64 // len(canonical), for the metric
}

func newRegistry(regions int, limits Limits) *registry {
	seed := maphash.MakeSeed()
	g := &registry{
		limits:    limits,
		seed:      seed,
		v1:        newSpellings(seed),
		v2:        newSpellings(seed),
		canonical: make(map[string]*series),
		metrics:   make([]map[string]*metric, regions),
		fresh:     make([][]*series, regions),
	}
	for i := range g.metrics {
		g.metrics[i] = make(map[string]*metric)
	}
	return g
}

// resolve finds or creates the series of a spelling that is not in its table.
// labels are what key decodes to; they are sorted in place. scratch is memory
// to work in and is returned for the next call.
func (g *registry) resolve(table *spellings, hash uint32, key []byte, labels []rawLabel, scratch []byte) (*spelling, []byte, Reason) {
	sp := &spelling{hash: hash}
	if g.ha != nil {
		var refused Reason
		if labels, sp.pair, refused = g.ha.strip(labels); refused != "" {
			return nil, scratch, refused
		}
	}
	canonical, name, refused := canonicalize(scratch[:0], labels, g.limits)
	if refused != "" {
		return nil, canonical, refused
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.canonical[string(canonical)]
	if s == nil {
		s = g.createLocked(string(canonical), string(name))
	}
	sp.series = s
	if s.spellings < maxSpellings {
		sp.key = s.canonical // which is what most senders of 2.0 write
		if sp.key != string(key) {
			sp.key = string(key)
		}
		if table.insertLocked(sp) {
			s.spellings++
		}
	}
	return sp, canonical, ""
}

// revive finds or creates the series that takes the place of one that was
// forgotten after it had been looked up.
func (g *registry) revive(dead *series) *series {
	g.mu.Lock()
	defer g.mu.Unlock()
	if s := g.canonical[dead.canonical]; s != nil && s != dead {
		return s
	}
	return g.createLocked(dead.canonical, dead.metric.name)
}

func (g *registry) createLocked(canonical, name string) *series {
	region := RegionOf([]byte(canonical), len(g.metrics))
	m := g.metrics[region-1][name]
	if m == nil {
		m = &metric{name: name}
		g.metrics[region-1][name] = m
	}
	m.series++
	g.created++
	s := &series{canonical: canonical, metric: m, region: region, order: g.created, lastT: noSample}
	g.canonical[canonical] = s
	g.fresh[region-1] = append(g.fresh[region-1], s)
	g.count.Store(int64(len(g.canonical)))
	return s
}

// takeFresh hands over the region's series that were created since the last
// call.
func (g *registry) takeFresh(region sequence.Region) []*series {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := g.fresh[region-1]
	g.fresh[region-1] = nil
	return out
}

// forget removes series that were marked dead under their buffer's mutex.
func (g *registry) forget(region sequence.Region, dead []*series) {
	gone := make(map[*series]bool, len(dead))
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, s := range dead {
		gone[s] = true
		// The place may already belong to a successor.
		if g.canonical[s.canonical] == s {
			delete(g.canonical, s.canonical)
		}
		if s.metric.series--; s.metric.series == 0 {
			delete(g.metrics[region-1], s.metric.name)
		}
	}
	g.v1.removeLocked(func(s *series) bool { return gone[s] })
	g.v2.removeLocked(func(s *series) bool { return gone[s] })
	g.count.Store(int64(len(g.canonical)))
}
