package web

import (
	"bufio"
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// crowd is a server with few places, and who connects to it.
type crowd struct {
	*testing.T
	places *places
	held   chan struct{} // ends one request of /hold
	stop   func()
}

// newCrowd runs a server of which a connection that is idle for grace makes room.
func newCrowd(t *testing.T, most int, grace time.Duration, reg prometheus.Registerer) *crowd {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &crowd{T: t, held: make(chan struct{})}
	handler := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/hold" {
			<-c.held
		}
		w.WriteHeader(http.StatusNoContent)
	})
	s := New(listener, Config{Listen: "127.0.0.1:0", MaxConnections: most}, handler, slog.New(slog.DiscardHandler), reg)
	c.places = s.listener.(*places)
	c.places.grace, c.places.room = grace, 4
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	c.stop = func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	go func() { ended <- s.Run(ctx) }()
	return c
}

// until polls what the places must come to.
func (c *crowd) until(what string, ok func(p *places) bool) {
	c.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		c.places.mu.Lock()
		done := ok(c.places)
		c.places.mu.Unlock()
		if done {
			return
		}
		if time.Now().After(deadline) {
			c.Fatalf("never comes: %s", what)
		}
	}
}

// idle waits until so many connections are idle: they are a moment after the answer.
func (c *crowd) idle(n int) {
	c.Helper()
	c.until("idle connections", func(p *places) bool {
		found := 0
		for held := range p.held {
			if !held.idle.IsZero() {
				found++
			}
		}
		return found == n
	})
}

// dial connects from an address of loopback.
func (c *crowd) dial(from string) *visitor {
	c.Helper()
	dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}}
	conn, err := dialer.DialContext(c.Context(), "tcp", c.places.Addr().String())
	if err != nil {
		c.Fatal(err)
	}
	c.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(time.Minute)); err != nil {
		c.Fatal(err)
	}
	return &visitor{Conn: conn, in: bufio.NewReader(conn)}
}

type visitor struct {
	net.Conn
	in *bufio.Reader
}

func (v *visitor) send(path, header string) error {
	_, err := io.WriteString(v, "GET "+path+" HTTP/1.1\r\nHost: localhost\r\n"+header+"\r\n")
	return err
}

func (v *visitor) answer() error {
	resp, err := http.ReadResponse(v.in, nil)
	if err == nil {
		err = resp.Body.Close()
	}
	return err
}

func (v *visitor) ask(path string) error {
	if err := v.send(path, ""); err != nil {
		return err
	}
	return v.answer()
}

// once asks the server to close the connection after its answer.
const once = "Connection: close\r\n"

const hog, guest, other = "127.0.0.1", "127.0.0.2", "127.0.0.3"

// TestIdleMakeRoom: who holds every place with connections that he does not use keeps no one
// out: the one that has been idle for longest is closed, and the others go on.
func TestIdleMakeRoom(t *testing.T) {
	metrics := prometheus.NewRegistry()
	c := newCrowd(t, 4, 0, metrics)
	defer c.stop()
	first := c.dial(other) // idle for longest, but not of the remote with the most
	if err := first.ask("/"); err != nil {
		t.Fatal(err)
	}
	c.idle(1)
	var hogs []*visitor
	for range 3 {
		v := c.dial(hog)
		if err := v.ask("/"); err != nil {
			t.Fatal(err)
		}
		hogs = append(hogs, v)
		c.idle(1 + len(hogs))
	}
	if err := c.dial(guest).ask("/"); err != nil {
		t.Errorf("a fifth connection: %v", err)
	}
	if _, err := hogs[0].in.ReadByte(); err != io.EOF {
		t.Errorf("the longest idle connection of the remote with the most reads %v, want its end", err)
	}
	for i, v := range []*visitor{first, hogs[1], hogs[2]} {
		if err := v.ask("/"); err != nil {
			t.Errorf("connection %d, which was not in the way: %v", i, err)
		}
	}
	if got := refusedBy(t, metrics); got["idle"] != 1 || got["waiting"] != 0 {
		t.Errorf("closed for others: %v, want one that was idle", got)
	}
}

// TestSilentMakeRoom: a connection that has sent nothing yet has a moment to do so, and then
// makes room too.
func TestSilentMakeRoom(t *testing.T) {
	metrics := prometheus.NewRegistry()
	c := newCrowd(t, 2, justUsed, metrics)
	defer c.stop()
	began := time.Now()
	for range 2 {
		c.dial(hog)
	}
	c.until("two connections", func(p *places) bool { return len(p.held) == 2 })
	if err := c.dial(guest).ask("/"); err != nil {
		t.Error(err)
	}
	if took := time.Since(began); took < justUsed {
		t.Errorf("a third is answered after %v, want after %v", took, justUsed)
	}
	if got := refusedBy(t, metrics); got["idle"] != 1 {
		t.Errorf("closed for others: %v, want one that was idle", got)
	}
}

// TestPlacesAreShared: while all connections are in use, nobody's request is cut off; the
// next place is for whoever holds the fewest, not for whoever asked most.
func TestPlacesAreShared(t *testing.T) {
	metrics := prometheus.NewRegistry()
	c := newCrowd(t, 3, time.Hour, metrics) // nothing is idle for so long
	var served []*visitor
	hold := func(from string) *visitor {
		t.Helper()
		v := c.dial(from)
		if err := v.send("/hold", once); err != nil {
			t.Fatal(err)
		}
		return v
	}
	for range 3 {
		served = append(served, hold(hog))
	}
	c.until("three requests", func(p *places) bool {
		for held := range p.held {
			if !held.idle.IsZero() {
				return false
			}
		}
		return len(p.held) == 3
	})
	waits := func(n int) {
		t.Helper()
		c.until("connections that wait", func(p *places) bool { return len(p.waiting) == n })
	}
	var queue []*visitor
	for i := range 3 {
		queue = append(queue, hold(hog))
		waits(i + 1)
	}
	late := c.dial(guest)
	if err := late.send("/", once); err != nil {
		t.Fatal(err)
	}
	waits(4)
	// One too many: the newest of the remote with the most goes.
	later := c.dial(other)
	if err := later.send("/", once); err != nil {
		t.Fatal(err)
	}
	if _, err := queue[2].in.ReadByte(); err == nil {
		t.Error("the newest of too many that wait is answered")
	}
	c.held <- struct{}{} // one of the three is answered, and its place is free
	for _, v := range []*visitor{late, later} {
		if err := v.answer(); err != nil {
			t.Errorf("%s, with no connection: %v", v.LocalAddr(), err)
		}
	}
	close(c.held)
	answered := 0
	for _, v := range served {
		if err := v.answer(); err == nil {
			answered++
		}
	}
	if answered != 3 {
		t.Errorf("%d of the 3 requests under way were answered", answered)
	}
	for i, v := range queue[:2] {
		if err := v.answer(); err != nil {
			t.Errorf("connection %d of those that waited: %v", i, err)
		}
	}
	if got := refusedBy(t, metrics); got["waiting"] != 1 {
		t.Errorf("closed for others: %v, want one that waited", got)
	}
	c.stop()
}

// TestWaitingEnd: the end of the server ends the connections that wait.
func TestWaitingEnd(t *testing.T) {
	c := newCrowd(t, 1, justUsed, nil)
	v := c.dial(hog)
	if err := v.send("/hold", once); err != nil {
		t.Fatal(err)
	}
	c.until("a request", func(p *places) bool {
		for held := range p.held {
			return held.idle.IsZero()
		}
		return false
	})
	waiting := c.dial(guest)
	c.until("one that waits", func(p *places) bool { return len(p.waiting) == 1 })
	stopped := make(chan struct{})
	go func() { c.stop(); close(stopped) }()
	if _, err := waiting.in.ReadByte(); err == nil {
		t.Error("it got an answer")
	}
	close(c.held)
	if err := v.answer(); err != nil {
		t.Errorf("the request under way: %v", err)
	}
	<-stopped
}
