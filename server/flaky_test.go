package server_test

import (
	"bytes"
	"context"
	"math/rand/v2"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
)

// flaky stands between a pool and PostgreSQL and cuts connections at the worst
// moments: when a commit has happened and its answer is on the way, when
// anything else is, and for a while after that no new one gets through.
type flaky struct {
	URL string // connects through it

	t       testing.TB
	listen  net.Listener
	dial    func() (net.Conn, error)
	group   sync.WaitGroup
	calm    atomic.Bool  // no more cuts
	refuse  atomic.Int32 // connections still to refuse
	commits atomic.Int64 // cuts between a commit and its answer
	unheard atomic.Int64 // cuts that kept a commit from the server
	others  atomic.Int64 // cuts at any other moment

	commitName atomic.Pointer[string] // of the prepared statement

	mu   sync.Mutex
	open map[net.Conn]bool
}

// newFlaky listens before the database that direct names. The caller closes
// every pool that goes through it before the test ends.
func newFlaky(t testing.TB, direct string) *flaky {
	t.Helper()
	cfg, err := pgconn.ParseConfig(direct)
	if err != nil {
		t.Fatal(err)
	}
	listen, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	f := &flaky{t: t, listen: listen, open: make(map[net.Conn]bool)}
	network, addr := pgconn.NetworkAddress(cfg.Host, cfg.Port)
	f.dial = func() (net.Conn, error) {
		return new(net.Dialer).DialContext(context.Background(), network, addr)
	}
	u := url.URL{Scheme: "postgres", User: url.UserPassword(cfg.User, cfg.Password), Host: listen.Addr().String(),
		Path: "/" + cfg.Database, RawQuery: "sslmode=disable"}
	f.URL = u.String()
	f.group.Go(f.accept)
	t.Cleanup(func() {
		listen.Close()
		f.mu.Lock()
		for c := range f.open {
			c.Close()
		}
		f.mu.Unlock()
		f.group.Wait()
	})
	return f
}

func (f *flaky) accept() {
	for {
		client, err := f.listen.Accept()
		if err != nil {
			return
		}
		if !f.calm.Load() && f.refuse.Add(-1) >= 0 {
			client.Close()
			continue
		}
		server, err := f.dial()
		if err != nil {
			client.Close()
			continue
		}
		f.mu.Lock()
		f.open[client], f.open[server] = true, true
		f.mu.Unlock()
		f.group.Go(func() { f.pass(client, server, f.onRequest) })
		f.group.Go(func() { f.pass(server, client, f.onAnswer) })
	}
}

// pass copies one direction until either side ends or cut says so.
func (f *flaky) pass(from, to net.Conn, cut func([]byte) bool) {
	defer func() {
		from.Close()
		to.Close()
		f.mu.Lock()
		delete(f.open, from)
		delete(f.open, to)
		f.mu.Unlock()
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := from.Read(buf)
		if n > 0 {
			if !f.calm.Load() && cut(buf[:n]) {
				f.refuse.Store(int32(rand.IntN(3)))
				return
			}
			if _, err := to.Write(buf[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}

// onRequest cuts before the server hears of it.
func (f *flaky) onRequest(request []byte) bool {
	if f.isCommit(request) {
		if rand.IntN(8) == 0 {
			f.unheard.Add(1)
			return true
		}
		return false
	}
	if rand.IntN(100) != 0 {
		return false
	}
	f.others.Add(1)
	return true
}

// isCommit reports whether a request holds a COMMIT. It is sent as text once
// and as the name of a prepared statement from then on, which is learnt here.
func (f *flaky) isCommit(request []byte) bool {
	if end := bytes.Index(request, []byte("\x00commit\x00")); end >= 0 {
		if begin := bytes.LastIndex(request[:end], []byte("stmtcache_")); begin >= 0 {
			name := string(request[begin:end])
			f.commitName.Store(&name)
		}
		return true
	}
	name := f.commitName.Load()
	return name != nil && bytes.Contains(request, []byte(*name))
}

// onAnswer cuts when the server has done it and nobody hears.
func (f *flaky) onAnswer(answer []byte) bool {
	switch {
	case bytes.Contains(answer, []byte("COMMIT\x00")):
		if rand.IntN(8) == 0 {
			f.commits.Add(1)
			return true
		}
	case rand.IntN(300) == 0:
		f.others.Add(1)
		return true
	}
	return false
}
