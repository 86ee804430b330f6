package subscribe

import (
	"errors"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// chunk is how much is written under one deadline, bytes: a stream of any size goes on
	// as long as its reader takes that much of it in time.
	chunk = 64 << 10
	// hurried is the deadline when the process ends.
	hurried = time.Second
)

// writer writes to one client. It is for one goroutine, but for hurry.
type writer struct {
	w        http.ResponseWriter
	control  *http.ResponseController
	timeout  time.Duration // of one chunk
	sent     prometheus.Counter
	last     time.Time // when something was written last
	hurrying atomic.Bool
}

func newWriter(w http.ResponseWriter, timeout time.Duration, sent prometheus.Counter) *writer {
	return &writer{w: w, control: http.NewResponseController(w), timeout: timeout, sent: sent, last: time.Now()}
}

// write sends bytes to the client: errSlow where it did not take them in time, errLeft where
// it is gone. The text is not changed, so many can write it at a time.
func (o *writer) write(text []byte) error {
	for more := true; more; {
		n := min(len(text), chunk)
		more = n < len(text)
		if err := o.send(text[:n], !more); err != nil {
			if errors.Is(err, os.ErrDeadlineExceeded) {
				return errSlow
			}
			return errors.Join(errLeft, err)
		}
		o.sent.Add(float64(n))
		text = text[n:]
	}
	o.last = time.Now()
	return nil
}

// send writes one chunk, the last one through to the client.
func (o *writer) send(text []byte, last bool) error {
	for done := false; !done; {
		limit, hurrying := o.timeout, o.hurrying.Load()
		if hurrying {
			limit = min(limit, hurried)
		}
		if err := o.control.SetWriteDeadline(time.Now().Add(limit)); err != nil {
			return err
		}
		done = hurrying == o.hurrying.Load() // else hurry's deadline was overwritten
	}
	if _, err := o.w.Write(text); err != nil || !last {
		return err
	}
	return o.control.Flush()
}

// hurry makes a write that is under way, and those to come, end soon. Any goroutine may
// call it.
func (o *writer) hurry() {
	o.hurrying.Store(true)
	_ = o.control.SetWriteDeadline(time.Now().Add(hurried)) // it fails where the connection is gone
}

// done takes the deadline back: the connection may be used for other requests.
func (o *writer) done() { _ = o.control.SetWriteDeadline(time.Time{}) } // it fails where the connection is gone
