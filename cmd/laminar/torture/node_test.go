package torture

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"laminar/flownode"
	"laminar/flownode/flowdef"
	"laminar/flownode/partial"
	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sqlstore"
	"laminar/sqlstore/flowstore"
	"laminar/sqlstore/raw"
	"laminar/sqlstore/sqltest"
)

// node is one process with a flownode that believes it leads, behind a proxy.
type node struct {
	w     *world
	proxy *sqltest.Proxy
	store *sqlstore.Store    // nil while it is down
	steps *flownode.Stepper  // of the process that is up
	ctx   context.Context    // ends with the process
	crash context.CancelFunc // ends it in the middle of whatever it does

	looks int64       // at the clock, in this step
	busy  bool        // in a step
	fault sqltest.Cut // of the next commit
	at    string      // where then happens, in this step
	then  []op

	mu   sync.Mutex
	said []string // complaints since the last step began
}

func newNode(w *world) *node {
	k := &node{w: w, proxy: w.db.Proxy(w.t)}
	w.t.Cleanup(k.down)
	return k
}

// tightBudget lets a round go on for a few windows.
const tightBudget = 12 * time.Millisecond

// start begins a flownode that has nothing in memory.
func (k *node) start(o op) {
	k.down()
	k.store = openStore(k.w.t, k.proxy.URL)
	k.ctx, k.crash = context.WithCancel(k.w.t.ctx)
	cfg := flownode.Config{
		Snapshots: nodeStore{k.store.Reader, k}, Catalog: k.store.Catalogue, Results: nodeResults{k.store.Results, k}, Jobs: k.store.Jobs, Elector: k.store,
		Executor: flowdef.Executor(o.Executor), MaxStateBytes: o.State,
		Logger: slog.New(complaints{k}),
		// Every look at the clock takes a millisecond, so budgets run out where
		// the history says.
		Now: func() time.Time {
			k.looks++
			return time.UnixMilli(k.w.clock.Load() + k.looks)
		},
	}
	if o.Tight {
		cfg.RoundBudget = tightBudget
	}
	var err error
	if k.steps, err = flownode.NewStepper(cfg); err != nil {
		k.w.t.Fatal(err)
	}
}

// down ends the flownode wherever it is, if there is one.
func (k *node) down() {
	if k.store != nil {
		k.crash()
		k.store.Close()
		k.store = nil
	}
}

// step lets the flownode do something; fn uses its stepper. A start of the node
// in the middle of it ends the process; then the next one begins here.
func (k *node) step(fn func(*flownode.Stepper) time.Duration) (wait time.Duration) {
	if k.store == nil || k.busy {
		return time.Hour
	}
	k.busy = true
	faulty := k.fault != sqltest.CutNever || len(k.then) > 0
	k.said, k.looks = nil, 0
	wait = fn(k.steps)
	k.busy = false
	k.at, k.then = "", nil
	if next := k.w.restart[k]; next != nil {
		delete(k.w.restart, k)
		k.start(*next)
		return 0
	}
	if len(k.said) > 0 && !faulty && len(k.w.running()) == 1 {
		k.w.t.broken("error", "a round failed without a cause: %s", strings.Join(k.said, "; "))
	}
	return wait
}

// tick is what a leader does every poll interval.
func (k *node) tick() time.Duration {
	return k.step(func(s *flownode.Stepper) time.Duration {
		if err := s.Poll(k.ctx); err != nil && k.ctx.Err() == nil {
			k.complain("poll: " + err.Error())
		}
		return s.Step(k.ctx)
	})
}

func (k *node) complain(text string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.said = append(k.said, text)
}

// reach makes happen what the history wants at a place of the round. The error
// says that the process ended there.
func (k *node) reach(place string) error {
	if k.at == place {
		then := k.then
		k.at, k.then = "", nil
		for _, o := range then {
			k.w.do(o)
			k.w.checkAllProgress()
		}
	}
	if k.w.restart[k] != nil {
		k.crash()
	}
	return k.ctx.Err()
}

// expected reports whether a complaint is about what histories do: flows that
// are deleted between two looks at the catalogue, other owners, and sums that
// overflow.
func expected(complaint string) bool {
	for _, part := range []string{"flow does not exist", "another owner", "the database cannot aggregate"} {
		if strings.Contains(complaint, part) {
			return true
		}
	}
	return false
}

// complaints is a log handler for warnings and errors.
type complaints struct{ k *node }

func (complaints) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }
func (c complaints) WithAttrs([]slog.Attr) slog.Handler         { return c }
func (c complaints) WithGroup(string) slog.Handler              { return c }

func (c complaints) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	r.Attrs(func(a slog.Attr) bool {
		text += fmt.Sprintf(" %s=%v", a.Key, a.Value)
		return true
	})
	if !expected(text) {
		c.k.complain(text)
	}
	return nil
}

// nodeStore is the store as the flownode wants it, with the history's clock,
// and with places to stop at.
type nodeStore struct {
	*raw.Reader
	k *node
}

// Snapshot is Reader.Snapshot.
func (s nodeStore) Snapshot(ctx context.Context) (flownode.Snapshot, error) {
	snap, err := s.Reader.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	out := &nodeSnapshot{Snapshot: snap, k: s.k, now: s.k.w.clock.Load()}
	if err := s.k.reach("snapshot"); err != nil {
		return nil, errors.Join(err, snap.Close(context.WithoutCancel(ctx)))
	}
	return out, nil
}

type nodeSnapshot struct {
	*raw.Snapshot
	k   *node
	now int64
}

// Position has the history's clock.
func (s *nodeSnapshot) Position() sequence.Position {
	pos := s.Snapshot.Position()
	pos.Now = s.now
	return pos
}

// ReadDelta is Snapshot.ReadDelta.
func (s *nodeSnapshot) ReadDelta(ctx context.Context, metrics []sequence.MetricID, ranges map[sequence.Region]sequence.Range, pick segment.Pick, fn func(*segment.Segment) error) error {
	if err := s.k.reach("read"); err != nil {
		return err
	}
	return s.Snapshot.ReadDelta(ctx, metrics, ranges, pick, fn)
}

// ReadRaw is Snapshot.ReadRaw.
func (s *nodeSnapshot) ReadRaw(ctx context.Context, sel segment.Select, fns ...func(*segment.Segment) error) error {
	if err := s.k.reach("read"); err != nil {
		return err
	}
	return s.Snapshot.ReadRaw(ctx, sel, fns...)
}

// AggregateDelta is Snapshot.AggregateDelta.
func (s *nodeSnapshot) AggregateDelta(ctx context.Context, q partial.SimpleQuery, ranges map[sequence.Region]sequence.Range, fn func(int64, int32, partial.Simple) error) error {
	if err := s.k.reach("read"); err != nil {
		return err
	}
	return s.Snapshot.AggregateDelta(ctx, q, ranges, fn)
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
	cut := r.k.fault
	r.k.fault = sqltest.CutNever
	r.k.proxy.CutNext(cut)
	out, err := r.Results.Commit(ctx, rounds)
	r.k.proxy.CutNext(sqltest.CutNever)
	if err == nil {
		err = r.k.reach("committed")
	}
	return out, err
}
