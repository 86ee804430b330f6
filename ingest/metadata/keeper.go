// Package metadata keeps what senders say of metrics: type, help and unit.
//
// Senders say it again and again, in remote write 2.0 with every series of every
// request. A Keeper saves what is new and recognises the rest by a hash, for two
// loads (Keeper.Offer). Where senders disagree, the one that spoke last counts, but
// a metric's metadata changes at most once in ten seconds.
//
// Nothing waits for metadata. A store that fails gets it again later, and metadata
// that is lost comes again with a later request.
package metadata

import (
	"bytes"
	"context"
	"errors"
	"hash/maphash"
	"log/slog"
	mathbits "math/bits"
	"strings"
	"sync"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"laminar/sequence"
	"laminar/sequence/series"
)

// How metadata is taken in.
const (
	// hold is how long a metric's metadata stays as it is, whatever
	// senders say: where two of them disagree, as two versions of a program do,
	// it would else change with every request.
	hold = 10 * time.Second

	// linger is how long what is new waits for more of it.
	linger = time.Second

	// retryAfter is how long to wait after the store failed.
	retryAfter = 5 * time.Second

	// again is after how long what is known is saved once more: the store forgets what
	// it was told of metrics without series, which may have come since.
	again = 24 * time.Hour

	saveTimeout = 30 * time.Second // for saving one batch
	batch       = 1000             // metrics saved at once, at most
	maxBytes    = 16 << 20         // of what is remembered, and of what is to be saved
	oneBytes    = 200              // of each, beside its texts
	maxName     = 2000             // bytes, as index rows are limited; longer ones are left
	maxText     = 4096             // bytes of a help or unit; the rest is cut off
)

// Store keeps metadata.
type Store interface {
	// SaveMetadata writes what is not there already; each metric is in the
	// list once.
	SaveMetadata(ctx context.Context, list []series.Metadata) error
}

// Seen is the metadata that was last offered for a metric, as a hash, kept where the
// metric's series are found. The zero value is that of a metric without any. It is
// safe for use from several goroutines. Its two fields may be read at different
// moments: then metadata is offered once more, or held back once, and neither loses
// anything.
type Seen struct {
	hash atomic.Uint64
	at   atomic.Int64 // by the keeper's clock
}

// Keeper takes in what senders say of metrics and saves what is new. A
// sender may say it with every series of every request, so what has been seen is
// told by one comparison, see Offer. Losing it is harmless: senders say it again.
type Keeper struct {
	store Store
	seed  maphash.Seed
	log   *slog.Logger
	began time.Time
	ready chan struct{} // holds a token when something is pending

	mu           sync.Mutex
	taken        map[string]said
	takenBytes   int // at least what they take
	pending      map[string]series.Metadata
	pendingBytes int // sum of bytesOf
}

// said is what was last taken of a metric, and when (ms after began).
type said struct {
	hash uint64
	at   int64
}

// New returns a keeper that writes to the store once its Run has begun. The seed
// hashes what was last taken of each metric.
func New(store Store, seed maphash.Seed, log *slog.Logger) *Keeper {
	return &Keeper{
		store: store, seed: seed, log: log, began: time.Now(),
		ready: make(chan struct{}, 1),
		taken: make(map[string]said), pending: make(map[string]series.Metadata),
	}
}

// Hash stands for a type, a help and a unit of a metric, of which the
// latter two are hashed already, with one seed. It is never 0.
func Hash(kind int32, help, unit uint64) uint64 {
	hi, lo := mathbits.Mul64(uint64(uint32(kind))+help, hashMix)
	hi, lo = mathbits.Mul64(hi^lo^unit, hashMix)
	return hi ^ lo | 1
}

// hashMix is an odd number without pattern, the golden ratio's first 64 bits.
const hashMix = 0x9e3779b97f4a7c15

// Now is the keeper's clock in milliseconds. It starts beyond the hold, so that
// 0 is always long ago.
func (k *Keeper) Now() int64 {
	return (time.Since(k.began) + hold).Milliseconds()
}

// Offer takes what a series says of its metric. It costs two loads when that is
// known or held back.
func (k *Keeper) Offer(m *Seen, name string, hash uint64, now int64, kind int32, help, unit []byte) {
	if since := now - m.at.Load(); since < hold.Milliseconds() || m.hash.Load() == hash && since < again.Milliseconds() {
		return
	}
	if k.Take(name, hash, now, kind, help, unit) {
		m.hash.Store(hash)
	}
	m.at.Store(now)
}

// Take takes the metadata of a metric. It returns false when that is to be
// offered again: another one is held for now, or there is no room.
func (k *Keeper) Take(name string, hash uint64, now int64, kind int32, help, unit []byte) bool {
	if name == "" || len(name) > maxName || !utf8.ValidString(name) || strings.IndexByte(name, 0) >= 0 {
		return true // never to be stored
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if last, ok := k.taken[name]; ok {
		if last.hash == hash && now-last.at < again.Milliseconds() {
			return true
		}
		if now-last.at < hold.Milliseconds() {
			return false
		}
	}
	if k.pendingBytes >= maxBytes {
		return false // the store has been gone for long
	}
	if k.takenBytes >= maxBytes {
		clear(k.taken)
		k.takenBytes = 0
	}
	k.taken[name] = said{hash: hash, at: now}
	k.takenBytes += oneBytes + len(name)
	if kind < 0 || int(kind) >= len(series.MetadataTypes) {
		kind = 0
	}
	k.put(series.Metadata{Metric: name, Type: series.MetadataTypes[kind], Help: storable(help), Unit: storable(unit)})
	select {
	case k.ready <- struct{}{}:
	default:
	}
	return true
}

// bytesOf is about what takes one that is to be saved.
func bytesOf(m series.Metadata) int { return oneBytes + len(m.Metric) + len(m.Help) + len(m.Unit) }

// put makes pending what is to be saved. The lock is held.
func (k *Keeper) put(m series.Metadata) {
	if old, ok := k.pending[m.Metric]; ok {
		k.pendingBytes -= bytesOf(old)
	}
	k.pending[m.Metric] = m
	k.pendingBytes += bytesOf(m)
}

// storable makes of a text one that PostgreSQL can store.
func storable(text []byte) string {
	text = bytes.ReplaceAll(text[:min(len(text), maxText)], []byte{0}, nil)
	return strings.ToValidUTF8(string(text), "")
}

// Run saves what is pending until ctx ends.
func (k *Keeper) Run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.ready:
		}
		wait := linger
		for {
			select {
			case <-ctx.Done():
				return
			case <-time.After(wait):
			}
			list := k.drain()
			if len(list) == 0 {
				break
			}
			wait = 0
			if err := k.save(ctx, list); err != nil {
				if ctx.Err() != nil {
					return
				}
				k.log.Warn("metadata of metrics was not saved", "metrics", len(list), "err", err)
				if !errors.Is(err, sequence.ErrBadContent) {
					k.giveBack(list)
					wait = retryAfter
				}
			}
		}
	}
}

func (k *Keeper) save(ctx context.Context, list []series.Metadata) error {
	ctx, cancel := context.WithTimeout(ctx, saveTimeout)
	defer cancel()
	return k.store.SaveMetadata(ctx, list)
}

// drain takes what is to be saved next.
func (k *Keeper) drain() []series.Metadata {
	k.mu.Lock()
	defer k.mu.Unlock()
	list := make([]series.Metadata, 0, min(len(k.pending), batch))
	for name, m := range k.pending {
		if len(list) == batch {
			break
		}
		list = append(list, m)
		delete(k.pending, name)
		k.pendingBytes -= bytesOf(m)
	}
	return list
}

// giveBack makes pending again what could not be saved, except where something
// newer is.
func (k *Keeper) giveBack(list []series.Metadata) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, m := range list {
		if _, newer := k.pending[m.Metric]; !newer {
			k.put(m)
		}
	}
}
