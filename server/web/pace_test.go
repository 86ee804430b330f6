package web

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// TestAnswersAreTaken: who takes nothing of a large answer is left alone after a while, by
// every route whose answers can be large, and with it goes what the answer is made of; who
// takes it slowly gets all of it, and the connection serves the next request.
func TestAnswersAreTaken(t *testing.T) {
	const size = 64 << 20 // more than the buffers of a connection hold
	ended := make(chan error, 10)
	large := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		part := make([]byte, 1<<20)
		for n := 0; n < size; n += len(part) {
			if _, err := w.Write(part); err != nil {
				ended <- err
				return
			}
		}
		ended <- nil
	})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := Routes{
		Write: http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }),
		Read:  large, Own: large, Console: large, ConsoleDir: "/", Metrics: prometheus.NewRegistry(),
		Ready: func(context.Context) error { return nil }, Log: slog.New(slog.DiscardHandler),
		pace: 3 * time.Second, // a machine with much else to do may stand still for a moment
	}
	ctx, stop := context.WithCancel(t.Context())
	stopped := make(chan error, 1)
	s := New(listener, Config{MaxConnections: 10}, r.Handler(), slog.New(slog.DiscardHandler), nil)
	go func() { stopped <- s.Run(ctx) }()
	for _, path := range []string{"/api/v1/query", "/api/v1/laminar/flows", "/x"} {
		conn, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-ended:
			if err == nil {
				t.Errorf("%s: the answer was written though nobody took it", path)
			}
		case <-time.After(time.Minute):
			t.Fatalf("%s: the answer is still being written", path)
		}
		_ = conn.Close()
	}
	// For longer than the pace: no request is bounded by what one before it had. Where one took
	// longer than the pace its client may have stood still, and all is asked again.
	asking := func() (slowest time.Duration, err error) {
		dials := 0
		client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			dials++
			return new(net.Dialer).DialContext(ctx, network, address)
		}}}
		defer client.CloseIdleConnections()
		for begun := time.Now(); time.Since(begun) < 3*r.pace; {
			for path, want := range map[string]int64{"/-/healthy": int64(len("healthy\n")), "/api/v1/write": 0, "/api/v1/query": size} {
				asked := time.Now()
				var n int64
				resp, err := client.Get("http://" + listener.Addr().String() + path)
				if err == nil {
					n, err = io.Copy(io.Discard, resp.Body)
					_ = resp.Body.Close()
				}
				if want == size {
					select {
					case written := <-ended:
						err = errors.Join(err, written)
					case <-time.After(time.Minute):
						err = errors.Join(err, errors.New("it is still being written"))
					}
				}
				slowest = max(slowest, time.Since(asked))
				if err != nil || n != want {
					return slowest, fmt.Errorf("%s: %d bytes: %w", path, n, err)
				}
			}
		}
		if dials != 1 {
			err = fmt.Errorf("%d connections were needed", dials)
		}
		return slowest, err
	}
	for deadline := time.Now().Add(3 * time.Minute); ; {
		slowest, err := asking()
		if err == nil {
			break
		}
		if slowest < r.pace || time.Now().After(deadline) {
			t.Error(err)
			break
		}
	}
	stop()
	if err := <-stopped; err != nil {
		t.Error(err)
	}
}
