package query

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"

	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	"laminar/query/room"
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
	engines     engines
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

	points int // of rows, that were counted for the parts
}

// part is a part of a query that is answered from a flow.
type part struct {
	flow     *standing
	division *substitute.Division
	exact    bool                  // it is the flow's expression
	derived  substitute.Derivation // otherwise
	from, to int                   // what is replaced in the query's text
	text     string                // what the flow's rows stand for, for the engine
	form     string                // of what is replaced
	whole    string                // of text
}

// standing is a flow that could answer, with what the snapshot shows of it.
type standing struct {
	answering
	flow     progress.Flow
	coverage *substitute.Coverage
	windows  map[substitute.Times][]progress.Window // rows that were read, by the times that they were read for; nil where they were too many
	rows     int                                    // how many windows hold

	divisions map[substitute.Times]*substitute.Division
}

// plan finds the parts of a query that flows can answer, and reads their rows; nil if there
// are none. The query was parsed from text.
func (s *substituting) plan(ctx context.Context, text string, expr parser.Expr, at substitute.Times, lookback int64) (*plan, error) {
	if !selects(expr) || len(text) > longestText || nodesOf(expr) > mostNodes {
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
	substitute.Walk(expr, at, room.BareStep, func(e parser.Expr, at substitute.Times) bool {
		if ctx.Err() != nil {
			return true // the query has ended
		}
		for _, a := range table.able(e, at, lookback) {
			wanted[a.id] = a
		}
		return false
	})
	if len(wanted) == 0 || ctx.Err() != nil {
		return nil, ctx.Err()
	}
	standings, err := s.standings(ctx, snap, wanted)
	if err != nil {
		return nil, err
	}
	for len(standings) > 0 {
		p := s.divide(text, expr, at, lookback, standings)
		if p == nil {
			break
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
		counts := func(st *standing) bool {
			return st.windows != nil && (!slices.Contains(used, st.id) || slices.ContainsFunc(heads, func(h progress.Head) bool { return h.ID == st.id && h.Hash == st.hash }))
		}
		if !slices.ContainsFunc(standings, func(st *standing) bool { return !counts(st) }) {
			return p, nil
		}
		s.r.giveBack(perPoint*p.points, int64(perPoint*p.points)*pointBytes)
		standings = slices.DeleteFunc(standings, func(st *standing) bool {
			if counts(st) {
				return false
			}
			s.letGo(st)
			return true
		})
	}
	for _, st := range standings {
		s.letGo(st)
	}
	return nil, nil
}

// Longer expressions are not looked at for parts: each part is compared as a whole.
const (
	mostNodes   = 1_000
	longestText = 64 << 10 // bytes
)

// nodesOf is how many nodes an expression has.
func nodesOf(expr parser.Expr) (n int) {
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		if node != nil {
			n++
		}
		return nil
	})
	return n
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

// standings is what the snapshot shows of flows, in the order in which they were made. Those
// whose rows do not count are left out.
func (s *substituting) standings(ctx context.Context, snap Snapshot, wanted map[progress.FlowID]answering) ([]*standing, error) {
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
	ids := map[string]sequence.MetricID{}
	for i := range flows {
		unusable[flows[i].Def.Name] = unusable[flows[i].Def.Name] || flows[i].Def.Alert == nil
	}
	for _, m := range metrics {
		ids[m.Name] = m.ID
		if slices.Contains(s.r.pos.Histograms, m.ID) {
			unusable[m.Name] = true
		}
	}
	var out []*standing
	for _, a := range wanted {
		if slices.ContainsFunc(a.Metrics, func(name string) bool { return unusable[name] }) {
			continue
		}
		st, err := s.standing(ctx, snap, a, ids)
		if err != nil {
			return nil, err
		}
		if st != nil {
			out = append(out, st)
		}
	}
	slices.SortFunc(out, func(a, b *standing) int { return int(a.id) - int(b.id) })
	return out, nil
}

// standing is what the snapshot shows of a flow; nil if its rows do not count.
func (s *substituting) standing(ctx context.Context, snap Snapshot, a answering, metrics map[string]sequence.MetricID) (*standing, error) {
	flow, err := snap.Flow(ctx, a.id)
	if errors.Is(err, progress.ErrFlowGone) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	err = snap.CheckHistory(ctx, flow.Vector, flow.Flushes)
	if errors.Is(err, sequence.ErrHistoryChanged) {
		return nil, nil // the flow will notice
	}
	if err != nil {
		return nil, err
	}
	jobs, err := snap.PendingRefills(ctx, a.id)
	if err != nil {
		return nil, err
	}
	stands := substitute.Standing{Flow: &flow, Earliest: s.r.pos.Earliest, Now: s.r.pos.Now}
	for _, j := range jobs {
		stands.Refills = append(stands.Refills, sequence.Span{After: j.NextT, UpTo: j.To})
	}
	own := map[sequence.MetricID]string{}
	for _, name := range a.Metrics {
		if id, stored := metrics[name]; stored {
			own[id] = name
		}
	}
	if stands.Unread, err = s.unread(ctx, snap, own, flow.Vector); err != nil {
		return nil, err
	}
	return &standing{answering: a, flow: flow, coverage: substitute.NewCoverage(stands), windows: map[substitute.Times][]progress.Window{}, divisions: map[substitute.Times]*substitute.Division{}}, nil
}

// divide replaces the largest parts that flows can answer for some of their times; nil
// where there are none.
func (s *substituting) divide(text string, expr parser.Expr, at substitute.Times, lookback int64, standings []*standing) *plan {
	p := &plan{parts: map[string]*part{}}
	name := freeName(expr)
	edited, counted := []byte(text), []byte(text)
	substitute.Walk(expr, at, room.BareStep, func(e parser.Expr, at substitute.Times) bool {
		best := bestPart(e, at, lookback, standings)
		if best == nil {
			return false
		}
		as := name()
		if !best.place(text, e) || best.to-best.from < len(as) {
			return false
		}
		if best.derived.Again && best.derived.As != e.(*parser.AggregateExpr).Op {
			// count becomes sum, which is no longer.
			op := int(e.PositionRange().Start)
			for _, text := range [][]byte{edited, counted} {
				copy(text[op:], fmt.Sprintf("%-*s", len(e.(*parser.AggregateExpr).Op.String()), best.derived.As))
			}
		}
		copy(edited[best.from:], as+strings.Repeat(" ", best.to-best.from-len(as)))
		p.parts[as] = best
		return true
	})
	if len(p.parts) == 0 {
		return nil
	}
	p.text = string(edited)
	return s.checked(p, string(counted))
}

// bestPart is the part of a query by the flow that gives most of its times, of several the
// one that has its expression or the fewest groups; nil where none gives any.
func bestPart(e parser.Expr, at substitute.Times, lookback int64, standings []*standing) (best *part) {
	form, shape := substitute.FormOf(e).Text, substitute.ShapeOf(e)
	for _, st := range standings {
		one := &part{flow: st, exact: st.Text == form}
		if !one.exact {
			if shape == nil || st.Shape == nil {
				continue
			}
			var ok bool
			if one.derived, ok = substitute.Derive(shape, st.Shape); !ok {
				continue
			}
		}
		if !st.suits(at, lookback) {
			continue
		}
		reach := st.flow.Def.Expr.MaxReach
		if one.division = st.divisions[at]; one.division == nil {
			one.division = substitute.Divide(at, st.coverage, reach)
			st.divisions[at] = one.division
		}
		if d := one.division; d.FromFlow > 0 && (d.Only > 0 || st.Worth(at, reach)) && one.better(best) {
			best = one
		}
	}
	return best
}

// better reports whether a part is a better choice than another, which may be nil.
func (one *part) better(than *part) bool {
	switch {
	case than == nil:
		return true
	case one.division.FromFlow != than.division.FromFlow:
		return one.division.FromFlow > than.division.FromFlow
	case one.exact || than.exact:
		return one.exact && !than.exact
	}
	return one.flow.coarser(than.flow.expression)
}

// place sets where a part stands in the query's text, and what it is for the engine: the
// text itself, behind as many spaces as text before it. It reports whether that can be.
func (one *part) place(text string, e parser.Expr) bool {
	whole := e
	if one.derived.Again {
		shape := substitute.ShapeOf(e)
		e = shape.Inner()
		whole = one.flow.Shape.Over(e)
	}
	place := e.PositionRange()
	if one.from, one.to = int(place.Start), int(place.End); one.from < 0 || one.to > len(text) || one.from >= one.to {
		return false
	}
	one.form = substitute.FormOf(e).Text
	one.text = strings.Repeat(" ", one.from) + text[one.from:one.to]
	if one.derived.Again {
		before, behind := one.flow.Shape.Around()
		one.text = strings.Repeat(" ", max(0, one.from-len(before))) + before + text[one.from:one.to] + behind
	}
	one.whole = substitute.FormOf(whole).Text
	return true
}

// checked is the plan, nil if its texts are not what they should be: places are the parser's.
// text is the query's, with the operations that the plan has.
func (s *substituting) checked(p *plan, text string) *plan {
	stand := map[string]string{} // forms of what names stand for
	for as, one := range p.parts {
		stand[as] = one.form
		if e, err := s.parser.ParseExpr(one.text); err != nil || substitute.FormOf(e).Text != one.whole {
			return nil
		}
	}
	before, err := s.parser.ParseExpr(text)
	after, err2 := s.parser.ParseExpr(p.text)
	if err != nil || err2 != nil || !substitute.Same(before, after, stand) {
		return nil
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

// fewWindows is how many windows a step must cover for the wanted ones to be looked up one by
// one, and not read with those between.
const fewWindows = 4

// readRows reads the rows of the parts, and returns the flows that they are of. A flow that
// has more rows than the query may hold has none (windows is nil): its parts are computed.
func (s *substituting) readRows(ctx context.Context, snap Snapshot, p *plan) ([]progress.FlowID, error) {
	var used []progress.FlowID
	for _, one := range p.parts {
		st := one.flow
		if !slices.Contains(used, st.id) {
			used = append(used, st.id)
		}
		if st.windows == nil {
			continue
		}
		rows, err := s.rowsOf(ctx, snap, one)
		if err == nil {
			p.points += rows
			err = s.r.hold(perPoint*rows, int64(perPoint*rows)*pointBytes)
		}
		switch {
		case tooMuch(err):
			s.letGo(st)
		case err != nil:
			return nil, err
		}
	}
	return used, nil
}

// tooMuch reports whether an error says that a query may not hold so much.
func tooMuch(err error) bool {
	var many promql.ErrTooManySamples
	return errors.As(err, &many) || errors.Is(err, ErrMemory) || errors.Is(err, progress.ErrTooManyRows)
}

// rowsOf reads the rows of a part, unless they were read for another one, and counts them.
// Their points are counted later: both must be within what is left.
func (s *substituting) rowsOf(ctx context.Context, snap Snapshot, one *part) (rows int, err error) {
	st, d := one.flow, one.division
	windows, read := st.windows[d.Times]
	if !read {
		most, _ := s.r.room(1+perPoint, rowBytes+perPoint*pointBytes)
		first, last := d.FlowSpan()
		if d.Times.Step >= fewWindows*st.every {
			windows, err = snap.ResultsAt(ctx, st.id, first, last, d.Times.Step, most)
		} else {
			windows, err = snap.ResultsUpTo(ctx, st.id, sequence.Between(first, last), most)
		}
		if err != nil {
			return 0, err
		}
	}
	rows = progress.CountRows(windows)
	if !read {
		st.windows[d.Times] = windows
		st.rows += rows
		err = s.r.Take(rows, int64(rows)*rowBytes)
	}
	return rows, err
}

// letGo gives back what the rows of a flow take. They are not used any more.
func (s *substituting) letGo(st *standing) {
	s.r.giveBack(st.rows, int64(st.rows)*rowBytes)
	st.windows, st.rows = nil, 0
}

// layout is how the flow's rows are columns.
func (st *standing) layout() *flowdef.Layout { return flowdef.NewLayout(st.flow.Def) }
