package pg

import (
	"context"
	"crypto/tls"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// heardConn is the connection of a session, and knows when bytes last went over it.
// Several goroutines may use it at once, as any net.Conn.
type heardConn struct {
	net.Conn
	all *heardConns

	last  atomic.Int64 // when a Read or Write last began or ended, since heardConns.zero
	under atomic.Int32 // how many of them are under way
	asked atomic.Bool  // the last one that ended was a Write: an answer is to come

	id sessionID // of the session; set once, before the connection is in heardConns.known

	// Of the goroutine of DB.EndStuck.
	suspected int64 // last, when it was last found stuck; 0 when it was not
}

// sessionID tells a session from all others of the server, which uses process ids again.
type sessionID struct {
	pid   int32
	began time.Time
}

func (c *heardConn) Read(p []byte) (int, error) {
	c.begin()
	n, err := c.Conn.Read(p)
	c.end(false)
	return n, err
}

func (c *heardConn) Write(p []byte) (int, error) {
	c.begin()
	n, err := c.Conn.Write(p)
	c.end(true)
	return n, err
}

func (c *heardConn) begin() {
	c.last.Store(c.all.now())
	c.under.Add(1)
}

func (c *heardConn) end(wrote bool) {
	c.last.Store(c.all.now())
	c.asked.Store(wrote)
	c.under.Add(-1)
}

// silent is for how long a Read or Write has been waiting for bytes, and none has come
// or gone; 0 when nothing waits.
func (c *heardConn) silent() time.Duration {
	last := c.last.Load()
	if c.under.Load() == 0 {
		return 0
	}
	return time.Duration(c.all.now() - last)
}

// Close closes the connection: whatever waits for it fails.
func (c *heardConn) Close() error {
	c.all.forget(c)
	return c.Conn.Close()
}

// heardConns is the connections of a pool.
type heardConns struct {
	zero time.Time // of this process's monotonic clock

	mu    sync.Mutex
	known map[*heardConn]struct{} // whose session is known; guarded by mu
}

func newHeardConns() *heardConns {
	return &heardConns{zero: time.Now(), known: map[*heardConn]struct{}{}}
}

func (h *heardConns) now() int64 { return int64(time.Since(h.zero)) }

// dial makes the connections that a dialer opens known to h, once note says of which
// session they are.
func (h *heardConns) dial(dial pgconn.DialFunc) pgconn.DialFunc {
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		conn, err := dial(ctx, network, addr)
		if err != nil {
			return nil, err
		}
		return &heardConn{Conn: conn, all: h}, nil
	}
}

// note says which session a connection is.
func (h *heardConns) note(conn *pgx.Conn, id sessionID) {
	if c := heard(conn); c != nil {
		c.id = id
		h.mu.Lock()
		defer h.mu.Unlock()
		h.known[c] = struct{}{}
	}
}

// forget removes a connection, of a session that may wait for as long as it likes.
func (h *heardConns) forget(c *heardConn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	delete(h.known, c)
}

// silent is the connections that have been silent for at least a time.
func (h *heardConns) silent(after time.Duration) (out []*heardConn) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for c := range h.known {
		if c.silent() >= after {
			out = append(out, c)
		}
	}
	return out
}

// heard is the heardConn below a session, nil if there is none.
func heard(conn *pgx.Conn) *heardConn {
	below := conn.PgConn().Conn()
	if secure, ok := below.(*tls.Conn); ok {
		below = secure.NetConn()
	}
	c, _ := below.(*heardConn)
	return c
}
