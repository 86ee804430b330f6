package ingest

import (
	"bytes"
	"hash/maphash"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"laminar/ingest/refusal"
	"laminar/ingest/replica"
	"laminar/sequence"
	"laminar/sequence/series"
)

// Which series there are in this process, and how senders spell them.
//
//	every spelling in a table leads to a series that forget has not removed
//	series[id].metric is metrics[region-1][name] while the series is remembered
//	metric.series == its series that were created and not removed, and is > 0
//	size          == seriesBytes len(series) + apart + the bytes of all tables
//
// Looking up needs no lock, so it may find a series that is being forgotten. That is
// found out under the mutex of its buffer, when samples are added, and revive mends it.
// A lock for each look-up would be simpler, and would be taken for each sample sent.
//
// Where several locks are needed, the buffer's comes before the registry's.

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
//
// A series gets in with its first sample that nothing else refuses: resolve finds
// those that are known and describes the others, register lets them in. So what
// is refused leaves nothing behind.
type registry struct {
	limits refusal.Limits
	seed   maphash.Seed

	// Where senders come in pairs: which labels name a cluster and a replica, and
	// what replicas there are. nil when there are no pairs.
	clusterLabel, replicaLabel string
	replicas                   *replica.Tracker

	began time.Time // minutes are counted from here

	mu      sync.Mutex // guards what follows; held for new spellings and forgotten series only
	tables  []*Spellings
	series  map[identity]*knownSeries
	metrics []map[string]*metric // by region - 1
	fresh   [][]*knownSeries     // by region - 1: created, not yet taken by the flusher
	apart   int64                // bytes of the keys of first spellings that are in no table
	minute  int64                // since began, of what created counts
	created int                  // series that this process has created in the database in this minute
	count   atomic.Int64         // len(series), for the metric
	size    atomic.Int64         // about what series and spellings take, bytes
}

// seriesBytes is about what a series takes beside its spellings: its object and
// its place in the maps and lists of this package.
const seriesBytes = 192

// candidate is what resolve finds out of a series that a request brings. It is
// used again for the next one.
type candidate struct {
	spelling  *Spelling // its series is nil where that is not known
	id        identity
	region    sequence.Region
	canonical []byte
	name      []byte // of the metric; shares memory with the labels
}

// identity names a series without its labels: half of the SHA-256 that is its
// unique key in the database.
type identity [16]byte

func identityOf(canonical []byte) identity {
	sum := series.Identity(canonical)
	return identity(sum[:16])
}

func newRegistry(regions int, limits refusal.Limits) *registry {
	g := &registry{
		limits:  limits,
		seed:    maphash.MakeSeed(),
		began:   time.Now(),
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

// resolve looks for the series of a spelling that is not in its table and fills c.
// labels are what key decodes to; they are sorted in place. A series that is not
// known is created by register.
//
// This is the only place where labels are validated: what has a spelling was
// accepted once.
func (g *registry) resolve(c *candidate, table *Spellings, hash uint32, key []byte, labels []series.RawLabel) (refused refusal.Reason) {
	sp := &Spelling{hash: hash, table: table}
	var ofCluster, ofReplica []byte
	if g.replicas != nil {
		if labels, ofCluster, ofReplica, refused = g.strip(labels); refused != "" {
			return refused
		}
	}
	if c.canonical, c.name, refused = refusal.Canonical(c.canonical[:0], labels, g.limits); refused != "" {
		return refused
	}
	if ofReplica != nil {
		if sp.pair = g.replicas.Pair(string(ofCluster), string(ofReplica)); sp.pair == 0 {
			return refusal.TooManyReplicas
		}
	}
	c.id, c.region = identityOf(c.canonical), series.RegionOf(c.canonical, len(g.metrics))
	sp.key = string(key)
	c.spelling = sp
	g.mu.Lock()
	defer g.mu.Unlock()
	if s := g.series[c.id]; s != nil {
		g.attachLocked(sp, s)
	}
	return ""
}

// register gives the spelling of a candidate its series, which is created where
// the limits allow it. A series is not in the database yet when it is created
// here; the first flush that has samples of it sees to that.
func (g *registry) register(c *candidate) (refused refusal.Reason) {
	sp := c.spelling
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.series[c.id]
	if s == nil {
		if refused = g.overLocked(c.name); refused != "" {
			return refused
		}
		s = g.createLocked(c.id, c.region, string(c.name))
		if s.first = sp; sp.pair != 0 { // the replica is not a label of the series
			s.first = &Spelling{key: string(c.canonical)}
			g.apart += spellingBytes + int64(len(s.first.key))
		}
	}
	g.attachLocked(sp, s)
	return ""
}

// overLocked says which limit does not allow another series of a metric, "" for
// none.
func (g *registry) overLocked(name []byte) refusal.Reason {
	l := &g.limits
	if l.Series > 0 && len(g.series) >= l.Series || l.SeriesBytes > 0 && g.size.Load() >= l.SeriesBytes {
		return refusal.TooManySeries
	}
	if l.SeriesOfMetric > 0 {
		n := 0
		for _, ofRegion := range g.metrics {
			if m := ofRegion[string(name)]; m != nil {
				n += m.series
			}
		}
		if n >= l.SeriesOfMetric {
			return refusal.TooManyOfMetric
		}
	}
	if l.NewSeries > 0 && g.createdLocked() >= l.NewSeries {
		return refusal.TooManyNew
	}
	return ""
}

// createdLocked is how many series were created in this minute. Minutes are counted from
// the start of the process, and each begins with 0: the limit is one of each such
// minute, and not of any 60 s.
func (g *registry) createdLocked() int {
	if minute := int64(time.Since(g.began) / time.Minute); minute != g.minute {
		g.minute, g.created = minute, 0
	}
	return g.created
}

// noteCreated counts series that were created in the database. Only they count as
// new: after a start every series is new to the process, and most are in the
// database.
func (g *registry) noteCreated(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.created = g.createdLocked() + n
}

// attachLocked makes a spelling lead to a series.
func (g *registry) attachLocked(sp *Spelling, s *knownSeries) {
	sp.series = s
	if s.spellings < maxSpellings && sp.table.insertLocked(sp) {
		s.spellings++
	}
	g.countLocked()
}

// countLocked brings the figures of the metrics up to date.
func (g *registry) countLocked() {
	size := int64(len(g.series))*seriesBytes + g.apart
	for _, t := range g.tables {
		size += t.bytes
	}
	g.count.Store(int64(len(g.series)))
	g.size.Store(size)
}

// strip takes the replica label out of the labels of a series that has it and
// the cluster label, and returns the values of both; nil where it has not. The
// order of the labels changes.
func (g *registry) strip(labels []series.RawLabel) (rest []series.RawLabel, ofCluster, ofReplica []byte, refused refusal.Reason) {
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
			return labels, nil, nil, refusal.DuplicateLabel
		}
		at[which] = i
	}
	if at[0] < 0 || at[1] < 0 || len(labels[at[0]].Value) == 0 || len(labels[at[1]].Value) == 0 {
		return labels, nil, nil, ""
	}
	ofCluster, ofReplica = labels[at[0]].Value, labels[at[1]].Value
	switch { // the others are looked at when they are made canonical
	case !utf8.Valid(ofReplica):
		return labels, nil, nil, refusal.InvalidUTF8
	case bytes.IndexByte(ofReplica, 0) >= 0:
		return labels, nil, nil, refusal.ZeroByte
	case len(ofReplica) > g.limits.LabelBytes:
		return labels, nil, nil, refusal.LabelsTooLong
	}
	last := len(labels) - 1
	labels[at[1]] = labels[last]
	return labels[:last], ofCluster, ofReplica, ""
}

// revive finds or creates the series that takes the place of one that was
// forgotten after it had been looked up. It is called with the buffer's mutex held. The
// limits on series are not asked: the sample was let in when they were.
func (g *registry) revive(dead *knownSeries) *knownSeries {
	id := identityOf(dead.canonical())
	g.mu.Lock()
	defer g.mu.Unlock()
	if s := g.series[id]; s != nil && s != dead {
		return s
	}
	s := g.createLocked(id, dead.metric.region, dead.metric.name)
	s.first = &Spelling{key: dead.first.key, table: dead.first.table} // not that one: it leads to the dead one
	if s.first.table == nil {
		g.apart += spellingBytes + int64(len(s.first.key))
	}
	g.countLocked()
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
		if s.first.table == nil {
			g.apart -= spellingBytes + int64(len(s.first.key))
		}
	}
	for _, t := range g.tables {
		t.removeLocked(func(s *knownSeries) bool { return gone[s] })
	}
	g.countLocked()
}
