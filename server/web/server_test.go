package web

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// TestMaxConnections: of many connections as many are served at a time as are
// allowed, and in the end all.
func TestMaxConnections(t *testing.T) {
	const allowed, clients = 2, 6
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var inside, most atomic.Int32
	sent := make(chan struct{})
	handler := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		n := inside.Add(1)
		defer inside.Add(-1)
		for seen := most.Load(); n > seen && !most.CompareAndSwap(seen, n); seen = most.Load() {
		}
		<-sent
		w.WriteHeader(http.StatusNoContent)
	})
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	s := New(listener, Config{MaxConnections: allowed}, handler, slog.New(slog.DiscardHandler), nil)
	s.listener.(*places).grace = time.Hour // no connection is closed because its client is slow to ask
	go func() { ended <- s.Run(ctx) }()
	var written, answered sync.WaitGroup
	for range clients {
		written.Add(1)
		answered.Go(func() {
			conn, err := net.Dial("tcp", listener.Addr().String())
			if err == nil {
				defer conn.Close()
				_, err = io.WriteString(conn, "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
			}
			written.Done()
			if err == nil {
				_, err = io.ReadAll(conn)
			}
			if err != nil {
				t.Error(err)
			}
		})
	}
	written.Wait()
	for deadline := time.Now().Add(time.Minute); most.Load() < allowed; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("no connection is served")
		}
	}
	close(sent)
	answered.Wait()
	if most.Load() > allowed {
		t.Errorf("%d connections were served at once, want %d", most.Load(), allowed)
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
