package lab

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"time"
)

// Ask sends a request of Prometheus's API for reading, which has to succeed, and returns
// the answer and how long it took to its last byte.
func (p *Process) Ask(ctx context.Context, path string, form url.Values) (body []byte, took time.Duration, err error) {
	began := time.Now()
	status, body, err := Get(ctx, p.URL("/api/v1/"+path+"?"+form.Encode()))
	took = time.Since(began)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("answer %d: %.300s", status, body)
	}
	if err != nil {
		return nil, took, fmt.Errorf("ask %s for %s: %w", p.URL("/"), path, err)
	}
	return body, took, nil
}
