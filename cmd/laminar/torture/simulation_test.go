package torture

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"laminar/flownode"
	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	"laminar/ingest"
	"laminar/sequence"
	"laminar/sqlstore"
	"laminar/sqlstore/applyplan"
	"laminar/sqlstore/flowstore"
	"laminar/sqlstore/raw"
	"laminar/sqlstore/sqltest"
)

// simulation is what a history happens to. It belongs to one goroutine, except
// for what says otherwise.
type simulation struct {
	t         *trial
	driver    driver
	db        *sqltest.DB
	store     *sqlstore.Store // of the person who applies, seals and refills
	pool      *pgxpool.Pool   // of the person who queries
	clock     atomic.Int64    // of the history, ms since the epoch; any goroutine reads it
	model     *model
	ingesters []*ingester
	nodes     []*node

	definitions map[string]flowdef.Flow
	flows       map[string]*flow // that are applied
	held        []heldSnapshot
	jobs        []int64 // refills that were asked for
	stuck       []*sending
	limbo       *ingester       // whose commit is on its way
	gate        chan struct{}   // closed to let the paused flush go on
	gaveUp      bool            // retention came in the middle of a round
	sealed      sequence.Vector // samples up to here may be sealed
	redone      []int64         // refills that came with another limit of groups
	timeline    timeline
	rounds      roundLog
	depth       int // of the operation within others

	// catalogue is held while a flow is applied: no node reads the catalogue then.
	catalogue sync.RWMutex
}

// driver lets the flownodes of a simulation work. There are two: stepped and
// running.
type driver interface {
	// configure changes what an ingester starts with.
	configure(cfg *ingest.Config)
	// at is the history's time at a real one, given its clock. Any goroutine calls it.
	at(clock int64, real time.Time) int64
	// begin starts the process of a node, which has nothing in memory and believes
	// that it leads.
	begin(k *node, cfg flownode.Config)
	// end ends it as a crash does.
	end(k *node)
	// drive lets a node do what an operation says.
	drive(k *node, o op)
	// send delivers the samples of an operation.
	send(o op, ps points)
	// join returns once the model knows all that was sent.
	join()
	// committed is told that a commit of a flownode has ended, in whatever way. Any
	// goroutine calls it.
	committed()
	// settle returns once everything has come to rest.
	settle()
	// still reports whether no round is under way that may still write what
	// retention is about to make impossible to rebuild.
	still() bool
	// check holds the database against the model, after every operation.
	check(o op)
}

// run carries a history out, in a database of its own.
func run(t *trial, ops []op, drive func(*simulation) driver) {
	sim := &simulation{
		t: t, db: sqltest.New(t), model: newModel(), definitions: map[string]flowdef.Flow{}, flows: map[string]*flow{},
	}
	sim.pass(origin)
	sim.store, sim.pool = sim.db.Store(t), sim.db.Pool(t)
	sim.driver = drive(sim)
	for _, f := range definitions(t) {
		sim.definitions[f.Name] = f
	}
	for range ingesters {
		sim.ingesters = append(sim.ingesters, newIngester(sim))
	}
	for range nodes {
		sim.nodes = append(sim.nodes, newNode(sim))
	}
	t.Cleanup(sim.letAllGo)
	for i, o := range ops {
		t.at = i
		sim.do(o)
		sim.driver.check(o)
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

// now is the history's time, ms since the epoch.
func (sim *simulation) now() int64 { return sim.driver.at(sim.clock.Load(), time.Now()) }

// up is the flownodes that are not down.
func (sim *simulation) up() []*node {
	var up []*node
	for _, k := range sim.nodes {
		if k.store != nil {
			up = append(up, k)
		}
	}
	return up
}

// do carries one operation out.
func (sim *simulation) do(o op) {
	sim.depth++
	defer func() { sim.depth-- }()
	switch o.Do {
	case doApply:
		sim.apply(o)
	case doDelete:
		if sim.flows[o.Flow] != nil {
			sim.release()
			for _, name := range family(o.Flow) {
				sim.must(sim.store.Catalogue.Delete(sim.t.ctx, name))
				delete(sim.flows, name)
			}
		}
	case doLimit:
		sim.limit(o)
	case doSend:
		sim.send(o)
	case doPause, doLimbo:
		sim.hang(o)
	case doQueue:
		sim.queue(o)
	case doRelease:
		sim.release()
	case doRestart:
		in := sim.ingesters[o.Ingester]
		if sim.limbo == in {
			sim.release()
		}
		in.stop()
		in.open()
	case doClock:
		sim.pass(o.By)
	case doStart, doStop, doTick, doHint, doStep, doFault, doDuring:
		sim.driver.drive(sim.nodes[o.Node], o)
	case doFreeze:
		sim.release() // it waits for flushes
		_, err := sim.store.Keeper.Freeze(sim.t.ctx)
		sim.must(err)
	case doSeal:
		sim.release()
		note := sim.sealing()
		sealed, err := sim.store.Reader.CurrentVector(sim.t.ctx)
		sim.must(err)
		sim.sealed = sealed
		_, err = sim.store.Keeper.Seal(sim.t.ctx, raw.SealOptions{Force: o.Force})
		sim.must(err)
		note()
	case doRetain:
		if sim.driver.still() {
			sim.retain(o)
		}
	case doDrop:
		_, err := sim.store.Keeper.DropUnused(sim.t.ctx)
		sim.must(err)
	case doHold:
		sim.hold(o.Tx)
	case doLetGo:
		sim.letGo()
	case doRefill:
		sim.refill(o)
	case doCancel:
		if n := len(sim.jobs); n > 0 {
			sim.must(sim.store.Jobs.Cancel(sim.t.ctx, sim.jobs[n-1]))
		}
	case doRest:
		if sim.depth == 1 {
			sim.rest()
		}
	default:
		sim.t.Fatalf("there is no operation %q", o.Do)
	}
}

func (sim *simulation) must(err error) {
	if err != nil {
		sim.t.Fatal(err)
	}
}

// apply applies a flow. One that is there with another backfill is replaced
// where the operation says so.
func (sim *simulation) apply(o op) {
	var defs []flowdef.Flow
	for _, name := range family(o.Flow) {
		def, ok := sim.definitions[name]
		if !ok {
			sim.t.Fatalf("there is no flow %q in %s", name, flowsFile)
		}
		def.Backfill.All = o.Backfill
		defs = append(defs, def)
	}
	if sim.flows[o.Flow] != nil && !o.Replace {
		return
	}
	sim.driver.join()
	sim.release()
	sim.catalogue.Lock()
	defer sim.catalogue.Unlock()
	results, err := sim.store.Catalogue.Apply(sim.t.ctx, defs, flowstore.ApplyOptions{Replace: true})
	sim.must(err)
	for i, def := range defs {
		switch results[i].Action {
		case applyplan.Created, applyplan.Replaced:
			sim.flows[def.Name] = newFlow(def, sim.model)
			// A backfill begins by the database's clock, which is not the history's.
			_, err := sim.pool.Exec(sim.t.ctx, "update flow set newest_at = $2, newest_t = least(newest_t, $2) where name = $1 and newest_at is not null",
				def.Name, sim.now())
			sim.must(err)
		case applyplan.Retuned: // its limit of groups had been changed
			sim.limited(sim.flows[def.Name], def)
		}
	}
}

// refill asks for a stretch of a flow; what reaches back before the retention
// must be refused (I6).
func (sim *simulation) refill(o op) {
	f := sim.flows[o.Flow]
	if f == nil {
		return
	}
	from, to := origin+o.From, origin+o.To
	first := f.def.Windows().Next(from)
	if first > to {
		return
	}
	ids, err := sqltest.CreateRefill(sim.t.ctx, sim.store.Jobs, o.Flow, from, to)
	var gone *progress.RetentionError
	var pinnedGone *progress.PinnedGoneError
	tooEarly := !sim.rebuildable(f, first)
	switch {
	case (errors.As(err, &gone) || errors.As(err, &pinnedGone)) && tooEarly:
	case err == nil && tooEarly:
		sim.t.broken("I6", "a refill of %s from %d is accepted, whose samples are gone", o.Flow, o.From)
	case err != nil:
		sim.t.broken("I6", "a refill of %s from %d is refused, whose samples are there: %v", o.Flow, o.From, err)
	default:
		sim.jobs = append(sim.jobs, ids...)
		for _, name := range family(o.Flow) { // the flows above are refilled, too
			f := sim.flows[name]
			f.asked = append(f.asked, span{first, f.def.Windows().Last(to + f.def.Expr.MaxReach)})
		}
	}
}
