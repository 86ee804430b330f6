package remotewrite

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// protoV2 is the message type of remote write 2.0.
const protoV2 = "io.prometheus.write.v2.Request"

// maxPooledBytes bounds the body buffers that are kept for later requests.
const maxPooledBytes = 4 << 20

// Write handles POST /api/v1/write: remote write 1.0, snappy unless the header
// says zstd, and VictoriaMetrics' handshake.
func (g *Ingester) Write() http.Handler { return g.handler(encodingSnappy) }

// Import handles POST /api/v1/import: the same message, zstd unless the header
// says snappy.
func (g *Ingester) Import() http.Handler { return g.handler(encodingZstd) }

func (g *Ingester) handler(byDefault encoding) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Older vmagents ask whether zstd is understood.
		if r.URL.Query().Get("get_vm_proto_version") != "" {
			_, _ = io.WriteString(w, "1") // a sender that is gone needs no answer
			return
		}
		g.answer(w, g.serve(r, byDefault))
	})
}

// answer writes what became of a request.
func (g *Ingester) answer(w http.ResponseWriter, err error) {
	code, retry := status(err)
	g.metrics.answered(code)
	if retry {
		w.Header().Set("Retry-After", strconv.Itoa(int(math.Ceil(g.cfg.RetryAfter.Seconds()))))
	}
	if code == http.StatusMethodNotAllowed {
		w.Header().Set("Allow", http.MethodPost)
	}
	if err != nil {
		http.Error(w, err.Error(), code)
		return
	}
	w.WriteHeader(code)
}

// serve takes one request in and returns when it is durable, or why it is not.
func (g *Ingester) serve(r *http.Request, byDefault encoding) error {
	enc, err := negotiate(r, byDefault)
	if err != nil {
		return err
	}
	bufs := bodyPool.Get().(*bodyBuffers)
	defer bufs.release()
	if err := g.readBody(r, bufs); err != nil {
		return err
	}
	earliest, latest := g.clock.span(g.cfg.Limits.Ahead)
	in := newIntake(g.registry, g.cfg.Regions, g.cfg.Limits, earliest, latest)
	defer in.release()
	if enc, err = g.decode(bufs, enc, in); err != nil {
		return err
	}
	// The intake's own refusals are counted here, a flush counts its own.
	for reason, n := range in.refused.count {
		g.metrics.refuse(reason, n)
	}
	if err := g.submit(r.Context(), in, &in.refused); err != nil {
		return err
	}
	if in.refused.total() == 0 {
		return nil
	}
	return g.partly(enc, &in.refused)
}

// partly answers a request some samples of which were refused. A sender of
// zstd blocks takes a 400 for a sign to pack the block again as snappy and to
// stay with that, so it is told nothing and the log is.
func (g *Ingester) partly(enc encoding, refused *refusals) error {
	text := refused.text(g.cfg.Limits)
	if enc != encodingZstd {
		return fmt.Errorf("%w: %s", errRefused, text)
	}
	const every = int64(time.Second)
	now := time.Now().UnixNano()
	if last := g.dropLogged.Load(); now-last >= every && g.dropLogged.CompareAndSwap(last, now) {
		g.log.Warn("samples of a zstd request were dropped", "samples", refused.total(), "why", text)
	}
	return nil
}

// negotiate checks method, type and encoding. The message type decides how a
// body is read: a 2.0 message read as 1.0 is an empty one, not an error.
func negotiate(r *http.Request, byDefault encoding) (encoding, error) {
	if r.Method != http.MethodPost {
		return 0, errMethod
	}
	if err := checkType(r.Header.Get("Content-Type")); err != nil {
		return 0, err
	}
	switch enc := r.Header.Get("Content-Encoding"); enc {
	case "":
		return byDefault, nil
	case "snappy":
		return encodingSnappy, nil
	case "zstd":
		return encodingZstd, nil
	default:
		return 0, fmt.Errorf("%w: content encoding %q, want snappy or zstd", errUnsupported, enc)
	}
}

func checkType(header string) error {
	if header == "" {
		return nil
	}
	parts := strings.Split(header, ";")
	if kind := strings.TrimSpace(parts[0]); !strings.EqualFold(kind, "application/x-protobuf") {
		return fmt.Errorf("%w: content type %q, want application/x-protobuf", errUnsupported, kind)
	}
	for _, part := range parts[1:] {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		if !ok {
			return fmt.Errorf("%w: content type %q has a malformed parameter", errUnsupported, header)
		}
		if !strings.EqualFold(strings.TrimSpace(name), "proto") {
			continue
		}
		switch value = strings.Trim(strings.TrimSpace(value), `"`); value {
		case "prometheus.WriteRequest":
		case protoV2:
			return fmt.Errorf("%w: remote write 2.0 (%s) is not accepted yet; send prometheus.WriteRequest", errUnsupported, protoV2)
		default:
			return fmt.Errorf("%w: message %q, want prometheus.WriteRequest", errUnsupported, value)
		}
	}
	return nil
}

// bodyBuffers is the memory one request's body is read and decompressed into.
type bodyBuffers struct{ sent, decoded []byte }

var bodyPool = sync.Pool{New: func() any { return new(bodyBuffers) }}

func (b *bodyBuffers) release() {
	if cap(b.sent)+cap(b.decoded) <= maxPooledBytes {
		bodyPool.Put(b)
	}
}

// readBody reads the body as sent into bufs.sent.
func (g *Ingester) readBody(r *http.Request, bufs *bodyBuffers) error {
	limit := g.cfg.Limits.BodyBytes
	if r.ContentLength > limit {
		return fmt.Errorf("%w: %d bytes, at most %d are taken", errTooLarge, r.ContentLength, limit)
	}
	// What a header announces is believed up to a size that costs nothing.
	if want := min(r.ContentLength, maxPooledBytes/2) + 1; want > int64(cap(bufs.sent)) {
		bufs.sent = make([]byte, 0, want)
	}
	bufs.sent = bufs.sent[:0]
	for {
		if len(bufs.sent) == cap(bufs.sent) {
			bufs.sent = append(bufs.sent, 0)[:len(bufs.sent)]
		}
		n, err := r.Body.Read(bufs.sent[len(bufs.sent):cap(bufs.sent)])
		bufs.sent = bufs.sent[:len(bufs.sent)+n]
		switch {
		case int64(len(bufs.sent)) > limit:
			return fmt.Errorf("%w: more than %d bytes", errTooLarge, limit)
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("read body: %w", err)
		}
	}
}

// decode decompresses the body and takes the message in. It returns the
// encoding the body really has: when the one of the header does not fit, the
// other is tried.
func (g *Ingester) decode(bufs *bodyBuffers, enc encoding, in *intake) (encoding, error) {
	err := g.decodeAs(bufs, enc, in)
	if err == nil || !errors.Is(err, errNotEncoded) {
		return enc, err
	}
	if other := enc.other(); plausible(bufs.sent, other) {
		if otherErr := g.decodeAs(bufs, other, in); !errors.Is(otherErr, errNotEncoded) {
			return other, otherErr
		}
	}
	return enc, err
}

// decodeAs decodes a body of a known encoding. The memory it takes counts
// against the budget while it is in use.
func (g *Ingester) decodeAs(bufs *bodyBuffers, enc encoding, in *intake) error {
	size, err := g.decompressor.declared(bufs.sent, enc)
	if err != nil {
		return err
	}
	if !g.budget.take(size) {
		return errBusy
	}
	defer g.budget.give(size)
	if bufs.decoded, err = g.decompressor.decompress(bufs.decoded, bufs.sent, enc); err != nil {
		return err
	}
	return in.readV1(bufs.decoded)
}
