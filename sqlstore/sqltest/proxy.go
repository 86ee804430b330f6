package sqltest

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/jackc/pgx/v5"
)

// Cut says where a Proxy breaks a connection.
type Cut int

// The places. All break the client's connection; they differ in what the server
// has heard.
const (
	CutNever        Cut = iota
	CutCopy             // in the middle of a COPY
	CutBeforeCommit     // the server never hears of the commit
	CutAfterCommit      // the server has committed, the client does not hear of it
	CutHoldCommit       // the commit is on its way until Release
)

// Proxy stands between a store and its server and breaks a connection at a
// named point. It reads as much of the protocol as it needs to find that point.
type Proxy struct {
	// URL connects to the database through the proxy.
	URL string

	listener net.Listener
	ended    chan struct{} // closed when the test is over
	wg       sync.WaitGroup
	filter   atomic.Pointer[Filter]

	mu      sync.Mutex
	server  [2]string // network and address
	refused bool      // connections are closed at once
	cut     Cut
	done    chan struct{} // closed when the cut has happened
	conns   map[net.Conn]struct{}

	released chan struct{} // closed when the commits that are held may go on
}

// Proxy starts a proxy before the database. It ends with the test.
func (db *DB) Proxy(t testing.TB) *Proxy {
	t.Helper()
	return NewProxy(t, db.URL)
}

// NewProxy starts a proxy before the database that a connection string names.
// It ends with the test.
func NewProxy(t testing.TB, direct string) *Proxy {
	t.Helper()
	cfg, err := pgx.ParseConfig(direct)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	u := url.URL{Scheme: "postgres", Host: listener.Addr().String(), Path: "/" + cfg.Database, RawQuery: "sslmode=disable"}
	u.User = url.User(cfg.User)
	if cfg.Password != "" {
		u.User = url.UserPassword(cfg.User, cfg.Password)
	}
	p := &Proxy{
		URL: u.String(), listener: listener, released: make(chan struct{}), ended: make(chan struct{}), conns: make(map[net.Conn]struct{}),
	}
	p.server[0], p.server[1] = serverAddress(cfg)
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		close(p.ended)
		p.closeAll()
		p.wg.Wait()
	})
	return p
}

// CutNext breaks the next connection that comes to the point. The channel is
// closed when it has happened.
func (p *Proxy) CutNext(cut Cut) <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut, p.done = cut, make(chan struct{})
	return p.done
}

// Release lets the commits that are held go on to the server.
func (p *Proxy) Release() {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.released)
	p.released = make(chan struct{})
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // the test is over
		}
		p.mu.Lock()
		address, refused := p.server, p.refused
		p.mu.Unlock()
		if refused {
			_ = client.Close()
			continue
		}
		server, err := net.Dial(address[0], address[1])
		if err != nil {
			_ = client.Close()
			continue
		}
		p.mu.Lock()
		p.conns[client], p.conns[server] = struct{}{}, struct{}{}
		p.mu.Unlock()
		l := &link{proxy: p, client: client, server: server, statements: make(map[string]string), ended: make(chan struct{})}
		p.wg.Go(l.answers)
		p.wg.Go(l.requests)
	}
}

// closeAll breaks every connection.
func (p *Proxy) closeAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		_ = conn.Close()
	}
	clear(p.conns)
}

// take says whether this is the point to cut at, once.
func (p *Proxy) take(cuts ...Cut) (cut Cut, done chan struct{}) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, c := range cuts {
		if p.cut == c {
			p.cut = CutNever
			return c, p.done
		}
	}
	return CutNever, nil
}

// link is one client's connection and the server's that belongs to it.
type link struct {
	proxy          *Proxy
	client, server net.Conn
	statements     map[string]string // prepared ones by name
	copying        string            // the last simple query
	ended          chan struct{}     // closed when the server says nothing more

	mu      sync.Mutex
	swallow chan struct{} // not nil: answers are dropped; closed at the server's next ReadyForQuery
	tx      []string      // statements since the session was last outside a transaction
}

func (l *link) close() { _, _ = l.client.Close(), l.server.Close() }

// answers passes on what the server says.
func (l *link) answers() {
	defer close(l.ended)
	defer l.close()
	from, to := bufio.NewReader(l.server), bufio.NewWriter(l.client)
	for {
		msg, err := readMessage(from)
		if err != nil {
			return
		}
		l.mu.Lock()
		swallow := l.swallow
		l.mu.Unlock()
		switch {
		case swallow == nil:
			if !l.pass(from, to, msg, l.answer(msg)) {
				return
			}
		case msg[0] == 'Z':
			close(swallow)
			return
		}
	}
}

// requests passes on what the client says and cuts at the point asked for.
func (l *link) requests() {
	defer l.close()
	startup, err := readStartup(l.client)
	if err != nil || isCancel(startup) {
		return
	}
	if _, err := l.server.Write(startup); err != nil {
		return
	}
	from, to := bufio.NewReader(l.client), bufio.NewWriter(l.server)
	for {
		msg, err := readMessage(from)
		if err != nil {
			return
		}
		about := l.request(msg)
		if msg[0] == 'd' {
			if _, done := l.proxy.take(CutCopy); done != nil {
				_ = to.Flush() // as with the half message, nobody waits for it
				_, _ = l.server.Write(msg[:len(msg)/2])
				close(done)
				return
			}
		}
		if about.Runs("commit") {
			if cut, done := l.proxy.take(CutBeforeCommit, CutAfterCommit, CutHoldCommit); done != nil {
				_ = to.Flush() // what does not get through now ends the connection below
				l.cutCommit(cut, from, msg, done)
				return
			}
		}
		if !l.pass(from, to, msg, about) {
			return
		}
	}
}

// cutCommit breaks the connection around a commit, whose first message is msg.
func (l *link) cutCommit(cut Cut, from io.Reader, msg []byte, done chan struct{}) {
	defer close(done)
	for msg[0] != 'Q' && !bytes.HasSuffix(msg, syncMessage) {
		next, err := readMessage(from)
		if err != nil {
			return
		}
		msg = append(msg, next...)
	}
	if cut == CutBeforeCommit {
		return
	}
	answered := make(chan struct{})
	l.mu.Lock()
	l.swallow = answered
	l.mu.Unlock()
	if cut == CutHoldCommit {
		l.proxy.mu.Lock()
		released := l.proxy.released
		l.proxy.mu.Unlock()
		_ = l.client.Close()
		select {
		case <-released:
		case <-l.proxy.ended:
		}
	}
	if _, err := l.server.Write(msg); err == nil {
		select {
		case <-answered:
		case <-l.ended:
		}
	}
}

var syncMessage = []byte{'S', 0, 0, 0, 4}

func cString(b []byte) (text string, rest []byte) {
	before, after, _ := bytes.Cut(b, []byte{0})
	return string(before), after
}

// readStartup reads the first message of a client, which has no type.
func readStartup(r io.Reader) ([]byte, error) { return readSized(r, nil) }

// isCancel tells a request to cancel. A client that lost its connection sends
// one, which may or may not come in time: the proxy lets none through, so that
// a test knows what the server will do.
func isCancel(startup []byte) bool {
	const cancelRequest = 80877102
	return len(startup) >= 8 && binary.BigEndian.Uint32(startup[4:]) == cancelRequest
}

// readMessage reads one message of the protocol: type, length, body.
func readMessage(r io.Reader) ([]byte, error) {
	kind := make([]byte, 1)
	if _, err := io.ReadFull(r, kind); err != nil {
		return nil, err
	}
	return readSized(r, kind)
}

func readSized(r io.Reader, head []byte) ([]byte, error) {
	size := make([]byte, 4)
	if _, err := io.ReadFull(r, size); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(size)
	if n < 4 || n > 1<<30 {
		return nil, fmt.Errorf("message of %d bytes", n)
	}
	msg := append(append(make([]byte, 0, len(head)+int(n)), head...), size...)
	msg = msg[:len(head)+int(n)]
	_, err := io.ReadFull(r, msg[len(head)+4:])
	return msg, err
}
