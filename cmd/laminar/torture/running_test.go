package torture

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"laminar/flownode"
	"laminar/ingest"
)

// running lets the flownodes run by themselves, with all their goroutines, beside
// the history. Deliveries go on while later operations happen, several at once. The
// history's clock follows the real one between operations, which still move it on.
//
// Both nodes campaign to lead. What happens in the middle of a round in a stepped
// history happens here while a third node works that believes it leads.
type running struct {
	sim     *simulation
	started time.Time
	deaf    atomic.Bool // mirror writes are lost
	procs   sync.Map    // *node -> *runningNode, of the nodes that are up
	usurper *node

	underway []*sending
}

// runningNode is the process of a node.
type runningNode struct {
	*flownode.Node
	ended chan error
}

// underwayAtMost is how many deliveries go on at once.
const underwayAtMost = 3

func newRunning(sim *simulation) driver {
	d := &running{sim: sim, started: time.Now()}
	ctx, cancel := context.WithCancel(context.Background())
	var watch sync.WaitGroup
	sim.t.Cleanup(func() {
		cancel()
		watch.Wait()
	})
	watch.Go(func() { d.watch(ctx) })
	return d
}

// watch looks again and again until the trial ends.
func (d *running) watch(ctx context.Context) {
	seen := progressWatch{}
	for ctx.Err() == nil {
		if err := d.sim.look(ctx, seen.check); err != nil && ctx.Err() == nil {
			d.sim.t.broken("error", "watch: %v", err)
			return
		}
		select {
		case <-ctx.Done():
		case <-time.After(15 * time.Millisecond):
		}
	}
}

func (d *running) configure(cfg *ingest.Config) {
	cfg.Linger = 0 // the default
	cfg.OnCommit = func(ingest.Commit) {
		if !d.deaf.Load() {
			d.wake()
		}
	}
}

// wake makes all nodes look for what has changed.
func (d *running) wake() {
	d.procs.Range(func(_, p any) bool {
		p.(*runningNode).Wake()
		return true
	})
}

func (d *running) at(clock int64, real time.Time) int64 {
	return clock + real.Sub(d.started).Milliseconds()
}

func (d *running) begin(k *node, cfg flownode.Config) {
	cfg.PollInterval = 50 * time.Millisecond
	cfg.Now = func() time.Time { return time.UnixMilli(d.sim.now()) }
	if k == d.usurper {
		cfg.Elector = elected{}
	}
	n, err := flownode.New(cfg)
	if err != nil {
		d.sim.t.Fatal(err)
	}
	p := &runningNode{n, make(chan error, 1)}
	go func() { p.ended <- n.Run(k.ctx) }()
	d.procs.Store(k, p)
}

func (d *running) end(k *node) {
	p, _ := d.procs.LoadAndDelete(k)
	if err := <-p.(*runningNode).ended; err != nil {
		d.sim.t.Error(err)
	}
}

// elected is the elector of a node that believes it leads, whatever others
// believe: as a leader does that has lost its lease and has not heard of it.
type elected struct{}

func (elected) Beat(ctx context.Context) (int64, error) { return 1, ctx.Err() }

func (elected) Leave(context.Context) {}

func (elected) Lost() <-chan struct{} { return nil }

func (d *running) drive(k *node, o op) {
	switch o.Do {
	case doStart:
		k.start(o)
	case doStop:
		k.down()
	case doTick:
		d.breathe()
	case doHint:
		d.wake()
	case doStep: // it makes its rounds by itself
	case doFault:
		k.failNext(o.Cut)
	case doDuring:
		if d.usurper == nil {
			d.usurper = newNode(d.sim)
		}
		d.usurper.start(o)
		for _, then := range o.Then {
			d.sim.do(then)
		}
		d.usurper.down()
	}
}

// breathe gives rounds a moment.
func (d *running) breathe() {
	d.wake()
	for deadline := time.Now().Add(100 * time.Millisecond); time.Now().Before(deadline); {
		vec, err := d.sim.store.Reader.CurrentVector(d.sim.t.ctx)
		d.sim.must(err)
		behind, err := d.sim.store.Catalogue.Behind(d.sim.t.ctx, nil, vec)
		d.sim.must(err)
		if len(behind) == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond) // between two looks
	}
}

// send begins a delivery. One whose connection is to be cut goes on alone, and so
// does each while a flush is stuck.
func (d *running) send(o op, ps points) {
	if len(d.underway) == underwayAtMost || d.overlaps(ps) {
		d.join()
	}
	d.deaf.Store(!o.Hint)
	if o.Cut != "" || len(d.sim.stuck) > 0 {
		d.join()
		d.sim.deliver(o, ps)
		return
	}
	d.underway = append(d.underway, d.sim.begin(d.sim.ingesters[o.Ingester], 0, ps))
}

// overlaps reports whether a sample is also in a delivery that is under way: then
// it depends on which commits first what counts in the end.
func (d *running) overlaps(ps points) bool {
	return slices.ContainsFunc(d.underway, func(s *sending) bool {
		return slices.ContainsFunc(ps, func(p point) bool {
			return slices.ContainsFunc(s.points, func(q point) bool { return p.series == q.series && p.t == q.t })
		})
	})
}

func (d *running) committed() {}

func (d *running) join() {
	if len(d.underway) == 0 {
		return
	}
	for _, s := range d.underway {
		if err := <-s.ended; err != nil {
			d.sim.t.Fatalf("send: %v", err)
		}
	}
	after := d.sim.position()
	for _, s := range d.underway {
		d.sim.model.acknowledged(s.points, after)
	}
	d.underway = nil
}

// settle lets time pass until nothing is left to do.
func (d *running) settle() {
	const step = 500 // ms of the history's clock between two looks
	deadline := time.Now().Add(patience)
	for waited := int64(0); ; waited += step {
		d.sim.t.stop()
		why := d.sim.unrest()
		if why == "" {
			return
		}
		if waited > restAtMost && time.Now().After(deadline) {
			d.sim.t.broken("liveness", "after %d s in which nothing came: %s", waited/1000, why)
			d.sim.t.stop()
		}
		d.sim.pass(step)
		d.wake()
		time.Sleep(5 * time.Millisecond) // between two looks
	}
}

// still brings everything to rest, unless that would be in the middle of something
// else.
func (d *running) still() bool {
	if d.sim.depth > 1 {
		return false
	}
	d.sim.rest()
	return true
}

// check looks at the tables in passing, and at the samples once nothing is under
// way.
func (d *running) check(o op) {
	if o.Do == doRest {
		d.sim.checkSamples(o)
	}
	d.sim.must(d.sim.look(d.sim.t.ctx, (*look).checkTables))
}
