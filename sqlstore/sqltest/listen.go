package sqltest

import (
	"net"
	"net/url"
	"testing"

	"github.com/jackc/pgx/v5"
)

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
