package query

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"

	"laminar/query/pressure"
	"laminar/query/substitute"
	"laminar/sequence"
)

// Session is one query, from before it reads until its result is not used any more. It
// is for one goroutine. It is a storage.Queryable of one snapshot, which is taken when
// something is first read.
type Session struct {
	engines     engines
	valve       *pressure.Valve
	parser      parser.Parser
	lookback    time.Duration // that is usual
	expressions *expressions
	fromFlows   FlowUse
	answered    Answered
	reading     reading
}

// Instant evaluates an expression at one time. The query must be closed before the
// session. An error says what is wrong with the expression. opts may be nil.
func (s *Session) Instant(ctx context.Context, opts promql.QueryOpts, expr string, at time.Time) (promql.Query, error) {
	return s.begin(ctx, opts, expr, substitute.Times{First: at.UnixMilli(), N: 1}, func(e *promql.Engine, q storage.Queryable, opts promql.QueryOpts, expr string) (promql.Query, error) {
		return e.NewInstantQuery(ctx, q, opts, expr, at)
	})
}

// Range evaluates an expression at start, start+step, ... up to end.
func (s *Session) Range(ctx context.Context, opts promql.QueryOpts, expr string, start, end time.Time, step time.Duration) (promql.Query, error) {
	times := substitute.Times{First: start.UnixMilli(), Step: step.Milliseconds()}
	if times.Step > 0 {
		times.N = (end.UnixMilli()-times.First)/times.Step + 1
	}
	return s.begin(ctx, opts, expr, times, func(e *promql.Engine, q storage.Queryable, opts promql.QueryOpts, expr string) (promql.Query, error) {
		return e.NewRangeQuery(ctx, q, opts, expr, start, end, step)
	})
}

// begin makes the query of an expression, evaluated at the times.
func (s *Session) begin(ctx context.Context, opts promql.QueryOpts, expr string, at substitute.Times, newQuery engineQuery) (promql.Query, error) {
	if opts == nil {
		opts = promql.NewPrometheusQueryOpts(false, 0)
	}
	parsed, err := s.parser.ParseExpr(expr)
	if err != nil {
		return newQuery(s.engines.light, s, opts, expr) // the engine says it
	}
	s.reading.names = selectedNames(parsed)
	if opts, err = s.options(ctx, opts, parsed); err != nil {
		return nil, err
	}
	if s.fromFlows == FlowsAuto {
		lookback := opts.LookbackDelta()
		if lookback == 0 {
			lookback = s.lookback
		}
		flows := &substituting{engines: s.engines, parser: s.parser, expressions: s.expressions, r: &s.reading, answered: &s.answered}
		plan, err := flows.plan(ctx, expr, parsed, at, lookback.Milliseconds())
		if err != nil {
			return failedQuery{err: readError(err)}, nil
		}
		if plan != nil {
			qry, err := flows.answerFrom(plan, opts, newQuery)
			return bounded{qry, s}, err
		}
	}
	e := &evaluation{r: &s.reading, reads: &selections{}}
	e.again = func() (promql.Query, error) { return newQuery(s.engines.large, e.reads, opts, expr) }
	if e.Query, err = newQuery(s.engines.light, recording{s, e}, opts, expr); err != nil {
		return nil, err
	}
	e.reads.wanted = selectors(e.Query)
	if _, ok := e.Statement().(*parser.EvalStmt); ok {
		s.reading.pending = e.reads.wanted
	}
	return bounded{e, s}, nil
}

// options is the options with the lookback that the expression needs, where they do not
// say one themselves.
func (s *Session) options(ctx context.Context, opts promql.QueryOpts, expr parser.Expr) (promql.QueryOpts, error) {
	if opts.LookbackDelta() > 0 {
		return opts, nil
	}
	lookback, err := s.reading.lookbackFor(ctx, expr, s.lookback)
	if err != nil {
		return opts, readError(err)
	}
	if lookback == 0 {
		return opts, nil
	}
	return promql.NewPrometheusQueryOpts(opts.EnablePerStepStats(), lookback), nil
}

// FromFlows says whether the query is answered from flows, instead of the setting.
func (s *Session) FromFlows(use FlowUse) { s.fromFlows = use }

// Answered is how much of the query was answered from flows, once it was evaluated; false
// where no part was.
func (s *Session) Answered() (Answered, bool) { return s.answered, s.answered.Steps > 0 }

// Provisional makes results of windows that are not closed be read, too.
func (s *Session) Provisional() { s.reading.provisional = true }

// Querier implements storage.Queryable.
func (s *Session) Querier(mint, maxt int64) (storage.Querier, error) {
	return &querier{r: &s.reading, span: spanOf(mint, maxt)}, nil
}

// Hold counts what is made of samples that were read, in bytes, among what queries hold, until
// the session is closed. An error says that it is too much.
func (s *Session) Hold(bytes int64) error { return s.reading.hold(0, bytes) }

// Vector is the position that was read; false when nothing was.
func (s *Session) Vector() (sequence.Vector, bool) { return s.reading.pos.Vector, s.reading.taken }

// Close ends the session. What was read must not be used any more.
func (s *Session) Close() { s.reading.end() }

// bounded is a query that ends when its session's time is over, or the process has no memory
// for it. It implements promql.Query.
type bounded struct {
	promql.Query
	s *Session
}

// Exec implements promql.Query.
func (b bounded) Exec(ctx context.Context) *promql.Result {
	ctx, leave := b.s.within(ctx, b.Statement())
	defer leave()
	res := b.Query.Exec(ctx)
	res.Err = WhyEnded(ctx, res.Err)
	return res
}

// Within is the context in which a session may read: it ends when the time of a query is
// over, and when the process has no memory left. leave must be called. What ended it, WhyEnded
// says.
func (s *Session) Within(ctx context.Context) (within context.Context, leave func()) {
	return s.within(ctx, nil)
}

// within is Within for computing a statement, nil where nothing is computed.
func (s *Session) within(ctx context.Context, stmt parser.Statement) (within context.Context, leave func()) {
	unbounded := false
	if stmt, ok := stmt.(*parser.EvalStmt); ok {
		parser.Inspect(stmt.Expr, func(node parser.Node, _ []parser.Node) error {
			aggregation, ok := node.(*parser.AggregateExpr)
			unbounded = unbounded || ok && aggregation.Op == parser.COUNT_VALUES
			return nil
		})
	}
	ctx, end := context.WithTimeout(ctx, s.reading.timeout)
	within, done := s.valve.Enter(ctx, unbounded)
	return within, func() {
		done()
		end()
	}
}

// WhyEnded is an error of what was done within a context of Session.Within: ErrEnded where
// that was ended for want of memory.
func WhyEnded(within context.Context, err error) error {
	if err != nil && errors.Is(context.Cause(within), pressure.ErrMemory) {
		return ErrEnded
	}
	return err
}
