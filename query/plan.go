package query

import (
	"context"
	"errors"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	"laminar/query/substitute"
	"laminar/sequence"
)

// A part of a query that is a flow's expression is answered from the flow's rows (package
// substitute says when). It is replaced by a selector of a made-up name:
//
//	topk(3, sum by (job) (rate(m[5m]))) > 5
//	topk(3, _0                        ) > 5
//
// so that whatever else the engine says of the query names the same places in it. The
// samples of _0 are the rows, where they count, and else what the engine gives for the
// part itself, over raw samples of the same snapshot. So all of the query's steps are
// evaluated at once, and each part can be answered from its flow as far as that goes.

// substituting answers a query from flows, as far as they go.
type substituting struct {
	engine      *promql.Engine
	parser      parser.Parser
	expressions *expressions
	r           *reading
	answered    *Answered
}

// Answered is how much was answered from flows: of the steps of the parts of a query that
// are expressions of flows, so many.
type Answered struct{ Steps, FromFlows int64 }

// plan is a query, some parts of which are answered from flows.
type plan struct {
	text  string // with selectors in the place of parts
	parts map[string]*part
}

// part is a part of a query that is answered from a flow.
type part struct {
	text     string // of the part, behind as many spaces as text before it in the query
	flow     *standing
	division *substitute.Division
	from, to int // where it stands in the query's text
}

// standing is a flow with what the snapshot shows of it.
type standing struct {
	answering
	flow     progress.Flow
	coverage *substitute.Coverage
	windows  map[substitute.Times][]progress.Window // rows that were read, by the times that they were read for
}

// plan finds the parts of a query that flows can answer, and reads their rows; nil if there
// are none. The query was parsed from text.
func (s *substituting) plan(ctx context.Context, text string, expr parser.Expr, at substitute.Times, lookback int64) (*plan, error) {
	if !selects(expr) {
		return nil, nil
	}
	snap, err := s.r.snapshot(ctx)
	if err != nil {
		return nil, err
	}
	table, err := s.expressions.table(ctx, snap)
	if err != nil {
		return nil, err
	}
	wanted := map[progress.FlowID]answering{}
	substitute.Walk(expr, at, bareStep, func(e parser.Expr, at substitute.Times) bool {
		for _, a := range table.byForm[substitute.FormOf(e).Text] {
			if a.suits(at, lookback) {
				wanted[a.ID] = a
			}
		}
		return false
	})
	if len(wanted) == 0 {
		return nil, nil
	}
	standings, err := s.standings(ctx, snap, wanted)
	if err != nil {
		return nil, err
	}
	for len(standings) > 0 {
		p := s.divide(text, expr, at, lookback, standings)
		if p == nil {
			return nil, nil
		}
		used, err := s.readRows(ctx, snap, p)
		if err != nil {
			return nil, err
		}
		// Tables that were replaced are noticed after they were read.
		heads, err := snap.Answering(ctx, used)
		if err != nil {
			return nil, err
		}
		gone := 0
		for _, id := range used {
			if !slices.ContainsFunc(heads, func(h progress.Head) bool { return h.ID == id && h.Hash == wanted[id].Hash }) {
				gone++
				for form, list := range standings {
					standings[form] = slices.DeleteFunc(list, func(st *standing) bool { return st.ID == id })
				}
			}
		}
		if gone == 0 {
			return p, nil
		}
	}
	return nil, nil
}

// selects reports whether an expression reads anything.
func selects(expr parser.Expr) (yes bool) {
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		_, selector := node.(*parser.VectorSelector)
		yes = yes || selector
		return nil
	})
	return yes
}

// everything is all times.
var everything = sequence.Span{After: sequence.NoTime, UpTo: math.MaxInt64}

// standings is what the snapshot shows of flows, by the forms of their expressions. Those
// whose rows do not count are left out.
func (s *substituting) standings(ctx context.Context, snap Snapshot, wanted map[progress.FlowID]answering) (map[string][]*standing, error) {
	var names []string
	for _, a := range wanted {
		names = append(names, a.Metrics...)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	// Where a metric is a flow, a query reads the flow.
	flows, err := s.r.named(ctx, names)
	if err != nil {
		return nil, err
	}
	metrics, err := snap.Metrics(ctx, names, everything)
	if err != nil {
		return nil, err
	}
	unusable := map[string]bool{}
	ids, nameOf := map[string]sequence.MetricID{}, map[sequence.MetricID]string{}
	for i := range flows {
		unusable[flows[i].Def.Name] = unusable[flows[i].Def.Name] || flows[i].Def.Alert == nil
	}
	for _, m := range metrics {
		ids[m.Name], nameOf[m.ID] = m.ID, m.Name
		if slices.Contains(s.r.pos.Histograms, m.ID) {
			unusable[m.Name] = true
		}
	}
	out := map[string][]*standing{}
	for _, a := range wanted {
		if slices.ContainsFunc(a.Metrics, func(name string) bool { return unusable[name] }) {
			continue
		}
		st, err := s.standing(ctx, snap, a, ids, nameOf)
		if err != nil {
			return nil, err
		}
		if st != nil {
			out[a.Text] = append(out[a.Text], st)
		}
	}
	for _, list := range out {
		slices.SortFunc(list, func(a, b *standing) int { return int(a.ID) - int(b.ID) })
	}
	return out, nil
}

// standing is what the snapshot shows of a flow; nil if its rows do not count.
func (s *substituting) standing(ctx context.Context, snap Snapshot, a answering, ids map[string]sequence.MetricID, nameOf map[sequence.MetricID]string) (*standing, error) {
	flow, err := snap.Flow(ctx, a.ID)
	if errors.Is(err, progress.ErrFlowGone) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if err := snap.CheckHistory(ctx, flow.Vector, flow.Flushes); err != nil {
		if errors.Is(err, sequence.ErrHistoryChanged) {
			return nil, nil // the flow will notice
		}
		return nil, err
	}
	jobs, err := snap.PendingRefills(ctx, a.ID)
	if err != nil {
		return nil, err
	}
	stands := substitute.Standing{Flow: &flow, Earliest: s.r.pos.Earliest, Now: s.r.pos.Now}
	for _, j := range jobs {
		stands.Refills = append(stands.Refills, sequence.Span{After: j.NextT, UpTo: j.To})
	}
	var metrics []sequence.MetricID
	for _, name := range a.Metrics {
		if id, ok := ids[name]; ok {
			metrics = append(metrics, id)
		}
	}
	infos, err := snap.Infos(ctx, metrics, flow.Vector)
	if err != nil {
		return nil, err
	}
	for i := range infos {
		stands.Unread = append(stands.Unread, substitute.Unread{Metric: nameOf[infos[i].Metric], Span: infos[i].Span()})
	}
	return &standing{answering: a, flow: flow, coverage: substitute.NewCoverage(stands), windows: map[substitute.Times][]progress.Window{}}, nil
}

// divide replaces the largest parts that flows can answer for some of their times; nil
// where there are none.
func (s *substituting) divide(text string, expr parser.Expr, at substitute.Times, lookback int64, standings map[string][]*standing) *plan {
	p := &plan{text: text, parts: map[string]*part{}}
	stand := map[string]string{} // forms of the parts, by their names
	name := freeName(expr)
	substitute.Walk(expr, at, bareStep, func(e parser.Expr, at substitute.Times) bool {
		form := substitute.FormOf(e).Text
		var best *part
		for _, st := range standings[form] {
			if !st.suits(at, lookback) {
				continue
			}
			d := substitute.Divide(at, st.coverage, st.flow.Def.Expr.MaxReach)
			if d.FromFlow > 0 && (best == nil || d.FromFlow > best.division.FromFlow) {
				best = &part{flow: st, division: d}
			}
		}
		if best == nil {
			return false
		}
		place, as := e.PositionRange(), name()
		best.from, best.to = int(place.Start), int(place.End)
		if best.from < 0 || best.to > len(text) || best.to-best.from < len(as) {
			return false
		}
		p.parts[as], stand[as] = best, form
		return true
	})
	if len(p.parts) == 0 {
		return nil
	}
	for as, one := range p.parts {
		one.text = strings.Repeat(" ", one.from) + text[one.from:one.to]
		p.text = p.text[:one.from] + as + strings.Repeat(" ", one.to-one.from-len(as)) + p.text[one.to:]
	}
	return s.checked(p, expr, stand)
}

// checked is the plan, nil if its texts are not what they should be: places are the parser's.
func (s *substituting) checked(p *plan, expr parser.Expr, stand map[string]string) *plan {
	whole, err := s.parser.ParseExpr(p.text)
	if err != nil || !substitute.Same(expr, whole, stand) {
		return nil
	}
	for as, one := range p.parts {
		e, err := s.parser.ParseExpr(one.text)
		if err != nil || substitute.FormOf(e).Text != stand[as] {
			return nil
		}
	}
	return p
}

// freeName gives names that no selector of the query has.
func freeName(expr parser.Expr) func() string {
	taken := map[string]bool{}
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		if s, ok := node.(*parser.VectorSelector); ok {
			for _, name := range namesOf(s.LabelMatchers) {
				taken[name] = true
			}
		}
		return nil
	})
	n := -1
	return func() string {
		for {
			n++
			if name := "_" + strconv.FormatInt(int64(n), 36); !taken[name] {
				return name
			}
		}
	}
}

// readRows reads the rows of the parts, and returns the flows that they are of.
func (s *substituting) readRows(ctx context.Context, snap Snapshot, p *plan) ([]progress.FlowID, error) {
	var used []progress.FlowID
	for _, one := range p.parts {
		st, d := one.flow, one.division
		if !slices.Contains(used, st.ID) {
			used = append(used, st.ID)
		}
		if _, read := st.windows[d.Times]; read {
			continue
		}
		first, last := d.FlowSpan()
		windows, err := snap.Results(ctx, st.ID, sequence.Between(first, last))
		if err != nil {
			return nil, err
		}
		rows := 0
		for i := range windows {
			rows += len(windows[i].Rows)
		}
		if err := s.r.Take(rows, int64(rows)*rowBytes); err != nil {
			return nil, err
		}
		st.windows[d.Times] = windows
	}
	return used, nil
}

// layout is how the flow's rows are columns.
func (st *standing) layout() *flowdef.Layout { return flowdef.NewLayout(st.flow.Def) }
