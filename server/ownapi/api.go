package ownapi

import (
	"context"
	"net/http"

	"laminar/ingest/outward"
	"laminar/server/packed"
)

// Prefix is the path that everything here is below.
const Prefix = "/api/v1/laminar/"

// API answers requests. It is an http.Handler for the paths below Prefix, and may be called
// by many goroutines at once. Its owner calls Run once.
type API struct {
	handler   http.Handler
	verifying *verifying
}

// Run does what requests ask for and do not wait for, until ctx ends.
func (a *API) Run(ctx context.Context) error { return a.verifying.run(ctx) }

// New makes the API.
func New(cfg Config) *API {
	c := &core{cfg: cfg, door: outward.New(cfg.Log)}
	mux := http.NewServeMux()
	flows, windows, refills, pages := flowPages{c}, windowPages{c}, refills{c}, pages{c}
	runs := newVerifying(c)
	for path, answer := range map[string]answer{
		"verify":       runs.list,
		"installation": pages.installation,
		"flows":        flows.list,
		"flow":         flows.page,
		"flow/explain": flows.explain,
		"flow/windows": windows.strip,
		"flow/window":  windows.window,
		"flow/state":   states{c}.state,
		"refill/plan":  refills.plan,
		"jobs":         refills.list,
		"job":          refills.job,
		"alerts":       pages.alerts,
		"status":       pages.status,
		"storage":      pages.storage,
		"senders":      pages.senders,
		"ingest":       pages.ingest,
	} {
		mux.Handle("GET "+Prefix+path, packed.Handler{Handler: c.answering(http.StatusOK, answer)})
	}
	for path, answer := range map[string]answer{
		"refill/start": refills.start,
		"job/cancel":   refills.cancel,

		"verify/start":  runs.start,
		"verify/cancel": runs.stop,
	} {
		mux.Handle("POST "+Prefix+path, c.answering(http.StatusAccepted, answer))
	}
	mux.HandleFunc(Prefix, func(w http.ResponseWriter, r *http.Request) {
		c.refuse(w, r, &requestError{status: http.StatusNotFound, text: "there is nothing at " + r.Method + " " + r.URL.Path, hint: "docs/api.md lists what there is"})
	})
	return &API{mux, runs}
}

// ServeHTTP answers a request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.handler.ServeHTTP(w, r) }
