package sqltest

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
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

	dial     func() (net.Conn, error)
	listener net.Listener
	released chan struct{}
	wg       sync.WaitGroup

	mu    sync.Mutex
	cut   Cut
	done  chan struct{} // closed when the cut has happened
	conns map[net.Conn]struct{}
}

// Proxy starts a proxy before the database. It ends with the test.
func (db *DB) Proxy(t testing.TB) *Proxy {
	t.Helper()
	cfg, err := pgx.ParseConfig(db.URL)
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
	network, address := serverAddress(cfg)
	p := &Proxy{
		URL: u.String(), listener: listener, released: make(chan struct{}), conns: make(map[net.Conn]struct{}),
		dial: func() (net.Conn, error) { return net.Dial(network, address) },
	}
	p.wg.Go(p.accept)
	t.Cleanup(func() {
		_ = listener.Close()
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

// Release lets a held commit go on to the server. It may be called once.
func (p *Proxy) Release() { close(p.released) }

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return // the test is over
		}
		server, err := p.dial()
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

func (p *Proxy) closeAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for conn := range p.conns {
		_ = conn.Close()
	}
	select {
	case <-p.released:
	default:
		close(p.released)
	}
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
	ended          chan struct{}     // closed when the server says nothing more

	mu      sync.Mutex
	swallow chan struct{} // not nil: answers are dropped; closed at the server's next ReadyForQuery
}

func (l *link) close() { _, _ = l.client.Close(), l.server.Close() }

// answers passes on what the server says.
func (l *link) answers() {
	defer close(l.ended)
	defer l.close()
	for {
		msg, err := readMessage(l.server)
		if err != nil {
			return
		}
		l.mu.Lock()
		swallow := l.swallow
		l.mu.Unlock()
		switch {
		case swallow == nil:
			if _, err := l.client.Write(msg); err != nil {
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
	for {
		msg, err := readMessage(l.client)
		if err != nil {
			return
		}
		if msg[0] == 'd' {
			if _, done := l.proxy.take(CutCopy); done != nil {
				_, _ = l.server.Write(msg[:len(msg)/2])
				close(done)
				return
			}
		}
		if l.commits(msg) {
			if cut, done := l.proxy.take(CutBeforeCommit, CutAfterCommit, CutHoldCommit); done != nil {
				l.cutCommit(cut, msg, done)
				return
			}
		}
		if _, err := l.server.Write(msg); err != nil {
			return
		}
	}
}

// cutCommit breaks the connection around a commit, whose first message is msg.
func (l *link) cutCommit(cut Cut, msg []byte, done chan struct{}) {
	defer close(done)
	for msg[0] != 'Q' && !bytes.HasSuffix(msg, syncMessage) {
		next, err := readMessage(l.client)
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
		_ = l.client.Close()
		<-l.proxy.released
	}
	if _, err := l.server.Write(msg); err == nil {
		select {
		case <-answered:
		case <-l.ended:
		}
	}
}

var syncMessage = []byte{'S', 0, 0, 0, 4}

// commits says whether a message asks the server to commit, and remembers
// prepared statements to know.
func (l *link) commits(msg []byte) bool {
	body := msg[5:]
	switch msg[0] {
	case 'Q':
		text, _ := cString(body)
		return strings.EqualFold(strings.Trim(text, " ;"), "commit")
	case 'P':
		name, rest := cString(body)
		l.statements[name], _ = cString(rest)
	case 'B':
		_, rest := cString(body)
		name, _ := cString(rest)
		return strings.EqualFold(l.statements[name], "commit")
	}
	return false
}

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
