// Package replica tells which replica of a cluster of senders is listened to.
//
// Prometheus servers are run in pairs that scrape the same targets and send the
// same samples. They name themselves by two labels, a cluster and a replica; of
// each cluster one replica's samples are stored, without the replica label.
//
// The database decides, for all processes together (Elector), and says for how
// long its decision holds at least. Within that time a Tracker judges requests
// without asking; so any number of processes may take samples of one pair in, and
// at no time are two replicas listened to. When the elected replica is silent for
// the failover timeout, the next one that comes is elected.
//
// The package knows no labels and no samples: what is dropped for a verdict, and
// that it is answered for as written, is the ingester's.
package replica

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Config says how pairs (or more) of senders that send the same samples are told
// apart, so that of each cluster's replicas one is listened to.
type Config struct {
	// ClusterLabel and ReplicaLabel name the labels of a series that say which
	// cluster of senders and which replica of it it comes from. A series that
	// has both is stored without the replica label, if the replica is elected;
	// others are stored as they are. Empty means that there are no pairs.
	ClusterLabel, ReplicaLabel string

	// Failover is how long the elected replica must be silent before another
	// one is elected. Default DefaultFailover.
	Failover time.Duration

	// Elector must be set with the labels.
	Elector Elector

	// Clock grows steadily; nil means this process's monotonic clock.
	Clock func() time.Duration
}

// DefaultFailover is the default that a user sees.
const DefaultFailover = 30 * time.Second

// Elector decides which replica of a cluster of senders is listened to, for all
// processes together.
type Elector interface {
	// Elect notes that data of the replica has come, and elects it when none is
	// elected or the elected one has been silent for failover. It returns which
	// replica is elected, and for how long from the call no other can be, at most
	// failover.
	Elect(ctx context.Context, cluster, replica string, failover time.Duration) (elected string, left time.Duration, err error)
}

// Enabled reports whether pairs are told apart.
func (c Config) Enabled() bool { return c.ReplicaLabel != "" }

// WithDefaults fills in what is zero and refuses half a configuration.
func (c Config) WithDefaults() (Config, error) {
	c.Failover = cmp.Or(c.Failover, DefaultFailover)
	switch {
	case c.Failover < 0:
		return c, errors.New("failover timeout is negative")
	case (c.ClusterLabel == "") != (c.ReplicaLabel == ""), c.Enabled() && (c.ReplicaLabel == c.ClusterLabel || c.Elector == nil):
		return c, fmt.Errorf("pairs of senders need two labels and an elector, there are %q and %q", c.ClusterLabel, c.ReplicaLabel)
	}
	return c, nil
}

const (
	// refreshes is how often within the failover timeout, at least, the database is
	// told that the elected replica still sends.
	refreshes = 3
	// refreshMost is the longest time between two such notes.
	refreshMost = 10 * time.Second

	// retry is how long to wait after the elector failed, as long as there is
	// a decision that holds.
	retry = time.Second

	electTimeout = 5 * time.Second // for one question to the elector

	// MaxPairs bounds the replicas that are remembered, and so the label values
	// of the metrics.
	MaxPairs = 10_000
)

// PairID stands for a cluster and a replica; 0 for none.
type PairID uint32

// Tracker knows which replica of each cluster is listened to. The database
// decides; what it said holds for a time that no other process can shorten, so
// requests are judged by that without asking again. Time is this process's
// monotonic clock, counted from before the question was asked: clocks that
// disagree do no harm.
type Tracker struct {
	cfg     Config
	refresh time.Duration
	metrics *metrics

	pairs atomic.Pointer[[]*pair] // by id - 1; only grows

	mu       sync.Mutex
	clusters map[string]*cluster
	byName   map[[2]string]PairID
}

// pair is a replica and the cluster it belongs to.
type pair struct {
	cluster *cluster
	replica string
}

type cluster struct {
	name     string
	decision atomic.Pointer[decision]
	asking   chan struct{} // holds a token while a request asks the elector
}

// decision says which replica is elected. Until holdsUntil no other can be elected,
// in any process. Both times are of Config.Clock; refreshAt may be later than
// holdsUntil, and then has no meaning.
type decision struct {
	replica    string
	refreshAt  time.Duration
	holdsUntil time.Duration
}

// New makes a tracker of a configuration that WithDefaults has accepted. Its
// metrics are registered unless reg is nil.
func New(cfg Config, reg prometheus.Registerer) (*Tracker, error) {
	m, err := newMetrics(reg)
	if err != nil {
		return nil, err
	}
	if cfg.Clock == nil {
		began := time.Now()
		cfg.Clock = func() time.Duration { return time.Since(began) }
	}
	h := &Tracker{
		cfg: cfg, refresh: min(cfg.Failover/refreshes, refreshMost), metrics: m,
		clusters: make(map[string]*cluster), byName: make(map[[2]string]PairID),
	}
	h.pairs.Store(new([]*pair))
	return h, nil
}

// Pair finds or makes the id of a replica of a cluster, 0 when there are too many.
func (h *Tracker) Pair(of, replica string) PairID {
	h.mu.Lock()
	defer h.mu.Unlock()
	name := [2]string{of, replica}
	if id := h.byName[name]; id != 0 {
		return id
	}
	old := *h.pairs.Load()
	if len(old) >= MaxPairs {
		return 0
	}
	c := h.clusters[of]
	if c == nil {
		c = &cluster{name: of, asking: make(chan struct{}, 1)}
		h.clusters[of] = c
	}
	pairs := append(old, &pair{cluster: c, replica: replica}) // readers see no further than their length
	h.pairs.Store(&pairs)
	h.byName[name] = PairID(len(pairs))
	return PairID(len(pairs))
}

// who is the pair with this id.
func (h *Tracker) who(id PairID) *pair { return (*h.pairs.Load())[id-1] }

// elected reports whether samples of a replica are to be stored. An error says that
// this is not known: the database could not be asked, and its last decision does not
// hold any more. The request must then be sent again: to store the samples could
// store them twice, to drop them could lose them.
//
//	decision holds, another replica     no, without asking
//	decision holds, refresh not due     yes, without asking
//	decision holds, refresh due         one request asks; the others are told yes
//	no decision holds                   one request asks; the others wait for it
func (h *Tracker) elected(ctx context.Context, p *pair) (bool, error) {
	c, now := p.cluster, h.cfg.Clock()
	if d := c.decision.Load(); d != nil && now < d.holdsUntil {
		if d.replica != p.replica {
			return false, nil
		}
		if now < d.refreshAt {
			return true, nil
		}
		// One request tells the elector that the replica is alive, others go on.
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
		if now = h.cfg.Clock(); now < d.holdsUntil {
			c.decision.Store(&decision{replica: d.replica, refreshAt: now + retry, holdsUntil: d.holdsUntil})
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
	if d := c.decision.Load(); d != nil && h.cfg.Clock() < d.holdsUntil {
		return d.replica == p.replica, nil // another request has asked meanwhile
	}
	d, err := h.ask(ctx, p)
	if err != nil {
		return false, err
	}
	return d.replica == p.replica, nil
}

// ask asks the elector. The caller holds the cluster's token.
func (h *Tracker) ask(ctx context.Context, p *pair) (*decision, error) {
	ctx, cancel := context.WithTimeout(ctx, electTimeout)
	defer cancel()
	c, asked := p.cluster, h.cfg.Clock()
	replica, left, err := h.cfg.Elector.Elect(ctx, c.name, p.replica, h.cfg.Failover)
	if err != nil {
		h.metrics.failures.WithLabelValues(c.name).Inc()
		return nil, err
	}
	d := &decision{replica: replica, refreshAt: asked + h.refresh, holdsUntil: asked + left}
	before := ""
	if old := c.decision.Swap(d); old != nil {
		before = old.replica
	}
	if before != replica {
		h.metrics.follow(c.name, before, replica)
	}
	return d, nil
}

// Verdicts is the verdicts on the senders of one request; usually there is one. A
// request keeps its verdict to the end, even if the decision changes meanwhile: so
// of one replica's samples all are stored or none.
type Verdicts []Verdict

// Verdict is whether one replica is elected, the same for all series of a request.
type Verdict struct {
	Elected bool
	Dropped int // samples and histograms of it that were left out for that
	pair    PairID
}

// Of returns the verdict on a pair, the same for all calls of a request. ctx ends
// with the request. The error is that of Tracker.elected: the verdict is not known.
func (v *Verdicts) Of(ctx context.Context, h *Tracker, id PairID) (*Verdict, error) {
	for i := range *v {
		if (*v)[i].pair == id {
			return &(*v)[i], nil
		}
	}
	elected, err := h.elected(ctx, h.who(id))
	if err != nil {
		return nil, err
	}
	*v = append(*v, Verdict{pair: id, Elected: elected})
	return &(*v)[len(*v)-1], nil
}

// Count adds up by cluster what the request had dropped.
func (v Verdicts) Count(h *Tracker) (dropped int) {
	for _, one := range v {
		if one.Dropped > 0 {
			dropped += one.Dropped
			h.metrics.dropped.WithLabelValues(h.who(one.pair).cluster.name).Add(float64(one.Dropped))
		}
	}
	return dropped
}
