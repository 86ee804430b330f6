package query

import (
	"context"
	"errors"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"

	"laminar/query/room"
)

// What the engine holds while it computes it counts by itself, for one query, and gives up
// where that is too much. So that several queries at once do not hold as much as one may each,
// a query is evaluated with few samples at first. Only when these do not suffice it waits for
// its turn to be the one that may hold many, and is evaluated again, over what it has read:
//
//	memory that is computed with <= MaxConcurrent * LightSamples + MaxSamples
//
// Most queries never know. Those that are evaluated twice have computed in vain at most as
// long as it takes to fill the small share.

// errOutgrown says that a query needs its turn to hold many samples.
var errOutgrown = errors.New("the query selects too many series to be computed beside others")

// seriesPoints is for how many points a series counts in each result: about 500 bytes for new
// labels, and its place among what is grouped or matched.
const seriesPoints = 32

// engines evaluate: light those queries that hold few samples, large one of the others at a
// time. They are the same where each may hold as many.
type engines struct{ light, large *promql.Engine }

// enlarge waits for the query's turn to hold many samples, which lasts until its session ends.
func (r *reading) enlarge(ctx context.Context) error {
	r.metrics.large.Inc()
	timer := time.NewTimer(r.timeout)
	defer timer.Stop()
	select {
	case r.turn <- struct{}{}:
		r.large = true
		return nil
	case <-timer.C:
		return ErrTurn
	case <-ctx.Done():
		if errors.Is(ctx.Err(), context.DeadlineExceeded) {
			return ErrTurn
		}
		return ctx.Err()
	}
}

// evaluation is a query of the engine, which is evaluated again where it has needed too much.
// It implements promql.Query.
type evaluation struct {
	promql.Query // that was begun last
	r            *reading
	reads        *selections
	again        func() (promql.Query, error) // the query in the large engine, over reads
	weight       error                        // why it cannot be computed beside others, nil where it can
}

// Exec implements promql.Query.
func (e *evaluation) Exec(ctx context.Context) *promql.Result {
	if e.reads.read() {
		e.weigh()
	}
	if !e.r.large && e.weight == nil {
		res := e.Query.Exec(ctx)
		if !e.needsMore(res.Err) {
			return res
		}
	}
	if errors.Is(e.weight, ErrRoom) {
		return &promql.Result{Err: ErrRoom}
	}
	if !e.r.large {
		if err := e.r.enlarge(ctx); err != nil {
			return &promql.Result{Err: readError(err)}
		}
	}
	e.Close()
	qry, err := e.again()
	if err != nil {
		return &promql.Result{Err: err}
	}
	e.Query = qry
	return e.Query.Exec(ctx)
}

// weigh looks at what was read, which is all that the query selects: its weight is ErrRoom
// where the engine would take too much for it in any case, errOutgrown where it would beside
// others. It must be called before anything is computed: the engine changes its statement.
func (e *evaluation) weigh() {
	stmt, ok := e.Statement().(*parser.EvalStmt)
	switch {
	case !ok || e.r.light == 0:
	case room.Of(stmt, e.reads, 0, e.r.limits.samples) > e.r.limits.samples:
		e.weight = ErrRoom
	case room.Of(stmt, e.reads, seriesPoints, e.r.light) > e.r.light:
		e.weight = errOutgrown
	}
}

// needsMore reports whether an error says that the engine has held too much, and might do with
// more: not where too much was read.
func (e *evaluation) needsMore(err error) bool {
	var many promql.ErrTooManySamples
	return e.r.light > 0 && err != nil && (e.weight != nil || errors.As(err, &many) && !e.reads.failed())
}

// recording is a storage.Queryable for an evaluation, which notes what is read of another one.
type recording struct {
	storage.Queryable
	e *evaluation
}

// Querier implements storage.Queryable.
func (q recording) Querier(mint, maxt int64) (storage.Querier, error) {
	from, err := q.Queryable.Querier(mint, maxt)
	if err != nil {
		return nil, err
	}
	return recorder{from, q.e}, nil
}

// recorder is the storage.Querier of a recording.
type recorder struct {
	storage.Querier
	e *evaluation
}

// Select implements storage.Querier. All is read before anything is computed: the last
// selector says whether it may be.
func (q recorder) Select(ctx context.Context, sorted bool, hints *storage.SelectHints, ms ...*labels.Matcher) storage.SeriesSet {
	set, reads := q.Querier.Select(ctx, sorted, hints, ms...), q.e.reads
	reads.list = append(reads.list, selection{hints: *hints, sorted: sorted, matchers: ms, set: set})
	if set.Err() == nil && len(reads.list) == reads.wanted {
		if q.e.weigh(); q.e.weight != nil {
			return storage.ErrSeriesSet(q.e.weight)
		}
	}
	return set
}
