package round

// Flows that read results of flows.
// Before: flows of a fence group, each as its last commit left it.
// After: each flow has gone through the round after all that it reads, over raw
// samples and their results as this round leaves them.
//
//	tier 0   reads raw samples                 sum by (job) (rate(x[5m]))
//	tier 1   reads results of tier 0 as well   avg_over_time(job:x:rate5m[1h])
//	         or its own                        max by (job) (x) or x offset 1m
//	...
//
// Parents and children are stored in one commit and therefore stand at one vector.
// So nothing has to be stored for a child to find out what its parents have
// changed: it is what they change in this very round (results.Feed). Windows that
// closed are an ordered delta, corrections an unordered one, and the windows that
// corrections reach are recomputed before the round ends: a reader who joins the
// tables sees one vector (I8).

import (
	"slices"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowgraph"
	"laminar/flownode/read"
	"laminar/flownode/results"
)

// Cascade is what a fence group knows of how its flows read each other. It belongs
// to the group's goroutine, and lasts from round to round.
type Cascade struct {
	Tables  read.Results // in the snapshot of the round; may be nil if no flow reads another
	Commits read.Commits // the same

	// Absent is the flows of the group that do not take part in the round. Of a flow
	// that was never loaded only the name has to be given. Flows that are connected
	// with one of them are held up: a parent that went on alone would change results
	// that its child never hears of.
	Absent []flowdef.Flow

	records *results.Records
	drawn   []*Flow  // that tiers are of
	absent  []string // titles of Absent, for the same
	tiers   [][]*Flow
	held    []*Flow // flows that are in no tier

	// Series of results that may have a number before all are taken back; 0 when they
	// were in the last round (lapse.go). numbering counts how often that was; widest is of
	// how many flows rounds are.
	most, numbering, widest int

	// Of the round under way.
	below []*Flow         // of the tiers that have been read
	feeds []*results.Feed // of the same
}

// NewCascade knows nothing yet.
func NewCascade() *Cascade { return &Cascade{records: results.NewRecords(), most: fewResults} }

// Held is the flows that the last round held up.
func (c *Cascade) Held() []*Flow { return c.held }

// begin begins a round of the flows and divides them into tiers.
func (c *Cascade) begin(flows []*Flow) [][]*Flow {
	c.draw(flows)
	c.forget(flows)
	c.feeds, c.below = nil, nil
	if n := len(c.tiers); n > 0 && overResults(c.tiers[n-1]) {
		c.records.Next()
		for _, tier := range c.tiers {
			for _, f := range tier {
				if f.depth > 0 && f.seen == 0 {
					f.seen = c.records.Seq() - 1 // what was there before is in the tables
				}
			}
		}
	}
	return c.tiers
}

// overResults reports whether the flows of the tier read results.
func overResults(tier []*Flow) bool { return tier[0].depth > 0 }

// joins tells flows that are computed later of one that is about to be.
func (c *Cascade) joins(f *Flow) {
	c.below, f.tables = append(c.below, f), c.Tables
	if f.feed != nil {
		c.feeds = append(c.feeds, f.feed)
	}
}

// draw finds the tiers, unless the flows are those of the last round.
func (c *Cascade) draw(flows []*Flow) {
	absent := make([]string, len(c.Absent))
	for i, f := range c.Absent {
		absent[i] = f.Title()
	}
	if slices.Equal(flows, c.drawn) && slices.Equal(absent, c.absent) {
		return
	}
	c.drawn, c.absent = slices.Clone(flows), absent
	defs := make([]flowdef.Flow, 0, len(flows)+len(c.Absent))
	for _, f := range flows {
		defs = append(defs, f.Def)
	}
	defs = append(defs, c.Absent...)
	graph := flowgraph.New(defs)
	stops := map[int]bool{}
	for i := len(flows); i < len(defs); i++ {
		stops[graph.Part(i)] = true
	}
	c.tiers, c.held = nil, nil
	for _, tier := range graph.Tiers() {
		var of []*Flow
		for _, i := range tier {
			switch {
			case i >= len(flows):
				continue
			case stops[graph.Part(i)]:
				c.held = append(c.held, flows[i])
				continue
			}
			of = append(of, flows[i])
			c.place(flows, graph, i)
		}
		if len(of) > 0 {
			c.tiers = append(c.tiers, of)
		}
	}
}

// place tells a flow whom it reads and who reads it.
func (c *Cascade) place(flows []*Flow, graph *flowgraph.Graph, i int) {
	f := flows[i]
	reads := make([]*Flow, 0, len(graph.Reads(i)))
	for _, p := range graph.Reads(i) {
		reads = append(reads, flows[p])
	}
	if (!sameFlows(reads, f.reads) || f.depth != graph.Depth(i)) && f.MembersAt != nil {
		f.forgetHistory() // its selectors find other series now
	}
	f.reads, f.depth, f.chain = reads, graph.Depth(i), 0
	f.others = slices.DeleteFunc(slices.Clone(reads), func(p *Flow) bool { return p == f })
	if !cutsShort(f) {
		becomes(f, f.Def.Expr.Whole("it reads a rule that stands after it in its group, and others of its name"))
	}
	if len(reads) == 0 {
		f.seen = 0
	}
	if len(reads)+len(graph.ReadBy(i)) > 0 {
		f.chain = graph.Part(i) + 1
	}
	switch {
	case len(graph.ReadBy(i)) == 0:
		f.feed = nil
	case f.feed == nil:
		f.feed = c.records.NewFeed(&f.Flow)
	}
}

// sameFlows reports whether two lists name the same flows of the catalogue, loaded
// again or not.
func sameFlows(a, b []*Flow) bool {
	return slices.EqualFunc(a, b, func(x, y *Flow) bool { return x.ID == y.ID })
}

// source is what the flows of a tier read: raw samples, results of all flows of tiers
// before it, and their own where they read them.
func (c *Cascade) source(raw read.Source, tier []*Flow) *results.Source {
	feeds := slices.Clone(c.feeds)
	for _, f := range tier {
		if f.readsItself() {
			feeds = append(feeds, f.feed)
		}
	}
	return results.NewSource(raw, c.records, feeds, c.Tables)
}

// together makes results of flows that read each other be stored together: then
// their stored vectors are always the same, and a flow that is loaded can tell by them
// whether it has missed anything.
func together(out []Result) {
	moves := map[int]bool{}
	for i := range out {
		if chain := out[i].Round.Chain; chain != 0 && !out[i].Idle {
			moves[chain] = true
		}
	}
	for i := range out {
		if moves[out[i].Round.Chain] {
			out[i].Idle = false
		}
	}
}
