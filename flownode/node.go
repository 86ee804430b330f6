package flownode

import (
	"context"
	"fmt"
	"log/slog"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	"laminar/flownode/promeval"
	"laminar/sequence"
)

// Config is what a Node needs. All ports are required.
type Config struct {
	Snapshots Snapshotter
	Catalog   Catalog
	Results   Materializer
	Jobs      JobQueue
	Elector   Elector

	Executor      Executor      // of flows that do not say; default ExecutorAuto
	RoundBudget   time.Duration // after which work that can wait goes on in the next round; default 1 s
	MaxStateBytes int64         // pane state of one leaf at most; default 1 GiB
	MaxRounds     int           // fence groups that make a round at one time, each with a connection; default 4
	PollInterval  time.Duration // how often the catalogue and the regions are looked at without a hint; default 1 s

	// Now is this process's clock: rounds, budgets and retries go by it.
	// Windows go by the database's clock. Default time.Now.
	Now func() time.Time

	Logger  *slog.Logger
	Metrics *Metrics // default: not registered anywhere
}

// The defaults that a user sees.
const (
	DefaultRoundBudget   = time.Second
	DefaultMaxStateBytes = 1 << 30
)

func (c *Config) setDefaults() error {
	if c.Snapshots == nil || c.Catalog == nil || c.Results == nil || c.Jobs == nil || c.Elector == nil {
		return fmt.Errorf("flownode: every port must be given")
	}
	if c.Executor == "" {
		c.Executor = ExecutorAuto
	}
	if !c.Executor.Known() {
		return fmt.Errorf("flownode: executor %q: want one of %q", c.Executor, flowdef.Executors())
	}
	if c.RoundBudget == 0 {
		c.RoundBudget = DefaultRoundBudget
	}
	if c.MaxStateBytes == 0 {
		c.MaxStateBytes = DefaultMaxStateBytes
	}
	if c.MaxRounds == 0 {
		c.MaxRounds = 4
	}
	if c.PollInterval == 0 {
		c.PollInterval = time.Second
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Metrics == nil {
		c.Metrics = NewMetrics(nil)
	}
	return nil
}

// Node is a flownode: it keeps all flows of the catalogue up to date while it
// is the leader, and stands by otherwise.
type Node struct {
	cfg     Config
	log     *slog.Logger
	metrics *Metrics
	eval    *promeval.Engine
	rounds  chan struct{} // one token for each round under way
	look    chan struct{} // holds one token: the catalogue or the jobs may have changed
	link    *link

	rawAtOnce int          // samples held while they are read and folded
	foldLanes int          // into how many lanes raw samples are folded at most
	flows     atomic.Int64 // of all groups, as of the last poll

	mu     sync.Mutex
	groups map[string]*group // while leading; guarded by mu
	hinted sequence.Vector   // commits that the groups were woken for; guarded by mu
}

// New returns a node that does nothing until Run.
func New(cfg Config) (*Node, error) {
	if err := cfg.setDefaults(); err != nil {
		return nil, err
	}
	return &Node{
		cfg: cfg, log: cfg.Logger, metrics: cfg.Metrics, eval: promeval.New(), rawAtOnce: defaultRawAtOnce,
		foldLanes: min(runtime.GOMAXPROCS(0), maxFoldLanes),
		rounds:    make(chan struct{}, cfg.MaxRounds), look: make(chan struct{}, 1), link: newLink(cfg.Now, cfg.Metrics),
		groups: map[string]*group{}, hinted: sequence.Vector{},
	}, nil
}

// Hint is the mirror write: the sequence of a region was committed. It only
// makes rounds begin sooner (I5); one that is not news, because it has come
// another way already, does nothing. It may be called by any goroutine and
// never blocks.
func (n *Node) Hint(r sequence.Region, seq sequence.Seq) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if seq <= n.hinted[r] {
		return
	}
	n.hinted[r] = seq
	for _, g := range n.groups {
		g.poke()
	}
}

// looked takes note of where the regions stand, and wakes the groups if hints
// have not told. before is where they stood at the last look, nil at the first:
// a region that has gone back since (a restore) begins to count anew.
func (n *Node) looked(before, now sequence.Vector) {
	n.mu.Lock()
	news := before == nil || !n.hinted.Covers(now)
	for r, seq := range now {
		if seq < before.At(r) {
			n.hinted[r], news = seq, true
		}
		n.hinted[r] = max(n.hinted[r], seq)
	}
	n.mu.Unlock()
	if news {
		n.Wake()
	}
}

// Look makes the node look at the catalogue and at the jobs now, as it does
// every Config.PollInterval: a hint, too. It may be called by any goroutine and
// never blocks.
func (n *Node) Look() {
	select {
	case n.look <- struct{}{}:
	default:
	}
}

// Wake makes every group look for what has changed. It may be called by any
// goroutine and never blocks.
func (n *Node) Wake() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, g := range n.groups {
		g.poke()
	}
}

// Run campaigns for leadership and keeps the flows up to date while it leads,
// until ctx ends. It returns only when all goroutines it started are gone.
func (n *Node) Run(ctx context.Context) error {
	for ctx.Err() == nil {
		if err := n.term(ctx); err != nil && ctx.Err() == nil {
			n.log.Warn("cannot campaign for leadership", "err", err)
			sleep(ctx, n.cfg.PollInterval)
		}
	}
	return nil
}

// term is one leadership: it waits for it, leads, and gives it up.
func (n *Node) term(ctx context.Context) error {
	lost, resign, err := n.cfg.Elector.Campaign(ctx)
	if err != nil {
		return err
	}
	defer resign()
	n.log.Info("this flownode leads")
	n.metrics.leader.Set(1)
	defer n.metrics.leader.Set(0)
	n.lead(ctx, lost)
	return nil
}

// lead works all groups until ctx ends or leadership is lost.
func (n *Node) lead(ctx context.Context, lost <-chan struct{}) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var workers errgroup.Group
	defer func() {
		cancel()
		_ = workers.Wait() // workers report their errors themselves
		n.mu.Lock()
		defer n.mu.Unlock()
		for _, g := range n.groups {
			for _, f := range g.flows { // whoever leads next says how they stand
				n.metrics.forget(f.flow.Def.Name)
			}
		}
		clear(n.groups)
	}()
	stops := map[string]context.CancelFunc{}
	ticker := time.NewTicker(n.cfg.PollInterval)
	defer ticker.Stop()
	var seen sequence.Vector
	for {
		vec, err := n.poll(ctx, workers.Go, stops, seen)
		if ctx.Err() != nil {
			return
		}
		if err != nil {
			n.log.Warn("cannot look for work; trying again", "err", err)
		}
		seen = vec
		select {
		case <-ctx.Done():
			return
		case <-lost:
			n.log.Warn("leadership lost; standing by")
			return
		case <-ticker.C:
		case <-n.look:
		}
	}
}

// poll looks for what hints may have missed (I5): flows that came, went or
// changed, refill jobs, and commits since seen. It returns where the regions
// stand.
func (n *Node) poll(ctx context.Context, start func(func() error), stops map[string]context.CancelFunc, seen sequence.Vector) (sequence.Vector, error) {
	heads, err := n.cfg.Catalog.Heads(ctx)
	if err != nil {
		return seen, fmt.Errorf("read the catalogue: %w", err)
	}
	n.assign(ctx, start, stops, heads)
	vec, err := n.cfg.Snapshots.CurrentVector(ctx)
	if err != nil {
		return seen, fmt.Errorf("read where the regions stand: %w", err)
	}
	n.looked(seen, vec)
	ids := make([]progress.FlowID, len(heads))
	groupOf := make(map[progress.FlowID]string, len(heads))
	for i, h := range heads {
		ids[i], groupOf[h.ID] = h.ID, h.Group
	}
	jobs, err := n.cfg.Jobs.NextJobs(ctx, ids)
	if err != nil {
		return vec, fmt.Errorf("look for refill jobs: %w", err)
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, j := range jobs {
		if g := n.groups[groupOf[j.Flow]]; g != nil {
			g.poke()
		}
	}
	return vec, nil
}

// assign starts, feeds and stops group workers as the catalogue says.
func (n *Node) assign(ctx context.Context, start func(func() error), stops map[string]context.CancelFunc, heads []progress.Head) {
	byGroup := map[string][]progress.Head{}
	for _, h := range heads {
		byGroup[h.Group] = append(byGroup[h.Group], h)
	}
	n.flows.Store(int64(len(heads)))
	n.mu.Lock()
	defer n.mu.Unlock()
	for name, own := range byGroup {
		g := n.groups[name]
		if g == nil {
			g = newGroup(n, name)
			n.groups[name] = g
			groupCtx, stop := context.WithCancel(ctx)
			stops[name] = stop
			start(func() error { return g.run(groupCtx) })
			g.assign(own)
			g.known = headSum(own)
		} else if sum := headSum(own); sum != g.known {
			g.assign(own)
			g.known = sum
		}
	}
	for name := range n.groups {
		if byGroup[name] == nil {
			stops[name]()
			delete(stops, name)
			delete(n.groups, name)
		}
	}
}

// sleep waits for d or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
	case <-t.C:
	}
}
