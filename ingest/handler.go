package ingest

import (
	"errors"
	"fmt"
	"io"
	"math"
	"net/http"
	"strconv"
	"sync"
	"time"
)

// maxPooledBytes bounds the body buffers that are kept for later requests.
const maxPooledBytes = 4 << 20

// Write handles POST /api/v1/write: remote write 1.0 and 2.0, snappy unless the
// header says zstd, and VictoriaMetrics' handshake.
func (g *Ingester) Write() http.Handler { return g.handler(encodingSnappy) }

// Import handles POST /api/v1/import: the same messages, zstd unless the header
// says snappy.
func (g *Ingester) Import() http.Handler { return g.handler(encodingZstd) }

func (g *Ingester) handler(byDefault encoding) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		// Older vmagents ask whether zstd is understood.
		if r.URL.Query().Get("get_vm_proto_version") != "" {
			_, _ = io.WriteString(w, "1") // a sender that is gone needs no answer
			return
		}
		ver, enc, err := negotiate(r, byDefault)
		if err != nil {
			g.answer(w, err)
			return
		}
		written, err := g.serve(r, ver, enc)
		if ver == version2 {
			// Whatever became of the request; a 1.0 answer must not have them.
			written.setHeaders(w.Header())
		}
		g.answer(w, err)
	})
}

// setHeaders confirms what was written, as 2.0 asks for.
func (n tally) setHeaders(h http.Header) {
	h.Set("X-Prometheus-Remote-Write-Samples-Written", strconv.Itoa(n.samples))
	h.Set("X-Prometheus-Remote-Write-Histograms-Written", strconv.Itoa(n.histograms))
	h.Set("X-Prometheus-Remote-Write-Exemplars-Written", strconv.Itoa(n.exemplars))
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
	if code >= http.StatusBadRequest {
		http.Error(w, err.Error(), code)
		return
	}
	w.WriteHeader(code)
}

// serve takes one request in and returns when it is durable, or why it is not,
// and how much of it is durable.
func (g *Ingester) serve(r *http.Request, ver version, enc encoding) (written tally, err error) {
	g.traffic.enter()
	defer g.traffic.leave()
	bufs := bodyPool.Get().(*bodyBuffers)
	defer bufs.release()
	if err := g.readBody(r, bufs); err != nil {
		g.arrive()
		return tally{}, err
	}
	earliest, latest := g.clock.span(g.cfg.Limits.Ahead)
	in := newIntake(g.registry, g.cfg.Regions, g.cfg.Limits, earliest, latest)
	defer in.release()
	in.zeros = g.cfg.StartZeros
	ha := g.registry.ha
	if ha != nil {
		ha.begin(r.Context(), in)
	}
	if g.metadata != nil {
		in.metadata, in.now = g.metadata, g.metadata.now()
	}
	if enc, err = g.decode(bufs, ver, enc, in); err != nil {
		g.arrive()
		return tally{}, err
	}
	// The intake's own refusals are counted here, a flush counts its own.
	for reason, n := range in.refused.count {
		g.metrics.refuse(reason, n)
	}
	g.metrics.exemplars.Add(float64(in.accepted.exemplars))
	g.metrics.badStarts.Add(float64(in.badStart))
	written, err = g.submit(r.Context(), in, &in.refused)
	if err != nil {
		return written, err
	}
	written.add(in.accepted)
	dropped := 0
	if ha != nil {
		dropped = ha.count(in.verdicts.list)
	}
	switch {
	case in.refused.total() > 0:
		return written, g.partly(ver, enc, &in.refused)
	case dropped > 0 && in.samples == 0:
		return written, errNotElected
	}
	return written, nil
}

func (n *tally) add(other tally) {
	n.samples += other.samples
	n.histograms += other.histograms
	n.exemplars += other.exemplars
}

// partly answers a request some samples of which were refused. A sender of 1.0
// in zstd blocks (vmagent) takes a 400 for a sign to pack the block again as
// snappy and to stay with that, so it is told nothing and the log is.
func (g *Ingester) partly(ver version, enc encoding, refused *refusals) error {
	text := refused.text(g.cfg.Limits)
	if ver != version1 || enc != encodingZstd {
		return fmt.Errorf("%w: %s", errRefused, text)
	}
	const every = int64(time.Second)
	now := time.Now().UnixNano()
	if last := g.dropLogged.Load(); now-last >= every && g.dropLogged.CompareAndSwap(last, now) {
		g.log.Warn("samples of a zstd request were dropped", "samples", refused.total(), "why", text)
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
func (g *Ingester) decode(bufs *bodyBuffers, ver version, enc encoding, in *intake) (encoding, error) {
	err := g.decodeAs(bufs, ver, enc, in)
	if err == nil || !errors.Is(err, errNotEncoded) {
		return enc, err
	}
	if other := enc.other(); plausible(bufs.sent, other) {
		if otherErr := g.decodeAs(bufs, ver, other, in); !errors.Is(otherErr, errNotEncoded) {
			return other, otherErr
		}
	}
	return enc, err
}

// decodeAs decodes a body of a known encoding. The memory it takes counts
// against the budget while it is in use.
func (g *Ingester) decodeAs(bufs *bodyBuffers, ver version, enc encoding, in *intake) error {
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
	if ver == version2 {
		return in.readV2(bufs.decoded)
	}
	return in.readV1(bufs.decoded)
}
