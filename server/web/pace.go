package web

import (
	"net/http"
	"time"
)

// A client that asks for much and takes nothing of the answer would hold what the answer is
// made of for as long as its connection lasts: the memory of a query, its turn, a snapshot
// of the database. So an answer has to be taken at a pace, however long it is.
const (
	paceBytes   = 64 << 10         // that have to be taken in paceTimeout
	paceTimeout = 30 * time.Second // ends the connection
)

// paced serves answers that have to be taken at a pace. A handler that waits before it
// writes is not bounded, only one that writes. What sets deadlines of its own for writing
// must not be behind it.
func paced(h http.Handler, timeout time.Duration) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p := &pacedWriter{ResponseWriter: w, control: http.NewResponseController(w), timeout: timeout}
		// What is left in the server's buffer is written after this, without a limit: it holds
		// the connection and nothing else. The next request on it begins without one.
		defer func() { _ = p.control.SetWriteDeadline(time.Time{}) }() // it fails where the connection is gone
		h.ServeHTTP(p, r)
	})
}

// pacedWriter gives each piece of an answer a deadline.
type pacedWriter struct {
	http.ResponseWriter
	control *http.ResponseController
	timeout time.Duration
}

// Write implements http.ResponseWriter.
func (p *pacedWriter) Write(text []byte) (n int, err error) {
	for {
		part := text[n:min(len(text), n+paceBytes)]
		_ = p.control.SetWriteDeadline(time.Now().Add(p.timeout)) // a writer of a test may have none
		k, err := p.ResponseWriter.Write(part)
		if n += k; err != nil || n >= len(text) {
			return n, err
		}
	}
}

// Unwrap is for http.ResponseController.
func (p *pacedWriter) Unwrap() http.ResponseWriter { return p.ResponseWriter }
