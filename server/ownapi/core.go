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

	"laminar/flownode"
	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	"laminar/flownode/verify"
	"laminar/ingest/outward"
	"laminar/sequence"
	"laminar/server/view"
	"laminar/sqlstore"
	"laminar/sqlstore/flowstore"
)

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
	Who      func(r *http.Request) string   // who asks, for the log
	Taken    func() (view.Ingest, error)    // what this process has taken in
	Verifier *verify.Verifier
	Now      func() time.Time
	Log      *slog.Logger
}

// core is what all pages answer from.
type core struct {
	cfg  Config
	door *outward.Door
}

// answer is what a request is answered with.
type answer func(r *http.Request) (any, error)

// answering is a handler that answers, with a status, what a function returns.
func (c *core) answering(status int, answer answer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), Timeout)
		defer cancel()
		data, err := answer(r.WithContext(ctx))
		if err != nil && r.Context().Err() != nil {
			return // who asked has left
		}
		if err != nil {
			c.refuse(w, r, err)
			return
		}
		c.write(w, status, data)
	})
}

// write answers with a body.
func (c *core) write(w http.ResponseWriter, status int, data any) {
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
func (c *core) refuse(w http.ResponseWriter, r *http.Request, err error) {
	var (
		own     *requestError
		unknown *progress.UnknownFlowError
		early   *progress.RetentionError
		pinned  *progress.PinnedGoneError
		empty   *progress.EmptySpanError
	)
	body := view.Refusal{Error: err.Error()}
	status := http.StatusInternalServerError
	switch {
	case errors.As(err, &own):
		status, body.Error, body.Hint = own.status, own.text, own.hint
	case errors.As(err, &unknown):
		status, body.Error, body.Hint = http.StatusNotFound, unknown.Error(), unknown.Hint()
	case errors.Is(err, flowstore.ErrNoJob):
		status, body.Error = http.StatusNotFound, flowstore.ErrNoJob.Error()
	case errors.Is(err, progress.ErrFlowGone):
		status, body.Error = http.StatusNotFound, progress.ErrFlowGone.Error()
	case errors.As(err, &early):
		status, body.Error, body.Hint = http.StatusConflict, early.Error(), hintOf(err)
	case errors.As(err, &pinned):
		status, body.Error, body.Hint = http.StatusConflict, pinned.Error(), hintOf(err)
	case errors.As(err, &empty):
		status, body.Error, body.Hint = http.StatusBadRequest, empty.Error(), hintOf(err)
	case errors.Is(err, context.DeadlineExceeded):
		status, body.Error = http.StatusServiceUnavailable, fmt.Sprintf("it took more than %s", Timeout)
	case errors.Is(err, sequence.ErrUnavailable), errors.Is(err, sequence.ErrLocked), errors.Is(err, sequence.ErrSnapshotGone):
		status, body.Error = http.StatusServiceUnavailable, c.door.Text(r.Method+" "+r.URL.Path, err)
	default:
		body.Error = c.door.Text(r.Method+" "+r.URL.Path, err)
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	c.write(w, status, body)
}

// timeOf reads a parameter that is a time, as the command line reads times; otherwise is
// what stands for one that is missing.
func (c *core) timeOf(r *http.Request, name string, otherwise sequence.Time) (sequence.Time, error) {
	text := r.FormValue(name)
	if text == "" {
		return otherwise, nil
	}
	t, err := view.ParseTime(text, c.cfg.Now())
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
func (c *core) kept() (map[progress.FlowID]flownode.Kept, bool) {
	if c.cfg.Node == nil {
		return nil, false
	}
	return c.cfg.Node.Kept(), c.cfg.Node.Leads()
}

// hintOf says what can be asked for instead of what was refused.
func hintOf(err error) string {
	var (
		early *progress.RetentionError
		empty *progress.EmptySpanError
		hint  interface{ Hint() string }
	)
	switch {
	case errors.As(err, &early):
		return "from=" + view.FormatTime(early.Earliest-1)
	case errors.As(err, &empty):
		return "to=" + view.FormatTime(empty.Next)
	case errors.As(err, &hint):
		return hint.Hint()
	}
	return ""
}
