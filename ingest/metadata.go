package ingest

import (
	"bytes"
	"context"
	"errors"
	"hash/maphash"
	"log/slog"
	mathbits "math/bits"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"laminar/sequence"
	"laminar/sequence/series"
)

// How metadata is taken in.
const (
	// metadataHold is how long a metric's metadata stays as it is, whatever
	// senders say: where two of them disagree, as two versions of a program do,
	// it would else change with every request.
	metadataHold = 10 * time.Second

	// metadataLinger is how long what is new waits for more of it.
	metadataLinger = time.Second

	// metadataRetry is how long to wait after the store failed.
	metadataRetry = 5 * time.Second

	metadataTimeout = 30 * time.Second // for saving one batch
	metadataBatch   = 1000             // metrics saved at once, at most
	maxMetadata     = 200_000          // metrics remembered
	maxMetadataName = 2000             // bytes, as index rows are limited; longer ones are left
	maxMetadataText = 4096             // bytes of a help or unit; the rest is cut off
)

// metadataKeeper takes in what senders say of metrics and saves what is new. A
// sender may say it with every series of every request, so what has been seen is
// told by one comparison, see offer. Losing it is harmless: senders say it again.
type metadataKeeper struct {
	store MetadataStore
	seed  maphash.Seed
	log   *slog.Logger
	began time.Time
	ready chan struct{} // holds a token when something is pending

	mu      sync.Mutex
	taken   map[string]takenMetadata
	pending map[string]series.Metadata
}

// takenMetadata is what was last taken of a metric, and when (ms after began).
type takenMetadata struct {
	hash uint64
	at   int64
}

func newMetadataKeeper(store MetadataStore, seed maphash.Seed, log *slog.Logger) *metadataKeeper {
	return &metadataKeeper{
		store: store, seed: seed, log: log, began: time.Now(),
		ready: make(chan struct{}, 1),
		taken: make(map[string]takenMetadata), pending: make(map[string]series.Metadata),
	}
}

// MetadataHash stands for a type, a help and a unit of a metric, of which the
// latter two are hashed already, with Intake.Seed. It is never 0.
func MetadataHash(kind int32, help, unit uint64) uint64 {
	hi, lo := mathbits.Mul64(uint64(uint32(kind))+help, hashMix)
	hi, lo = mathbits.Mul64(hi^lo^unit, hashMix)
	return hi ^ lo | 1
}

// hashMix is an odd number without pattern, the golden ratio's first 64 bits.
const hashMix = 0x9e3779b97f4a7c15

// now is the keeper's clock in milliseconds. It starts beyond the hold, so that
// 0 is always long ago.
func (k *metadataKeeper) now() int64 {
	return (time.Since(k.began) + metadataHold).Milliseconds()
}

// offer takes what a series says of its metric. It costs two loads when that is
// known or held back.
func (k *metadataKeeper) offer(m *metric, hash uint64, now int64, kind int32, help, unit []byte) {
	if m.metadata.Load() == hash || now-m.metadataAt.Load() < metadataHold.Milliseconds() {
		return
	}
	if k.take(m.name, hash, now, kind, help, unit) {
		m.metadata.Store(hash)
	}
	m.metadataAt.Store(now)
}

// take takes the metadata of a metric. It returns false when that is to be
// offered again: another one is held for now, or there is no room.
func (k *metadataKeeper) take(name string, hash uint64, now int64, kind int32, help, unit []byte) bool {
	if name == "" || len(name) > maxMetadataName || !utf8.ValidString(name) || strings.IndexByte(name, 0) >= 0 {
		return true // never to be stored
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if last, ok := k.taken[name]; ok {
		if last.hash == hash {
			return true
		}
		if now-last.at < metadataHold.Milliseconds() {
			return false
		}
	}
	if len(k.pending) >= maxMetadata {
		return false // the store has been gone for long
	}
	if len(k.taken) >= maxMetadata {
		clear(k.taken)
	}
	k.taken[name] = takenMetadata{hash: hash, at: now}
	if kind < 0 || int(kind) >= len(series.MetadataTypes) {
		kind = 0
	}
	k.pending[name] = series.Metadata{
		Metric: name, Type: series.MetadataTypes[kind], Help: metadataText(help), Unit: metadataText(unit),
	}
	select {
	case k.ready <- struct{}{}:
	default:
	}
	return true
}

// metadataText makes of a text one that PostgreSQL can store.
func metadataText(text []byte) string {
	text = bytes.ReplaceAll(text[:min(len(text), maxMetadataText)], []byte{0}, nil)
	return strings.ToValidUTF8(string(text), "")
}

// run saves what is pending until ctx ends.
func (k *metadataKeeper) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-k.ready:
		}
		wait := metadataLinger
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
					wait = metadataRetry
				}
			}
		}
	}
}

func (k *metadataKeeper) save(ctx context.Context, list []series.Metadata) error {
	ctx, cancel := context.WithTimeout(ctx, metadataTimeout)
	defer cancel()
	return k.store.SaveMetadata(ctx, list)
}

// drain takes what is to be saved next.
func (k *metadataKeeper) drain() []series.Metadata {
	k.mu.Lock()
	defer k.mu.Unlock()
	list := make([]series.Metadata, 0, min(len(k.pending), metadataBatch))
	for name, m := range k.pending {
		if len(list) == metadataBatch {
			break
		}
		list = append(list, m)
		delete(k.pending, name)
	}
	return list
}

// giveBack makes pending again what could not be saved, except where something
// newer is.
func (k *metadataKeeper) giveBack(list []series.Metadata) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, m := range list {
		if _, newer := k.pending[m.Metric]; !newer {
			k.pending[m.Metric] = m
		}
	}
}
