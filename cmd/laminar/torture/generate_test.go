package torture

import (
	"math"
	"math/rand/v2"
	"slices"

	"laminar/flownode/flowdef"
	"laminar/sequence/segment"
	"laminar/sqlstore/sqltest"
)

// How histories are made.
const (
	stepsPerHistory = 26 // beside the scenes
	flowsAtFirst    = 12
	ingesters       = 2
	nodes           = 2
)

// generator makes a history from a seed. It knows nothing of what happens when
// the history is carried out, so an operation is the same whatever is left out
// around it.
type generator struct {
	rng      *rand.Rand
	series   []modelSeries
	defs     map[string]flowdef.Flow // of flows.yml
	names    []string                // those of defs that this history may apply
	ops      []op
	now      int64 // ms since origin: the clock of the history
	begin    int64
	active   int // series that exist by now
	value    []float64
	past     [][]point // by series: what was sent
	sent     []points
	flows    []string // that are applied
	mixed    bool     // gauges turn into native histograms now and then
	border   int64    // samples before it have been given up
	paused   int      // region of the flush that is paused or in limbo, 0 for none
	ingester int      // of that flush
	nested   bool
}

// costly is flows of which a sample reaches a thousand windows: few histories
// have them.
var costly = []string{"many_panes"}

// generate is the history of a seed over the flows.
func generate(seed uint64, flows []flowdef.Flow) []op {
	rng := rand.New(rand.NewPCG(seed, 2))
	g := &generator{
		rng: rng, series: allSeries(), defs: map[string]flowdef.Flow{}, active: 8,
		value: make([]float64, seriesCount), past: make([][]point, seriesCount),
	}
	all := rng.IntN(8) == 0
	for _, f := range flows {
		g.defs[f.Name] = f
		if all || !slices.Contains(costly, f.Name) {
			g.names = append(g.names, f.Name)
		}
	}
	g.mixed = rng.IntN(4) == 0
	// So that a day's border is crossed: sealed samples are in partitions by day.
	g.begin = day - rng.Int64N(40*60_000)
	g.now = g.begin
	g.add(op{Do: doClock, By: g.now})
	for _, i := range rng.Perm(len(g.names))[:min(flowsAtFirst, len(g.names))] {
		g.apply(g.names[i])
	}
	for n := range nodes {
		if n == 0 || rng.IntN(2) == 0 {
			g.start(n)
		}
	}
	when := rng.Perm(stepsPerHistory)[:scenesPerHistory]
	for i := range stepsPerHistory {
		g.step()
		if k := slices.Index(when, i); k >= 0 {
			scenes[(seed*scenesPerHistory+uint64(k))%uint64(len(scenes))](g)
		}
	}
	g.add(op{Do: doRest})
	return g.ops
}

func (g *generator) add(o op) { g.ops = append(g.ops, o) }

func (g *generator) apply(name string) {
	g.flows = append(g.flows, name)
	g.add(op{Do: doApply, Flow: name, Backfill: g.rng.IntN(3) == 0})
}

func (g *generator) start(n int) {
	g.add(op{Do: doStart, Node: n,
		Executor: string([]flowdef.Executor{flowdef.ExecutorColumnar, flowdef.ExecutorPushdown, flowdef.ExecutorAuto}[g.rng.IntN(3)]),
		State:    []int64{0, 0, 3 << 10}[g.rng.IntN(3)],
		Tight:    g.rng.IntN(4) == 0,
	})
}

// step is one operation, or a few that belong together.
func (g *generator) step() {
	switch p := g.rng.IntN(100); {
	case p < 34:
		g.ingest()
	case p < 56:
		g.work()
	case p < 61:
		g.add(op{Do: doClock, By: []int64{500, 2_500, 12_000, 40_000, 70_000}[g.rng.IntN(5)]})
		g.now += g.ops[len(g.ops)-1].By
	case p < 68:
		g.storage()
	case p < 72:
		g.add(op{Do: doHold, Tx: g.rng.IntN(2) == 0})
	case p < 75:
		g.add(op{Do: doLetGo})
	case p < 80:
		g.refill()
	case p < 84:
		g.start(g.node())
	case p < 86:
		g.add(op{Do: doRestart, Ingester: g.rng.IntN(ingesters)})
	case p < 91:
		g.hang()
	case p < 94:
		g.catalogue()
	case p < 96:
		g.retain()
	case p < 98:
		g.add(op{Do: doRest})
	default:
		g.seldom()
	}
}

// node is mostly the first: the other one is the owner by mistake.
func (g *generator) node() int { return max(0, g.rng.IntN(5)-3) }

// work lets a flownode do something.
func (g *generator) work() {
	n := g.node()
	switch p := g.rng.IntN(100); {
	case p < 45:
		g.add(op{Do: doTick, Node: n})
	case p < 60:
		g.add(op{Do: doHint, Node: n})
	case p < 68:
		g.add(op{Do: doStep, Node: n})
	case p < 78:
		g.add(op{Do: doFault, Node: n, Cut: []string{"before", "after"}[g.rng.IntN(2)]})
		g.add(op{Do: doTick, Node: n})
	default:
		g.during(n)
	}
}

// during is what happens in the middle of a round of a flownode.
func (g *generator) during(n int) {
	then := g.within(func() {
		for range 1 + g.rng.IntN(3) {
			switch p := g.rng.IntN(100); {
			case p < 30:
				g.ingest()
			case p < 50:
				g.add(op{Do: doTick, Node: 1 - n})
			case p < 75:
				g.storage()
			case p < 83:
				g.refill()
			case p < 90:
				g.start(n) // it ends in the middle of the round
			case p < 95:
				g.retain()
			default:
				g.catalogue()
			}
		}
	})
	g.add(op{Do: doDuring, Node: n, At: []string{"snapshot", "read", "commit", "committed"}[g.rng.IntN(4)], Then: then})
}

func (g *generator) storage() {
	switch p := g.rng.IntN(10); {
	case p < 3:
		g.add(op{Do: doFreeze})
	case p < 9:
		g.add(op{Do: doSeal, Force: g.rng.IntN(4) > 0})
	default:
		g.add(op{Do: doDrop})
	}
}

// hang stops a flush before or in its commit while others go on: commits in
// another order than they began, and one whose outcome is not known for long.
func (g *generator) hang() {
	g.paused, g.ingester = 1+g.rng.IntN(sqltest.Regions), g.rng.IntN(ingesters)
	what := []string{doPause, doPause, doLimbo}[g.rng.IntN(3)]
	g.scrape()
	last := &g.ops[len(g.ops)-1]
	if last.Do != doSend {
		return
	}
	last.Do, last.Ingester, last.Region, last.Cut = what, g.ingester, g.paused, ""
	for range 1 + g.rng.IntN(4) {
		switch g.rng.IntN(5) {
		case 0, 1:
			g.ingest()
			if o := &g.ops[len(g.ops)-1]; o.Do == doSend && g.rng.IntN(2) == 0 {
				o.Do, o.Ingester, o.Region, o.Cut = doQueue, 1-g.ingester, g.paused, ""
			}
		default:
			g.add(op{Do: doTick, Node: g.node()})
		}
	}
	g.add(op{Do: doRelease})
	g.paused = 0
}

func (g *generator) catalogue() {
	name := g.names[g.rng.IntN(len(g.names))]
	switch {
	case limitChanges(g.defs[name]) && slices.Contains(g.flows, name):
		g.limit(name)
	case g.rng.IntN(4) == 0 && len(g.flows) > 2:
		g.add(op{Do: doDelete, Flow: g.flows[g.rng.IntN(len(g.flows))]})
	default:
		g.flows = append(g.flows, name)
		g.add(op{Do: doApply, Flow: name, Backfill: g.rng.IntN(2) == 0, Replace: g.rng.IntN(2) == 0})
	}
}

func (g *generator) refill() {
	if g.rng.IntN(10) == 0 {
		g.add(op{Do: doCancel})
		return
	}
	from := g.begin - 600_000 + g.rng.Int64N(g.now-g.begin+600_000)
	g.add(op{Do: doRefill, Flow: g.flows[g.rng.IntN(len(g.flows))], From: from, To: from + 1 + g.rng.Int64N(900_000)})
}

// retain gives up the first day once what happens lies well in the second one.
func (g *generator) retain() {
	if g.border != 0 || g.now < day+15*60_000 {
		if g.nested {
			return
		}
		g.advance(g.rng.Int64N(25 * 60_000))
		return
	}
	g.border = day
	g.add(op{Do: doRetain, To: day})
}

// advance is time without samples.
func (g *generator) advance(by int64) {
	g.now += by
	g.add(op{Do: doClock, By: by})
}

// seldom is what changes the rest of a history.
func (g *generator) seldom() {
	switch g.rng.IntN(3) {
	case 0: // hours of backlog of some series arrive at once
		from := g.begin + g.rng.Int64N(3_600_000)
		if g.rng.IntN(2) == 0 {
			g.advance(g.rng.Int64N(5 * 3_600_000))
		}
		var ps points
		every := max(15_000, (g.now-from)/30)
		for t := from + g.rng.Int64N(every); t <= g.now; t += every {
			for s := g.rng.IntN(4); s < g.active; s += 1 + g.rng.IntN(4) {
				ps = append(ps, point{s, t, g.next(s)})
			}
		}
		g.send(ps)
	case 1:
		g.advance(g.rng.Int64N(2 * 3_600_000))
	default:
		if g.nested {
			return
		}
		g.add(op{Do: doStop, Node: 0}) // until something starts it; sealing overtakes the flows
		for range 2 + g.rng.IntN(3) {
			g.ingest()
			g.storage()
		}
		g.start(0)
	}
}

// ingest is one delivery.
func (g *generator) ingest() {
	switch p := g.rng.IntN(100); {
	case p < 50:
		g.scrape()
	case p < 70:
		g.late()
	case p < 82:
		g.again()
	case p < 90 && len(g.sent) > 0:
		g.deliver(g.sent[g.rng.IntN(len(g.sent))])
	case p < 94:
		g.ahead()
	default:
		g.edge()
	}
}

// send remembers and delivers samples.
func (g *generator) send(ps points) {
	kept := ps[:0]
	for _, p := range ps {
		if p.t >= g.border && p.t >= 0 {
			kept = append(kept, p)
		}
	}
	if ps = kept; len(ps) == 0 {
		return
	}
	for _, p := range ps {
		g.past[p.series] = append(g.past[p.series], p)
	}
	g.sent = append(g.sent, ps)
	g.deliver(ps)
}

func (g *generator) deliver(ps points) {
	o := op{Do: doSend, Ingester: g.rng.IntN(ingesters), Samples: ps, Hint: g.rng.IntN(2) == 0}
	if g.rng.IntN(6) == 0 {
		o.Cut, o.Region = []string{"copy", "before", "after"}[g.rng.IntN(3)], 1+g.rng.IntN(sqltest.Regions)
	}
	g.add(o)
}

// next is what a series says next: counters with resets, gauges of eighths
// (their sums are exact), native histograms, and now and then what is no number.
func (g *generator) next(s int) float64 {
	v := &g.value[s]
	switch p := g.rng.IntN(100); {
	case p < 2:
		return segment.Stale()
	case p < 4 && g.gauge(s):
		return []float64{math.NaN(), math.Inf(1), math.Inf(-1)}[g.rng.IntN(3)]
	case g.series[s].histogram && p < 5 || g.mixed && g.gauge(s) && p > 94: // the other kind
		*v = float64(g.rng.IntN(200))
		if g.gauge(s) {
			return histogramValue(uint32(*v))
		}
	case g.series[s].histogram:
		if *v += float64(g.rng.IntN(50)); p < 12 {
			*v = float64(g.rng.IntN(5))
		}
		return histogramValue(uint32(*v))
	case g.series[s].counter && p < 10:
		*v = float64(g.rng.IntN(5))
	case g.series[s].counter:
		*v += float64(g.rng.IntN(50))
	default:
		*v = float64(g.rng.IntN(2000)-1000) / 8
	}
	return *v
}

func (g *generator) gauge(s int) bool { return !g.series[s].counter && !g.series[s].histogram }

// stretch is samples of most series in (from, from+span], some exactly on a
// border of windows.
func (g *generator) stretch(from, span int64) points {
	var out points
	for s := range g.active {
		if g.rng.IntN(4) == 0 {
			continue
		}
		for t := from + 1 + g.rng.Int64N(15_000); t <= from+span; t += 15_000 {
			at := t
			if g.rng.IntN(5) == 0 {
				at -= at % 30_000
			}
			out = append(out, point{s, at, g.next(s)})
		}
	}
	return out
}

// scrape is what came since a moment ago.
func (g *generator) scrape() {
	span := 1 + g.rng.Int64N(90_000)
	ps := g.stretch(g.now, span)
	g.advance(span)
	g.send(append(ps, point{g.rng.IntN(g.active), g.now, 1}))
	g.active = min(seriesCount, g.active+g.rng.IntN(2))
}

// late is samples of up to twenty minutes ago, seldom of long ago, of all
// series or of one.
func (g *generator) late() {
	back := g.rng.Int64N(20 * 60_000)
	if g.rng.IntN(10) == 0 {
		back = g.rng.Int64N(g.now - g.begin + 3_600_000)
	}
	ps := g.stretch(g.now-back, g.rng.Int64N(40_000))
	if len(ps) > 0 && g.rng.IntN(2) == 0 {
		s, one := ps[g.rng.IntN(len(ps))].series, points{}
		for _, p := range ps {
			if p.series == s {
				one = append(one, p)
			}
		}
		ps = one
	}
	g.send(ps)
}

// again is samples that are there already, with the same or another value.
func (g *generator) again() {
	s := g.rng.IntN(g.active)
	var ps points
	for range min(len(g.past[s]), 1+g.rng.IntN(8)) {
		p := g.past[s][g.rng.IntN(len(g.past[s]))]
		if g.rng.IntN(2) == 0 {
			p.v = g.next(s)
		}
		ps = append(ps, p)
		if g.rng.IntN(5) == 0 { // twice in one request: the later one counts
			p.v = g.next(s)
			ps = append(ps, p)
		}
	}
	g.send(ps)
}

// ahead is samples of senders whose clocks are fast.
func (g *generator) ahead() {
	g.send(g.stretch(g.now+g.rng.Int64N(500_000), g.rng.Int64N(60_000)))
}

// edge is samples on the borders of windows, and a millisecond off them. Those
// that straight lines are laid through are left out: see flow.bound.
func (g *generator) edge() {
	var ps points
	end := g.now - g.now%60_000 - 60_000*g.rng.Int64N(5)
	for range 1 + g.rng.IntN(6) {
		s := 6 + g.rng.IntN(g.active-6)
		ps = append(ps, point{s, end + g.rng.Int64N(3) - 1, g.next(s)})
	}
	g.send(ps)
}
