package remotewrite

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"net/http"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"laminar/ingest"
	"laminar/ingest/budget"
	"laminar/ingest/outward"
	"laminar/ingest/registry"
)

// Config is how a Handler works. Every zero field stands for its default.
type Config struct {
	BodyBytes    int64         // size of a request as sent; default DefaultBodyBytes
	DecodedBytes int64         // size of a request decompressed; default DefaultDecodedBytes
	RetryAfter   time.Duration // what a 503 tells the sender to wait, sent in whole seconds, rounded up; default 1 s

	Logger     *slog.Logger          // default: slog.Default()
	Registerer prometheus.Registerer // default: metrics are kept but not registered
}

// The defaults that a user sees.
const (
	DefaultBodyBytes    = 32 << 20
	DefaultDecodedBytes = 32 << 20
)

// Handler answers remote write requests. It is safe for use from several
// goroutines.
type Handler struct {
	cfg          Config
	ingester     *ingest.Ingester
	decompressor *decompressor
	v1, v2       *registry.Spellings
	answers      *prometheus.CounterVec // by status code
	door         *outward.Door
	dropLogged   atomic.Int64 // process's clock, ns: when dropped samples were last logged
}

// New makes a handler that brings what it reads to an ingester.
func New(ingester *ingest.Ingester, cfg Config) (*Handler, error) {
	cfg.BodyBytes = cmp.Or(cfg.BodyBytes, DefaultBodyBytes)
	cfg.DecodedBytes = cmp.Or(cfg.DecodedBytes, DefaultDecodedBytes)
	cfg.RetryAfter = cmp.Or(cfg.RetryAfter, time.Second)
	if cfg.Logger == nil {
		cfg.Logger = slog.Default()
	}
	if cfg.BodyBytes < 0 || cfg.DecodedBytes < 0 || cfg.RetryAfter < 0 {
		return nil, fmt.Errorf("remote write: limits are negative: body %d, decoded %d, retry after %s", cfg.BodyBytes, cfg.DecodedBytes, cfg.RetryAfter)
	}
	h := &Handler{
		cfg: cfg, ingester: ingester,
		door: outward.New(cfg.Logger, budget.ErrBusy, ingest.ErrClosed, ingest.ErrTooLongAgo, ingest.ErrForgotten),
		v1:   ingester.NewSpellings(appendLabelsV1), v2: ingester.NewSpellings(nil),
		answers: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "laminar_ingest_requests_total", Help: "Requests answered, by HTTP status code.",
		}, []string{"code"}),
	}
	var err error
	if h.decompressor, err = newDecompressor(cfg.DecodedBytes); err != nil {
		return nil, fmt.Errorf("remote write: %w", err)
	}
	if cfg.Registerer != nil {
		if err := cfg.Registerer.Register(h.answers); err != nil {
			return nil, fmt.Errorf("remote write: register metrics: %w", err)
		}
	}
	return h, nil
}

// Write handles POST /api/v1/write: remote write 1.0 and 2.0, snappy unless the
// header says zstd, and VictoriaMetrics' handshake.
func (h *Handler) Write() http.Handler { return h.handler(encodingSnappy) }

// Import handles POST /api/v1/import: the same messages, zstd unless the header
// says snappy.
func (h *Handler) Import() http.Handler { return h.handler(encodingZstd) }

func (h *Handler) handler(byDefault encoding) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Older vmagents ask whether zstd is understood. What has a body is no such
		// question: to answer it would throw samples away and say that all is well.
		if r.URL.Query().Get("get_vm_proto_version") != "" && (r.Method == http.MethodGet || r.ContentLength == 0) {
			_, _ = io.WriteString(w, "1") // a sender that is gone needs no answer
			return
		}
		ver, enc, err := negotiate(r, byDefault)
		if err != nil {
			h.answer(w, r, err)
			return
		}
		written, err := h.serve(r, ver, enc)
		if ver == version2 {
			// Whatever became of the request; a 1.0 answer must not have them.
			setWritten(w.Header(), written)
		}
		h.answer(w, r, err)
	})
}

// setWritten confirms what was written, as 2.0 asks for.
func setWritten(h http.Header, n ingest.Tally) {
	h.Set("X-Prometheus-Remote-Write-Samples-Written", strconv.Itoa(n.Samples))
	h.Set("X-Prometheus-Remote-Write-Histograms-Written", strconv.Itoa(n.Histograms))
	h.Set("X-Prometheus-Remote-Write-Exemplars-Written", strconv.Itoa(n.Exemplars))
}

// answer writes what became of a request.
func (h *Handler) answer(w http.ResponseWriter, r *http.Request, err error) {
	code, retry := status(err)
	h.answers.WithLabelValues(strconv.Itoa(code)).Inc()
	if retry {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(h.cfg.RetryAfter.Seconds()))))
	}
	if code == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", http.MethodPost)
	}
	if code >= http.StatusBadRequest {
		text := err.Error()
		if !sendersOwn(err) {
			text = h.door.Text(r.Method+" "+r.URL.Path, err)
		}
		http.Error(w, text, code)
		return
	}
	w.WriteHeader(code)
}

// serve takes one request in and returns when it is durable, or why it is not,
// and how much of it is durable.
func (h *Handler) serve(r *http.Request, ver version, enc encoding) (written ingest.Tally, err error) {
	in, err := h.ingester.Begin(r.Context())
	if err != nil {
		return ingest.Tally{}, err
	}
	defer in.End()
	if enc, err = h.receive(r, ver, enc, in); err != nil {
		return ingest.Tally{}, err
	}
	out, err := in.Commit()
	switch {
	case err != nil:
		return out.Written, err
	case out.Refused > 0:
		return out.Written, h.partly(ver, enc, out)
	case out.NotElected:
		return out.Written, errNotElected
	}
	return out.Written, nil
}

// receive reads the body and takes the message in. The memory for both is given
// back before the commit is waited for.
func (h *Handler) receive(r *http.Request, ver version, enc encoding, in *ingest.Intake) (encoding, error) {
	bufs := newBody(in)
	defer bufs.release()
	if err := h.readBody(r, bufs); err != nil {
		return enc, err
	}
	in.Received()
	return h.decode(bufs, ver, enc, in)
}

// partly answers a request some samples of which were refused. A sender of 1.0
// in zstd blocks (vmagent) takes a 400 for a sign to pack the block again as
// snappy and to stay with that, so it is told nothing and the log is.
func (h *Handler) partly(ver version, enc encoding, out ingest.Outcome) error {
	if ver != version1 || enc != encodingZstd {
		return refusedError(out.Why)
	}
	const every = int64(time.Second)
	now := time.Now().UnixNano()
	if last := h.dropLogged.Load(); now-last >= every && h.dropLogged.CompareAndSwap(last, now) {
		h.cfg.Logger.Warn("samples of a zstd request were dropped", "samples", out.Refused, "why", out.Why)
	}
	return nil
}

// readBody reads the body as sent into bufs.sent.
func (h *Handler) readBody(r *http.Request, bufs *bodyBuffers) error {
	limit := h.cfg.BodyBytes
	if r.ContentLength > limit {
		return fmt.Errorf("%w: %d bytes, at most %d are taken", errTooLarge, r.ContentLength, limit)
	}
	// What a header announces is believed up to a size that costs little.
	if err := bufs.grow(&bufs.sent, max(min(r.ContentLength, maxPooledBytes/8), bytes.MinRead)+1); err != nil {
		return err
	}
	for {
		if size := int64(cap(bufs.sent)); int64(len(bufs.sent)) == size {
			size += min(size, bodyStep)
			if r.ContentLength >= 0 {
				size = min(size, r.ContentLength+1)
			}
			if err := bufs.grow(&bufs.sent, min(max(size, int64(cap(bufs.sent))+1), limit+1)); err != nil {
				return err
			}
		}
		n, err := r.Body.Read(bufs.sent[len(bufs.sent):cap(bufs.sent)])
		bufs.sent = bufs.sent[:len(bufs.sent)+n]
		switch {
		case int64(len(bufs.sent)) > limit:
			return fmt.Errorf("%w: more than %d bytes", errTooLarge, limit)
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			// Not err itself, which may name addresses.
			return fmt.Errorf("%w (%d bytes came)", errCutOff, len(bufs.sent))
		}
	}
}

// decode decompresses the body and takes the message in. It returns the
// encoding the body really has: when the one of the header does not fit, the
// other is tried.
func (h *Handler) decode(bufs *bodyBuffers, ver version, enc encoding, in *ingest.Intake) (encoding, error) {
	err := h.decodeAs(bufs, ver, enc, in)
	if err == nil || !errors.Is(err, errNotEncoded) {
		return enc, err
	}
	if other := enc.other(); plausible(bufs.sent, other) {
		if otherErr := h.decodeAs(bufs, ver, other, in); !errors.Is(otherErr, errNotEncoded) {
			return other, otherErr
		}
	}
	return enc, err
}

// decodeAs decodes a body of a known encoding. The memory for what it may become
// is counted before any of it is taken.
func (h *Handler) decodeAs(bufs *bodyBuffers, ver version, enc encoding, in *ingest.Intake) error {
	size, err := h.decompressor.bound(bufs.sent, enc)
	if err != nil {
		return err
	}
	bufs.decoded = bufs.decoded[:0]
	if err := bufs.grow(&bufs.decoded, size); err != nil {
		return err
	}
	if bufs.decoded, err = h.decompressor.decompress(bufs.decoded, bufs.sent, enc); err != nil {
		return err
	}
	if ver == version2 {
		read := newReader(in, h.v2)
		defer read.release()
		return read.readV2(bufs.decoded)
	}
	read := newReader(in, h.v1)
	defer read.release()
	return read.readV1(bufs.decoded)
}
