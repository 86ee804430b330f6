package subscribe

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strconv"
	"time"

	"laminar/client/wire"
	"laminar/flownode/progress"
	"laminar/sequence"
)

// retryAfter is when a client that was refused is to come again, in seconds.
const retryAfter = 5

// ServeHTTP answers GET /api/v1/subscribe.
func (h *Hub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	a, err := parseAsk(r, time.Now())
	if err != nil {
		refuse(w, http.StatusBadRequest, "bad_data", err.Error(), "")
		return
	}
	who := h.cfg.Who(r)
	if !h.enter(who) {
		h.metrics.refused.Inc()
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
		refuse(w, http.StatusServiceUnavailable, "unavailable", "too many subscriptions (subscribe.max_streams, of which one login or address has three quarters at most), or the process is ending", "")
		return
	}
	defer h.exit(who)
	h.metrics.streams.Inc()
	defer h.metrics.streams.Dec()
	st := &stream{hub: h, ask: a, out: newWriter(w, h.cfg.WriteTimeout, h.metrics.sent), born: time.Now()}
	defer func() { h.leave(st.tail) }()
	if err := st.open(r.Context()); err != nil {
		h.refuseOpen(w, r, err)
		return
	}
	defer st.out.done()
	head := w.Header()
	head.Set("Content-Type", map[form]string{asLines: wire.LinesType, asEvents: wire.EventsType}[a.in])
	head.Set("Cache-Control", "no-store")
	head.Set("X-Accel-Buffering", "no") // nginx would gather what is to be there at once
	h.metrics.closed.WithLabelValues(st.end(st.run(r.Context()))).Inc()
}

// refuseOpen answers a request of which the flows could not be read.
func (h *Hub) refuseOpen(w http.ResponseWriter, r *http.Request, err error) {
	var unknown *progress.UnknownFlowError
	switch {
	case errors.As(err, &unknown):
		refuse(w, http.StatusNotFound, "not_found", unknown.Error(), unknown.Hint())
	case errors.Is(err, errNoFlows):
		refuse(w, http.StatusNotFound, "not_found", err.Error(), "")
	case r.Context().Err() != nil: // nobody reads the answer
	case errors.Is(err, sequence.ErrUnavailable), errors.Is(err, errEnding), errors.Is(err, context.DeadlineExceeded):
		w.Header().Set("Retry-After", strconv.Itoa(retryAfter))
		refuse(w, http.StatusServiceUnavailable, "unavailable", h.door.Text(r.URL.Path, err), "")
	default:
		refuse(w, http.StatusInternalServerError, "internal", h.door.Text(r.URL.Path, err), "")
	}
}

// refuse answers with an error, in the form of the other endpoints, and with what can be
// done about it unless that is "".
func refuse(w http.ResponseWriter, code int, kind, text, hint string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	body := map[string]string{"status": "error", "errorType": kind, "error": text}
	if hint != "" {
		body["hint"] = hint
	}
	_ = json.NewEncoder(w).Encode(body) // a client that has left needs no answer
}

// end says bye where the client can hear it, and returns why the stream ended, for the
// metric.
func (st *stream) end(err error) string {
	bye := wire.Bye{Type: wire.TypeBye, Retry: 1000}
	switch {
	case errors.Is(err, errDone):
		return "done"
	case errors.Is(err, errSlow):
		return "slow"
	case errors.Is(err, errLeft):
		return "client"
	case errors.Is(err, errEnding):
		bye.Reason = wire.ByeShutdown
	case errors.Is(err, errAged):
		bye.Reason = wire.ByeAge
	case errors.Is(err, errNoFlows):
		bye.Reason, bye.Retry = wire.ByeGone, 0
	default:
		bye.Reason, bye.Error = wire.ByeError, st.hub.door.Text("/api/v1/subscribe", err)
	}
	if message, err := wire.Encode(bye); err == nil {
		_ = st.out.write(st.ask.in.frame(nil, wire.TypeBye, "", message)) // it ends in any case
	}
	return bye.Reason
}
