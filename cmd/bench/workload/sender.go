package workload

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
)

// Sender posts prepared requests. All receivers get the same ones over the same
// number of connections. Its methods are safe for concurrent use.
type Sender struct {
	client http.Client
	url    string
}

// NewSender makes a sender that keeps so many connections open between requests.
func NewSender(url string, connections int) *Sender {
	return &Sender{url: url, client: http.Client{
		Timeout:   2 * time.Minute,
		Transport: &http.Transport{MaxIdleConnsPerHost: connections, DisableCompression: true},
	}}
}

// Close closes the connections that are idle; a request opens new ones.
func (s *Sender) Close() { s.client.CloseIdleConnections() }

// Send sends a load, a connection for each lane, and returns how long it took
// until the last request was acknowledged.
func (s *Sender) Send(ctx context.Context, l Load) (time.Duration, error) {
	began := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	for _, lane := range l.Lanes {
		group.Go(func() error {
			for _, r := range lane {
				if err := s.Post(ctx, r.Body); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := group.Wait()
	return time.Since(began), err
}

// Pace sends a load evenly over a stretch of time. It is an error when the
// receiver does not keep up.
func (s *Sender) Pace(ctx context.Context, l Load, over time.Duration) error {
	began := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	for n, lane := range l.Lanes {
		group.Go(func() error {
			for i, r := range lane {
				// The lanes take turns: together they would send in bursts.
				turn := float64(i*len(l.Lanes)+n) / float64(len(lane)*len(l.Lanes))
				due := began.Add(time.Duration(turn * float64(over)))
				select {
				case <-ctx.Done():
					return ctx.Err()
				case <-time.After(time.Until(due)):
				}
				if err := s.Post(ctx, r.Body); err != nil {
					return err
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	if took := time.Since(began); took > over+over/5+time.Second {
		return fmt.Errorf("the load took %s instead of %s", took.Round(time.Millisecond), over)
	}
	return nil
}

// Post sends one body again and again until it is accepted, for a minute at
// most. It waits while the receiver answers 429 or 5xx.
func (s *Sender) Post(ctx context.Context, body []byte) error {
	for deadline := time.Now().Add(time.Minute); ; {
		status, text, err := s.try(ctx, body)
		switch {
		case err != nil:
			return fmt.Errorf("send to %s: %w", s.url, err)
		case status/100 == 2:
			return nil
		case status < 500 && status != http.StatusTooManyRequests, time.Now().After(deadline):
			return fmt.Errorf("send to %s: answer %d: %s", s.url, status, text)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(5 * time.Millisecond): // as a sender does, only shorter
		}
	}
}

// try sends one body once and returns the answer.
func (s *Sender) try(ctx context.Context, body []byte) (status int, text []byte, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Encoding", "snappy")
	req.Header.Set("Content-Type", "application/x-protobuf")
	req.Header.Set("X-Prometheus-Remote-Write-Version", "0.1.0")
	resp, err := s.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	text, err = io.ReadAll(resp.Body)
	return resp.StatusCode, text, err
}
