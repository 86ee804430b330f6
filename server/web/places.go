package web

import (
	"crypto/tls"
	"net"
	"net/http"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// justUsed is how long a connection must have been idle to be closed for another: the
	// next request on a busier one is probably on its way.
	justUsed = time.Second

	// leastRoom is how many connections can at least wait for a place.
	leastRoom = 100
)

// places is a listener of which at most so many connections are served at a time, shared
// among the remotes that they come from. As long as there is room everyone gets in, however
// many connections he has: behind a proxy all come from one address. When it is full,
//
//   - the next place is for the waiting connection whose remote holds the fewest;
//   - it is made by closing an idle connection: of the remote that holds the most of those
//     that have one, and no fewer than the remote of the waiting one, that which has been idle
//     for longest;
//   - without such a connection it waits for one to end;
//   - if too many wait, the newest is closed of the remote that has the most, waiting or
//     served.
//
// So one remote cannot keep others out by connections that it does not use, and of those
// that it uses the next that ends is replaced by another's.
//
// It is safe for use from several goroutines. The goroutine that receives connections is
// started by Accept, and Close waits for it.
type places struct {
	net.Listener
	most   int // that are served at a time
	room   int // for those that wait
	grace  time.Duration
	closed closings

	mu        sync.Mutex
	changed   *sync.Cond           // whenever a connection can have become the next
	held      map[*placed]struct{} // those that are served; at most most
	of        map[netip.Prefix]int // how many of held each remote has; none has 0
	waiting   []*placed            // as they came; at most room
	receiving bool
	failed    error // of the listener, not yet returned by Accept
	ended     bool
	receivers sync.WaitGroup
}

// placed is a connection of places, which it leaves when it is closed.
type placed struct {
	net.Conn
	places *places
	from   netip.Prefix
	idle   time.Time // since when no request is under way, zero while one is; guarded by places.mu
}

func newPlaces(l net.Listener, most int, reg prometheus.Registerer) *places {
	p := &places{
		Listener: l, most: most, room: max(most, leastRoom), grace: justUsed, closed: newClosings(reg),
		held: make(map[*placed]struct{}), of: make(map[netip.Prefix]int),
	}
	p.changed = sync.NewCond(&p.mu)
	return p
}

// Accept waits for the next connection to be served.
func (p *places) Accept() (net.Conn, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		switch {
		case p.ended:
			return nil, net.ErrClosed
		case p.failed != nil:
			err := p.failed
			p.failed = nil
			return nil, err
		case !p.receiving:
			p.receiving = true
			p.receivers.Go(p.receive)
		}
		next, ripe := p.nextLocked(time.Now())
		if next != nil {
			return next, nil
		}
		if ripe > 0 {
			timer := time.AfterFunc(ripe, p.changed.Broadcast)
			p.changed.Wait()
			timer.Stop()
			continue
		}
		p.changed.Wait()
	}
}

// Close ends listening; connections that wait are closed, those that are served are not.
func (p *places) Close() error {
	p.mu.Lock()
	p.ended = true
	p.changed.Broadcast()
	p.mu.Unlock()
	err := p.Listener.Close()
	p.receivers.Wait()
	p.mu.Lock()
	waiting := p.waiting
	p.waiting = nil
	p.mu.Unlock()
	for _, c := range waiting {
		_ = c.Conn.Close() // nothing was read or written
	}
	return err
}

// receive takes connections in until the listener fails.
func (p *places) receive() {
	for {
		conn, err := p.Listener.Accept()
		p.mu.Lock()
		if err != nil {
			p.failed, p.receiving = err, false
			p.changed.Broadcast()
			p.mu.Unlock()
			return
		}
		p.waiting = append(p.waiting, &placed{Conn: conn, places: p, from: remoteOf(conn.RemoteAddr().String())})
		var shed *placed
		if len(p.waiting) > p.room {
			shed = p.shedLocked()
		}
		p.changed.Broadcast()
		p.mu.Unlock()
		if shed != nil {
			p.closed.waiting.Inc()
			_ = shed.Conn.Close() // nothing was read or written
		}
	}
}

// shedLocked removes the newest waiting connection of the remote that has the most,
// waiting or served.
func (p *places) shedLocked() *placed {
	all := make(map[netip.Prefix]int)
	for _, c := range p.waiting {
		all[c.from]++
	}
	worst := 0
	for i, c := range p.waiting {
		if all[c.from]+p.of[c.from] >= all[p.waiting[worst].from]+p.of[p.waiting[worst].from] {
			worst = i
		}
	}
	shed := p.waiting[worst]
	p.waiting = slices.Delete(p.waiting, worst, worst+1)
	return shed
}

// nextLocked gives a waiting connection its place, if one is free or can be made. If one can
// be made later, ripe says in how long.
func (p *places) nextLocked(now time.Time) (next *placed, ripe time.Duration) {
	if len(p.waiting) == 0 {
		return nil, 0
	}
	at := 0
	for i, c := range p.waiting {
		if p.of[c.from] < p.of[p.waiting[at].from] {
			at = i
		}
	}
	next = p.waiting[at]
	if len(p.held) >= p.most {
		victim, ripe := p.idlestLocked(p.of[next.from], now)
		if victim == nil {
			return nil, ripe
		}
		p.leaveLocked(victim)
		p.closed.idle.Inc()
		_ = victim.Conn.Close() // who holds it reads the end of the connection
	}
	p.waiting = slices.Delete(p.waiting, at, at+1)
	next.idle = now
	p.held[next] = struct{}{}
	p.of[next.from]++
	return next, 0
}

// idlestLocked is the connection to be closed for one of a remote that holds so many. If
// one can be closed later, ripe says in how long.
func (p *places) idlestLocked(least int, now time.Time) (idlest *placed, ripe time.Duration) {
	for c := range p.held {
		switch rest := p.grace - now.Sub(c.idle); {
		case c.idle.IsZero() || p.of[c.from] < least:
		case rest > 0:
			if ripe == 0 || rest < ripe {
				ripe = rest
			}
		case idlest == nil || p.of[c.from] > p.of[idlest.from] || p.of[c.from] == p.of[idlest.from] && c.idle.Before(idlest.idle):
			idlest = c
		}
	}
	return idlest, ripe
}

func (p *places) leaveLocked(c *placed) {
	if _, ok := p.held[c]; !ok {
		return
	}
	delete(p.held, c)
	if p.of[c.from]--; p.of[c.from] == 0 {
		delete(p.of, c.from)
	}
	p.changed.Broadcast()
}

// state hears from the HTTP server what its connections do.
func (p *places) state(conn net.Conn, state http.ConnState) {
	if secret, ok := conn.(*tls.Conn); ok {
		conn = secret.NetConn()
	}
	c, ok := conn.(*placed)
	if !ok {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	switch state {
	case http.StateActive:
		c.idle = time.Time{}
	case http.StateIdle:
		c.idle = time.Now()
		if len(p.waiting) > 0 {
			p.changed.Broadcast()
		}
	}
}

// Close closes the connection and frees its place.
func (c *placed) Close() error {
	err := c.Conn.Close()
	c.places.mu.Lock()
	defer c.places.mu.Unlock()
	c.places.leaveLocked(c)
	return err
}

// closings counts connections that were closed for others.
type closings struct {
	idle    prometheus.Counter // so that another has its place
	waiting prometheus.Counter // too many waited
}

// newClosings makes the counters. reg is nil where nobody looks at them.
func newClosings(reg prometheus.Registerer) closings {
	all := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "laminar", Subsystem: "http", Name: "closed_connections_total",
		Help: "Connections that were closed because there were as many as may be, by reason: idle, so that another is served, or one too many that waited.",
	}, []string{"reason"})
	if reg != nil {
		reg.MustRegister(all)
	}
	return closings{idle: all.WithLabelValues("idle"), waiting: all.WithLabelValues("waiting")}
}
