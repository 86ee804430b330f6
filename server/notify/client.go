package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/prometheus/common/config"
	"github.com/prometheus/prometheus/model/labels"
)

// Alert is an alert as Alertmanagers take it.
type Alert struct {
	Labels       map[string]string `json:"labels"`
	Annotations  map[string]string `json:"annotations"`
	StartsAt     time.Time         `json:"startsAt"`
	EndsAt       time.Time         `json:"endsAt"`
	GeneratorURL string            `json:"generatorURL,omitempty"`
}

// defaultTimeout is how long one request may take where nothing is said.
const defaultTimeout = 10 * time.Second

// client reaches some Alertmanagers in one way.
type client struct {
	http    *http.Client
	scheme  string
	path    string
	timeout time.Duration
}

// newClient makes the client of an entry.
func newClient(a *Alertmanagers, version string) (*client, error) {
	h, err := config.NewClientFromConfig(a.HTTP, "alertmanager", config.WithUserAgent("Laminar/"+version))
	if err != nil {
		return nil, fmt.Errorf("make the client for Alertmanagers: %w", err)
	}
	c := &client{http: h, scheme: a.Scheme, path: strings.TrimSuffix(a.PathPrefix, "/") + "/api/v2/alerts", timeout: time.Duration(a.Timeout)}
	if c.scheme == "" {
		c.scheme = "http"
	}
	if !strings.HasPrefix(c.path, "/") {
		c.path = "/" + c.path
	}
	if c.timeout == 0 {
		c.timeout = defaultTimeout
	}
	return c, nil
}

// url is where alerts for the Alertmanager at an address go.
func (c *client) url(address string) string {
	return (&url.URL{Scheme: c.scheme, Host: address, Path: c.path}).String()
}

// send posts alerts, and returns when the Alertmanager has taken all of them.
func (c *client) send(ctx context.Context, to string, body []byte) error {
	ctx, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode/100 == 2 {
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<20)) // so that the connection is used again
		return nil
	}
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 512))
	err = fmt.Errorf("%s: %s", resp.Status, strings.TrimSpace(string(text)))
	if resp.StatusCode == http.StatusBadRequest || resp.StatusCode == http.StatusUnprocessableEntity {
		return &refusedError{err} // others are about who asks where
	}
	return err
}

// refusedError says that an Alertmanager does not take alerts as they are, and will not
// when they are sent again.
type refusedError struct{ error }

func (e *refusedError) Unwrap() error { return e.error }

// encode is alerts as the body of a request.
func encode(alerts []Alert) ([]byte, error) { return json.Marshal(alerts) }

// mapOf is labels as JSON wants them.
func mapOf(lset labels.Labels) map[string]string {
	out := make(map[string]string, lset.Len())
	lset.Range(func(l labels.Label) { out[l.Name] = l.Value })
	return out
}
