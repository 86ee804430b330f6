package torture

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"laminar/flownode"
	"laminar/flownode/flowdef"
	"laminar/flownode/pane"
	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/sqlstore"
	"laminar/sqlstore/flowstore"
	"laminar/sqlstore/raw"
	"laminar/sqlstore/sqltest"
)

// world is what a history happens to. All of it but the deliveries beside the
// history belongs to one goroutine.
type world struct {
	t     *trial
	db    *sqltest.DB
	store *sqlstore.Store // of the person who applies, seals and refills
	pool  *pgxpool.Pool   // of the person who queries
	clock atomic.Int64    // ms since the epoch
	model *model
	doors []*door
	nodes []*node

	definitions map[string]flowdef.Flow
	flows       map[string]*flow // that are applied
	held        []heldSnapshot
	jobs        []int64 // refills that were asked for
	stuck       []*sending
	limbo       *door           // whose commit is on its way
	gate        chan struct{}   // closed to let the paused flush go on
	restart     map[*node]*op   // nodes that end in the middle of their step
	last        map[string]took // progress of the flows, which never goes back
	gaveUp      bool            // retention came in the middle of a round
	depth       int
}

// run carries a history out, in a database of its own.
func run(t *trial, ops []op) {
	w := &world{
		t: t, db: sqltest.New(t), model: newModel(), definitions: map[string]flowdef.Flow{},
		flows: map[string]*flow{}, restart: map[*node]*op{}, last: map[string]took{},
	}
	w.clock.Store(origin)
	w.store, w.pool = w.db.Store(t), w.db.Pool(t)
	for _, f := range definitions(t) {
		w.definitions[f.Name] = f
	}
	for range doors {
		w.doors = append(w.doors, newDoor(w))
	}
	for range nodes {
		w.nodes = append(w.nodes, newNode(w))
	}
	t.Cleanup(w.letAllGo)
	for i, o := range ops {
		t.at = i
		w.do(o)
		w.check(o)
		t.stop()
	}
}

// openStore opens the database as a process of its own would.
func openStore(t *trial, url string) *sqlstore.Store {
	store, err := sqlstore.Open(context.Background(), sqlstore.Config{URL: url, MaxConns: 6}, quiet)
	if err != nil {
		t.Fatal(err)
	}
	return store
}

// running is the flownodes that are up.
func (w *world) running() []*node {
	var up []*node
	for _, k := range w.nodes {
		if k.store != nil {
			up = append(up, k)
		}
	}
	return up
}

// do carries one operation out.
func (w *world) do(o op) {
	w.depth++
	defer func() { w.depth-- }()
	switch o.Do {
	case doApply:
		w.apply(o)
	case doDelete:
		if w.flows[o.Flow] != nil {
			w.release()
			w.must(w.store.Catalogue.Delete(w.t.ctx, o.Flow))
			delete(w.flows, o.Flow)
			delete(w.last, o.Flow)
		}
	case doSend:
		w.send(o)
	case doPause, doLimbo:
		w.hang(o)
	case doQueue:
		w.queue(o)
	case doRelease:
		w.release()
	case doRestart:
		d := w.doors[o.Door]
		if w.limbo == d {
			w.release()
		}
		d.stop()
		d.open()
	case doClock:
		w.clock.Add(o.By)
	case doStart, doStop, doTick, doHint, doStep, doFault, doDuring:
		w.drive(w.nodes[o.Node], o)
	case doFreeze:
		w.release() // it waits for flushes
		_, err := w.store.Keeper.Freeze(w.t.ctx)
		w.must(err)
	case doSeal:
		w.release()
		_, err := w.store.Keeper.Seal(w.t.ctx, raw.SealOptions{Force: o.Force})
		w.must(err)
	case doRetain:
		w.retain(o)
	case doDrop:
		_, err := w.store.Keeper.DropUnused(w.t.ctx)
		w.must(err)
	case doHold:
		w.hold(o.Tx)
	case doLetGo:
		w.letGo()
	case doRefill:
		w.refill(o)
	case doCancel:
		if n := len(w.jobs); n > 0 {
			w.must(w.store.Jobs.Cancel(w.t.ctx, w.jobs[n-1]))
		}
	case doRest:
		if w.depth == 1 {
			w.rest()
		}
	default:
		w.t.Fatalf("there is no operation %q", o.Do)
	}
}

func (w *world) must(err error) {
	if err != nil {
		w.t.Fatal(err)
	}
}

// drive carries out what a flownode does.
func (w *world) drive(k *node, o op) {
	switch o.Do {
	case doStart:
		if k.busy {
			w.restart[k] = &o
		} else {
			k.start(o)
		}
	case doStop:
		if !k.busy {
			k.down()
		}
	case doTick:
		k.tick()
	case doHint:
		k.step(func(s *flownode.Stepper) time.Duration {
			s.Wake()
			return s.Step(k.ctx)
		})
	case doStep:
		k.step(func(s *flownode.Stepper) time.Duration { return s.Step(k.ctx) })
	case doFault:
		k.fault = map[string]sqltest.Cut{"before": sqltest.CutBeforeCommit, "after": sqltest.CutAfterCommit}[o.Cut]
	case doDuring:
		if !k.busy {
			k.at, k.then = o.At, o.Then
			k.tick()
		}
	}
}

// apply applies a flow. One that is there with another backfill is replaced
// where the operation says so.
func (w *world) apply(o op) {
	def, ok := w.definitions[o.Flow]
	if !ok {
		w.t.Fatalf("there is no flow %q in %s", o.Flow, flowsFile)
	}
	def.Backfill.All = o.Backfill
	if w.flows[o.Flow] != nil && !o.Replace {
		return
	}
	w.release()
	results, err := w.store.Catalogue.Apply(w.t.ctx, []flowdef.Flow{def}, flowstore.ApplyOptions{Replace: true})
	w.must(err)
	if results[0].Action == flowstore.Created || results[0].Action == flowstore.Replaced {
		w.flows[o.Flow] = newFlow(def, w.model)
		// A backfill begins by the database's clock, which is not the history's.
		_, err := w.pool.Exec(w.t.ctx, "update flow set newest_at = $2, newest_t = least(newest_t, $2) where name = $1 and newest_at is not null",
			o.Flow, w.clock.Load())
		w.must(err)
		delete(w.last, o.Flow)
	}
}

// aheadAtMost is how far ahead of the clock samples may be, ms.
const aheadAtMost = 600_000

// wanted is those samples of an operation that the door takes, of one region
// where it is not 0.
func (w *world) wanted(o op, region int) points {
	var ps points
	for _, p := range o.Samples {
		at := origin + p.t
		if at >= w.model.earliest && at <= w.clock.Load()+aheadAtMost && (region == 0 || w.model.series[p.series].region == sequence.Region(region)) {
			ps = append(ps, p)
		}
	}
	return ps
}

// send delivers samples and waits for the acknowledgement.
func (w *world) send(o op) {
	ps := w.wanted(o, 0)
	if len(ps) == 0 {
		return
	}
	for _, s := range w.stuck {
		for _, p := range ps {
			if w.model.series[p.series].region == s.region {
				w.release()
				break
			}
		}
	}
	d := w.doors[o.Door]
	d.arm(o.Region, o.Cut)
	s := w.begin(d, 0, ps)
	if err := <-s.ended; err != nil {
		w.t.Fatalf("send: %v", err)
	}
	d.arm(0, "")
	w.model.acknowledged(ps, w.position())
	if o.Hint {
		for _, k := range w.running() {
			for region, seq := range w.model.vector {
				k.steps.Hint(region, seq)
			}
		}
	}
}

// position reads where the regions are.
func (w *world) position() sequence.Vector {
	vec, err := w.store.Reader.CurrentVector(w.t.ctx)
	w.must(err)
	w.model.vector = vec
	return vec
}

// hang stops a flush of one region: before its commit, or with the commit on
// its way and the connection gone.
func (w *world) hang(o op) {
	w.release()
	ps := w.wanted(o, o.Region)
	if len(ps) == 0 {
		return
	}
	d := w.doors[o.Door]
	d.commits.Lock()
	d.region = sequence.Region(o.Region)
	if o.Do == doPause {
		w.gate = make(chan struct{})
		d.gate = w.gate
	} else {
		d.armed = sqltest.CutHoldCommit
		w.limbo = d
	}
	d.commits.Unlock()
	s := w.begin(d, d.region, ps)
	select {
	case <-d.held:
		w.stuck = append(w.stuck, s)
	case err := <-s.ended: // all of it was there already
		w.must(err)
		w.unhang()
	case <-time.After(patience):
		w.t.Fatal("a flush does not come to its commit")
	}
}

// unhang lets commits go on.
func (w *world) unhang() {
	if w.gate != nil {
		close(w.gate)
		w.gate = nil
	}
	if w.limbo != nil {
		w.limbo.proxy.Release()
		w.limbo = nil
	}
	for _, d := range w.doors {
		d.commits.Lock()
		d.gate, d.armed = nil, sqltest.CutNever
		d.commits.Unlock()
	}
}

// queueFor is how long a flush that must wait for another is watched not to.
const queueFor = 30 * time.Millisecond

// queue delivers to a region while a flush of it is paused: it must wait. What
// is in limbo is sent again meanwhile, so it is not clear who would be next.
func (w *world) queue(o op) {
	if w.gate == nil || len(w.stuck) != 1 || w.stuck[0].door == w.doors[o.Door] {
		w.send(op{Do: doSend, Door: o.Door, Samples: o.Samples})
		return
	}
	first := w.stuck[0]
	ps := w.wanted(o, int(first.region))
	if len(ps) == 0 {
		return
	}
	s := w.begin(w.doors[o.Door], first.region, ps)
	w.stuck = append(w.stuck, s)
	select {
	case err := <-s.ended:
		w.t.broken("I1", "a flush of region %d was acknowledged (%v) while an earlier one of the region had not committed", first.region, err)
	case <-time.After(queueFor):
	}
}

// release lets everything that is stuck come to its end.
func (w *world) release() {
	if len(w.stuck) == 0 {
		return
	}
	before := w.model.vector.Clone()
	w.unhang()
	stuck := w.stuck
	w.stuck = nil
	for _, s := range stuck {
		select {
		case err := <-s.ended:
			w.must(err)
		case <-time.After(patience):
			w.t.Fatal("a delivery does not come to its end")
		}
	}
	after := w.position()
	for i, s := range stuck {
		seqs := after
		if i == 0 && len(stuck) > 1 { // the first was first to have the lock
			seqs = sequence.Vector{s.region: min(before.At(s.region)+1, after.At(s.region))}
		}
		w.model.acknowledged(s.points, seqs)
	}
}

// refill asks for a stretch of a flow; what reaches back before the retention
// must be refused (I6).
func (w *world) refill(o op) {
	f := w.flows[o.Flow]
	if f == nil {
		return
	}
	from, to := origin+o.From, origin+o.To
	first := pane.FirstEnd(from+1, 0, f.def.Every)
	if first > to {
		return
	}
	id, err := w.store.Jobs.CreateRefill(w.t.ctx, o.Flow, from, to)
	var gone *progress.RetentionError
	var pinnedGone *progress.PinnedGoneError
	tooEarly := !w.rebuildable(f, first)
	switch {
	case (errors.As(err, &gone) || errors.As(err, &pinnedGone)) && tooEarly:
	case err == nil && tooEarly:
		w.t.broken("I6", "a refill of %s from %d is accepted, whose samples are gone", o.Flow, o.From)
	case err != nil:
		w.t.broken("I6", "a refill of %s from %d is refused, whose samples are there: %v", o.Flow, o.From, err)
	default:
		w.jobs = append(w.jobs, id)
		f.asked = append(f.asked, span{first, to})
	}
}

// rest lets everything come to rest: hints are lost, polls find everything, and
// nothing but time helps.
func (w *world) rest() {
	w.release()
	for len(w.held) > 0 {
		w.letGo()
	}
	up := w.running()
	if len(up) == 0 {
		w.nodes[0].start(op{})
		up = w.running()
	}
	for _, k := range up[1:] {
		k.down()
	}
	k := up[0]
	k.fault = sqltest.CutNever
	w.position()
	var why string
	for waited := int64(0); ; {
		wait := k.tick().Milliseconds()
		w.t.stop()
		if wait > 0 {
			if why = w.unrest(); why == "" {
				break
			}
			if waited > restAtMost {
				w.t.broken("liveness", "after %d s in which nothing came: %s", waited/1000, why)
				w.t.stop()
			}
			wait = min(max(wait, 1), pollInterval)
			waited += wait
			w.clock.Add(wait)
		}
	}
	w.checkAtRest()
}

const (
	pollInterval = int64(2000) // ms between two looks of a leader
	// restAtMost is how long it takes, at most, until all is in the tables: dirty
	// windows wait 30 s, sources are quiet after a minute, the slowest trigger has
	// a minute, and rounds that failed are tried again after some seconds.
	restAtMost = int64(200_000)
)

// unrest says what keeps the flows from being at rest, "" when nothing does.
func (w *world) unrest() string {
	behind, err := w.store.Catalogue.Behind(w.t.ctx, nil, w.model.vector)
	w.must(err)
	for _, b := range behind {
		f := w.flows[b.Flow]
		if f == nil || !w.mayWait(f) {
			return fmt.Sprintf("flow %s %s: it is %s", b.Flow, b.Reason, w.stands()[b.Flow])
		}
	}
	for _, id := range w.jobs {
		job, err := w.store.Jobs.Show(w.t.ctx, id)
		if errors.Is(err, flowstore.ErrNoJob) {
			continue // its flow is gone
		}
		w.must(err)
		if job.State != "done" && job.State != "failed" && job.State != "cancelled" {
			return fmt.Sprintf("refill %d of flow %s is %s", id, job.FlowName, job.State)
		}
	}
	return w.lagging()
}
