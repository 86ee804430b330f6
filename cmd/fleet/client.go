package fleet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// RejectedError is a receiver's final refusal (usually 4xx): sending the same
// again would not help. The good samples of the request may have been accepted.
type RejectedError struct {
	Status int    // HTTP status code
	Text   string // the beginning of the answer
}

func (e *RejectedError) Error() string {
	return fmt.Sprintf("remote write: answer %d %s: %s", e.Status, http.StatusText(e.Status), e.Text)
}

// Client sends points by remote write 1.0. Its methods are safe for concurrent
// use. Call Close when done.
type Client struct {
	url         string
	connections int
	perRequest  int
	log         *slog.Logger
	http        *http.Client

	sent, retries atomic.Int64
	trouble       atomic.Pointer[error] // why a request was last sent again
}

// NewClient returns a client for the write endpoint at rawURL, whose user and
// password are used if it has them. It has up to connections requests under way
// at once, of up to perRequest points each; both are at least 1. What has to be
// sent again is logged.
func NewClient(rawURL string, connections, perRequest int, log *slog.Logger) (*Client, error) {
	u, err := url.Parse(rawURL)
	if err != nil {
		return nil, fmt.Errorf("remote write: %w", err)
	}
	if (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return nil, fmt.Errorf("remote write: %q is not the URL of a web server", rawURL)
	}
	if connections < 1 || perRequest < 1 {
		return nil, fmt.Errorf("remote write: %d connections with %d points per request, must be at least 1", connections, perRequest)
	}
	transport := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		MaxIdleConnsPerHost: connections, // the default would close all but two after each request
		IdleConnTimeout:     time.Minute,
	}
	return &Client{
		url:         rawURL,
		connections: connections,
		perRequest:  perRequest,
		log:         log,
		http:        &http.Client{Timeout: time.Minute, Transport: transport},
	}, nil
}

// Close closes the idle connections. No Send may be under way.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// Sent is the number of points that were acknowledged so far.
func (c *Client) Sent() int64 { return c.sent.Load() }

// Retries is how often a request was sent again so far.
func (c *Client) Retries() int64 { return c.retries.Load() }

// Trouble is why a request had to be sent again, the last time that happened; nil
// when it never did.
func (c *Client) Trouble() error {
	if err := c.trouble.Load(); err != nil {
		return *err
	}
	return nil
}

// Send sends the points and returns when all are acknowledged. A request that
// gets a 5xx or no answer is sent again until ctx ends; then it may or may not
// have been accepted. Points of one series arrive in order. If requests are
// refused for good, the others are still sent, and the first refusal is
// returned: a *RejectedError.
func (c *Client) Send(ctx context.Context, series [][]Label, points []Point) error {
	lanes := c.lanes(points)
	var refused atomic.Pointer[RejectedError]
	group, ctx := errgroup.WithContext(ctx)
	for _, lane := range lanes {
		group.Go(func() error {
			for len(lane) > 0 {
				n := min(len(lane), c.perRequest)
				body, err := Encode(series, lane[:n])
				if err != nil {
					return fmt.Errorf("encode %d points: %w", n, err)
				}
				err = c.post(ctx, body)
				if no := (*RejectedError)(nil); errors.As(err, &no) {
					refused.CompareAndSwap(nil, no)
				} else if err != nil {
					return err
				} else {
					c.sent.Add(int64(n))
				}
				lane = lane[n:]
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if no := refused.Load(); no != nil {
		return no
	}
	return nil
}

// lanes deals the points to the connections. All points of a series go to one
// lane, so that none overtakes another.
func (c *Client) lanes(points []Point) [][]Point {
	count := min(c.connections, 1+len(points)/c.perRequest)
	if count <= 1 {
		return [][]Point{points}
	}
	lanes := make([][]Point, count)
	for _, p := range points {
		lanes[p.Series%count] = append(lanes[p.Series%count], p)
	}
	return lanes
}

// post sends one body until it is answered for good.
func (c *Client) post(ctx context.Context, body []byte) error {
	const longest = 10 * time.Second
	pause := 50 * time.Millisecond
	for {
		wait, err := c.try(ctx, body)
		if no := (*RejectedError)(nil); err == nil || errors.As(err, &no) {
			return err
		}
		if ctx.Err() == nil { // what is cut off says nothing about the receiver
			c.trouble.Store(&err)
		}
		c.log.Warn("sending a request again", "after", max(wait, pause), "err", err)
		select {
		case <-ctx.Done():
			return fmt.Errorf("%w, last answer: %w", context.Cause(ctx), err)
		case <-time.After(max(wait, pause)):
		}
		c.retries.Add(1)
		pause = min(2*pause, longest)
	}
}

// try sends one body once. The duration is what the receiver asks to wait
// before it is sent again.
func (c *Client) try(ctx context.Context, body []byte) (time.Duration, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, bytes.NewReader(body))
	if err != nil {
		return 0, fmt.Errorf("remote write to %s: %w", c.url, err)
	}
	req.Header.Set("Content-Encoding", "snappy")
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("X-Prometheus-Remote-Write-Version", "0.1.0")
	req.Header.Set("User-Agent", "laminar-simulate")
	resp, err := c.http.Do(req)
	if err != nil {
		return 0, fmt.Errorf("remote write: %w", err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
	if err != nil {
		return 0, fmt.Errorf("remote write: read the answer: %w", err)
	}
	switch {
	case resp.StatusCode/100 == 2:
		return 0, nil
	case resp.StatusCode < 500 && resp.StatusCode != http.StatusTooManyRequests:
		return 0, &RejectedError{Status: resp.StatusCode, Text: strings.TrimSpace(string(text))}
	}
	seconds, _ := strconv.Atoi(resp.Header.Get("Retry-After")) // a date, or none, means no wish
	return time.Duration(seconds) * time.Second, fmt.Errorf("remote write: answer %s: %s", resp.Status, strings.TrimSpace(string(text)))
}
