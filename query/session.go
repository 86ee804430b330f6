package query

import (
	"context"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"

	"laminar/query/substitute"
	"laminar/sequence"
)

// Session is one query, from before it reads until its result is not used any more. It
// is for one goroutine. It is a storage.Queryable of one snapshot, which is taken when
// something is first read.
type Session struct {
	engine      *promql.Engine
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
	return s.begin(ctx, opts, expr, substitute.Times{First: at.UnixMilli(), N: 1}, func(q storage.Queryable, opts promql.QueryOpts, expr string) (promql.Query, error) {
		return s.engine.NewInstantQuery(ctx, q, opts, expr, at)
	})
}

// Range evaluates an expression at start, start+step, ... up to end.
func (s *Session) Range(ctx context.Context, opts promql.QueryOpts, expr string, start, end time.Time, step time.Duration) (promql.Query, error) {
	times := substitute.Times{First: start.UnixMilli(), Step: step.Milliseconds()}
	if times.Step > 0 {
		times.N = (end.UnixMilli()-times.First)/times.Step + 1
	}
	return s.begin(ctx, opts, expr, times, func(q storage.Queryable, opts promql.QueryOpts, expr string) (promql.Query, error) {
		return s.engine.NewRangeQuery(ctx, q, opts, expr, start, end, step)
	})
}

// begin makes the query of an expression, evaluated at the times.
func (s *Session) begin(ctx context.Context, opts promql.QueryOpts, expr string, at substitute.Times, newQuery engineQuery) (promql.Query, error) {
	if opts == nil {
		opts = promql.NewPrometheusQueryOpts(false, 0)
	}
	parsed, err := s.parser.ParseExpr(expr)
	if err != nil {
		return newQuery(s, opts, expr) // the engine says it
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
		flows := &substituting{engine: s.engine, parser: s.parser, expressions: s.expressions, r: &s.reading, answered: &s.answered}
		plan, err := flows.plan(ctx, expr, parsed, at, lookback.Milliseconds())
		if err != nil {
			return failedQuery{err: readError(err)}, nil
		}
		if plan != nil {
			return flows.answerFrom(plan, opts, newQuery)
		}
	}
	qry, err := newQuery(s, opts, expr)
	return s.expecting(qry, err)
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

// expecting counts the selectors of a query: the engine reads each once, before it
// computes anything.
func (s *Session) expecting(qry promql.Query, err error) (promql.Query, error) {
	if err != nil {
		return nil, err
	}
	if _, ok := qry.Statement().(*parser.EvalStmt); ok {
		s.reading.pending = selectors(qry)
	}
	return qry, nil
}

// Querier implements storage.Queryable.
func (s *Session) Querier(mint, maxt int64) (storage.Querier, error) {
	return &querier{r: &s.reading, span: spanOf(mint, maxt)}, nil
}

// Vector is the position that was read; false when nothing was.
func (s *Session) Vector() (sequence.Vector, bool) { return s.reading.pos.Vector, s.reading.taken }

// Close ends the session. What was read must not be used any more.
func (s *Session) Close() { s.reading.end() }
