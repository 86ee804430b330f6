package torture

import (
	"context"
	"errors"
	"sync"
	"time"

	"laminar/flownode"
	"laminar/flownode/flowdef"
	"laminar/flownode/partial"
	"laminar/flownode/progress"
	"laminar/flownode/read"
	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sqlstore"
	"laminar/sqlstore/flowstore"
	"laminar/sqlstore/raw"
	"laminar/sqlstore/sqltest"
)

// node is one process with a flownode that believes it leads, behind a proxy.
type node struct {
	sim   *simulation
	proxy *sqltest.Proxy
	store *sqlstore.Store    // nil while it is down
	ctx   context.Context    // ends with the process
	crash context.CancelFunc // ends it in the middle of whatever it does

	// reach is called at the named places of a round. Its error says that the
	// process ended there.
	reach func(place string) error

	mu    sync.Mutex
	fault sqltest.Cut // of the next commit
}

func newNode(sim *simulation) *node {
	k := &node{sim: sim, proxy: sim.db.Proxy(sim.t)}
	sim.t.Cleanup(k.down)
	return k
}

// tightBudget lets a round go on for a few windows.
const tightBudget = 12 * time.Millisecond

// start begins a flownode that has nothing in memory.
func (k *node) start(o op) {
	k.down()
	k.store = openStore(k.sim.t, k.proxy.URL)
	k.ctx, k.crash = context.WithCancel(k.sim.t.ctx)
	k.reach = func(string) error { return k.ctx.Err() }
	cfg := flownode.Config{
		Snapshots: nodeStore{k.store.Reader, k}, Catalog: nodeCatalog{k.store.Catalogue, k}, Results: nodeResults{k.store.Results, k},
		Jobs: k.store.Jobs, Elector: k.store.Members.New(""),
		Executor: flowdef.Executor(o.Executor), MaxStateBytes: o.State, Logger: quiet,
	}
	if o.Tight {
		cfg.RoundBudget = tightBudget
	}
	k.sim.driver.begin(k, cfg)
}

// down ends the flownode wherever it is, if there is one.
func (k *node) down() {
	if k.store != nil {
		k.crash()
		k.sim.driver.end(k)
		k.store.Close()
		k.store = nil
	}
}

// failNext makes the next commit fail as an operation says.
func (k *node) failNext(cut string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.fault = map[string]sqltest.Cut{"before": sqltest.CutBeforeCommit, "after": sqltest.CutAfterCommit}[cut]
}

// takeFault is how the commit that begins fails.
func (k *node) takeFault() sqltest.Cut {
	k.mu.Lock()
	defer k.mu.Unlock()
	cut := k.fault
	k.fault = sqltest.CutNever
	return cut
}

// nodeStore is the store as the flownode wants it, with the history's clock,
// and with places to stop at.
type nodeStore struct {
	*raw.Reader
	k *node
}

// Snapshot is Catalogue.Stored.
func (s nodeStore) Snapshot(ctx context.Context) (read.Snapshot, error) {
	snap, err := s.k.store.Catalogue.Stored(ctx)
	if err != nil {
		return nil, err
	}
	out := &nodeSnapshot{Stored: snap, k: s.k, now: s.k.sim.now()}
	if err := s.k.reach("snapshot"); err != nil {
		return nil, errors.Join(err, snap.Close(context.WithoutCancel(ctx)))
	}
	return out, nil
}

type nodeSnapshot struct {
	*flowstore.Stored
	k   *node
	now int64
}

// Position has the history's clock.
func (s *nodeSnapshot) Position() sequence.Position {
	pos := s.Stored.Position()
	pos.Now = s.now
	return pos
}

// Committed has the history's clock.
func (s *nodeSnapshot) Committed(ctx context.Context, ranges map[sequence.Region]sequence.Range) (map[sequence.Region]map[sequence.Seq]sequence.Time, error) {
	out, err := s.Stored.Committed(ctx, ranges)
	for _, times := range out {
		for seq, at := range times {
			times[seq] = s.k.sim.timeline.history(s.k.sim.driver, at)
		}
	}
	return out, err
}

// ReadDelta is Snapshot.ReadDelta.
func (s *nodeSnapshot) ReadDelta(ctx context.Context, metrics []sequence.MetricID, ranges map[sequence.Region]sequence.Range, pick segment.Pick, fn func(*segment.Segment) error) error {
	if err := s.k.reach("read"); err != nil {
		return err
	}
	return s.Stored.ReadDelta(ctx, metrics, ranges, pick, fn)
}

// ReadRaw is Snapshot.ReadRaw.
func (s *nodeSnapshot) ReadRaw(ctx context.Context, sel segment.Select, fns ...func(*segment.Segment) error) error {
	if err := s.k.reach("read"); err != nil {
		return err
	}
	return s.Stored.ReadRaw(ctx, sel, fns...)
}

// AggregateDelta is Snapshot.AggregateDelta.
func (s *nodeSnapshot) AggregateDelta(ctx context.Context, q partial.SimpleQuery, ranges map[sequence.Region]sequence.Range, fn func(int64, int32, partial.Simple) error) error {
	if err := s.k.reach("read"); err != nil {
		return err
	}
	return s.Stored.AggregateDelta(ctx, q, ranges, fn)
}

// nodeCatalog is the catalogue as flownodes read it: not while a flow is applied.
type nodeCatalog struct {
	*flowstore.Catalogue
	k *node
}

// Heads is Catalogue.Heads.
func (c nodeCatalog) Heads(ctx context.Context) ([]progress.Head, error) {
	c.k.sim.catalogue.RLock()
	defer c.k.sim.catalogue.RUnlock()
	return c.Catalogue.Heads(ctx)
}

// nodeResults is where a flownode's results go.
type nodeResults struct {
	*flowstore.Results
	k *node
}

// Commit is Results.Commit.
func (r nodeResults) Commit(ctx context.Context, rounds []progress.Round) ([]progress.Outcome, error) {
	if err := r.k.reach("commit"); err != nil {
		return nil, err
	}
	r.k.proxy.CutNext(r.k.takeFault())
	out, err := r.Results.Commit(ctx, rounds)
	r.k.sim.rounds.note(r.k.sim.now(), rounds, out, err)
	r.k.proxy.CutNext(sqltest.CutNever)
	r.k.sim.driver.committed()
	if err == nil {
		err = r.k.reach("committed")
	}
	return out, err
}
