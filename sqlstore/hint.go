package sqlstore

import (
	"context"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"laminar/sequence"
	"laminar/sqlstore/flowstore"
	"laminar/sqlstore/pg"
)

// Mirror writes between processes are hints (I5): region and sequence, so that
// a flownode in another process need not poll. They are sent by one connection
// per process and gathered for notifyEvery, because NOTIFY takes a lock of the
// whole database until its commit. Whatever is lost is found by polling.
const (
	notifyEvery  = 20 * time.Millisecond
	notifyRegion = 300 // regions in one message; a payload has less than 8,000 bytes
	hintRetry    = time.Second
	hintRetryMax = 30 * time.Second
)

// Notifier sends mirror writes to other processes. Its owner calls Run.
type Notifier struct {
	store *Store

	mu      sync.Mutex
	pending sequence.Vector
	wake    chan struct{} // holds one token while pending is not empty
}

// NewNotifier makes a notifier; nothing is sent until Run is called.
func (s *Store) NewNotifier() *Notifier {
	return &Notifier{store: s, pending: sequence.Vector{}, wake: make(chan struct{}, 1)}
}

// Send notes that a sequence of a region has been committed. It never blocks
// and may be called from any goroutine; later sequences of a region replace
// earlier ones that are not sent yet.
func (n *Notifier) Send(r sequence.Region, seq sequence.Seq) {
	n.mu.Lock()
	n.pending[r] = max(n.pending[r], seq)
	n.mu.Unlock()
	select {
	case n.wake <- struct{}{}:
	default:
	}
}

// Run sends until ctx ends, and returns its error. While the database is out
// of reach it keeps trying, with growing pauses, and hints gather.
func (n *Notifier) Run(ctx context.Context) error {
	return persist(ctx, func() error {
		conn, err := n.store.db.Dedicated(ctx)
		if err != nil {
			return err
		}
		defer pg.CloseConn(conn)
		for {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-n.wake:
			}
			if err := pg.Sleep(ctx, notifyEvery); err != nil {
				return err
			}
			if err := n.flush(ctx, conn); err != nil {
				return err
			}
		}
	})
}

// flush sends what is pending. What could not be sent is lost: it is a hint.
func (n *Notifier) flush(ctx context.Context, conn *pgx.Conn) error {
	n.mu.Lock()
	pending := n.pending
	n.pending = sequence.Vector{}
	n.mu.Unlock()
	regions := pending.Regions()
	for len(regions) > 0 {
		part := sequence.Vector{}
		for _, r := range regions[:min(len(regions), notifyRegion)] {
			part[r] = pending[r]
		}
		regions = regions[len(part):]
		if err := pg.Notify(ctx, conn, flowstore.HintChannel(n.store.db.Schema()), part.String()); err != nil {
			return err
		}
	}
	return nil
}

// Listener receives mirror writes of other processes (and of this one). Its
// owner calls Run.
type Listener struct{ store *Store }

// NewListener makes a listener; nothing happens until Run is called.
func (s *Store) NewListener() *Listener { return &Listener{store: s} }

// Run calls fn for every committed sequence that is hinted, and look when the
// catalogue or the list of jobs has changed, until ctx ends, and returns its
// error. They must not block for long. While nothing can be heard it keeps
// trying, with growing pauses; its caller polls in any case, so only latency
// suffers.
func (l *Listener) Run(ctx context.Context, fn func(sequence.Region, sequence.Seq), look func()) error {
	return persist(ctx, func() error {
		conn, err := l.store.db.Dedicated(ctx)
		if err != nil {
			return err
		}
		defer pg.CloseConn(conn)
		if _, err := conn.Exec(ctx, "listen "+pg.Quoted(flowstore.HintChannel(l.store.db.Schema()))); err != nil {
			return err
		}
		for {
			msg, err := conn.WaitForNotification(ctx)
			if err != nil {
				return err
			}
			if msg.Payload == flowstore.LookHint {
				look()
				continue
			}
			vec, err := sequence.ParseVector(msg.Payload)
			if err != nil {
				continue // not from us; anybody may notify
			}
			for _, r := range vec.Regions() {
				fn(r, vec[r])
			}
		}
	})
}

// persist runs fn again whenever it fails, until ctx ends. The pause doubles
// from hintRetry to hintRetryMax and is reset by an attempt that lasted.
func persist(ctx context.Context, fn func() error) error {
	pause := hintRetry
	for {
		began := time.Now()
		_ = fn() // hints are best effort, and polling notices what is missing
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if time.Since(began) > hintRetryMax {
			pause = hintRetry
		}
		if err := pg.Sleep(ctx, pause); err != nil {
			return err
		}
		pause = min(2*pause, hintRetryMax)
	}
}
