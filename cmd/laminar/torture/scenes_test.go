package torture

import (
	"slices"

	"laminar/flownode/flowdef"
)

// scenes are operations in an order in which they hurt, one invariant or another,
// that chance alone seldom brings. Every history has a few of them among its
// other operations; those of seeds that follow each other have all.
var scenes = []func(*generator){
	(*generator).twoOwners,
	(*generator).silence,
	(*generator).giveUp,
	(*generator).readers,
	(*generator).overwrites,
	(*generator).forgotten,
	(*generator).overtaken,
	(*generator).tooLate,
	(*generator).limits,
	(*generator).slowSource,
}

const scenesPerHistory = 3

// twoOwners: another node takes the flows over while a round is at its commit,
// and goes further. The round must not be committed any more (I4).
func (g *generator) twoOwners() {
	a := g.rng.IntN(nodes)
	if a > 0 {
		g.start(a)
	}
	g.add(op{Do: doTick, Node: a})
	g.scrape()
	g.advance(8_000) // a round is due whatever the trigger's interval
	then := g.within(func() {
		if g.rng.IntN(2) == 0 {
			g.overwrite(0, g.now, 4)
		}
		g.scrape()
		g.start(1 - a)
		g.add(op{Do: doTick, Node: 1 - a})
	})
	g.add(op{Do: doDuring, Node: a, At: []string{"commit", "commit", "read"}[g.rng.IntN(3)], Then: then})
	g.add(op{Do: doTick, Node: a})
	g.scrape()
	g.add(op{Do: doTick, Node: 1 - a})
	g.add(op{Do: doTick, Node: a})
}

// silence: all windows are closed and nothing goes on any more, so no deadline
// is left to begin a round. Then samples come, and their mirror write is lost
// (I5).
func (g *generator) silence() {
	before := g.now
	g.add(op{Do: doRest})
	g.advance(150*60_000 + g.rng.Int64N(60*60_000))
	g.add(op{Do: doRest})
	if g.rng.IntN(3) == 0 || !g.overwrite(before-10*60_000, before, 6) {
		g.scrape()
	}
	g.lost()
	g.add(op{Do: doRest})
}

// giveUp: samples on both sides of a border are sealed, and those before it are
// given up. Then late ones come, and refills are asked for, just behind it,
// where windows reach across (I6).
func (g *generator) giveUp() {
	if late := day + 15*60_000 - g.now; late > 0 {
		g.advance(late + g.rng.Int64N(60_000))
	}
	if g.border == 0 {
		var ps points
		for s := range g.active {
			for t := day - 8*60_000 + g.rng.Int64N(30_000); t < day+8*60_000; t += 30_000 {
				ps = append(ps, point{s, t, g.next(s)})
			}
		}
		g.send(ps)
		g.add(op{Do: doRest})
		g.add(op{Do: doSeal, Force: true})
		g.border = day
		g.add(op{Do: doRetain, To: day})
	}
	for range 2 {
		g.overwrite(day, day+4*60_000, 8)
		g.send(g.stretch(day+g.rng.Int64N(3*60_000), 40_000))
	}
	g.add(op{Do: doTick, Node: 0})
	for range 6 {
		g.refillFromBorder()
	}
	g.add(op{Do: doRest})
}

// refillFromBorder asks for windows beginning with the first of a flow that can
// be rebuilt, or one or two before it.
func (g *generator) refillFromBorder() {
	def := g.defs[g.flows[g.rng.IntN(len(g.flows))]]
	first := def.Windows().From(origin+g.border-1+def.Expr.MaxReach) - origin
	from := first - g.rng.Int64N(3)*def.Every
	g.add(op{Do: doRefill, Flow: def.Name, From: from - 1, To: from + g.rng.Int64N(5)*def.Every})
}

// readers: a person's transaction, which has touched no table yet, is held while
// what it sees is sealed and its tables are due to be dropped. A snapshot of the
// store has locks on them, so in most of these scenes there is none.
func (g *generator) readers() {
	for range heldAtMost {
		g.add(op{Do: doLetGo})
	}
	g.scrape()
	g.add(op{Do: doHold, Tx: true})
	if g.rng.IntN(4) == 0 {
		g.add(op{Do: doHold})
	}
	g.scrape()
	for range 2 {
		g.add(op{Do: doSeal, Force: true})
	}
	g.add(op{Do: doDrop})
	g.add(op{Do: doLetGo})
}

// overwrites: samples are overwritten before sealing merges them (I3).
func (g *generator) overwrites() {
	from := g.now
	g.scrape()
	for range 1 + g.rng.IntN(2) {
		g.overwrite(from, g.now+1, 12)
	}
	g.add(op{Do: doSeal, Force: true})
}

// forgotten: the owner of flows with dirty windows ends before these are ready
// to be recomputed (I4).
func (g *generator) forgotten() {
	g.scrape()
	g.add(op{Do: doRest})
	if !g.overwrite(g.now-20*60_000, g.now-60_000, 6) {
		g.late()
	}
	g.advance(8_000)
	g.add(op{Do: doTick})
	g.start(0)
	g.add(op{Do: doRest})
}

// overtaken: state is in memory when samples that reach it are sealed unread
// (I7).
func (g *generator) overtaken() {
	g.scrape()
	g.add(op{Do: doTick})
	g.scrape()
	g.lost()
	g.add(op{Do: doSeal, Force: true})
	g.scrape()
	g.advance(8_000)
	g.add(op{Do: doTick})
	g.scrape()
	g.add(op{Do: doTick})
}

// tooLate: samples come too late for closed windows of flows that leave them out, repeated
// and overwriting ones too, while owners end, commits fail and refills take samples in.
func (g *generator) tooLate() {
	var names []string
	for _, name := range g.names {
		if def := g.defs[name]; def.LeavesOutLate() {
			names = append(names, name)
		}
	}
	g.rng.Shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
	names = names[:min(5, len(names))]
	for _, name := range names {
		g.apply(name)
	}
	g.scrape()
	g.advance(8_000)
	g.add(op{Do: doTick})
	for range 3 {
		g.scrape()
	}
	g.add(op{Do: doRest})
	for range 2 + g.rng.IntN(3) {
		from := g.now - 60_000 - g.rng.Int64N(6*60_000)
		g.send(g.stretch(from, 1+g.rng.Int64N(20_000)))
		switch g.rng.IntN(6) {
		case 0, 1: // some of it with other values, in the same round or a later one
			if g.rng.IntN(2) == 0 {
				g.advance(8_000)
				g.add(op{Do: doTick})
			}
			g.overwrite(from, from+30_000, 6)
		case 2:
			g.deliver(g.sent[len(g.sent)-1]) // again
		case 3:
			g.add(op{Do: doSeal, Force: true})
		case 4:
			g.add(op{Do: doFault, Cut: []string{"before", "after"}[g.rng.IntN(2)]})
		}
		g.advance(8_000)
		g.add(op{Do: doTick})
		if g.rng.IntN(3) == 0 {
			g.start(0)
		}
		if len(names) > 0 && g.rng.IntN(3) == 0 {
			g.add(op{Do: doRefill, Flow: names[g.rng.IntN(len(names))], From: from, To: from + 1 + g.rng.Int64N(3*60_000)})
		}
	}
	g.add(op{Do: doRest})
}

// limits: more groups come than a flow may keep, its owner ends, and the limit is changed.
func (g *generator) limits() {
	name := g.one(limitChanges)
	for range 3 {
		g.scrape()
		g.add(op{Do: doTick})
		g.active = min(seriesCount, g.active+3)
		if g.rng.IntN(2) == 0 {
			g.start(0)
		}
	}
	for range 1 + g.rng.IntN(2) {
		g.limit(name)
		g.scrape()
		g.add(op{Do: doTick})
	}
	g.start(0)
	g.late()
	g.add(op{Do: doRest})
}

// slowSource: an instance lags behind all others, and sends now and then. Its flow's owner
// ends meanwhile.
func (g *generator) slowSource() {
	g.one(func(def flowdef.Flow) bool { return def.Watermark != nil && len(def.Relabel) == 0 })
	g.scrape()
	g.add(op{Do: doTick})
	instance := []string{"i0", "i0", "i1"}[g.rng.IntN(3)]
	at := g.now
	for i := range 5 {
		by := 5_000 + g.rng.Int64N(20_000)
		var ps points
		for s := range g.active {
			switch slow := g.series[s].labels.Get("instance") == instance; {
			case !slow:
				ps = append(ps, point{s, g.now + by - g.rng.Int64N(2_000), g.next(s)})
			case i%2 == 0:
				// Not by milliseconds: straight lines are laid through them, see newFlow.
				ps = append(ps, point{s, at + 1000*int64(i), g.next(s)})
			}
		}
		g.advance(by)
		g.send(ps)
		if i%2 == 1 {
			g.start(0)
		}
		g.add(op{Do: doTick})
	}
}

// one is a flow of a kind, which is applied if it is not.
func (g *generator) one(is func(def flowdef.Flow) bool) (name string) {
	var names []string
	for _, name := range g.names {
		if is(g.defs[name]) {
			names = append(names, name)
		}
	}
	name = names[g.rng.IntN(len(names))]
	if !slices.Contains(g.flows, name) {
		g.apply(name)
	}
	return name
}

// limitChanges reports whether histories change the limit of groups of a flow. Where closed
// windows lack samples they do not: it would have to be known which of these the refill
// that goes with it takes in.
func limitChanges(def flowdef.Flow) bool { return def.MaxGroups > 0 && !def.LeavesOutLate() }

// limit changes how many groups of a flow keep a row, or lifts the limit.
func (g *generator) limit(name string) {
	g.add(op{Do: doLimit, Flow: name, Groups: []int64{0, 1, 2, 3, 5, 8}[g.rng.IntN(6)]})
}

// within is the operations that fn makes, for the middle of a round.
func (g *generator) within(fn func()) []op {
	ops, nested := g.ops, g.nested
	g.ops, g.nested = nil, true
	fn()
	then := g.ops
	g.ops, g.nested = ops, nested
	return then
}

// lost makes the last delivery one whose mirror write does not come.
func (g *generator) lost() {
	if o := &g.ops[len(g.ops)-1]; o.Do == doSend {
		o.Hint = false
	}
}

// overwrite is other values, at most n, for samples that were sent with
// from <= time < to. It reports whether there were any.
func (g *generator) overwrite(from, to int64, n int) bool {
	from = max(from, g.border)
	var ps points
	for _, s := range g.rng.Perm(g.active) {
		for _, i := range g.rng.Perm(len(g.past[s]))[:min(len(g.past[s]), 40)] {
			if p := g.past[s][i]; from <= p.t && p.t < to && len(ps) < n {
				p.v = g.next(s)
				ps = append(ps, p)
				if g.rng.IntN(2) == 0 {
					break // another series
				}
			}
		}
	}
	g.send(ps)
	return len(ps) > 0
}
