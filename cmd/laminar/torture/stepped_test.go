package torture

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"

	"laminar/flownode"
	"laminar/ingest"
	"laminar/sqlstore/sqltest"
)

// stepped drives the flownodes by the history's goroutine, round by round, on a
// clock that only operations move. A delivery has landed when the next operation
// begins. So a history determines all that matters, and is shrunk when it fails.
type stepped struct {
	sim     *simulation
	nodes   map[*node]*steppedNode
	restart map[*node]*op // nodes that end in the middle of their step
	watch   progressWatch
	readers []*subscriber
}

func newStepped(sim *simulation) driver {
	return &stepped{sim: sim, nodes: map[*node]*steppedNode{}, restart: map[*node]*op{}, watch: progressWatch{}, readers: newSubscribers()}
}

// steppedNode is the process of a node.
type steppedNode struct {
	*flownode.Stepper
	looks int64  // at the clock, in this step
	busy  bool   // in a step
	at    string // where then happens, in this step
	then  []op

	mu   sync.Mutex
	said []string // complaints since the last step began
}

func (d *stepped) configure(*ingest.Config) {}

func (d *stepped) at(clock int64, _ time.Time) int64 { return clock }

func (d *stepped) begin(k *node, cfg flownode.Config) {
	p := &steppedNode{}
	cfg.Logger = slog.New(complaints{p})
	// Every look at the clock takes a millisecond, so budgets run out where the
	// history says.
	cfg.Now = func() time.Time {
		p.looks++
		return time.UnixMilli(d.sim.clock.Load() + p.looks)
	}
	var err error
	if p.Stepper, err = flownode.NewStepper(cfg); err != nil {
		d.sim.t.Fatal(err)
	}
	k.reach = func(place string) error { return d.reach(k, p, place) }
	d.nodes[k] = p
}

func (d *stepped) end(*node) {}

func (d *stepped) drive(k *node, o op) {
	p := d.nodes[k]
	busy := k.store != nil && p.busy
	switch o.Do {
	case doStart:
		if busy {
			d.restart[k] = &o
		} else {
			k.start(o)
		}
	case doStop:
		if !busy {
			k.down()
		}
	case doTick:
		d.tick(k)
	case doHint:
		d.step(k, func(p *steppedNode) time.Duration {
			p.Wake()
			return p.Step(k.ctx)
		})
	case doStep:
		d.step(k, func(p *steppedNode) time.Duration { return p.Step(k.ctx) })
	case doFault:
		k.failNext(o.Cut)
	case doDuring:
		if k.store != nil && !busy {
			p.at, p.then = o.At, o.Then
			d.tick(k)
		}
	}
}

// step lets the flownode do something. A start of the node in the middle of it
// ends the process; then the next one begins here.
func (d *stepped) step(k *node, fn func(*steppedNode) time.Duration) (wait time.Duration) {
	p := d.nodes[k]
	if k.store == nil || p.busy {
		return time.Hour
	}
	p.busy = true
	faulty := k.fault != sqltest.CutNever || len(p.then) > 0
	p.said, p.looks = nil, 0
	wait = fn(p)
	p.busy = false
	p.at, p.then = "", nil
	if next := d.restart[k]; next != nil {
		delete(d.restart, k)
		k.start(*next)
		return 0
	}
	if len(p.said) > 0 && !faulty && len(d.sim.up()) == 1 {
		d.sim.t.broken("error", "a round failed without a cause: %s", strings.Join(p.said, "; "))
	}
	return wait
}

// tick is what a leader does every poll interval.
func (d *stepped) tick(k *node) time.Duration {
	return d.step(k, func(p *steppedNode) time.Duration {
		if err := p.Poll(k.ctx); err != nil && k.ctx.Err() == nil {
			p.complain("poll: " + err.Error())
		}
		return p.Step(k.ctx)
	})
}

// reach makes happen what the history wants at a place of the round.
func (d *stepped) reach(k *node, p *steppedNode, place string) error {
	if p.at == place {
		then := p.then
		p.at, p.then = "", nil
		for _, o := range then {
			d.sim.do(o)
			// What another node has committed there must not be undone by this one.
			d.sim.must(d.sim.look(d.sim.t.ctx, d.watch.check))
		}
	}
	if d.restart[k] != nil {
		k.crash()
	}
	return k.ctx.Err()
}

func (d *stepped) send(o op, ps points) {
	d.sim.deliver(o, ps)
	if !o.Hint {
		return
	}
	for _, k := range d.sim.up() {
		for region, seq := range d.sim.model.vector {
			d.nodes[k].Hint(region, seq)
		}
	}
}

func (d *stepped) committed() { d.sim.noteCommits() }

func (d *stepped) join() {}

// settle lets one flownode work until nothing is left to do: hints are lost, polls
// find everything, and nothing but time helps.
func (d *stepped) settle() {
	up := d.sim.up()
	for _, k := range up[1:] {
		k.down()
	}
	for waited := int64(0); ; {
		wait := d.tick(up[0]).Milliseconds()
		d.sim.t.stop()
		if wait == 0 {
			continue
		}
		why := d.sim.unrest()
		if why == "" {
			return
		}
		if waited > restAtMost {
			d.sim.t.broken("liveness", "after %d s in which nothing came: %s", waited/1000, why)
			d.sim.t.stop()
		}
		wait = min(max(wait, 1), pollInterval)
		waited += wait
		d.sim.pass(wait)
	}
}

// still: what happens in the middle of a round is known.
func (d *stepped) still() bool { return true }

func (d *stepped) check(o op) {
	d.sim.checkSamples(o)
	d.sim.must(d.sim.look(d.sim.t.ctx, func(l *look) {
		d.watch.check(l)
		l.checkTables()
		for _, s := range d.readers {
			s.follow(l)
		}
	}))
}

func (p *steppedNode) complain(text string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.said = append(p.said, text)
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
type complaints struct{ k *steppedNode }

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
