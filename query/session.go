package query

import (
	"context"
	"time"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"

	"laminar/sequence"
)

// Session is one query, from before it reads until its result is not used any more. It
// is for one goroutine. It is a storage.Queryable of one snapshot, which is taken when
// something is first read.
type Session struct {
	engine   *promql.Engine
	parser   parser.Parser
	lookback time.Duration // that is usual
	reading  reading
}

// Instant evaluates an expression at one time. The query must be closed before the
// session. An error says what is wrong with the expression. opts may be nil.
func (s *Session) Instant(ctx context.Context, opts promql.QueryOpts, expr string, at time.Time) (promql.Query, error) {
	opts, err := s.options(ctx, opts, expr)
	if err != nil {
		return nil, err
	}
	qry, err := s.engine.NewInstantQuery(ctx, s, opts, expr, at)
	return s.expecting(qry, err)
}

// Range evaluates an expression at start, start+step, ... up to end.
func (s *Session) Range(ctx context.Context, opts promql.QueryOpts, expr string, start, end time.Time, step time.Duration) (promql.Query, error) {
	opts, err := s.options(ctx, opts, expr)
	if err != nil {
		return nil, err
	}
	qry, err := s.engine.NewRangeQuery(ctx, s, opts, expr, start, end, step)
	return s.expecting(qry, err)
}

// options is the options with the lookback that the expression needs, where they do not
// say one themselves.
func (s *Session) options(ctx context.Context, opts promql.QueryOpts, expr string) (promql.QueryOpts, error) {
	if opts == nil {
		opts = promql.NewPrometheusQueryOpts(false, 0)
	}
	if opts.LookbackDelta() > 0 {
		return opts, nil
	}
	parsed, err := s.parser.ParseExpr(expr)
	if err != nil {
		return opts, nil //nolint:nilerr // the engine says it
	}
	lookback, err := s.reading.lookbackFor(ctx, parsed, s.lookback)
	if err != nil {
		return opts, readError(err)
	}
	if lookback == 0 {
		return opts, nil
	}
	return promql.NewPrometheusQueryOpts(opts.EnablePerStepStats(), lookback), nil
}

// Provisional makes results of windows that are not closed be read, too.
func (s *Session) Provisional() { s.reading.provisional = true }

// expecting counts the selectors of a query: the engine reads each once, before it
// computes anything.
func (s *Session) expecting(qry promql.Query, err error) (promql.Query, error) {
	if err != nil {
		return nil, err
	}
	if stmt, ok := qry.Statement().(*parser.EvalStmt); ok {
		s.reading.pending = 0
		parser.Inspect(stmt.Expr, func(node parser.Node, _ []parser.Node) error {
			if _, ok := node.(*parser.VectorSelector); ok {
				s.reading.pending++
			}
			return nil
		})
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
