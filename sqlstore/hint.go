package sqlstore

import (
	"context"
	"fmt"
	"hash/fnv"
	"strconv"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"laminar/flownode/flowdef"
	"laminar/queries"
	"laminar/sequence"
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

// lookHint is the message that the catalogue or the list of jobs has changed. It
// goes out with the transaction that changes them; these are rare.
const lookHint = "look"

// hintLook sends lookHint when the transaction commits.
func (s *Store) hintLook(ctx context.Context, tx interface {
	Exec(ctx context.Context, sql string, args ...any) (pgconn.CommandTag, error)
}) error {
	if _, err := tx.Exec(ctx, queries.Notify, s.hintChannel(), lookHint); err != nil {
		return fmt.Errorf("tell the flownode: %w", err)
	}
	return nil
}

// hintChannel is the name of the channel, which is the database's and so holds
// the name of the schema; what PostgreSQL would refuse as too long gets a hash
// of it.
func (s *Store) hintChannel() string {
	name := "laminar_hint_" + s.cfg.Schema
	if len(name) <= flowdef.MaxIdentifier {
		return name
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(s.cfg.Schema))
	return "laminar_hint_" + strconv.FormatUint(h.Sum64(), 16)
}

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
		conn, err := n.store.dedicated(ctx)
		if err != nil {
			return err
		}
		defer closeConn(conn)
		for {
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-n.wake:
			}
			if err := sleep(ctx, notifyEvery); err != nil {
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
		if _, err := conn.Exec(ctx, queries.Notify, n.store.hintChannel(), part.String()); err != nil {
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
		conn, err := l.store.dedicated(ctx)
		if err != nil {
			return err
		}
		defer closeConn(conn)
		if _, err := conn.Exec(ctx, "listen "+quoted(l.store.hintChannel())); err != nil {
			return err
		}
		for {
			msg, err := conn.WaitForNotification(ctx)
			if err != nil {
				return err
			}
			if msg.Payload == lookHint {
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
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		pause = min(2*pause, hintRetryMax)
	}
}
