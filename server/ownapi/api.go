package ownapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/prometheus/util/httputil"

	"laminar/flownode"
	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	"laminar/ingest/outward"
	"laminar/sequence"
	"laminar/server/view"
	"laminar/sqlstore"
	"laminar/sqlstore/flowstore"
)

// Prefix is the path that everything here is below.
const Prefix = "/api/v1/laminar/"

// Timeout is how long a request may take.
const Timeout = 30 * time.Second

// Conns is how many connections to the database requests share.
const Conns = 4

// Config is what the API answers from. All fields but Node must be set.
type Config struct {
	Readers  *sqlstore.Readers
	Node     *flownode.Node   // nil where the process keeps no flows
	Executor flowdef.Executor // of flows that do not name one
	Version  string
	Parts    []string
	Schema   string                         // of result tables
	May      func(r *http.Request) []string // the scopes of who asks
	Now      func() time.Time
	Log      *slog.Logger
}

// API answers requests. It is an http.Handler for the paths below Prefix, and may be called
// by many goroutines at once.
type API struct {
	cfg     Config
	door    *outward.Door
	handler http.Handler
}

// New makes the API.
func New(cfg Config) *API {
	a := &API{cfg: cfg, door: outward.New(cfg.Log)}
	mux := http.NewServeMux()
	flows, windows := flowPages{a}, windowPages{a}
	for path, answer := range map[string]func(*http.Request) (any, error){
		"installation": a.installation,
		"flows":        flows.list,
		"flow":         flows.page,
		"flow/explain": flows.explain,
		"flow/windows": windows.strip,
		"flow/window":  windows.window,
	} {
		mux.Handle("GET "+Prefix+path, httputil.CompressionHandler{Handler: a.answering(answer)})
	}
	mux.HandleFunc(Prefix, func(w http.ResponseWriter, r *http.Request) {
		a.refuse(w, r, &requestError{status: http.StatusNotFound, text: "there is nothing at " + r.Method + " " + r.URL.Path, hint: "docs/api.md lists what there is"})
	})
	a.handler = http.NewCrossOriginProtection().Handler(mux)
	return a
}

// ServeHTTP answers a request.
func (a *API) ServeHTTP(w http.ResponseWriter, r *http.Request) { a.handler.ServeHTTP(w, r) }

// answering is a handler that answers what a function returns.
func (a *API) answering(answer func(*http.Request) (any, error)) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), Timeout)
		defer cancel()
		data, err := answer(r.WithContext(ctx))
		if err != nil {
			a.refuse(w, r, err)
			return
		}
		a.write(w, http.StatusOK, data)
	})
}

// write answers with a body.
func (a *API) write(w http.ResponseWriter, status int, data any) {
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(data) // a client that has left needs no answer
}

// requestError is what is wrong with a request, for whoever sent it.
type requestError struct {
	status     int
	text, hint string
}

func (e *requestError) Error() string { return e.text }

// badRequest is an error about a parameter.
func badRequest(parameter string, err error) error {
	return &requestError{status: http.StatusBadRequest, text: fmt.Sprintf("parameter %s: %v", parameter, err)}
}

// refuse answers with an error. What is wrong with the request, or forbidden as things
// stand, is told in full; of what failed inside, others learn its kind, and the log has the
// rest.
func (a *API) refuse(w http.ResponseWriter, r *http.Request, err error) {
	var (
		own     *requestError
		unknown *progress.UnknownFlowError
		early   *progress.RetentionError
		pinned  *progress.PinnedGoneError
	)
	body := view.Refusal{Error: err.Error()}
	status := http.StatusInternalServerError
	switch {
	case errors.As(err, &own):
		status, body.Error, body.Hint = own.status, own.text, own.hint
	case errors.As(err, &unknown):
		status, body.Error, body.Hint = http.StatusNotFound, unknown.Error(), unknown.Hint()
	case errors.Is(err, flowstore.ErrNoJob):
		status = http.StatusNotFound
	case errors.Is(err, progress.ErrFlowGone):
		status, body.Error = http.StatusNotFound, progress.ErrFlowGone.Error()
	case errors.As(err, &early):
		status, body.Error, body.Hint = http.StatusConflict, early.Error(), early.Hint()
	case errors.As(err, &pinned):
		status, body.Error, body.Hint = http.StatusConflict, pinned.Error(), pinned.Hint()
	case errors.Is(err, context.DeadlineExceeded):
		status, body.Error = http.StatusServiceUnavailable, fmt.Sprintf("it took more than %s", Timeout)
	case errors.Is(err, sequence.ErrUnavailable), errors.Is(err, sequence.ErrLocked), errors.Is(err, sequence.ErrSnapshotGone):
		status, body.Error = http.StatusServiceUnavailable, a.door.Text(r.Method+" "+r.URL.Path, err)
	default:
		body.Error = a.door.Text(r.Method+" "+r.URL.Path, err)
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	a.write(w, status, body)
}

// timeOf reads a parameter that is a time, as the command line reads times; otherwise is
// what stands for one that is missing.
func (a *API) timeOf(r *http.Request, name string, otherwise sequence.Time) (sequence.Time, error) {
	text := r.FormValue(name)
	if text == "" {
		return otherwise, nil
	}
	t, err := view.ParseTime(text, a.cfg.Now())
	if err != nil {
		return 0, badRequest(name, err)
	}
	return t.UnixMilli(), nil
}

// numberOf reads a parameter that is a number from 1 to most; otherwise stands for one that
// is missing.
func numberOf(r *http.Request, name string, otherwise, most int) (int, error) {
	text := r.FormValue(name)
	if text == "" {
		return otherwise, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 || n > most {
		return 0, badRequest(name, fmt.Errorf("%q: want a number from 1 to %d", text, most))
	}
	return n, nil
}

// kept is what is in memory of the flows that this process keeps, and whether it leads.
func (a *API) kept() (map[progress.FlowID]flownode.Kept, bool) {
	if a.cfg.Node == nil {
		return nil, false
	}
	return a.cfg.Node.Kept(), a.cfg.Node.Leads()
}

// installation answers what this process is, and what who asks may do.
func (a *API) installation(r *http.Request) (any, error) {
	members, err := a.cfg.Readers.Members.List(r.Context())
	if err != nil {
		return nil, err
	}
	heads, err := a.cfg.Readers.Catalogue.Heads(r.Context())
	if err != nil {
		return nil, err
	}
	storage, err := a.cfg.Readers.Storage(r.Context())
	if err != nil {
		return nil, err
	}
	_, leads := a.kept()
	return view.NewInstallation(view.Process{
		Version: a.cfg.Version, Name: sqlstore.ProcessName(), Parts: a.cfg.Parts, Leads: leads, Schema: a.cfg.Schema,
	}, a.cfg.May(r), members, len(heads), storage.Series, a.cfg.Now()), nil
}
