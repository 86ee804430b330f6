package sqlstore

import (
	"context"
	"maps"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	"laminar/flownode/progress"
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
	notifyFlows  = 600 // and flows
	hintRetry    = time.Second
	hintRetryMax = 30 * time.Second
)

// changedPrefix begins a message of flows whose results have changed; their ids follow.
// Processes that do not know it pass over it.
const changedPrefix = "flow "

func formatChanged(flows []progress.FlowID) string {
	out := []byte(changedPrefix)
	for i, id := range flows {
		if i > 0 {
			out = append(out, ',')
		}
		out = strconv.AppendInt(out, int64(id), 10)
	}
	return string(out)
}

// parseChanged reads a message of flows; false for another message.
func parseChanged(payload string) (flows []progress.FlowID, ok bool) {
	list, ok := strings.CutPrefix(payload, changedPrefix)
	if !ok {
		return nil, false
	}
	for text := range strings.SplitSeq(list, ",") {
		id, err := strconv.ParseInt(text, 10, 32)
		if err != nil {
			return nil, false
		}
		flows = append(flows, progress.FlowID(id))
	}
	return flows, true
}

// Notifier sends mirror writes to other processes. Its owner calls Run.
type Notifier struct {
	store *Store

	mu      sync.Mutex
	pending sequence.Vector
	changed map[progress.FlowID]bool
	wake    chan struct{} // holds one token while something is to be sent
}

// NewNotifier makes a notifier; nothing is sent until Run is called.
func (s *Store) NewNotifier() *Notifier {
	return &Notifier{store: s, pending: sequence.Vector{}, changed: map[progress.FlowID]bool{}, wake: make(chan struct{}, 1)}
}

// Send notes that a sequence of a region has been committed. It never blocks
// and may be called from any goroutine; later sequences of a region replace
// earlier ones that are not sent yet.
func (n *Notifier) Send(r sequence.Region, seq sequence.Seq) {
	n.mu.Lock()
	n.pending[r] = max(n.pending[r], seq)
	n.mu.Unlock()
	n.rouse()
}

// Changed notes that a commit has changed results of flows, for processes that follow
// them. It never blocks and may be called from any goroutine.
func (n *Notifier) Changed(flows []progress.FlowID) {
	n.mu.Lock()
	for _, id := range flows {
		n.changed[id] = true
	}
	n.mu.Unlock()
	n.rouse()
}

func (n *Notifier) rouse() {
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
	changed := slices.Sorted(maps.Keys(n.changed))
	clear(n.changed)
	n.mu.Unlock()
	for part := range slices.Chunk(changed, notifyFlows) {
		if err := pg.Notify(ctx, conn, flowstore.HintChannel(n.store.db.Schema()), formatChanged(part)); err != nil {
			return err
		}
	}
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

// Run calls fn for every committed sequence that is hinted, look when the
// catalogue or the list of jobs has changed, and changed when results of flows have,
// until ctx ends, and returns its error. They must not block for long. While nothing can be heard it keeps
// trying, with growing pauses; its caller polls in any case, so only latency
// suffers.
func (l *Listener) Run(ctx context.Context, fn func(sequence.Region, sequence.Seq), look func(), changed func([]progress.FlowID)) error {
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
			if flows, ok := parseChanged(msg.Payload); ok {
				changed(flows)
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
