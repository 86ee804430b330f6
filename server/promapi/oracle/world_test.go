package oracle

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"

	"slices"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/grafana/regexp"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/common/route"
	"github.com/prometheus/prometheus/config"
	"github.com/prometheus/prometheus/model/exemplar"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/util/annotations"
	"github.com/prometheus/prometheus/util/teststorage"
	v1 "github.com/prometheus/prometheus/web/api/v1"

	"laminar/flownode/promfunc"
	"laminar/ingest"
	"laminar/ingest/remotewrite"
	"laminar/query"
	"laminar/sequence/segment"
	"laminar/server"
	"laminar/server/promapi"
	"laminar/sqlstore"
	"laminar/sqlstore/raw"
	"laminar/sqlstore/sqltest"
)

const (
	second = int64(1000)
	minute = 60 * second
	hour   = 60 * minute

	lookback = 5 * time.Minute
)

// base is when the samples begin, ms: the beginning of an hour.
var base = time.Date(2026, 2, 3, 10, 0, 0, 0, time.UTC).UnixMilli()

// world is the same samples in a Laminar and in a Prometheus.
type world struct {
	testing.TB
	db           *sqltest.DB
	store        *sqlstore.Store
	queries      *query.Queries
	ours, theirs http.Handler
	series       []oneSeries
	nearly       bool   // numbers may differ in the last digits
	unsaid       string // warnings that contain it are not compared; "" compares all
}

// oneSeries is what is stored of a series in the end.
type oneSeries struct {
	labels  labels.Labels
	samples []sample // ascending
}

type sample struct {
	t  int64
	v  float64
	h  *histogram.Histogram
	fh *histogram.FloatHistogram
}

// newWorld sends the samples to both sides: to Laminar by remote write, mixed up, with
// some late and some at first wrong; half of them is sealed.
func newWorld(t testing.TB, series []oneSeries) *world {
	t.Helper()
	w := &world{TB: t, db: sqltest.New(t), series: series}
	w.store = w.db.Store(t)
	readers, err := w.store.OpenReaders(t.Context(), 6)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(readers.Close)
	log := slog.New(slog.DiscardHandler)
	w.queries = query.New(query.Config{
		Timeout: time.Minute, MaxSamples: 2_000_000, MaxConcurrent: 4, MaxMemory: 64 << 20, Lookback: lookback, FromFlows: query.FlowsAuto,
		Store: server.QueryStore{Readers: readers}, Log: log, Registerer: prometheus.NewRegistry(),
	})
	w.ours = promapi.New(promapi.Config{
		Queries: w.queries, Metadata: readers.Senders, Rules: server.Rules{Readers: readers}, BodyBytes: 64 << 20, Log: log, Registerer: prometheus.NewRegistry(),
	})
	w.write()
	w.theirs = w.prometheus()
	return w
}

// receiver takes remote write for Laminar until the test ends.
func (w *world) receiver() http.Handler {
	ing, err := ingest.New(server.IngestStore{Writer: w.store.Writer}, ingest.Config{
		Regions: sqltest.Regions, Logger: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
	})
	if err != nil {
		w.Fatal(err)
	}
	receiver, err := remotewrite.New(ing, remotewrite.Config{Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		w.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- ing.Run(ctx) }()
	w.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			w.Error(err)
		}
	})
	return receiver.Write()
}

// write sends all samples to Laminar.
func (w *world) write() {
	receiver := w.receiver()
	rng := rand.New(rand.NewPCG(3, 4))
	const parts = 6
	var late []prompb.TimeSeries
	for part := range parts {
		var now []prompb.TimeSeries
		for _, s := range w.series {
			of := s.samples[len(s.samples)*part/parts : len(s.samples)*(part+1)/parts]
			on, after := prompb.TimeSeries{Labels: prompb.FromLabels(s.labels, nil)}, prompb.TimeSeries{Labels: prompb.FromLabels(s.labels, nil)}
			for i, x := range of {
				to := &on
				switch rng.IntN(20) {
				case 0:
					if i < len(of)-1 { // the newest is not late
						to = &after
					}
				case 1:
					if i < len(of)-1 && x.h == nil {
						add(&on, sample{t: x.t, v: x.v + 1})
						to = &after
					}
				}
				add(to, x)
			}
			now, late = append(now, on), append(late, after)
		}
		w.send(receiver, now)
		if part%2 == 1 {
			w.send(receiver, late)
			late = nil
		}
		if part == parts/2 {
			if _, err := w.store.Keeper.Seal(w.Context(), raw.SealOptions{Force: true}); err != nil {
				w.Fatal(err)
			}
		}
	}
}

// add adds a sample to a series to be sent.
func add(to *prompb.TimeSeries, x sample) {
	if x.h != nil {
		to.Histograms = append(to.Histograms, prompb.FromIntHistogram(x.t, x.h))
		return
	}
	if x.fh != nil {
		to.Histograms = append(to.Histograms, prompb.FromFloatHistogram(x.t, x.fh))
		return
	}
	to.Samples = append(to.Samples, prompb.Sample{Timestamp: x.t, Value: x.v})
}

// send sends a request of remote write, which must succeed.
func (w *world) send(to http.Handler, list []prompb.TimeSeries) {
	w.Helper()
	list = slices.DeleteFunc(list, func(s prompb.TimeSeries) bool { return len(s.Samples)+len(s.Histograms) == 0 })
	body, err := (&prompb.WriteRequest{Timeseries: list}).Marshal()
	if err != nil {
		w.Fatal(err)
	}
	req := httptest.NewRequest(http.MethodPost, "/api/v1/write", bytes.NewReader(snappy.Encode(nil, body)))
	req.Header.Set("Content-Encoding", "snappy")
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("X-Prometheus-Remote-Write-Version", "0.1.0")
	answer := httptest.NewRecorder()
	to.ServeHTTP(answer, req)
	if answer.Code/100 != 2 {
		w.Fatalf("remote write: %d %s", answer.Code, answer.Body)
	}
}

// prometheus is Prometheus's API over a time series database of its own.
func (w *world) prometheus() http.Handler {
	db := teststorage.New(w)
	app := db.Appender(w.Context())
	for _, s := range w.series {
		for _, x := range s.samples {
			var err error
			if x.h != nil {
				_, err = app.AppendHistogram(0, s.labels, x.t, x.h, nil)
			} else {
				_, err = app.Append(0, s.labels, x.t, x.v)
			}
			if err != nil {
				w.Fatalf("%s at %d: %v", s.labels, x.t, err)
			}
		}
	}
	if err := app.Commit(); err != nil {
		w.Fatal(err)
	}
	return w.api(ordered{db})
}

// api is Prometheus's API over samples.
func (w *world) api(over storage.SampleAndChunkQueryable) http.Handler {
	log := slog.New(slog.DiscardHandler)
	engine := promql.NewEngine(promql.EngineOpts{
		MaxSamples: 2_000_000, Timeout: time.Minute, LookbackDelta: lookback, EnableAtModifier: true, EnableNegativeOffset: true,
		NoStepSubqueryIntervalFn: func(int64) int64 { return minute }, Parser: promfunc.Parser(parser.NewParser(parser.Options{})),
	})
	api := v1.NewAPI(engine, over, nil, nil, noExemplars{},
		nil, nil, nil, func() config.Config { return config.Config{} }, nil, v1.GlobalURLOptions{},
		func(h http.HandlerFunc) http.HandlerFunc { return h }, nil, "", false, false, 0, log, nil,
		5e7, 10, 1<<20, false, regexpNone(), nil, nil, nil, nil, prometheus.NewRegistry(), prometheus.NewRegistry(),
		nil, false, nil, false, false, false, false, lookback, false, false, nil, nil, v1.OpenAPIOptions{}, parser.NewParser(parser.Options{}))
	router := route.New()
	api.Register(router.WithPrefix("/api/v1"))
	return router
}

// noExemplars has none.
type noExemplars struct{}

func (noExemplars) ExemplarQuerier(context.Context) (storage.ExemplarQuerier, error) {
	return noExemplars{}, nil
}

func (noExemplars) Select(_, _ int64, _ ...[]*labels.Matcher) ([]exemplar.QueryResult, error) {
	return []exemplar.QueryResult{}, nil
}

// ordered gives all series in order: sums of floats depend on it, and Prometheus's own
// order is that of creation.
type ordered struct {
	storage.SampleAndChunkQueryable
}

func (o ordered) Querier(mint, maxt int64) (storage.Querier, error) {
	q, err := o.SampleAndChunkQueryable.Querier(mint, maxt)
	return orderedQuerier{q}, err
}

type orderedQuerier struct{ storage.Querier }

func (q orderedQuerier) Select(ctx context.Context, _ bool, hints *storage.SelectHints, ms ...*labels.Matcher) storage.SeriesSet {
	return q.Querier.Select(ctx, true, hints, ms...)
}

// LabelNames and LabelValues are not limited: the first ones in order are wanted, and
// Prometheus gives those that it finds first.
func (q orderedQuerier) LabelNames(ctx context.Context, _ *storage.LabelHints, ms ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return q.Querier.LabelNames(ctx, nil, ms...)
}

func (q orderedQuerier) LabelValues(ctx context.Context, name string, _ *storage.LabelHints, ms ...*labels.Matcher) ([]string, annotations.Annotations, error) {
	return q.Querier.LabelValues(ctx, name, nil, ms...)
}

// fleet makes the samples of a small fleet over an hour, with what makes evaluation
// hard: jitter, gaps, stale markers, resets, NaN and infinities, native histograms. (A
// negative zero does not survive remote write.)
func fleet(seed uint64) []oneSeries {
	g := &generator{rng: rand.New(rand.NewPCG(seed, 1))}
	for j, job := range []string{"api", "db", "web"} {
		for i := range 3 {
			at := []string{"job", job, "instance", fmt.Sprintf("i%d", i), "zone", []string{"eu", "us"}[j%2]}
			for _, code := range []string{"200", "404", "500"} {
				g.counter(append(at, "__name__", "requests_total", "code", code)...)
			}
			g.gauge(append(at, "__name__", "temperature")...)
			g.constant(1, append(at, "__name__", "build_info", "version", fmt.Sprintf("v%d", i%2))...)
			for _, le := range []string{"0.1", "1", "+Inf"} {
				g.counter(append(at, "__name__", "latency_bucket", "le", le)...)
			}
		}
		g.native("__name__", "native", "job", job)
	}
	g.gauge("__name__", "odd_labels", "xmin", "a", "ü.dotted", `"\<&>`, "empty", "")
	g.gauge("__name__", "job:recorded", "job", "api")
	return g.out
}

type generator struct {
	rng *rand.Rand
	out []oneSeries
}

// walk makes a series of what next gives for each scrape.
func (g *generator) walk(next func(t int64) sample, lset ...string) {
	s := oneSeries{labels: labels.FromStrings(lset...)}
	last := int64(0)
	for t := g.rng.Int64N(15 * second); t <= hour; t += 15 * second {
		if g.rng.IntN(60) == 0 {
			t += g.rng.Int64N(7 * minute) // a gap, sometimes longer than the lookback
		}
		at := base + t + g.rng.Int64N(3*second)
		if g.rng.IntN(8) == 0 {
			at = base + (t+minute)/minute*minute
		}
		if at <= last || at > base+hour {
			continue
		}
		last = at
		x := next(at)
		x.t = at
		if g.rng.IntN(100) == 0 {
			if x.h != nil {
				x.h = &histogram.Histogram{Sum: segment.Stale()}
			} else {
				x.v = segment.Stale()
			}
		}
		s.samples = append(s.samples, x)
	}
	g.out = append(g.out, s)
}

func (g *generator) counter(lset ...string) {
	v := float64(g.rng.IntN(1000))
	g.walk(func(int64) sample {
		v += float64(g.rng.IntN(50))
		if g.rng.IntN(50) == 0 {
			v = float64(g.rng.IntN(10))
		}
		return sample{v: v}
	}, lset...)
}

func (g *generator) gauge(lset ...string) {
	v, odd := 20.0, g.rng.IntN(3) == 0
	g.walk(func(int64) sample {
		v += g.rng.NormFloat64()
		if odd && g.rng.IntN(20) == 0 {
			return sample{v: []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, 1e-9, 1e22}[g.rng.IntN(6)]}
		}
		return sample{v: v}
	}, lset...)
}

func (g *generator) constant(v float64, lset ...string) {
	g.walk(func(int64) sample { return sample{v: v} }, lset...)
}

// native makes a series of native histograms that count on.
func (g *generator) native(lset ...string) {
	h := &histogram.Histogram{Schema: 1, ZeroThreshold: 0.001, PositiveSpans: []histogram.Span{{Offset: -2, Length: 4}}, PositiveBuckets: make([]int64, 4)}
	counts := make([]int64, 4)
	g.walk(func(int64) sample {
		for b := range counts {
			n := g.rng.Int64N(4)
			counts[b] += n
			h.Count += uint64(n)
			h.Sum += float64(n) * float64(b+1)
		}
		before := int64(0)
		for b, n := range counts {
			h.PositiveBuckets[b], before = n-before, n
		}
		return sample{h: h.Copy()}
	}, lset...)
}

// regexpNone allows no origin.
func regexpNone() *regexp.Regexp { return regexp.MustCompile("^$") }
