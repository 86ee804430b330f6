package web

import (
	"cmp"
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/http/pprof"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"laminar/ingest/outward"
)

// readyTimeout is how long the database may take to answer before a process is
// not ready. It is shorter than the timeout that those who probe usually have,
// so that they get an answer and not silence.
const readyTimeout = 2 * time.Second

// mutexFraction is which part of the contended locks a profile of them counts:
// one in so many. Counting all would cost as much as the locks.
const mutexFraction = 100

// Routes is what answers the requests. Metrics, Ready and Log must be set. Each is
// called by many goroutines at once. What a process does not do is nil, and answered
// 404.
type Routes struct {
	Write    http.Handler // remote write
	Import   http.Handler
	Reload   http.Handler // of definition files
	Read     http.Handler // what answers below /api/v1/ and takes no samples; nil for nothing
	Own      http.Handler // what answers below /api/v1/laminar/
	Follow   http.Handler // what answers subscriptions
	Console  http.Handler // pages for people, below ConsoleDir; nil for none
	Metrics  prometheus.Gatherer
	Ready    func(context.Context) error // why requests cannot be served, nil when they can
	Profiles bool                        // adds Go's own; those of locks cost a little all the time
	Log      *slog.Logger

	ConsoleDir string // the path of the console, with a slash at its end

	pace time.Duration // of answers; 0 for paceTimeout
}

// Handler is the HTTP interface. New endpoints are mounted here, and only here;
// their handlers are packages of their own below server. What a browser sends for a
// page of another origin is answered 403, but for GET, HEAD and OPTIONS, which change
// nothing.
func (r Routes) Handler() http.Handler {
	mux, door := http.NewServeMux(), outward.New(r.Log)
	// Without a method in the pattern: the handlers answer 405 themselves, and
	// VictoriaMetrics' handshake is a GET.
	pace := cmp.Or(r.pace, paceTimeout)
	for pattern, handler := range map[string]http.Handler{
		"/api/v1/write": r.Write, "/api/v1/import": r.Import, "POST /-/reload": r.Reload, "/api/v1/": r.Read, "/api/v1/laminar/": r.Own,
		"GET /metrics": promhttp.HandlerFor(r.Metrics, promhttp.HandlerOpts{}),
	} {
		if handler != nil {
			mux.Handle(pattern, paced(handler, pace))
		}
	}
	if r.Follow != nil {
		mux.Handle("GET /api/v1/subscribe", r.Follow) // has deadlines of its own
	}
	if r.Profiles {
		runtime.SetMutexProfileFraction(mutexFraction)
		mux.HandleFunc("GET /debug/pprof/", pprof.Index)
		mux.HandleFunc("GET /debug/pprof/profile", pprof.Profile)
		mux.HandleFunc("GET /debug/pprof/trace", pprof.Trace)
	}
	// Without asking anything: who restarts processes by it must not do so
	// because the database is away.
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "healthy\n") // a client that has left needs no answer
	})
	// Goes by whether writes succeed: a process that cannot commit must not be sent
	// samples by a load balancer, and no other part of it would say so before a sender
	// is told.
	mux.HandleFunc("GET /-/ready", func(w http.ResponseWriter, req *http.Request) {
		ctx, cancel := context.WithTimeout(req.Context(), readyTimeout)
		defer cancel()
		if err := r.Ready(ctx); err != nil {
			http.Error(w, "not ready: "+door.Text(req.URL.Path, err), http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ready\n")
	})
	// A browser sends what a page of another site tells it to, with the login that it
	// remembers. Senders that are no browsers name no origin, and pass.
	routes := http.NewCrossOriginProtection().Handler(mux)
	if r.Console != nil {
		return besideConsole(paced(r.Console, pace), r.ConsoleDir, routes)
	}
	return routes
}
