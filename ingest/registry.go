package ingest

import (
	"bytes"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"laminar/ingest/replica"
	"laminar/sequence"
	"laminar/sequence/series"
)

// maxSpellings bounds how many ways to write one series' labels are
// remembered. Senders use one each; one that uses more pays for decoding.
const maxSpellings = 8

// registry finds the series that label bytes stand for. A sender writes a
// series' labels the same way every time, so the bytes as they stand in the
// message are looked up first, without a lock and without decoding them; only
// a spelling that is new is decoded, validated and made canonical.
//
// Every protocol has a table of its own, because it writes labels in other bytes;
// all lead to the same series.
type registry struct {
	limits Limits
	seed   maphash.Seed

	// Where senders come in pairs: which labels name a cluster and a replica, and
	// what replicas there are. nil when there are no pairs.
	clusterLabel, replicaLabel string
	replicas                   *replica.Tracker

	mu      sync.Mutex // guards what follows; held for new spellings and forgotten series only
	tables  []*Spellings
	series  map[identity]*knownSeries
	metrics []map[string]*metric // by region - 1
	fresh   [][]*knownSeries     // by region - 1: created, not yet taken by the flusher
	count   atomic.Int64         // len(series), for the metric
}

// identity names a series without its labels: half of the SHA-256 that is its
// unique key in the database.
type identity [16]byte

func identityOf(canonical []byte) identity {
	sum := series.Identity(canonical)
	return identity(sum[:16])
}

func newRegistry(regions int, limits Limits) *registry {
	g := &registry{
		limits:  limits,
		seed:    maphash.MakeSeed(),
		series:  make(map[identity]*knownSeries),
		metrics: make([]map[string]*metric, regions),
		fresh:   make([][]*knownSeries, regions),
	}
	for i := range g.metrics {
		g.metrics[i] = make(map[string]*metric)
	}
	return g
}

// newTable makes a table for a protocol; read says what its keys spell, nil that
// they are names and values, each with 0xff behind it.
func (g *registry) newTable(read ReadLabels) *Spellings {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := newSpellings(g.seed, read)
	g.tables = append(g.tables, t)
	return t
}

// resolve finds or creates the series of a spelling that is not in its table.
// labels are what key decodes to; they are sorted in place. scratch is memory
// to work in and is returned for the next call.
//
// This is the only place where labels are validated: what has a spelling was
// accepted once. A series is not in the database yet when it is created here; the
// first flush that has samples of it sees to that.
func (g *registry) resolve(table *Spellings, hash uint32, key []byte, labels []series.RawLabel, scratch []byte) (*Spelling, []byte, Reason) {
	sp := &Spelling{hash: hash, table: table}
	var ofCluster, ofReplica []byte
	if g.replicas != nil {
		var refused Reason
		if labels, ofCluster, ofReplica, refused = g.strip(labels); refused != "" {
			return nil, scratch, refused
		}
	}
	canonical, name, refused := canonicalize(scratch[:0], labels, g.limits)
	if refused != "" {
		return nil, canonical, refused
	}
	if ofReplica != nil {
		if sp.pair = g.replicas.Pair(string(ofCluster), string(ofReplica)); sp.pair == 0 {
			return nil, canonical, TooManyReplicas
		}
	}
	id := identityOf(canonical)
	sp.key = string(key)
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.series[id]
	if s == nil {
		s = g.createLocked(id, series.RegionOf(canonical, len(g.metrics)), string(name))
		if s.first = sp; sp.pair != 0 { // the replica is not a label of the series
			s.first = &Spelling{key: string(canonical)}
		}
	}
	sp.series = s
	if s.spellings < maxSpellings && table.insertLocked(sp) {
		s.spellings++
	}
	return sp, canonical, ""
}

// strip takes the replica label out of the labels of a series that has it and
// the cluster label, and returns the values of both; nil where it has not. The
// order of the labels changes.
func (g *registry) strip(labels []series.RawLabel) (rest []series.RawLabel, ofCluster, ofReplica []byte, refused Reason) {
	at := [2]int{-1, -1} // of cluster and replica
	for i, lb := range labels {
		which := 0
		switch string(lb.Name) {
		case g.replicaLabel:
			which = 1
		case g.clusterLabel:
		default:
			continue
		}
		if at[which] >= 0 {
			return labels, nil, nil, DuplicateLabel
		}
		at[which] = i
	}
	if at[0] < 0 || at[1] < 0 || len(labels[at[0]].Value) == 0 || len(labels[at[1]].Value) == 0 {
		return labels, nil, nil, ""
	}
	ofCluster, ofReplica = labels[at[0]].Value, labels[at[1]].Value
	switch { // the others are looked at when they are made canonical
	case !utf8.Valid(ofReplica):
		return labels, nil, nil, InvalidUTF8
	case bytes.IndexByte(ofReplica, 0) >= 0:
		return labels, nil, nil, ZeroByte
	case len(ofReplica) > g.limits.LabelBytes:
		return labels, nil, nil, LabelsTooLong
	}
	last := len(labels) - 1
	labels[at[1]] = labels[last]
	return labels[:last], ofCluster, ofReplica, ""
}

// revive finds or creates the series that takes the place of one that was
// forgotten after it had been looked up.
func (g *registry) revive(dead *knownSeries) *knownSeries {
	id := identityOf(dead.canonical())
	g.mu.Lock()
	defer g.mu.Unlock()
	if s := g.series[id]; s != nil && s != dead {
		return s
	}
	s := g.createLocked(id, dead.metric.region, dead.metric.name)
	s.first = &Spelling{key: dead.first.key, table: dead.first.table} // not that one: it leads to the dead one
	return s
}

// createLocked creates a series; the caller sets its first spelling.
func (g *registry) createLocked(id identity, region sequence.Region, name string) *knownSeries {
	m := g.metrics[region-1][name]
	if m == nil {
		m = &metric{name: name, region: region}
		g.metrics[region-1][name] = m
	}
	m.series++
	s := &knownSeries{metric: m, lastT: noSample}
	g.series[id] = s
	g.fresh[region-1] = append(g.fresh[region-1], s)
	g.count.Store(int64(len(g.series)))
	return s
}

// takeFresh hands over the region's series that were created since the last
// call. So the flusher has a list of its own of the region's series, and walks it
// without the registry's lock.
func (g *registry) takeFresh(region sequence.Region) []*knownSeries {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := g.fresh[region-1]
	g.fresh[region-1] = nil
	return out
}

// forget removes series that were marked dead under their buffer's mutex, and with
// them their spellings and metrics that have no series left.
func (g *registry) forget(region sequence.Region, dead []*knownSeries) {
	gone := make(map[*knownSeries]bool, len(dead))
	ids := make([]identity, len(dead))
	for i, s := range dead {
		ids[i] = identityOf(s.canonical())
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, s := range dead {
		gone[s] = true
		// The place may already belong to a successor.
		if g.series[ids[i]] == s {
			delete(g.series, ids[i])
		}
		if s.metric.series--; s.metric.series == 0 {
			delete(g.metrics[region-1], s.metric.name)
		}
	}
	for _, t := range g.tables {
		t.removeLocked(func(s *knownSeries) bool { return gone[s] })
	}
	g.count.Store(int64(len(g.series)))
}
