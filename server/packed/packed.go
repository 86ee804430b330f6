// Package packed answers in gzip where a client takes that. What packs is used again: to make
// one takes longer than many a small answer, and leaves a megabyte for the garbage collector.
package packed

import (
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/klauspost/compress/gzip"
	"github.com/prometheus/prometheus/util/httputil"
)

// Handler packs the answers of another one, as Prometheus does.
type Handler struct{ Handler http.Handler }

var writers = sync.Pool{New: func() any { return gzip.NewWriter(io.Discard) }}

// ServeHTTP implements http.Handler.
func (h Handler) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if firstKnown(r.Header.Get("Accept-Encoding")) != "gzip" {
		httputil.CompressionHandler{Handler: h.Handler}.ServeHTTP(w, r)
		return
	}
	w.Header().Add("Vary", "Accept-Encoding")
	w.Header().Set("Content-Encoding", "gzip")
	zip := writers.Get().(*gzip.Writer)
	zip.Reset(w)
	defer func() {
		zip.Reset(io.Discard) // it must not hold the answer
		writers.Put(zip)
	}()
	h.Handler.ServeHTTP(&response{w, zip}, r)
	w.Header().Del("Content-Length")
	_ = zip.Close() // a client that has left needs no answer
}

// firstKnown is the first encoding of a header that there is something for; "" for none. It
// takes the names as they stand, as Prometheus does.
func firstKnown(header string) string {
	for one := range strings.SplitSeq(header, ",") {
		if one = strings.TrimSpace(one); one == "gzip" || one == "deflate" {
			return one
		}
	}
	return ""
}

// response is an answer that is packed on the way.
type response struct {
	http.ResponseWriter
	zip *gzip.Writer
}

// Write implements http.ResponseWriter.
func (r *response) Write(p []byte) (int, error) {
	r.Header().Del("Content-Length") // of what is not packed
	return r.zip.Write(p)
}

// WriteHeader implements http.ResponseWriter.
func (r *response) WriteHeader(status int) {
	r.Header().Del("Content-Length")
	r.ResponseWriter.WriteHeader(status)
}
