package remotewrite

import (
	"context"
	"errors"
	"net/http"

	"laminar/ingest"
	"laminar/ingest/budget"
	"laminar/sequence"
)

// What this package itself answers with; the others come from packages ingest and
// sequence.
var (
	errMethod      = errors.New("only POST is accepted here")
	errUnsupported = errors.New("content is not supported")
	errRefused     = errors.New("samples were refused")
	errNotElected  = errors.New("all samples come from replicas that are not elected")
	errCutOff      = errors.New("the body ended early, or did not come in time: send it again")
)

// refusedError is errRefused in the words of ingest.
type refusedError string

func (e refusedError) Error() string { return string(e) }
func (e refusedError) Unwrap() error { return errRefused }

// status maps the error of a request to the code of the answer. A sender gives up
// after a 4xx and sends again after a 5xx. So 4xx is only for faults that sending
// again cannot cure. 429 is never used: a stock Prometheus does not send again after
// it and loses the samples.
//
// retry says that the answer carries Retry-After.
func status(err error) (code int, retry bool) {
	switch {
	case err == nil:
		return http.StatusNoContent, false
	case errors.Is(err, errNotElected):
		return http.StatusAccepted, false
	case errors.Is(err, errMethod):
		return http.StatusMethodNotAllowed, false
	case errors.Is(err, errUnsupported):
		return http.StatusUnsupportedMediaType, false
	case errors.Is(err, errTooLarge), errors.Is(err, budget.ErrTooLarge):
		return http.StatusRequestEntityTooLarge, false
	case errors.Is(err, budget.ErrBusy), // back-pressure
		errors.Is(err, errCutOff),                  // by a proxy, too, which hands the answer on: no 400 or 408, or the samples were lost
		errors.Is(err, ingest.ErrClosed),           // another process may take it
		errors.Is(err, ingest.ErrTooLongAgo),       // the caches are new the next time
		errors.Is(err, ingest.ErrForgotten),        // the caches are new the next time
		errors.Is(err, sequence.ErrUnavailable),    // no database
		errors.Is(err, sequence.ErrLocked),         // others hold what is written to
		errors.Is(err, sequence.ErrCommitUnknown),  // resending is harmless (I2)
		errors.Is(err, sequence.ErrHistoryChanged), // a failover is under way
		errors.Is(err, sequence.ErrSnapshotGone),   // transient
		errors.Is(err, sequence.ErrFenced),         // transient
		errors.Is(err, sequence.ErrMetricGone),     // looked up again by the next flush
		errors.Is(err, sequence.ErrRegionGone),     // the operator's fault, and no reason to lose samples
		errors.Is(err, context.DeadlineExceeded),   // a lock held too long
		errors.Is(err, context.Canceled):           // shutting down, or the sender left
		return http.StatusServiceUnavailable, true
	case errors.Is(err, errMalformed), // undecodable
		errors.Is(err, errRefused),             // good neighbours are stored
		errors.Is(err, sequence.ErrBadContent): // the database would refuse it again
		return http.StatusBadRequest, false
	}
	// A fault of ours or the database's: keep the sender trying.
	return http.StatusInternalServerError, true
}

// sendersOwn reports whether an answer is about what the sender sent, and so is
// for the sender in full. Every other error is the installation's affair: of it
// the sender learns a public text.
func sendersOwn(err error) bool {
	for _, own := range []error{errMethod, errUnsupported, errTooLarge, budget.ErrTooLarge, errMalformed, errRefused, errCutOff} {
		if errors.Is(err, own) {
			return true
		}
	}
	return false
}
