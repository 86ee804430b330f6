package sqltest

import (
	"net"
	"net/url"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// PoolerOrder says which of its idle sessions a pooler hands out.
type PoolerOrder struct {
	// OldestFirst: the one that has been idle longest. Otherwise the one that
	// was given back last.
	OldestFirst bool
	// Late: a client hears the end of its transaction this long before its
	// session is given back, as from a pooler of several threads.
	Late time.Duration
}

// TransactionPooler starts a pooler before the database that gives a server
// session to a client for one transaction only, as the common ones do in their
// transaction mode, and returns a connection string to it. It ends with the
// test. Each client's login makes one more server session.
func (db *DB) TransactionPooler(t testing.TB, order PoolerOrder) string {
	t.Helper()
	cfg, err := pgx.ParseConfig(db.URL)
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &pooler{order: order}
	p.given.L = &p.mu
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return // the test is over
			}
			p.track(client)
			wg.Go(func() { p.serve(client, cfg) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		p.closeAll()
		wg.Wait()
	})
	u := url.URL{Scheme: "postgres", Host: listener.Addr().String(), Path: "/" + cfg.Database, RawQuery: "sslmode=disable"}
	u.User = url.UserPassword(cfg.User, cfg.Password)
	return u.String()
}

// pooler hands out sessions in its order.
type pooler struct {
	order PoolerOrder

	mu     sync.Mutex
	given  sync.Cond  // a session was given back, or the pooler closed
	idle   []net.Conn // the one given back last is the last
	all    []net.Conn
	closed bool
}

func (p *pooler) track(conn net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.all = append(p.all, conn)
}

func (p *pooler) closeAll() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	p.given.Broadcast()
	for _, conn := range p.all {
		_ = conn.Close()
	}
}

// take waits for an idle session; nil once the pooler is closed.
func (p *pooler) take() (conn net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.idle) == 0 && !p.closed {
		p.given.Wait()
	}
	switch n := len(p.idle) - 1; {
	case p.closed:
		return nil
	case p.order.OldestFirst:
		conn, p.idle = p.idle[0], p.idle[1:]
	default:
		conn, p.idle = p.idle[n], p.idle[:n]
	}
	return conn
}

func (p *pooler) give(conn net.Conn) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.idle = append(p.idle, conn)
	p.given.Signal()
}

// serve logs a client in to a session of its own, which then belongs to all,
// and carries each of its transactions out on the session that comes to hand.
func (p *pooler) serve(client net.Conn, cfg *pgx.ConnConfig) {
	defer client.Close()
	startup, err := readStartup(client)
	if err != nil || isCancel(startup) {
		return
	}
	network, address := serverAddress(cfg)
	server, err := net.Dial(network, address)
	if err != nil {
		return
	}
	p.track(server)
	if _, err := server.Write(startup); err != nil {
		return
	}
	for {
		last, ready, err := p.relay(client, server)
		if err != nil {
			return
		}
		// In time, the session is given back before the client hears of it, so
		// that the client's next transaction finds it there.
		if held := server; ready && p.order.Late > 0 {
			time.AfterFunc(p.order.Late, func() { p.give(held) })
			server = nil
		} else if ready {
			p.give(held)
			server = nil
		}
		if _, err := client.Write(last); err != nil {
			return
		}
		msg, err := readMessage(client)
		if err != nil || msg[0] == 'X' {
			return // a session in the middle of a transaction is lost with its client
		}
		if server == nil {
			if server = p.take(); server == nil {
				return
			}
		}
		if _, err := server.Write(msg); err != nil {
			return
		}
		for msg[0] != 'Q' && msg[0] != 'S' && msg[0] != 'p' { // the rest of what the server answers to
			if msg, err = readMessage(client); err != nil {
				return
			}
			if _, err := server.Write(msg); err != nil {
				return
			}
		}
	}
}

// relay passes on answers until the server wants to hear something, and returns
// the message that says so, which the client has not got yet. ready says that the
// server is outside a transaction.
func (p *pooler) relay(client, server net.Conn) (last []byte, ready bool, err error) {
	for {
		msg, err := readMessage(server)
		if err != nil {
			return nil, false, err
		}
		switch {
		case msg[0] == 'Z':
			return msg, msg[5] == 'I', nil
		case msg[0] == 'R' && wantsAnswer(msg):
			return msg, false, nil
		}
		if _, err := client.Write(msg); err != nil {
			return nil, false, err
		}
	}
}

// wantsAnswer tells the requests for authentication that the client answers.
func wantsAnswer(msg []byte) bool {
	switch msg[8] {
	case 3, 5, 10, 11: // password in clear, MD5, SASL, SASL continued
		return true
	}
	return false
}
