package oracle

import (
	"context"
	"fmt"
	"maps"
	"math"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/promqltest"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/util/teststorage"

	"laminar/flownode/promfunc"
)

// TestPrometheusSuite sends the evaluations of Prometheus's own acceptance tests, as
// instant queries and as range queries, over HTTP to Laminar and to Prometheus's handlers,
// with the samples that the tests load. Experimental functions and syntax are among them:
// both sides refuse these alike.
func TestPrometheusSuite(t *testing.T) {
	// The suite's files name the functions that may be anchored, to the letter.
	anchored := maps.Clone(promql.AnchoredSafeFunctions)
	t.Cleanup(func() { promql.AnchoredSafeFunctions = anchored })
	for _, name := range promfunc.Names() {
		delete(promql.AnchoredSafeFunctions, name)
	}
	w := newWorld(t, nil)
	w.nearly = true
	// Of hints of histograms it is not stored that there was no reset, on purpose.
	w.unsaid = "conflicting counter resets"
	exprs, err := promqltest.GetBuiltInExprs()
	if err != nil {
		t.Fatal(err)
	}
	s := &suite{
		w: w, parser: parser.NewParser(parser.Options{}), receiver: w.receiver(), written: map[string]bool{},
		test: promqltest.NewTestEngine(t, false, 0, promqltest.DefaultMaxSamplesPerQuery), why: map[string]int{},
	}
	for _, e := range exprs {
		s.written[e] = true
	}
	w.theirs = w.api(s)
	promqltest.RunBuiltinTestsWithStorage(t, s, func(tb testing.TB) storage.Storage {
		tb.Helper()
		s.began++
		s.stored, s.unlike = 0, ""
		return teststorage.New(tb, func(opt *tsdb.Options) { // as RunBuiltinTests makes them
			opt.EnableSTStorage = true
			opt.FloatChunkEncoding = chunkenc.EncXOR2
			opt.EnableHistogramSTEncoding = true
		})
	})
	t.Logf("%d evaluations compared, %d with a result; %d left out: %v", s.compared, s.full, s.left, s.why)
	if s.compared < 2000 || s.full < s.compared/2 {
		t.Error("too few evaluations were compared")
	}
}

// suite is a query engine that has everything compared that it is asked. The samples of
// the suite's storages lie in one Laminar, apart in time: each storage is so much older
// than the one before that no query reaches what others have.
type suite struct {
	w        *world
	parser   parser.Parser
	test     *promql.Engine  // with the settings of the suite
	written  map[string]bool // expressions of the suite; it also asks for many variants of each
	receiver http.Handler
	began    int // storages

	storage.SampleAndChunkQueryable        // the samples of the storage, shifted
	stored                          int    // samples in it
	unlike                          string // why the storage cannot be had by remote write; "" if it can

	compared, full, left int
	why                  map[string]int
}

// apart is the time between two storages, ms. There are some 260.
const apart = 75 * 24 * hour

func (s *suite) shift() int64 { return base - int64(s.began)*apart }

func (s *suite) NewInstantQuery(ctx context.Context, from storage.Queryable, opts promql.QueryOpts, qs string, ts time.Time) (promql.Query, error) {
	if expr, ok := s.ready(ctx, from, qs); ok {
		s.same(request{http.MethodPost, "/api/v1/query", form("query", expr, "time", s.at(ts)), nil})
	}
	return s.test.NewInstantQuery(ctx, from, opts, qs, ts)
}

func (s *suite) NewRangeQuery(ctx context.Context, from storage.Queryable, opts promql.QueryOpts, qs string, start, end time.Time, step time.Duration) (promql.Query, error) {
	if expr, ok := s.ready(ctx, from, qs); ok {
		s.same(request{http.MethodPost, "/api/v1/query_range", form("query", expr, "start", s.at(start), "end", s.at(end), "step", fmt.Sprint(step.Seconds())), nil})
	}
	return s.test.NewRangeQuery(ctx, from, opts, qs, start, end, step)
}

func (s *suite) same(q request) {
	s.compared++
	if strings.Contains(s.w.same(q).body, `"metric"`) {
		s.full++
	}
}

// at is a time of the suite, shifted, as the API takes it.
func (s *suite) at(t time.Time) string {
	ms := t.UnixMilli() + s.shift()
	return fmt.Sprintf("%d.%03d", ms/1000, ms%1000)
}

// ready has both sides store what the suite's storage holds, and shifts the times that
// an expression names. It is false for variants, and where remote write cannot carry what
// is stored.
func (s *suite) ready(ctx context.Context, from storage.Queryable, qs string) (string, bool) {
	if !s.written[qs] {
		return "", false
	}
	s.load(ctx, from)
	if s.unlike != "" {
		s.left++
		s.why[s.unlike]++
		return "", false
	}
	expr, err := s.parser.ParseExpr(qs)
	if err != nil {
		return qs, true
	}
	named := false
	parser.Inspect(expr, func(node parser.Node, _ []parser.Node) error {
		var at *int64
		switch n := node.(type) {
		case *parser.VectorSelector:
			at = n.Timestamp
		case *parser.SubqueryExpr:
			at = n.Timestamp
		}
		if at != nil {
			*at += s.shift()
			named = true
		}
		return nil
	})
	if !named {
		return qs, true // as it is spelled
	}
	return expr.String(), true
}

// load sends all samples again if there are more than before.
func (s *suite) load(ctx context.Context, from storage.Queryable) {
	s.w.Helper()
	list, unlike := read(ctx, s.w, from, s.shift())
	n := 0
	for _, one := range list {
		n += len(one.samples)
	}
	if n == s.stored && s.SampleAndChunkQueryable != nil {
		return
	}
	s.stored, s.unlike = n, unlike
	if unlike != "" {
		return
	}
	theirs := teststorage.New(s.w)
	app := theirs.Appender(ctx)
	var ours []prompb.TimeSeries
	for _, one := range list {
		ts := prompb.TimeSeries{Labels: prompb.FromLabels(one.labels, nil)}
		for _, x := range one.samples {
			add(&ts, x)
			var err error
			if x.h != nil || x.fh != nil {
				_, err = app.AppendHistogram(0, one.labels, x.t, x.h, x.fh)
			} else {
				_, err = app.Append(0, one.labels, x.t, x.v)
			}
			if err != nil {
				s.w.Fatalf("%s at %d: %v", one.labels, x.t, err)
			}
		}
		ours = append(ours, ts)
	}
	if err := app.Commit(); err != nil {
		s.w.Fatal(err)
	}
	s.SampleAndChunkQueryable = ordered{theirs}
	s.w.send(s.receiver, ours)
}

// read reads all samples of a storage, shifted in time; unlike says what of them remote
// write cannot carry.
func read(ctx context.Context, t testing.TB, from storage.Queryable, shift int64) (out []oneSeries, unlike string) {
	t.Helper()
	q, err := from.Querier(math.MinInt64, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	set := q.Select(ctx, true, nil, labels.MustNewMatcher(labels.MatchRegexp, "__name__", ".*"))
	for set.Next() {
		one := oneSeries{labels: set.At().Labels()}
		if !one.labels.Has("__name__") {
			unlike = "series without a name"
		}
		it := set.At().Iterator(nil)
		for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
			var x sample
			switch kind {
			case chunkenc.ValHistogram:
				x.t, x.h = it.AtHistogram(nil)
			case chunkenc.ValFloatHistogram:
				x.t, x.fh = it.AtFloatHistogram(nil)
			default:
				x.t, x.v = it.At()
				if x.v == 0 && math.Signbit(x.v) {
					unlike = "negative zeros"
				}
			}
			x.t += shift
			one.samples = append(one.samples, x)
		}
		if err := it.Err(); err != nil {
			t.Fatal(err)
		}
		out = append(out, one)
	}
	if err := set.Err(); err != nil {
		t.Fatal(err)
	}
	return out, unlike
}
