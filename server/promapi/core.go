package promapi

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/util/annotations"

	"laminar/ingest/budget"
	"laminar/ingest/outward"
	"laminar/query"
	"laminar/sequence"
	"laminar/sequence/series"
)

// Config is what the API answers from. All fields must be set.
type Config struct {
	Queries    *query.Queries
	Metadata   Describer
	Rules      Ruler
	Build      Build
	Flags      map[string]string // what /status/flags shows
	BodyBytes  int64             // memory for the bodies of requests
	Log        *slog.Logger
	Registerer prometheus.Registerer
}

// Describer knows what senders say of metrics.
type Describer interface {
	// Metadata is what is said of the metrics, AllMetadata of all.
	Metadata(ctx context.Context, metrics []string) ([]series.Metadata, error)
	AllMetadata(ctx context.Context) ([]series.Metadata, error)
}

// Build is what /status/buildinfo shows of the binary.
type Build struct {
	Version string // Laminar's
	Date    string
}

// core is what all endpoints answer from.
type core struct {
	cfg    Config
	bodies *budget.Budget // of requests under way
	door   *outward.Door
	now    func() time.Time
}

// session begins a query. The parameter provisional, which Prometheus does not have, makes
// results of open windows be read, too.
func (c *core) session(r *http.Request) *query.Session {
	s := c.cfg.Queries.Session()
	if yes, err := strconv.ParseBool(r.FormValue("provisional")); err == nil && yes {
		s.Provisional()
	}
	return s
}

// fromFlows is whether a request is to be answered from flows; "" where it does not say.
func fromFlows(r *http.Request) (query.FlowUse, error) {
	use := query.FlowUse(r.FormValue("from_flows"))
	if use != "" && !use.Known() {
		return "", fmt.Errorf("%q is neither %s nor %s", use, query.FlowsAuto, query.FlowsOff)
	}
	return use, nil
}

// endpoint answers one kind of request.
type endpoint func(r *http.Request) answer

// answer is what a request gets: data, or an error.
type answer struct {
	data     any // a result of the engine, label sets, or what has a JSON form
	err      *apiError
	warnings annotations.Annotations
	header   map[string]string // further ones
	done     func()            // called when data was written; may be nil
}

// kind is a kind of error: its name in the body, and the HTTP status.
type kind struct {
	name string
	code int
}

// The kinds, as Prometheus has them. It answers 500 where it is not ready; 503 makes
// clients come again.
var (
	badData     = kind{"bad_data", http.StatusBadRequest}
	execution   = kind{"execution", http.StatusUnprocessableEntity}
	canceled    = kind{"canceled", 499} // the client has left
	timeout     = kind{"timeout", http.StatusServiceUnavailable}
	internal    = kind{"internal", http.StatusInternalServerError}
	unavailable = kind{"unavailable", http.StatusServiceUnavailable}
)

// apiError is an error as the client gets it.
type apiError struct {
	kind kind
	text string
	wait bool // it passes: come again in a second
}

// refuse is an answer to a request that is wrong.
func refuse(err error) answer {
	return answer{err: &apiError{kind: badData, text: err.Error()}}
}

// refuseParameter is an answer to a request with a wrong parameter.
func refuseParameter(name string, err error) answer {
	return refuse(fmt.Errorf("invalid parameter %q: %w", name, err))
}

// failed is what the client gets of an error of reading or evaluating.
func (c *core) failed(r *http.Request, err error) *apiError {
	var (
		storage   *query.StorageError
		cancelled promql.ErrQueryCanceled
		late      promql.ErrQueryTimeout
	)
	switch {
	case errors.Is(err, query.ErrBusy):
		return &apiError{unavailable, query.ErrBusy.Error(), true}
	case errors.Is(err, query.ErrQueue):
		return &apiError{timeout, query.ErrQueue.Error(), true}
	case errors.Is(err, query.ErrTurn):
		return &apiError{timeout, query.ErrTurn.Error(), true}
	case errors.Is(err, query.ErrEnded):
		return &apiError{execution, query.ErrEnded.Error(), false}
	case errors.As(err, &cancelled), r.Context().Err() != nil, errors.Is(err, context.Canceled):
		return &apiError{canceled, err.Error(), false}
	case errors.As(err, &late), errors.Is(err, context.DeadlineExceeded):
		return &apiError{timeout, err.Error(), false}
	case errors.As(err, &storage):
		text := c.door.Text(r.Method+" "+r.URL.Path, storage)
		if errors.Is(err, sequence.ErrUnavailable) || errors.Is(err, sequence.ErrLocked) {
			return &apiError{unavailable, text, true}
		}
		return &apiError{internal, text, false}
	}
	return &apiError{execution, err.Error(), false}
}
