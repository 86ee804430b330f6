package flownode

// Leadership, and which fence groups are worked.
// Before: a Node starts nothing until Run.
// While it leads: one goroutine beats and polls, one works each fence group of the
// catalogue.
// After: Run returns when all of them have ended.
//
//	          Beat gives a term                other term, or trust without a beat
//	standby ────────────────────> leading ──────────────────────────────> standby
//
// What is found by polling is enough for everything to be right; hints only make it
// sooner (I5). So each kind of hint has one poll that does without it:
//
//	Hint, a commit         CurrentVector, compared with the last look
//	Look, the catalogue    Heads, compared with what the groups were told
//	Look, a refill job     NextJobs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"laminar/flownode/progress"
	"laminar/sequence"
)

// Node is a flownode: it keeps all flows of the catalogue up to date while it
// is the leader, and stands by otherwise.
type Node struct {
	*process
	look chan struct{} // holds one token: the catalogue or the jobs may have changed

	shown map[string]bool // flows that are shown while standing by; of the goroutine that runs

	leading atomic.Bool

	mu     sync.Mutex
	groups map[string]*led // while leading; guarded by mu
	hinted sequence.Vector // commits that the groups were woken for; guarded by mu
}

// led is a fence group of a node that leads. Its worker owns the group; the node
// only pokes, assigns and stops it.
type led struct {
	*fenceGroup
	stop  context.CancelFunc // ends its worker
	ended <-chan struct{}    // closed when that was called
	told  string             // headSum of the heads it was told last
}

// New returns a node that does nothing until Run. An error is one of the Config.
func New(cfg Config) (*Node, error) {
	p, err := newProcess(cfg)
	if err != nil {
		return nil, err
	}
	return &Node{process: p, look: make(chan struct{}, 1), groups: map[string]*led{}, hinted: sequence.Vector{}}, nil
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

// looked is called with the regions' vector, and wakes the groups if it holds a
// commit whose hint has not come (I5). before is the vector of the last look, nil at
// the first. Afterwards hinted covers now.
//
// A region that has gone back since (a restore) begins to count anew. Otherwise the
// hints of its next commits would be taken for old ones and ignored, until it has
// passed its former sequence.
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

// trust is how long after a beat a node leads without another one. It is shorter than
// the 10 s before which no other flownode leads (Elector.Beat). It is counted by this
// process's monotonic clock, from before the beat. It only makes a node stop early:
// the database's clock decides who leads.
const trust = 7 * time.Second

// errTermOver says why the rounds of a term end.
var errTermOver = errors.New("this flownode does not lead any more")

// Run beats, and keeps the flows up to date while this flownode leads, until ctx ends.
// It returns only when all goroutines it started are gone. It is to be called once, by
// one goroutine. What the database refuses or does not answer is logged and tried again
// after PollInterval, so its error is always nil.
func (n *Node) Run(ctx context.Context) error {
	defer n.cfg.Elector.Leave(context.WithoutCancel(ctx))
	for ctx.Err() == nil {
		began := time.Now()
		switch term, err := n.cfg.Elector.Beat(ctx); {
		case ctx.Err() != nil:
		case err != nil:
			n.log.Warn("cannot campaign for leadership", "err", err)
		case term != 0:
			n.showNone()
			n.term(ctx, term, began)
		default:
			n.standBy(ctx)
		}
		sleep(ctx, n.cfg.PollInterval)
	}
	return nil
}

// standBy shows how far the flows are that another flownode keeps. So each process shows
// the lag of all flows, and a look at any of them tells whether the leader makes progress.
func (n *Node) standBy(ctx context.Context) {
	heads, err := n.cfg.Catalog.Heads(ctx)
	if err != nil {
		if ctx.Err() == nil {
			n.log.Warn("cannot look how the flows stand; trying again", "err", err)
		}
		return
	}
	there := make(map[string]bool, len(heads))
	for _, h := range heads {
		there[h.Name] = true
	}
	for name := range n.shown {
		if !there[name] {
			n.metrics.forget(name)
		}
	}
	n.standing.showLag(n.metrics, heads)
	n.shown = there
}

// showNone stops showing the flows that another flownode kept.
func (n *Node) showNone() {
	for name := range n.shown {
		n.metrics.forget(name)
	}
	n.shown = nil
}

// term is one term of leadership, won by a beat that began at a time of this
// process's clock. It ends when ctx ends, when a beat gives another term, or when the
// last good beat began longer than trust ago.
func (n *Node) term(ctx context.Context, term int64, began time.Time) {
	n.log.Info("this flownode leads", "term", term)
	n.metrics.leader.Set(1)
	n.leading.Store(true)
	defer func() {
		n.leading.Store(false)
		n.metrics.leader.Set(0)
	}()
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	// Whatever hangs, this does not wait for it.
	expiry := time.AfterFunc(trust-time.Since(began), func() { end(errTermOver) })
	defer expiry.Stop()
	if beside := n.cfg.WhileLeading; beside != nil {
		var running sync.WaitGroup
		running.Go(func() { beside(ctx, term) })
		defer func() {
			end(nil)
			running.Wait()
		}()
	}
	n.lead(ctx, func() {
		began := time.Now()
		switch now, err := n.cfg.Elector.Beat(ctx); {
		case err != nil:
			if ctx.Err() == nil {
				n.log.Warn("cannot renew leadership; trying again", "err", err)
			}
		case now != term:
			end(errTermOver)
		default:
			expiry.Reset(trust - time.Since(began))
		}
	})
	if errors.Is(context.Cause(ctx), errTermOver) {
		n.log.Warn("leadership lost; standing by", "term", term)
	}
}

// lead works all groups until ctx ends. It beats once in a poll, in the goroutine that
// polls: a node that cannot poll must not lead. It returns when all workers have ended,
// so that a node never knowingly works beside its successor. If it does unknowingly,
// because the process stood still, the fence refuses its commits (I4).
func (n *Node) lead(ctx context.Context, beat func()) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var workers errgroup.Group
	defer func() {
		cancel()
		_ = workers.Wait() // workers report their errors themselves
		n.mu.Lock()
		defer n.mu.Unlock()
		for _, g := range n.groups {
			for id, f := range g.flows { // the next leader says how they stand
				g.forget(id, f)
			}
		}
		clear(n.groups)
	}()
	ticker := time.NewTicker(n.cfg.PollInterval)
	defer ticker.Stop()
	var seen sequence.Vector
	for {
		vec, err := n.poll(ctx, workers.Go, seen)
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
		case <-ticker.C:
			beat()
		case <-n.cfg.Elector.Lost():
			beat()
		case <-n.look:
		}
	}
}

// poll looks for what hints may have missed (I5): flows that came, went or
// changed, refill jobs, and commits since seen. It returns the regions' vector, or
// seen if it could not be read. start starts the worker of a new group; the Stepper
// starts none.
//
// The catalogue comes first, because a new flow must be assigned before it can be
// woken. An error ends the poll; the part that came before it has taken effect, and
// the next poll does the rest.
func (n *Node) poll(ctx context.Context, start func(func() error), seen sequence.Vector) (sequence.Vector, error) {
	heads, err := n.cfg.Catalog.Heads(ctx)
	if err != nil {
		return seen, fmt.Errorf("read the catalogue: %w", err)
	}
	n.assign(ctx, start, heads)
	n.standing.show(n.metrics, heads, n.cfg.Now())
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

// assign starts, feeds and stops the workers of groups as the catalogue says. A
// group is told its heads only when they have changed, because each telling makes it
// look for work. A group that has lost its last flow is stopped and not waited for:
// its worker ends by itself, and lead waits for all of them at the end.
func (n *Node) assign(ctx context.Context, start func(func() error), heads []progress.Head) {
	byGroup := map[string][]progress.Head{}
	for _, h := range heads {
		byGroup[h.Group] = append(byGroup[h.Group], h)
	}
	n.flows.Store(int64(len(heads)))
	n.mu.Lock()
	defer n.mu.Unlock()
	for name, own := range byGroup {
		g, sum := n.groups[name], headSum(own)
		if g == nil {
			groupCtx, stop := context.WithCancel(ctx)
			g = &led{fenceGroup: newFenceGroup(n.process, name), stop: stop, ended: groupCtx.Done()}
			n.groups[name] = g
			start(func() error {
				defer n.ended(name, g)
				return g.work(groupCtx)
			})
		} else if sum == g.told {
			continue
		}
		g.assign(own)
		g.told = sum
	}
	for name, g := range n.groups {
		if byGroup[name] == nil {
			g.stop()
			delete(n.groups, name)
		}
	}
}

// ended forgets the flows of a group whose worker has ended, if the group is gone. When
// the term ends, lead does.
func (n *Node) ended(name string, g *led) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.groups[name] == g {
		return
	}
	for id, f := range g.flows {
		g.forget(id, f)
	}
}

// headSum is equal for equal sets of heads, in whatever order they are listed, and
// differs when a flow, its definition or its epoch differs.
func headSum(heads []progress.Head) string {
	sum := make([]string, len(heads))
	for i, h := range heads {
		sum[i] = fmt.Sprintf("%d:%x:%d:%s", h.ID, h.Hash, h.Epoch, h.Shape)
	}
	slices.Sort(sum)
	return strings.Join(sum, " ")
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
