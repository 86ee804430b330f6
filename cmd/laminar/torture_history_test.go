package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"laminar/cmd/laminar/internal/laminartest"
	"laminar/flownode"
	"laminar/flownode/flowdef"
	"laminar/ingest"
	"laminar/sqlstore"
	"laminar/sqlstore/flowstore"
	"laminar/sqlstore/raw"
	"laminar/sqlstore/sqltest"
)

// history is one random history and everything it happens to. All of it but
// the watch and the processes themselves belongs to one goroutine.
type history struct {
	*tortureModel
	t      testing.TB
	seed   uint64
	until  time.Time // no operation begins later
	log    []string  // operations so far
	flows  []flowdef.Flow
	store  *sqlstore.Store // of the person who freezes, seals and refills
	pool   *pgxpool.Pool   // of the person who queries
	doors  []*door
	nodes  []*worker
	usurp  *worker
	border int64 // the day that retention gives up ends here
	held   []heldSnapshot
	kept   keptRows
	refill []refillAsked

	deaf      atomic.Bool // mirror writes are lost
	compared  int         // windows compared with the engine
	inPassing int         // of these while other work went on
}

const (
	day           = 24 * 60 * 60_000
	tortureFlows  = "../../testdata/flows/torture.yml"
	phasesAtMost  = 6
	opsPerPhase   = 40
	heldAtMost    = 3
	retainAfter   = 2 * 60 * 60_000 // ms that event time is beyond the border at least
	historyBefore = 30 * 60_000     // ms before the border that event time begins at most
)

func newHistory(t *testing.T, seed uint64, until time.Time) *history {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 1))
	// Two days back, so that event time may run as fast as operations make it.
	today := time.Now().UnixMilli() / day * day
	border := today - day
	h := &history{
		tortureModel: newTortureModel(rng, border-rng.Int64N(historyBefore)),
		t:            t, seed: seed, until: until, border: border, flows: laminartest.ParseFlows(t, tortureFlows),
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("seed %d, operations up to the failure:\n%s", seed, strings.Join(h.log, "\n"))
		}
	})
	db := sqltest.New(t)
	h.store, h.pool = db.Store(t), db.Pool(t)
	if _, err := h.store.Catalogue.Apply(t.Context(), h.flows, flowstore.ApplyOptions{}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		d := &door{t: t, proxy: db.Proxy(t), cfg: ingest.Config{
			Regions: sqltest.Regions, Logger: quiet, OnCommit: func(ingest.Commit) { h.wake() },
			SeriesIdle: []time.Duration{0, 100 * time.Millisecond}[rng.IntN(2)],
		}}
		d.open()
		t.Cleanup(func() { d.stop() })
		h.doors = append(h.doors, d)
		h.nodes = append(h.nodes, &worker{t: t, proxy: db.Proxy(t)})
	}
	h.usurp = &worker{t: t, proxy: db.Proxy(t)}
	for _, k := range h.workers() {
		t.Cleanup(k.down)
	}
	t.Cleanup(h.letGo)
	return h
}

func (h *history) workers() []*worker { return append([]*worker{h.usurp}, h.nodes...) }

// wake is the mirror write. Every commit calls it.
func (h *history) wake() {
	if h.deaf.Load() {
		return
	}
	for _, k := range h.workers() {
		if node := k.node.Load(); node != nil {
			node.Wake()
		}
	}
}

// nodeConfig is what a flownode starts with.
func (h *history) nodeConfig() flownode.Config {
	return flownode.Config{
		Executor:      []flowdef.Executor{flowdef.ExecutorColumnar, flowdef.ExecutorPushdown}[h.rng.IntN(2)],
		MaxStateBytes: []int64{1 << 30, 1 << 30, 3 << 10}[h.rng.IntN(3)],
		RoundBudget:   []time.Duration{time.Second, time.Second, 2 * time.Millisecond}[h.rng.IntN(3)],
	}
}

func (h *history) note(format string, args ...any) {
	h.log = append(h.log, fmt.Sprintf(format, args...))
}

// run is phases of operations, with everything at rest and checked after each.
func (h *history) run() {
	for _, k := range h.nodes {
		k.start(h.nodeConfig(), nil)
	}
	h.watch()
	retainIn := h.rng.IntN(2 * phasesAtMost) // half of the histories do not
	for phase := range 2 + h.rng.IntN(phasesAtMost-1) {
		if phase > 0 && !time.Now().Before(h.until) {
			break
		}
		for op := 0; op < opsPerPhase && (op == 0 || time.Now().Before(h.until)); op++ {
			h.step()
		}
		h.settle()
		if phase == retainIn {
			h.retain()
		}
	}
	h.t.Logf("%d operations, %d windows compared with the engine, %d of them in passing", len(h.log), h.compared, h.inPassing)
}

// step is one operation.
func (h *history) step() {
	switch p := h.rng.IntN(100); {
	case p < 50:
		h.ingest()
	case p < 58:
		h.breathe()
	case p < 61:
		h.note("freeze")
		if _, err := h.store.Keeper.Freeze(h.t.Context()); err != nil {
			h.t.Fatal(err)
		}
	case p < 65:
		h.seal()
	case p < 68:
		h.restartDoor()
	case p < 74:
		h.crash()
	case p < 78:
		h.blackout()
	case p < 82:
		h.secondLeader()
	case p < 86:
		h.hold()
	case p < 90:
		h.release()
	case p < 94:
		h.askRefill()
	case p < 97:
		if h.rng.IntN(3) > 0 {
			h.breathe()
		}
		h.peek()
	case p < 98:
		h.deaf.Store(!h.deaf.Load())
		h.note("mirror writes are lost: %t", h.deaf.Load())
	case p < 99:
		cut := []sqltest.Cut{sqltest.CutBeforeCommit, sqltest.CutAfterCommit}[h.rng.IntN(2)]
		i := h.rng.IntN(len(h.nodes))
		h.note("cut %d in flownode %d", cut, i)
		h.nodes[i].proxy.CutNext(cut)
	default:
		h.seldom()
	}
}

// seldom is what changes the rest of a history.
func (h *history) seldom() {
	if h.seed%3 == 0 && h.rng.IntN(2) == 0 {
		h.deliver("ahead", h.ahead(time.Now().UnixMilli())) // from here on every sample is late
		return
	}
	h.note("gap")
	h.clock += h.rng.Int64N(20 * 60_000)
}

// ingest is one delivery or a burst of several at once, now and then over a
// connection that breaks.
func (h *history) ingest() {
	switch p := h.rng.IntN(100); {
	case p < 40:
		h.deliver("scrape", h.scrape(0, 1))
	case p < 55:
		h.deliver("late", h.late(0, 1))
	case p < 65:
		h.deliver("again", h.again(0, 1))
	case p < 73 && len(h.sent) > 0:
		h.deliver("resend", h.sent[h.rng.IntN(len(h.sent))])
	case p < 85:
		cut := []sqltest.Cut{sqltest.CutCopy, sqltest.CutBeforeCommit, sqltest.CutAfterCommit}[h.rng.IntN(3)]
		i := h.rng.IntN(len(h.doors))
		h.note("cut %d in door %d", cut, i)
		h.doors[i].proxy.CutNext(cut)
		h.send("scrape", i, h.scrape(0, 1))
		h.doors[i].proxy.CutNext(sqltest.CutNever)
	default:
		h.burst()
	}
}

func (h *history) deliver(what string, points []modelPoint) {
	h.send(what, h.rng.IntN(len(h.doors)), points)
}

func (h *history) send(what string, door int, points []modelPoint) {
	h.note("%s: %d samples by door %d", what, len(points), door)
	body, err := h.encode(points)
	if err == nil {
		err = h.doors[door].deliver(body)
	}
	if err != nil {
		h.t.Fatalf("%s: %v", what, err)
	}
	h.acknowledged(points)
}

// burst is several senders at once. The times of each are its own, so what
// counts in the end does not depend on who commits first.
func (h *history) burst() {
	n := 2 + h.rng.IntN(3)
	bodies, batches := make([][]byte, n), make([][]modelPoint, n)
	for i := range n {
		switch h.rng.IntN(4) {
		case 0:
			batches[i] = h.late(i, n)
		case 1:
			batches[i] = h.again(i, n)
		default:
			batches[i] = h.scrape(i, n)
		}
		var err error
		if bodies[i], err = h.encode(batches[i]); err != nil {
			h.t.Fatal(err)
		}
	}
	h.note("burst of %d senders", n)
	var senders sync.WaitGroup
	for i := range n {
		senders.Go(func() {
			if err := h.doors[i%len(h.doors)].deliver(bodies[i]); err != nil {
				h.t.Errorf("burst: %v", err)
			}
		})
	}
	senders.Wait()
	for _, points := range batches {
		h.acknowledged(points)
	}
}

// breathe gives rounds some time, or waits until the flows have read all.
func (h *history) breathe() {
	patience := time.Duration(h.rng.IntN(300)) * time.Millisecond
	h.note("breathe for %s at most", patience)
	ctx := h.t.Context()
	for deadline := time.Now().Add(patience); time.Now().Before(deadline); {
		vec, err := h.store.Reader.CurrentVector(ctx)
		if err != nil {
			h.t.Fatal(err)
		}
		behind, err := h.store.Catalogue.Behind(ctx, nil, vec)
		if err != nil {
			h.t.Fatal(err)
		}
		if len(behind) == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond) // between two looks
	}
}

func (h *history) seal() {
	opts := raw.SealOptions{Force: h.rng.IntN(4) > 0, Wait: 100 * time.Millisecond}
	h.note("seal, forced %t", opts.Force)
	if _, err := h.store.Keeper.Seal(h.t.Context(), opts); err != nil {
		h.t.Fatal(err)
	}
}

func (h *history) restartDoor() {
	i := h.rng.IntN(len(h.doors))
	h.note("restart door %d", i)
	h.doors[i].stop()
	h.doors[i].open()
}

// crash ends a flownode in the middle of whatever it does and starts another.
func (h *history) crash() {
	i := h.rng.IntN(len(h.nodes))
	cfg := h.nodeConfig()
	h.note("crash flownode %d; the next has %s, %d bytes, %s", i, cfg.Executor, cfg.MaxStateBytes, cfg.RoundBudget)
	h.nodes[i].down()
	h.nodes[i].start(cfg, nil)
}

// blackout is some operations without any flownode, so that sealing overtakes
// the flows.
func (h *history) blackout() {
	h.note("no flownode")
	for _, k := range h.nodes {
		k.down()
	}
	for range 1 + h.rng.IntN(4) {
		h.ingest()
		if h.rng.IntN(3) == 0 {
			h.seal()
		}
	}
	for _, k := range h.nodes {
		k.start(h.nodeConfig(), nil)
	}
}

// secondLeader lets a flownode work beside the leader for a while.
func (h *history) secondLeader() {
	h.note("second leader")
	h.usurp.start(h.nodeConfig(), usurper{})
	for range 1 + h.rng.IntN(4) {
		h.ingest()
		h.breathe()
	}
	h.usurp.down()
	h.note("second leader gone")
}

// settle lets everything come to rest and holds all of it against the model.
func (h *history) settle() {
	h.note("settle")
	for _, k := range h.workers() {
		k.proxy.CutNext(sqltest.CutNever)
	}
	for len(h.held) > 0 {
		h.release()
	}
	ctx, cancel := context.WithTimeout(h.t.Context(), 2*torturePatience)
	defer cancel()
	vec, err := h.store.Reader.CurrentVector(ctx)
	if err != nil {
		h.t.Fatal(err)
	}
	var behind []flowstore.Behind
	until(h.t, torturePatience, func() string { return fmt.Sprintf("flows are still behind %s: %+v", vec, behind) }, func() bool {
		if behind, err = h.store.Catalogue.Behind(ctx, nil, vec); err != nil {
			h.t.Fatal(err)
		}
		return len(behind) == 0
	})
	h.checkRefills()
	h.checkRaw()
	h.compared += h.checkTables(true)
	if h.t.Failed() {
		h.t.FailNow()
	}
}
