package promapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"

	"laminar/ingest/budget"
)

// Bodies of requests are read before their queries wait for their turn, so they have a
// budget of their own: whoever sends many, or slowly, makes others come again, and takes no
// more memory than that.

// Bounds of a body.
const (
	formBytes = 4 << 20 // as sent
	readBytes = 1 << 20 // of remote read, as sent and decompressed; a usual one has some 100 bytes

	firstBytes = 4 << 10 // that room is made for at first
)

// What bodies take beside themselves.
const (
	formFactor = 4  // parameters: they are copied when they are read, and once more unescaped
	readFactor = 64 // a message of which most parts are empty: two bytes become a matcher and its pointer
)

// errBody is a body that is too large, in the words of net/http.
var errBody = &http.MaxBytesError{}

// readBody reads the body of a request, which has at most so many bytes. What it takes is
// counted before it is taken, until the hold ends.
func readBody(r *http.Request, hold *budget.Hold, most int) ([]byte, error) {
	if r.ContentLength > int64(most) {
		return nil, errBody
	}
	size := firstBytes
	if r.ContentLength >= 0 {
		size = min(size, int(r.ContentLength)+1)
	}
	var body []byte
	for {
		if len(body) == cap(body) {
			if err := hold.Reserve(int64(size)); err != nil {
				return nil, err
			}
			larger := append(make([]byte, 0, size), body...)
			hold.Free(int64(cap(body)))
			body, size = larger, min(2*size, most+1)
		}
		n, err := r.Body.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case len(body) > most:
			return nil, errBody
		case errors.Is(err, io.EOF):
			return body, nil
		case err != nil:
			return nil, errCutOff // not err itself, which may name addresses
		}
	}
}

// errCutOff says that a body did not come whole.
var errCutOff = errors.New("the body of the request was cut off")

// bounded lets an endpoint answer a request when its body has been read. What is wrong with
// its parameters is for the endpoint to say.
func (c *core) bounded(r *http.Request, answering endpoint) (ans answer, end func()) {
	if r.Method != http.MethodPost {
		return answering(r), func() {}
	}
	hold, err := c.bodies.Begin()
	if err != nil {
		return answer{err: c.bodyError(err)}, func() {}
	}
	body, err := readBody(r, &hold, formBytes)
	if err == nil {
		err = hold.Reserve(int64(formFactor * len(body)))
	}
	if err != nil {
		hold.End()
		return answer{err: c.bodyError(err)}, func() {}
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return answering(r), hold.End
}

// bodyError is what the client gets of an error of reading a body.
func (c *core) bodyError(err error) *apiError {
	if errors.Is(err, budget.ErrBusy) {
		return &apiError{unavailable, "too many requests are under way", true}
	}
	return refuse(fmt.Errorf("error parsing form values: %w", err)).err
}
