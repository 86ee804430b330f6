package sqltest

import (
	"net"
	"sync"
	"sync/atomic"

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

// Filter makes every message from now on go through fn; nil passes all.
func (p *Proxy) Filter(fn Filter) {
	if fn == nil {
		p.filter.Store(nil)
		return
	}
	p.filter.Store(&fn)
}

// Trap holds one message.
type Trap struct {
	// Sprung is closed when a message is held.
	Sprung chan struct{}

	taken   atomic.Bool
	verdict chan Verdict
}

// Trap holds the first message from now on that matches, and with it the
// messages behind it on its connection, until Release. It replaces the filter.
func (p *Proxy) Trap(match func(Message) bool) *Trap {
	trap := &Trap{Sprung: make(chan struct{}), verdict: make(chan Verdict, 1)}
	var self *Filter
	filter := Filter(func(m Message) Verdict {
		if !match(m) || !trap.taken.CompareAndSwap(false, true) {
			return Pass
		}
		p.filter.CompareAndSwap(self, nil)
		close(trap.Sprung)
		select {
		case v := <-trap.verdict:
			return v
		case <-p.ended:
			return Break
		}
	})
	self = &filter
	p.filter.Store(self)
	return trap
}

// Release says what becomes of the message that is held. It is called once.
func (t *Trap) Release(v Verdict) { t.verdict <- v }

// Away breaks all connections and refuses new ones, or, with false, takes new
// ones again.
func (p *Proxy) Away(away bool) {
	p.mu.Lock()
	p.refused = away
	p.mu.Unlock()
	if away {
		p.closeAll()
	}
}

// Target makes connections from now on go to the server of another connection
// string. Those that are there stay as they are.
func (p *Proxy) Target(direct string) error {
	cfg, err := pgx.ParseConfig(direct)
	if err != nil {
		return err
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.server[0], p.server[1] = serverAddress(cfg)
	return nil
}
