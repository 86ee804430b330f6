package subscribe

import (
	"context"
	"log/slog"
	"maps"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"laminar/flownode/changelog"
	"laminar/flownode/progress"
	"laminar/ingest/outward"
)

// Config says what subscriptions may take. All fields must be set.
type Config struct {
	Store        Store
	MaxStreams   int                        // at one time
	Buffer       int64                      // bytes of changes that are held for all streams
	WriteTimeout time.Duration              // in which a client takes 64 KiB
	Who          func(*http.Request) string // who asks, for a fair share
	Log          *slog.Logger
	Registerer   prometheus.Registerer
}

// Defaults of the settings.
const (
	DefaultMaxStreams   = 100
	DefaultBuffer       = 16 << 20
	DefaultWriteTimeout = 10 * time.Second
)

// CatchUps is how many readings for streams that begin or are behind are under way at most.
// With those of tailers they are what the connections of the store are for.
const CatchUps = 4

// lookEvery is how often it is looked whether something is new that no one has hinted at.
const lookEvery = time.Second

// times is what streams go by.
type times struct {
	// heartbeat is after which silence something is written: proxies keep the connection,
	// and it shows when the client is gone.
	heartbeat time.Duration
	// open is how long a request waits for its turn to be opened.
	open time.Duration
	// life is after which a stream ends, so that its client comes again and shows who it is:
	// what was permitted when it began may not be any more.
	life time.Duration
}

var usualTimes = times{heartbeat: 15 * time.Second, open: 10 * time.Second, life: time.Hour}

// Hub serves subscriptions. It is an http.Handler, and all its methods are safe for
// concurrent use. Its owner calls Run once; before and after, requests are told to retry.
type Hub struct {
	cfg      Config
	metrics  *metrics
	door     *outward.Door
	limits   limits
	catchUps chan struct{} // holds a token for each reading of a stream under way

	times times

	mu        sync.Mutex
	running   context.Context    // of Run; nil before it
	tailers   map[string]*tailer // by the key of their sets
	users     map[string]int     // streams, by who asks
	streams   int                // the sum of users
	catalogue chan struct{}      // closed when flows may have come or gone
	meanings  *meanings          // since catalogue was made
	tasks     sync.WaitGroup     // tailers
}

// New makes a hub.
func New(cfg Config) *Hub {
	h := &Hub{
		cfg: cfg, door: outward.New(cfg.Log), limits: usualLimits, catchUps: make(chan struct{}, CatchUps), times: usualTimes,
		tailers: map[string]*tailer{}, users: map[string]int{}, catalogue: make(chan struct{}), meanings: &meanings{},
	}
	h.metrics = newMetrics(cfg.Registerer, func() float64 { return float64(h.held()) })
	return h
}

// Run looks for changes until ctx ends, then makes all streams say bye, and returns its
// error when all readings have ended. The streams are waited for by the HTTP server.
func (h *Hub) Run(ctx context.Context) error {
	h.mu.Lock()
	h.running = ctx
	h.mu.Unlock()
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	var reading health
	for {
		select {
		case <-ctx.Done():
			h.mu.Lock() // who joins holds it, and none does from now on
			h.mu.Unlock()
			h.tasks.Wait()
			return ctx.Err()
		case <-tick.C:
			err := h.look(ctx)
			if ctx.Err() == nil {
				reading.note(h, "changes of flows cannot be looked for; it is tried again", err)
			}
		}
	}
}

// look wakes the tailers whose flows stand elsewhere than they have read: one statement
// for all of them.
func (h *Hub) look(ctx context.Context) error {
	tailers := h.all()
	ids := map[progress.FlowID]bool{}
	for _, t := range tailers {
		for _, id := range t.set.ids {
			ids[id] = true
		}
	}
	if len(ids) == 0 {
		return nil
	}
	return inSnapshot(ctx, h.cfg.Store, func(ctx context.Context, snap Snapshot) error {
		stands, err := snap.Stands(ctx, slices.Sorted(maps.Keys(ids)))
		if err != nil {
			return err
		}
		for _, t := range tailers {
			own := slices.DeleteFunc(slices.Clone(stands), func(st changelog.Stand) bool {
				_, mine := slices.BinarySearch(t.set.ids, st.Flow)
				return !mine
			})
			own, same := t.set.arrange(own)
			if !same || !slices.Equal(cutAt(own), t.ring.end()) {
				t.hint()
			}
		}
		return nil
	})
}

// Changed hints that results of flows have changed.
func (h *Hub) Changed(ids []progress.FlowID) {
	for _, t := range h.all() {
		if slices.ContainsFunc(ids, func(id progress.FlowID) bool { _, mine := slices.BinarySearch(t.set.ids, id); return mine }) {
			t.hint()
		}
	}
}

// Look hints that flows may have come or gone.
func (h *Hub) Look() {
	h.mu.Lock()
	close(h.catalogue)
	h.catalogue = make(chan struct{})
	h.meanings = &meanings{}
	h.mu.Unlock()
}

// lately is the meanings since the catalogue has changed. What is read from now on may be
// noted in it.
func (h *Hub) lately() *meanings {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.meanings
}

// all is the tailers.
func (h *Hub) all() []*tailer {
	h.mu.Lock()
	defer h.mu.Unlock()
	return slices.Collect(maps.Values(h.tailers))
}

// held is how many bytes the rings take.
func (h *Hub) held() (bytes int64) {
	for _, t := range h.all() {
		bytes += t.ring.hold()
	}
	return bytes
}

// ringShare is how many bytes one ring may take.
func (h *Hub) ringShare() int64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.cfg.Buffer / int64(max(1, len(h.tailers)))
}

// catalogueChanged is closed when flows may have come or gone since the call.
func (h *Hub) catalogueChanged() <-chan struct{} {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.catalogue
}

// join makes a stream follow the tailer of a set, which begins if it is the first. It is
// nil where the hub does not run. The stream leaves it in the end.
func (h *Hub) join(s *set) *tailer {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.running == nil || h.running.Err() != nil {
		return nil
	}
	t := h.tailers[s.key]
	if t == nil {
		ctx, cancel := context.WithCancel(h.running)
		t = &tailer{hub: h, set: s, ring: newRing(h.limits.batches), wake: make(chan struct{}, 1), cancel: cancel}
		h.tailers[s.key] = t
		t.hint()
		h.tasks.Go(func() { t.run(ctx) })
	}
	t.streams++
	return t
}

// leave ends following. Without a stream the tailer ends.
func (h *Hub) leave(t *tailer) {
	if t == nil {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if t.streams--; t.streams > 0 {
		return
	}
	t.cancel()
	h.forgetLocked(t)
}

// forget makes the next stream of the same set begin another tailer.
func (h *Hub) forget(t *tailer) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.forgetLocked(t)
}

func (h *Hub) forgetLocked(t *tailer) {
	if h.tailers[t.set.key] == t {
		delete(h.tailers, t.set.key)
	}
}

// context is that of Run. A stream that has joined a tailer has one.
func (h *Hub) context() context.Context {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.running
}

// turnOver lets the next stream read.
func (h *Hub) turnOver() { <-h.catchUps }

// enter takes a place for a stream of somebody; false where there is none. One who asks
// has three quarters of the places at most.
func (h *Hub) enter(who string) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	most := h.cfg.MaxStreams - h.cfg.MaxStreams/4
	if h.running == nil || h.running.Err() != nil || h.streams >= h.cfg.MaxStreams || h.users[who] >= most {
		return false
	}
	h.streams++
	h.users[who]++
	return true
}

// exit gives a place back.
func (h *Hub) exit(who string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.streams--
	if h.users[who]--; h.users[who] == 0 {
		delete(h.users, who)
	}
}
