package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"time"

	"golang.org/x/sync/errgroup"
)

// sender posts prepared requests. All receivers get the same ones over the same
// number of connections.
type sender struct {
	client http.Client
	url    string
}

func newSender(url string, connections int) *sender {
	return &sender{url: url, client: http.Client{
		Timeout:   2 * time.Minute,
		Transport: &http.Transport{MaxIdleConnsPerHost: connections, DisableCompression: true},
	}}
}

func (s *sender) close() { s.client.CloseIdleConnections() }

// send sends a load, a connection for each lane, and returns how long it took
// until the last request was acknowledged.
func (s *sender) send(ctx context.Context, l load) (time.Duration, error) {
	began := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	for _, lane := range l.lanes {
		group.Go(func() error {
			for _, r := range lane {
				if err := s.post(ctx, r.body); err != nil {
					return err
				}
			}
			return nil
		})
	}
	err := group.Wait()
	return time.Since(began), err
}

// post sends one body until it is accepted; on back-pressure it waits.
func (s *sender) post(ctx context.Context, body []byte) error {
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

func (s *sender) try(ctx context.Context, body []byte) (status int, text []byte, err error) {
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
