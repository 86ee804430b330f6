package query

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"

	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	"laminar/query/substitute"
	"laminar/sequence/segment"
)

// A query that is answered from flows consists of several evaluations: the whole, and the
// stretches of its parts that are not the flows'. What all of them read is read before the
// first is computed, so that the snapshot is as short as any query's:
//
//	1  every evaluation is begun over nothing, which tells what it selects
//	2  that is read; the snapshot ends
//	3  the stretches are evaluated, then the whole, over what was read

// answerQuery is such a query. It implements promql.Query.
type answerQuery struct {
	promql.Query // the whole: an evaluation
	*substituting
	plan  *plan
	opts  promql.QueryOpts
	whole *selections
	dry   promql.Query // the whole over nothing; nil once it was asked
}

// engineQuery makes a query of the engine.
type engineQuery func(e *promql.Engine, q storage.Queryable, opts promql.QueryOpts, expr string) (promql.Query, error)

// answerFrom makes the query of a plan.
func (s *substituting) answerFrom(p *plan, opts promql.QueryOpts, newQuery engineQuery) (promql.Query, error) {
	a := &answerQuery{substituting: s, plan: p, opts: opts, whole: &selections{}}
	var err error
	if a.dry, err = newQuery(s.engines.light, asking{a.whole}, opts, p.text); err != nil {
		return nil, err
	}
	a.Query, err = s.evaluation(a.whole, func(e *promql.Engine) (promql.Query, error) { return newQuery(e, a.whole, opts, p.text) })
	return a, err
}

// evaluation is a query over what is read for it.
func (s *substituting) evaluation(reads *selections, begin func(*promql.Engine) (promql.Query, error)) (*evaluation, error) {
	qry, err := begin(s.engines.light)
	return &evaluation{Query: qry, r: s.r, reads: reads, again: func() (promql.Query, error) { return begin(s.engines.large) }}, err
}

// Exec implements promql.Query.
func (a *answerQuery) Exec(ctx context.Context) *promql.Result {
	notes, err := a.prepare(ctx)
	if err != nil {
		return &promql.Result{Err: err}
	}
	res := a.Query.Exec(ctx)
	if res.Err == nil {
		res.Warnings.Merge(notes)
	}
	return res
}

// Close implements promql.Query.
func (a *answerQuery) Close() {
	if a.dry != nil {
		a.dry.Close()
	}
	a.Query.Close()
}

// failedQuery is a query of which what it needs could not be read. It implements promql.Query.
type failedQuery struct {
	promql.Query
	err error
}

// Exec implements promql.Query.
func (q failedQuery) Exec(context.Context) *promql.Result { return &promql.Result{Err: q.err} }

// Close implements promql.Query.
func (failedQuery) Close() {}

// stretch is the evaluation of a part over raw samples at some of its times.
type stretch struct {
	part  *part
	query promql.Query
	reads *selections
}

// prepare reads everything and evaluates the stretches. It returns what is to be said of it.
func (a *answerQuery) prepare(ctx context.Context) (annotations.Annotations, error) {
	dry := a.dry
	a.dry = nil
	if err := ask(ctx, dry, a.whole); err != nil {
		return nil, err
	}
	var stretches []stretch
	for _, one := range a.parts() {
		for _, times := range one.division.Runs {
			reads := &selections{}
			dry, err := a.stretchQuery(ctx, a.engines.light, asking{reads}, one, times)
			if err != nil {
				return nil, err
			}
			if err := ask(ctx, dry, reads); err != nil {
				return nil, err
			}
			qry, err := a.evaluation(reads, func(e *promql.Engine) (promql.Query, error) { return a.stretchQuery(ctx, e, reads, one, times) })
			if err != nil {
				return nil, err
			}
			stretches = append(stretches, stretch{one, qry, reads})
		}
	}
	for _, st := range stretches {
		if err := a.read(ctx, st.reads, nil); err != nil {
			return nil, err
		}
	}
	if err := a.read(ctx, a.whole, a.plan.parts); err != nil {
		return nil, err
	}
	a.r.closeSnapshot()

	notes := annotations.New()
	built := map[*part]*assembly{}
	for _, one := range a.parts() {
		b := newAssembly(one)
		built[one] = b
		b.addRows()
		a.note(notes, one)
	}
	for _, one := range a.parts() {
		a.letGo(one.flow) // its samples are counted, and stay
	}
	for _, st := range stretches {
		err := run(ctx, st.query, func(res *promql.Result) error {
			notes.Merge(res.Warnings)
			points, err := built[st.part].addResult(res)
			if err != nil {
				return err
			}
			if err := a.r.hold(perPoint*points, int64(perPoint*points)*pointBytes); err != nil {
				return readError(err)
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	for i := range a.whole.list {
		sel := &a.whole.list[i]
		if one := a.plan.parts[nameIn(sel.matchers)]; one != nil {
			sel.set = &seriesSet{list: built[one].series()}
		}
	}
	a.r.metrics.flows.Inc()
	return *notes, nil
}

// ask notes what a query over nothing selects. It is stopped before it computes: what it
// would give, or that it would fail, says nothing.
func ask(ctx context.Context, dry promql.Query, reads *selections) error {
	within, stop := context.WithCancel(ctx)
	defer stop()
	reads.wanted, reads.complete = selectors(dry), stop
	if reads.wanted == 0 {
		stop()
	}
	err := run(within, dry, nil)
	if ctx.Err() != nil {
		return readError(ctx.Err())
	}
	if len(reads.list) < reads.wanted {
		return err
	}
	return nil
}

// selectors is how many selectors a query has.
func selectors(qry promql.Query) (n int) {
	if stmt, ok := qry.Statement().(*parser.EvalStmt); ok {
		parser.Inspect(stmt.Expr, func(node parser.Node, _ []parser.Node) error {
			if _, ok := node.(*parser.VectorSelector); ok {
				n++
			}
			return nil
		})
	}
	return n
}

// parts is the parts in the order of their places.
func (a *answerQuery) parts() []*part {
	var out []*part
	for _, one := range a.plan.parts {
		out = append(out, one)
	}
	slices.SortFunc(out, func(x, y *part) int { return x.from - y.from })
	return out
}

// stretchQuery is the evaluation of a part at some times.
func (a *answerQuery) stretchQuery(ctx context.Context, e *promql.Engine, q storage.Queryable, one *part, times substitute.Times) (promql.Query, error) {
	opts := promql.NewPrometheusQueryOpts(false, a.opts.LookbackDelta())
	return e.NewRangeQuery(ctx, q, opts, one.text, time.UnixMilli(times.First), time.UnixMilli(times.Last()), time.Duration(max(times.Step, 1))*time.Millisecond)
}

// note says how much of a part comes from its flow, in words and in numbers.
func (a *answerQuery) note(notes *annotations.Annotations, one *part) {
	d := one.division
	gone := ""
	if d.Only > 0 {
		gone = fmt.Sprintf(", %d of them of raw samples that are gone", d.Only)
	}
	notes.Add(fmt.Errorf("%w: answered from flow %s: %d of %d steps%s", annotations.PromQLInfo, one.flow.flow.Def.Title(), d.FromFlow, d.Times.N, gone))
	a.answered.Steps += d.Times.N
	a.answered.FromFlows += d.FromFlow
	m := a.r.metrics
	m.steps.WithLabelValues(fromFlow).Add(float64(d.FromFlow))
	m.steps.WithLabelValues(fromRaw).Add(float64(d.Times.N - d.FromFlow))
}

// run evaluates a query, hands over its result, and closes it.
func run(ctx context.Context, qry promql.Query, use func(*promql.Result) error) error {
	defer qry.Close()
	res := qry.Exec(ctx)
	if res.Err != nil || use == nil {
		return res.Err
	}
	return use(res)
}

// read reads what an evaluation selects, but for what parts stand for.
func (s *substituting) read(ctx context.Context, reads *selections, parts map[string]*part) error {
	s.r.pending = -1 // the snapshot is closed after all evaluations' selectors
	for i := range reads.list {
		sel := &reads.list[i]
		if parts[nameIn(sel.matchers)] != nil {
			continue
		}
		q := &querier{r: s.r, span: spanOf(sel.hints.Start, sel.hints.End)}
		if sel.set = q.Select(ctx, sel.sorted, &sel.hints, sel.matchers...); sel.set.Err() != nil {
			return sel.set.Err()
		}
	}
	return nil
}

// nameIn is the name of a selector that says nothing else.
func nameIn(ms []*labels.Matcher) string {
	if len(ms) == 1 && ms[0].Name == model.MetricNameLabel && ms[0].Type == labels.MatchEqual {
		return ms[0].Value
	}
	return ""
}

// assembly is the samples of a part, out of a flow's rows and results over raw samples.
type assembly struct {
	part   *part
	layout *flowdef.Layout
	groups map[string]*group
}

// group is the samples of one series of a part.
type group struct {
	labels labels.Labels
	points []promql.FPoint
}

func newAssembly(one *part) *assembly {
	return &assembly{part: one, layout: one.flow.layout(), groups: map[string]*group{}}
}

// addRows adds the flow's rows at the times that are the flow's, but for those of series that
// the part does not select.
func (b *assembly) addRows() {
	d := b.part.division
	byRow := map[string]*group{}
	for _, w := range b.part.flow.windows[d.Times] {
		i, ok := d.Times.Index(w.End)
		if !ok || d.Verdicts[i] == substitute.Open {
			continue
		}
		for j := range w.Rows {
			row := &w.Rows[j]
			key := progress.RowKey(row.Columns)
			g := byRow[key]
			if g == nil {
				if lset := b.labelsOf(row.Columns); matchesAll(lset, b.part.derived.Only) {
					g = b.group(lset)
				} else {
					g = &group{}
				}
				byRow[key] = g
			}
			g.points = append(g.points, promql.FPoint{T: w.End, F: row.Value})
		}
	}
}

// labelsOf is the labels that the part's expression gives the result of a row: static labels
// are the flow's, and the name is the expression's.
func (b *assembly) labelsOf(columns []string) labels.Labels {
	lb := labels.NewBuilder(b.layout.Labels(columns))
	for _, l := range b.part.flow.flow.Def.StaticLabels {
		lb.Del(l.Name)
	}
	return lb.Set(model.MetricNameLabel, b.part.flow.MetricName).Labels()
}

// group is the series with the labels.
func (b *assembly) group(lset labels.Labels) *group {
	key := string(lset.Bytes(nil))
	g := b.groups[key]
	if g == nil {
		g = &group{labels: lset}
		b.groups[key] = g
	}
	return g
}

// addResult adds what the engine gives over raw samples, at the times that are not the flow's,
// and returns how many points that are.
func (b *assembly) addResult(res *promql.Result) (points int, err error) {
	matrix, err := res.Matrix()
	if err != nil {
		return 0, err
	}
	d := b.part.division
	for _, s := range matrix {
		if len(s.Histograms) > 0 {
			return 0, &StorageError{fmt.Errorf("native histograms in what flow %s computes, of metrics that have none", b.part.flow.flow.Def.Title())}
		}
		g := b.group(s.Metric.Copy())
		for _, p := range s.Floats {
			if i, ok := d.Times.Index(p.T); ok && d.Verdicts[i] == substitute.Open {
				g.points = append(g.points, p)
				points++
			}
		}
	}
	return points, nil
}

// series is the samples as series, by their labels. After each sample its series ends, so
// that no evaluation at a later time finds it.
func (b *assembly) series() []*oneSeries {
	out := make([]*oneSeries, 0, len(b.groups))
	for _, g := range b.groups {
		if len(g.points) == 0 {
			continue
		}
		slices.SortFunc(g.points, func(x, y promql.FPoint) int { return int(min(max(x.T-y.T, -1), 1)) })
		c := &column{}
		for i, p := range g.points {
			c.Add(p.T, p.F, nil)
			if i+1 == len(g.points) || g.points[i+1].T > p.T+1 {
				c.Add(p.T+1, segment.Stale(), nil)
			}
		}
		out = append(out, &oneSeries{labels: g.labels, column: c})
	}
	slices.SortFunc(out, func(x, y *oneSeries) int { return labels.Compare(x.labels, y.labels) })
	return out
}
