// Package flowgraph says which flows read the results of which others, and in what
// order they are to be computed.
//
// A flow's results are series: their name is the flow's, their labels are the
// columns. So a flow reads another if one of its selectors may select such a
// series. Selectors that say nothing about the metric's name read raw metrics only:
// otherwise a flow over all metrics of a job would read itself.
//
// The package is pure. It decides by definitions alone, so every process that knows
// the same definitions draws the same graph.
package flowgraph

import (
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"

	"laminar/flownode/flowdef"
)

// Graph is the flows of some definitions, by their place in the list, and who reads
// whom. A flow may read itself: it sees what its earlier windows have given, so that is
// no circle. It is not changed after New.
type Graph struct {
	defs   []flowdef.Flow
	reads  [][]int // by flow: the flows whose results it reads, ascending; it may be one of them
	readBy [][]int // the reverse
	order  []int   // every flow after all others that it reads, if there is no cycle
	depth  []int   // by flow: how many flows stand below it
	cycle  []int   // each reads the next, and the last the first; nil for none
	part   []int   // by flow: the number of its connected part
}

// New draws the graph.
func New(defs []flowdef.Flow) *Graph {
	g := &Graph{
		defs: defs, reads: make([][]int, len(defs)), readBy: make([][]int, len(defs)),
		depth: make([]int, len(defs)), part: make([]int, len(defs)),
	}
	byName := map[string][]int{}
	for i := range defs {
		if defs[i].Alert == nil { // what an alerting rule finds is no series of its name
			byName[defs[i].Name] = append(byName[defs[i].Name], i)
		}
	}
	var targets map[int]*target // made when it is needed: most flows read no other
	for child := range defs {
		for _, parent := range candidates(&defs[child], byName) {
			if targets == nil {
				targets = map[int]*target{}
			}
			if targets[parent] == nil {
				targets[parent] = newTarget(defs[parent])
			}
			if targets[parent].readBy(&defs[child]) {
				g.reads[child] = append(g.reads[child], parent)
				g.readBy[parent] = append(g.readBy[parent], child)
			}
		}
	}
	g.sort()
	g.connect()
	return g
}

// candidates lists, ascending, the flows whose name a selector of the flow lets
// through.
func candidates(f *flowdef.Flow, byName map[string][]int) []int {
	var out []int
	for i := range f.Expr.Leaves {
		l := &f.Expr.Leaves[i]
		if !l.NamesMetric() {
			continue
		}
		if names := l.Names(); names != nil {
			for _, name := range names {
				if l.MaySelect(name) {
					out = append(out, byName[name]...)
				}
			}
			continue
		}
		for name, flows := range byName {
			if l.MaySelect(name) {
				out = append(out, flows...)
			}
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// target is what is known of the labels of a flow's results before there are any.
type target struct {
	name   string
	static map[string]string
	others map[string]bool // labels that a result may have; nil when any
}

func newTarget(f flowdef.Flow) *target {
	t := &target{name: f.Name, static: map[string]string{}}
	for _, l := range f.StaticLabels {
		t.static[l.Name] = l.Value
	}
	if f.Expr.LabelsKnown {
		t.others = map[string]bool{}
		for _, name := range f.Expr.ResultLabels {
			t.others[name] = true
		}
	}
	return t
}

// readBy reports whether some selector of the flow may select a result.
func (t *target) readBy(f *flowdef.Flow) bool {
	for i := range f.Expr.Leaves {
		if l := &f.Expr.Leaves[i]; l.NamesMetric() && l.MaySelect(t.name) && !slices.ContainsFunc(l.Matchers, t.excludes) {
			return true
		}
	}
	return false
}

// excludes reports whether no result can pass the matcher.
func (t *target) excludes(m *labels.Matcher) bool {
	if m.Name == model.MetricNameLabel {
		return !m.Matches(t.name)
	}
	if value, ok := t.static[m.Name]; ok {
		return !m.Matches(value)
	}
	return t.others != nil && !t.others[m.Name] && !m.Matches("")
}

// The states of a flow while the graph is searched.
const (
	unseen = iota
	under  // one of the flows that are being looked at
	seen
)

// sort finds the order, the depths and a cycle if there is one. Flows that read no
// other keep the order of the list, and so do those of one depth.
func (g *Graph) sort() {
	state := make([]int, len(g.defs))
	var path []int
	var visit func(i int)
	visit = func(i int) {
		state[i] = under
		path = append(path, i)
		for _, p := range g.reads[i] {
			if p == i {
				g.depth[i] = max(g.depth[i], 1) // it reads results, if no others
				continue
			}
			switch state[p] {
			case unseen:
				visit(p)
			case under:
				if g.cycle == nil {
					g.cycle = slices.Clone(path[slices.Index(path, p):])
				}
				continue
			}
			g.depth[i] = max(g.depth[i], g.depth[p]+1)
		}
		path = path[:len(path)-1]
		state[i] = seen
		g.order = append(g.order, i)
	}
	for i := range g.defs {
		if state[i] == unseen {
			visit(i)
		}
	}
	slices.SortStableFunc(g.order, func(a, b int) int {
		if g.depth[a] != g.depth[b] {
			return g.depth[a] - g.depth[b]
		}
		return a - b
	})
}

// connect numbers the parts that reading connects.
func (g *Graph) connect() {
	for i := range g.part {
		g.part[i] = -1
	}
	for i := range g.defs {
		if g.part[i] >= 0 {
			continue
		}
		stack := []int{i}
		g.part[i] = i
		for len(stack) > 0 {
			x := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			for _, next := range [][]int{g.reads[x], g.readBy[x]} {
				for _, y := range next {
					if g.part[y] < 0 {
						g.part[y] = i
						stack = append(stack, y)
					}
				}
			}
		}
	}
}

// Reads lists the flows whose results flow i reads, ascending, itself among them where
// it reads its own. It must not be changed.
func (g *Graph) Reads(i int) []int { return g.reads[i] }

// ReadBy lists the flows that read the results of flow i, ascending, itself among them
// where it does. It must not be changed.
func (g *Graph) ReadBy(i int) []int { return g.readBy[i] }

// Leads reports whether flow child reads the results of flow parent.
func (g *Graph) Leads(parent, child int) bool { return slices.Contains(g.reads[child], parent) }

// Depth is how many flows stand below flow i, one on the other: 0 for a flow that
// reads raw metrics only, and 1 for one that reads its own results as well.
func (g *Graph) Depth(i int) int { return g.depth[i] }

// Tiers divides the flows by depth. A flow reads only itself and flows of tiers before
// its own, if there is no cycle. The first tier, of depth 0, may be empty.
func (g *Graph) Tiers() [][]int {
	var out [][]int
	for _, i := range g.order {
		for len(out) <= g.depth[i] {
			out = append(out, nil)
		}
		out[g.depth[i]] = append(out[g.depth[i]], i)
	}
	return out
}

// Part numbers the part of the graph that flow i lies in: flows that reading
// connects have one number, which is the place of the part's first flow.
func (g *Graph) Part(i int) int { return g.part[i] }

// CycleError says that several flows read each other in a circle.
type CycleError struct {
	Titles []string // each reads the next, and the last the first
}

func (e *CycleError) Error() string {
	return fmt.Sprintf("flows read each other in a circle: %s", strings.Join(append(slices.Clone(e.Titles), e.Titles[0]), " reads "))
}

// Cycle returns a cycle and the place of its first flow; nil when there is none.
func (g *Graph) Cycle() (first int, err *CycleError) {
	if g.cycle == nil {
		return -1, nil
	}
	err = &CycleError{}
	for _, i := range g.cycle {
		err.Titles = append(err.Titles, g.defs[i].Title())
	}
	return g.cycle[0], err
}
