package promapi

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"laminar/ingest/budget"
	"laminar/ingest/outward"
	"laminar/server/packed"
)

// API answers requests. It is an http.Handler for the paths below /api/v1/, and may be
// called by many goroutines at once.
type API struct {
	core *core
	mux  *http.ServeMux

	seconds  *prometheus.HistogramVec // by endpoint
	requests *prometheus.CounterVec   // by endpoint and code
}

// New makes the API.
func New(cfg Config) *API {
	a := &API{
		core: &core{cfg: cfg, bodies: budget.New(cfg.BodyBytes), door: outward.New(cfg.Log), now: time.Now},
		mux:  http.NewServeMux(),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "laminar", Subsystem: "query", Name: "request_seconds",
			Help:    "How long requests for queries took, by endpoint.",
			Buckets: prometheus.ExponentialBuckets(0.001, 4, 9), // 1 ms to 65 s
		}, []string{"endpoint"}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "laminar", Subsystem: "query", Name: "requests_total",
			Help: "Requests for queries, by endpoint and HTTP status.",
		}, []string{"endpoint", "code"}),
	}
	cfg.Registerer.MustRegister(a.seconds, a.requests)
	a.mount()
	return a
}

// mount makes the routes.
func (a *API) mount() {
	values, labels, trees := evaluating{a.core}, lookups{a.core}, expressions{a.core}
	pages, rules := pages{labels, a.core.now()}, rulePages{a.core}
	both := []string{http.MethodGet, http.MethodPost}
	get := both[:1]
	for _, route := range []struct {
		path    string
		methods []string
		answer  endpoint
	}{
		{"query", both, values.query},
		{"query_range", both, values.queryRange},
		{"query_exemplars", both, values.queryExemplars},
		{"format_query", both, trees.formatQuery},
		{"parse_query", both, trees.parseQuery},
		{"series", both, labels.series},
		{"labels", both, labels.labelNames},
		{"label/{name}/values", get, labels.labelValues},
		{"metadata", get, pages.metadata},
		{"rules", get, rules.rules},
		{"alerts", get, rules.alerts},
		{"targets", get, pages.targets},
		{"alertmanagers", get, pages.alertmanagers},
		{"status/buildinfo", get, pages.buildInfo},
		{"status/runtimeinfo", get, pages.runtimeInfo},
		{"status/config", get, pages.configuration},
		{"status/flags", get, pages.flags},
		{"status/walreplay", get, pages.walReplay},
		{"status/tsdb", get, pages.tsdb},
	} {
		for _, method := range route.methods {
			a.mux.Handle(method+" /api/v1/"+route.path, packed.Handler{Handler: a.handler(route.path, route.answer)})
		}
	}
	// Remote read is no JSON, and compresses by itself.
	a.mux.Handle("POST /api/v1/read", a.measured("read", remoteReading{a.core}))
}

// ServeHTTP answers a request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.mux.ServeHTTP(w, r) }

// handler is an endpoint over HTTP.
func (a *API) handler(path string, answering endpoint) http.Handler {
	return a.measured(path, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ans, end := a.core.bounded(r, answering)
		defer end()
		if ans.done != nil {
			defer ans.done()
		}
		a.core.respond(w, r, ans)
	}))
}

// measured is a handler of which requests are counted.
func (a *API) measured(path string, h http.Handler) http.Handler {
	labels := prometheus.Labels{"endpoint": path}
	return promhttp.InstrumentHandlerDuration(a.seconds.MustCurryWith(labels),
		promhttp.InstrumentHandlerCounter(a.requests.MustCurryWith(labels), h))
}
