package registry

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
	"laminar/sequence/relabeling"
	"laminar/sequence/series"
)

// maxSpellings bounds how many ways to write one series' labels are
// remembered. Senders use one each; one that uses more pays for decoding.
const maxSpellings = 8

// maxRelabelled is maxSpellings where there are rules of relabelling: they can make one
// series of many that senders have.
const maxRelabelled = 255

// Registry finds the series that label bytes stand for. A sender writes a
// series' labels the same way every time, so the bytes as they stand in the
// message are looked up first, without a lock and without decoding them; only
// a spelling that is new is decoded, validated and made canonical.
//
// Every protocol has a table of its own, because it writes labels in other bytes;
// all lead to the same series.
//
// A series gets in with its first sample that nothing else refuses: Resolve finds
// those that are known and describes the others, Register lets them in. So what
// is refused leaves nothing behind.
type Registry struct {
	limits refusal.Limits
	Seed   maphash.Seed // of the hashes of keys; never changed

	// Where senders come in pairs: which labels name a cluster and a replica, and
	// what replicas there are. nil when there are no pairs. Set before the first use.
	ClusterLabel, ReplicaLabel string
	Replicas                   *replica.Tracker

	Senders Senders // who brings new series

	// Relabel changes the labels of series, or leaves series out; nil where there are no
	// rules. Set before the first use.
	Relabel *relabeling.Relabeler

	began time.Time // minutes are counted from here

	mu      sync.Mutex // guards what follows; held for new spellings and forgotten series only
	tables  []*Spellings
	series  map[identity]*Series
	metrics []map[string]*Metric // by region - 1
	fresh   [][]*Series          // by region - 1: created, not yet taken by the flusher
	apart   int64                // bytes of the keys of first spellings that are in no table
	outside int64                // bytes of the spellings whose series are left out
	minute  int64                // since began, of what created counts
	created int                  // series that this process has created in the database in this minute
	count   atomic.Int64         // len(series), for the metric
	size    atomic.Int64         // about what series and spellings take, bytes
}

// SeriesBytes is about what a series takes beside its spellings: its object and
// its place in the maps and lists of this package.
const SeriesBytes = 192

// Candidate is what Resolve finds out of a series that a request brings. It is
// used again for the next one.
type Candidate struct {
	Spelling  *Spelling // its series is nil where that is not known
	id        identity
	Region    sequence.Region
	Sender    uint8 // who brings it
	canonical []byte
	name      []byte // of the metric; shares memory with the labels

	// derived says that the series has other labels than its spelling: without the
	// replica's, or relabelled.
	derived bool
	raw     []series.RawLabel // for relabelling
}

// identity names a series without its labels: half of the SHA-256 that is its
// unique key in the database.
type identity [16]byte

func identityOf(canonical []byte) identity {
	sum := series.Identity(canonical)
	return identity(sum[:16])
}

// New makes a registry for so many regions, without a series.
func New(regions int, limits refusal.Limits) *Registry {
	g := &Registry{
		limits:  limits,
		Seed:    maphash.MakeSeed(),
		began:   time.Now(),
		series:  make(map[identity]*Series),
		metrics: make([]map[string]*Metric, regions),
		fresh:   make([][]*Series, regions),
	}
	for i := range g.metrics {
		g.metrics[i] = make(map[string]*Metric)
	}
	return g
}

// NewTable makes a table for a protocol; read says what its keys spell, nil that
// they are names and values, each with 0xff behind it.
func (g *Registry) NewTable(read ReadLabels) *Spellings {
	g.mu.Lock()
	defer g.mu.Unlock()
	t := newSpellings(g.Seed, read)
	g.tables = append(g.tables, t)
	return t
}

// Resolve looks for the series of a spelling that is not in its table and fills c.
// labels are what key decodes to; they are sorted in place. A series that is not
// known is created by Register.
//
// This is the only place where labels are validated and relabelled: what has a spelling
// was accepted once. What comes first is the replica's label, by which senders are told
// apart as they have written it; then the labels as they were sent have to be those of a
// series; then the rules of relabelling are applied, and what they make has to be one too.
func (g *Registry) Resolve(c *Candidate, table *Spellings, hash uint32, key []byte, labels []series.RawLabel) (refused refusal.Reason) {
	sp := &Spelling{hash: hash, table: table}
	var ofCluster, ofReplica []byte
	if g.Replicas != nil {
		if labels, ofCluster, ofReplica, refused = g.strip(labels); refused != "" {
			return refused
		}
	}
	if c.canonical, c.name, refused = refusal.Canonical(c.canonical[:0], labels, g.limits); refused != "" {
		return refused
	}
	c.derived = ofReplica != nil
	if g.Relabel != nil {
		leftOutBy, refused := g.relabel(c)
		if refused != "" {
			return refused
		}
		if leftOutBy != 0 {
			sp.key, sp.Fate = string(key), leftOut(leftOutBy)
			c.Spelling = sp
			g.leaveOut(sp)
			return ""
		}
	}
	if ofReplica != nil {
		if len(ofCluster) > refusal.MaxName {
			return refusal.NameTooLong
		}
		pair := g.Replicas.Pair(string(ofCluster), string(ofReplica))
		if pair == 0 {
			return refusal.TooManyReplicas
		}
		sp.Fate = ofPair(pair)
	}
	c.id, c.Region = identityOf(c.canonical), series.RegionOf(c.canonical, len(g.metrics))
	sp.key = string(key)
	c.Spelling = sp
	g.mu.Lock()
	defer g.mu.Unlock()
	if s := g.series[c.id]; s != nil {
		g.attachLocked(sp, s)
	}
	return ""
}

// relabel makes of the labels of a candidate what the rules make of them, or says which
// of them leaves the series out.
func (g *Registry) relabel(c *Candidate) (leftOutBy int, refused refusal.Reason) {
	after, leftOutBy := g.Relabel.Apply(series.ParseCanonical(string(c.canonical)))
	if leftOutBy != 0 {
		return leftOutBy, ""
	}
	c.raw = c.raw[:0]
	for _, l := range after {
		c.raw = append(c.raw, series.RawLabel{Name: []byte(l.Name), Value: []byte(l.Value)})
	}
	canonical, name, refused := refusal.Canonical(nil, c.raw, g.limits)
	switch refused {
	case "":
	case refusal.TooManyLabels, refusal.LabelsTooLong:
		return 0, refused
	default: // true of the labels that the rules have made, and not of those that were sent
		return 0, refusal.Relabelled
	}
	if !bytes.Equal(canonical, c.canonical) {
		c.canonical, c.derived = append(c.canonical[:0], canonical...), true
	}
	c.name = name
	return 0, ""
}

// Relabelled is the name of a metric of which labels were sent, after relabelling; leftOut
// says that the series that has them is left out.
func (g *Registry) Relabelled(labels []series.RawLabel) (metric string, leftOut bool, refused refusal.Reason) {
	var c Candidate
	if c.canonical, c.name, refused = refusal.Canonical(nil, labels, g.limits); refused != "" || g.Relabel == nil {
		return string(c.name), false, refused
	}
	by, refused := g.relabel(&c)
	return string(c.name), by != 0, refused
}

// mostOutside bounds the memory for spellings whose series are left out, in bytes. They
// are remembered so that relabelling costs nothing for what comes again. Beyond the bound
// all of them are forgotten, and learnt once more.
const mostOutside = 32 << 20

// leaveOut remembers a spelling whose series is left out.
func (g *Registry) leaveOut(sp *Spelling) {
	g.mu.Lock()
	defer g.mu.Unlock()
	takes := spellingBytes + int64(len(sp.key))
	most := int64(mostOutside)
	if g.limits.SeriesBytes > 0 {
		most = min(most, g.limits.SeriesBytes/8)
	}
	if g.outside+takes > most {
		for _, t := range g.tables {
			t.removeLocked(func(sp *Spelling) bool { return sp.Fate.LeftOutBy() != 0 })
		}
		g.outside = 0
	}
	if sp.table.insertLocked(sp) {
		g.outside += takes
	}
	g.countLocked()
}

// Register gives the spelling of a candidate its series, which is created where
// the limits allow it. A series is not in the database yet when it is created
// here; the first flush that has samples of it sees to that.
func (g *Registry) Register(c *Candidate) (refused refusal.Reason) {
	sp := c.Spelling
	g.mu.Lock()
	defer g.mu.Unlock()
	s := g.series[c.id]
	if s == nil {
		if refused = g.overLocked(c.name); refused != "" {
			return refused
		}
		s = g.createLocked(c.id, c.Region, string(c.name))
		s.Sender = c.Sender
		if s.first = sp; c.derived {
			s.first = &Spelling{key: string(c.canonical)}
			g.apart += spellingBytes + int64(len(s.first.key))
		}
	}
	g.attachLocked(sp, s)
	return ""
}

// overLocked says which limit does not allow another series of a metric, "" for
// none.
func (g *Registry) overLocked(name []byte) refusal.Reason {
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
func (g *Registry) createdLocked() int {
	if minute := int64(time.Since(g.began) / time.Minute); minute != g.minute {
		g.minute, g.created = minute, 0
	}
	return g.created
}

// NoteCreated counts series that were created in the database. Only they count as
// new: after a start every series is new to the process, and most are in the
// database.
func (g *Registry) NoteCreated(n int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.created = g.createdLocked() + n
}

// attachLocked makes a spelling lead to a series.
func (g *Registry) attachLocked(sp *Spelling, s *Series) {
	sp.Series = s
	most := uint8(maxSpellings)
	if g.Relabel != nil {
		most = maxRelabelled
	}
	if s.spellings < most && sp.table.insertLocked(sp) {
		s.spellings++
	}
	g.countLocked()
}

// Count is how many series are remembered.
func (g *Registry) Count() int64 { return g.count.Load() }

// Bytes is about what series and spellings take.
func (g *Registry) Bytes() int64 { return g.size.Load() }

// Held is how much is remembered.
type Held struct{ Series, Spellings, Metrics, Fresh int }

// Held counts what is remembered of all regions: series, their spellings, metrics, and
// series that no flusher has taken yet.
func (g *Registry) Held() Held {
	g.mu.Lock()
	defer g.mu.Unlock()
	h := Held{Series: len(g.series)}
	for _, t := range g.tables {
		h.Spellings += t.used
	}
	for i := range g.metrics {
		h.Metrics += len(g.metrics[i])
		h.Fresh += len(g.fresh[i])
	}
	return h
}

// countLocked brings the figures of the metrics up to date.
func (g *Registry) countLocked() {
	size := int64(len(g.series))*SeriesBytes + g.apart
	for _, t := range g.tables {
		size += t.bytes
	}
	g.count.Store(int64(len(g.series)))
	g.size.Store(size)
}

// strip takes the replica label out of the labels of a series that has it and
// the cluster label, and returns the values of both; nil where it has not. The
// order of the labels changes.
func (g *Registry) strip(labels []series.RawLabel) (rest []series.RawLabel, ofCluster, ofReplica []byte, refused refusal.Reason) {
	at := [2]int{-1, -1} // of cluster and replica
	for i, lb := range labels {
		which := 0
		switch string(lb.Name) {
		case g.ReplicaLabel:
			which = 1
		case g.ClusterLabel:
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

// Revive finds or creates the series that takes the place of one that was
// forgotten after it had been looked up. It is called with the buffer's mutex held. The
// limits on series are not asked: the sample was let in when they were.
func (g *Registry) Revive(dead *Series) *Series {
	id := identityOf(dead.Canonical())
	g.mu.Lock()
	defer g.mu.Unlock()
	if s := g.series[id]; s != nil && s != dead {
		return s
	}
	s := g.createLocked(id, dead.Metric.Region, dead.Metric.Name)
	s.Sender = dead.Sender
	s.first = &Spelling{key: dead.first.key, table: dead.first.table} // not that one: it leads to the dead one
	if s.first.table == nil {
		g.apart += spellingBytes + int64(len(s.first.key))
	}
	g.countLocked()
	return s
}

// createLocked creates a series; the caller sets its first spelling.
func (g *Registry) createLocked(id identity, region sequence.Region, name string) *Series {
	m := g.metrics[region-1][name]
	if m == nil {
		m = &Metric{Name: name, Region: region}
		g.metrics[region-1][name] = m
	}
	m.series++
	s := &Series{Metric: m, LastT: NoSample}
	g.series[id] = s
	g.fresh[region-1] = append(g.fresh[region-1], s)
	return s
}

// TakeFresh hands over the region's series that were created since the last
// call. So the flusher has a list of its own of the region's series, and walks it
// without the registry's lock.
func (g *Registry) TakeFresh(region sequence.Region) []*Series {
	g.mu.Lock()
	defer g.mu.Unlock()
	out := g.fresh[region-1]
	g.fresh[region-1] = nil
	return out
}

// Forget removes series that were marked dead under their buffer's mutex, and with
// them their spellings and metrics that have no series left, whose names it returns.
func (g *Registry) Forget(region sequence.Region, dead []*Series) (metrics []string) {
	gone := make(map[*Series]bool, len(dead))
	ids := make([]identity, len(dead))
	for i, s := range dead {
		ids[i] = identityOf(s.Canonical())
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for i, s := range dead {
		gone[s] = true
		// The place may already belong to a successor.
		if g.series[ids[i]] == s {
			delete(g.series, ids[i])
		}
		if s.Metric.series--; s.Metric.series == 0 {
			delete(g.metrics[region-1], s.Metric.Name)
			metrics = append(metrics, s.Metric.Name)
		}
		if s.first.table == nil {
			g.apart -= spellingBytes + int64(len(s.first.key))
		}
	}
	for _, t := range g.tables {
		t.removeLocked(func(sp *Spelling) bool { return gone[sp.Series] })
	}
	g.countLocked()
	return metrics
}
