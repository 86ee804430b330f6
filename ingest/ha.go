package ingest

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"laminar/sequence/series"
)

// HA says how pairs (or more) of senders that send the same samples are told
// apart, so that of each cluster's replicas one is listened to.
type HA struct {
	// ClusterLabel and ReplicaLabel name the labels of a series that say which
	// cluster of senders and which replica of it it comes from. A series that
	// has both is stored without the replica label, if the replica is elected;
	// others are stored as they are. Empty means that there are no pairs.
	ClusterLabel, ReplicaLabel string

	// Failover is how long the elected replica must be silent before another
	// one is elected. Default 30 s.
	Failover time.Duration

	// Elector must be set with the labels.
	Elector ReplicaElector
}

const (
	// haRefreshes is how often within the failover timeout the elected
	// replica's data is taken note of, at least ...
	haRefreshes = 3
	// ... and haRefreshMost how long that waits at most.
	haRefreshMost = 10 * time.Second

	// haRetry is how long to wait after the elector failed, as long as there is
	// a decision that holds.
	haRetry = time.Second

	haTimeout = 5 * time.Second // for one question to the elector

	// maxPairs bounds the replicas that are remembered, and so the label values
	// of the metrics.
	maxPairs = 10_000
)

// pairID stands for a cluster and a replica; 0 for none.
type pairID uint32

// haTracker knows which replica of each cluster is listened to. The database
// decides; what it said holds for a time that no other process can shorten, so
// requests are judged by that without asking again. Time is this process's
// monotonic clock, counted from before the question was asked: clocks that
// disagree do no harm.
type haTracker struct {
	HA
	refresh time.Duration
	clock   func() time.Duration // grows steadily
	metrics *haMetrics

	pairs atomic.Pointer[[]*haPair] // by id - 1; only grows

	mu       sync.Mutex
	clusters map[string]*haCluster
	byName   map[[2]string]pairID
}

type haPair struct {
	cluster *haCluster
	replica string
}

type haCluster struct {
	name     string
	decision atomic.Pointer[haDecision]
	asking   chan struct{} // holds a token while somebody asks the elector
}

// haDecision says who is elected. Until holdsUntil nobody else can be, in any
// process.
type haDecision struct {
	replica    string
	refreshAt  time.Duration
	holdsUntil time.Duration
}

func newHATracker(cfg HA, m *haMetrics) *haTracker {
	began := time.Now()
	h := &haTracker{
		HA: cfg, refresh: min(cfg.Failover/haRefreshes, haRefreshMost), metrics: m,
		clock:    func() time.Duration { return time.Since(began) },
		clusters: make(map[string]*haCluster), byName: make(map[[2]string]pairID),
	}
	h.pairs.Store(new([]*haPair))
	return h
}

// strip takes the replica label out of the labels of a series that has it and
// the cluster label, and returns the values of both; nil where it has not. The
// order of the labels changes.
func (h *haTracker) strip(labels []series.RawLabel, l Limits) (rest []series.RawLabel, cluster, replica []byte, refused Reason) {
	at := [2]int{-1, -1} // of cluster and replica
	for i, lb := range labels {
		which := 0
		switch string(lb.Name) {
		case h.ReplicaLabel:
			which = 1
		case h.ClusterLabel:
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
	cluster, replica = labels[at[0]].Value, labels[at[1]].Value
	switch { // the others are looked at when they are made canonical
	case !utf8.Valid(replica):
		return labels, nil, nil, InvalidUTF8
	case bytes.IndexByte(replica, 0) >= 0:
		return labels, nil, nil, ZeroByte
	case len(replica) > l.LabelBytes:
		return labels, nil, nil, LabelsTooLong
	}
	last := len(labels) - 1
	labels[at[1]] = labels[last]
	return labels[:last], cluster, replica, ""
}

// pair finds or makes the id of a replica, 0 when there are too many.
func (h *haTracker) pair(cluster, replica string) pairID {
	h.mu.Lock()
	defer h.mu.Unlock()
	name := [2]string{cluster, replica}
	if id := h.byName[name]; id != 0 {
		return id
	}
	old := *h.pairs.Load()
	if len(old) >= maxPairs {
		return 0
	}
	c := h.clusters[cluster]
	if c == nil {
		c = &haCluster{name: cluster, asking: make(chan struct{}, 1)}
		h.clusters[cluster] = c
	}
	pairs := append(old, &haPair{cluster: c, replica: replica}) // readers see no further than their length
	h.pairs.Store(&pairs)
	h.byName[name] = pairID(len(pairs))
	return pairID(len(pairs))
}

// who is the pair with this id.
func (h *haTracker) who(id pairID) *haPair { return (*h.pairs.Load())[id-1] }

// elected reports whether samples of a replica are to be stored. An error says
// that nobody knows: the database could not be asked, and what it said last
// holds no more.
func (h *haTracker) elected(ctx context.Context, p *haPair) (bool, error) {
	c, now := p.cluster, h.clock()
	if d := c.decision.Load(); d != nil && now < d.holdsUntil {
		if d.replica != p.replica {
			return false, nil
		}
		if now < d.refreshAt {
			return true, nil
		}
		// One request takes note that the replica is alive, others go on.
		select {
		case c.asking <- struct{}{}:
		default:
			return true, nil
		}
		defer func() { <-c.asking }()
		asked, err := h.ask(ctx, p)
		if err == nil {
			return asked.replica == p.replica, nil
		}
		if now = h.clock(); now < d.holdsUntil {
			c.decision.Store(&haDecision{replica: d.replica, refreshAt: now + haRetry, holdsUntil: d.holdsUntil})
			return true, nil
		}
		return false, err
	}
	select {
	case c.asking <- struct{}{}:
	case <-ctx.Done():
		return false, fmt.Errorf("wait for the election in cluster %q: %w", c.name, context.Cause(ctx))
	}
	defer func() { <-c.asking }()
	if d := c.decision.Load(); d != nil && h.clock() < d.holdsUntil {
		return d.replica == p.replica, nil // somebody else has asked meanwhile
	}
	d, err := h.ask(ctx, p)
	if err != nil {
		return false, err
	}
	return d.replica == p.replica, nil
}

// ask asks the elector. The caller holds the cluster's token.
func (h *haTracker) ask(ctx context.Context, p *haPair) (*haDecision, error) {
	ctx, cancel := context.WithTimeout(ctx, haTimeout)
	defer cancel()
	c, asked := p.cluster, h.clock()
	replica, left, err := h.Elector.Elect(ctx, c.name, p.replica, h.Failover)
	if err != nil {
		h.metrics.failures.WithLabelValues(c.name).Inc()
		return nil, err
	}
	d := &haDecision{replica: replica, refreshAt: asked + h.refresh, holdsUntil: asked + left}
	old := c.decision.Load()
	c.decision.Store(d)
	if old == nil || old.replica != replica {
		h.metrics.follow(c.name, old, replica)
	}
	return d, nil
}

// verdicts is what one request has been told about its senders; usually there is
// one.
type verdicts []verdict

type verdict struct {
	pair    pairID
	elected bool
	dropped int // samples and histograms
}

// of returns the verdict on a pair, the same for all series of the request. ctx
// ends with the request.
func (v *verdicts) of(ctx context.Context, h *haTracker, id pairID) (*verdict, error) {
	for i := range *v {
		if (*v)[i].pair == id {
			return &(*v)[i], nil
		}
	}
	elected, err := h.elected(ctx, h.who(id))
	if err != nil {
		return nil, err
	}
	*v = append(*v, verdict{pair: id, elected: elected})
	return &(*v)[len(*v)-1], nil
}

// count adds up by cluster what the request had dropped.
func (v verdicts) count(h *haTracker) (dropped int) {
	for _, one := range v {
		if one.dropped > 0 {
			dropped += one.dropped
			h.metrics.dropped.WithLabelValues(h.who(one.pair).cluster.name).Add(float64(one.dropped))
		}
	}
	return dropped
}
