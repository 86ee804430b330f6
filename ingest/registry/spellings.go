package registry

import (
	"bytes"
	"hash/maphash"
	"math"
	"sync/atomic"

	"laminar/ingest/refusal"
	"laminar/sequence/series"
)

// Spellings maps label bytes, as one protocol writes them, to series. Readers
// take no lock: the table is open addressed, its entries are only ever filled,
// and it is replaced as a whole when it grows or when series are forgotten.
// Writers hold Registry.mu.
//
// The hash is seeded per process, so no sender can choose bytes that collide.
type Spellings struct {
	seed    maphash.Seed
	read    ReadLabels
	entries atomic.Pointer[[]atomic.Pointer[Spelling]] // length is a power of two
	used    int
	bytes   int64 // about what its spellings and their places take
}

// spellingBytes is about what a spelling takes beside its key: its object, and two
// to four places of the table.
const spellingBytes = 72

// ReadLabels appends the labels that a key of a protocol's table spells to dst.
// The labels may share memory with the key.
type ReadLabels func(dst []series.RawLabel, key []byte) ([]series.RawLabel, error)

// Spelling is one way to write the labels of a series. Only the registry sets
// its fields but next, before any other goroutine can see it; until then its series
// may be nil.
type Spelling struct {
	hash   uint32
	Fate   Fate // what is to be known before its samples are stored; 0 for nothing
	key    string
	Series *Series
	table  *Spellings // says how to read the key; nil for canonical labels

	// next is the spelling that came behind this one when it was last looked
	// for: senders write their series in the same order again and again. Only a
	// hint, and the only field that changes.
	next atomic.Pointer[Spelling]
}

// Key is the bytes that spell the labels.
func (sp *Spelling) Key() string { return sp.key }

// Hash is the hash of the key, as the protocol gave it.
func (sp *Spelling) Hash() uint32 { return sp.hash }

// Metric is the name of the metric of the series, "" while that is not known: see
// Registry.Resolve.
func (sp *Spelling) Metric() string {
	if sp.Series == nil {
		return ""
	}
	return sp.Series.Metric.Name
}

// Next is the spelling that came behind this one last time, nil if none is known.
func (sp *Spelling) Next() *Spelling { return sp.next.Load() }

// Precede says that next came behind this spelling. A nil spelling, as at the
// beginning of a message, is allowed.
func (sp *Spelling) Precede(next *Spelling) {
	if sp != nil {
		sp.next.Store(next)
	}
}

// canonical is the canonical labels that the key spells. That they were accepted
// once is what makes a spelling.
func (sp *Spelling) canonical() []byte {
	read := ReadPlain
	if sp.table != nil && sp.table.read != nil {
		read = sp.table.read
	}
	labels, _ := read(nil, []byte(sp.key))
	canonical, _, _ := refusal.Canonical(nil, labels, refusal.Limits{Labels: math.MaxInt, LabelBytes: math.MaxInt})
	return canonical
}

// Spell writes the labels of the series the way PromQL does, for texts people read.
func (sp *Spelling) Spell() string {
	if sp.Series != nil {
		return sp.Series.Spell()
	}
	return refusal.SpellCanonical(sp.canonical())
}

// ReadPlain reads a key that is names and values, each with 0xff behind it.
// Canonical labels are such a key.
func ReadPlain(dst []series.RawLabel, key []byte) ([]series.RawLabel, error) {
	for len(key) > 0 {
		var l series.RawLabel
		l.Name, key, _ = bytes.Cut(key, separator)
		l.Value, key, _ = bytes.Cut(key, separator)
		dst = append(dst, l)
	}
	return dst, nil
}

var separator = []byte{0xff}

const minSpellings = 1024

func newSpellings(seed maphash.Seed, read ReadLabels) *Spellings {
	t := &Spellings{seed: seed, read: read}
	entries := make([]atomic.Pointer[Spelling], minSpellings)
	t.entries.Store(&entries)
	return t
}

// HashOf is where a key that stands in one piece is looked for.
func (t *Spellings) HashOf(key []byte) uint32 { return uint32(maphash.Bytes(t.seed, key)) }

// Candidates walks over the spellings that a key with some hash can be.
type Candidates struct {
	entries []atomic.Pointer[Spelling]
	hash, i uint32
}

// Candidates begins to look for a key with this hash, for a protocol whose keys
// do not stand in one piece in its messages.
func (t *Spellings) Candidates(hash uint32) Candidates {
	return Candidates{*t.entries.Load(), hash, hash}
}

// Next is the next spelling with the hash, nil when there is no other. One whose
// key is right is the only one.
func (c *Candidates) Next() *Spelling {
	for {
		sp := c.entries[c.i&uint32(len(c.entries)-1)].Load()
		c.i++
		if sp == nil || sp.hash == c.hash {
			return sp
		}
	}
}

// lookup returns the spelling with this key, nil when it is not known.
func (t *Spellings) lookup(key []byte, hash uint32) *Spelling {
	entries := *t.entries.Load()
	mask := uint32(len(entries) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		sp := entries[i].Load()
		if sp == nil || sp.hash == hash && sp.key == string(key) {
			return sp
		}
	}
}

// Follow returns the spelling with this key, nil when it is not known. prev is
// the spelling that came before in the message, nil at its beginning. In a table
// of many series every look-up waits for memory, for its entry and then for the
// spelling; what came behind prev last time lies where memory is being read
// already. hash is the key's, and 0 where it was not needed.
func (t *Spellings) Follow(prev *Spelling, key []byte) (sp *Spelling, hash uint32) {
	if prev != nil {
		if sp = prev.next.Load(); sp != nil && sp.key == string(key) {
			return sp, 0
		}
	}
	hash = t.HashOf(key)
	if sp = t.lookup(key, hash); sp != nil && prev != nil {
		prev.next.Store(sp)
	}
	return sp, hash
}

// insertLocked adds a spelling; false says that it was there already.
func (t *Spellings) insertLocked(sp *Spelling) bool {
	if t.lookup([]byte(sp.key), sp.hash) != nil {
		return false
	}
	entries := *t.entries.Load()
	if 2*(t.used+1) > len(entries) {
		t.rebuildLocked(2*len(entries), func(*Spelling) bool { return false })
		entries = *t.entries.Load()
	}
	t.put(entries, sp)
	return true
}

// removeLocked drops the spellings that are gone. A reader that found
// one of them just before may make a hint of it once more; a reader that follows
// the hint finds a series that is dead, as one that was slower would.
func (t *Spellings) removeLocked(gone func(*Spelling) bool) {
	t.rebuildLocked(len(*t.entries.Load()), gone)
	entries := *t.entries.Load()
	for i := range entries {
		if sp := entries[i].Load(); sp != nil {
			sp.next.Store(nil)
		}
	}
}

func (t *Spellings) rebuildLocked(size int, gone func(*Spelling) bool) {
	old := *t.entries.Load()
	entries := make([]atomic.Pointer[Spelling], size)
	t.used, t.bytes = 0, 0
	for i := range old {
		if sp := old[i].Load(); sp != nil && !gone(sp) {
			t.put(entries, sp)
		}
	}
	t.entries.Store(&entries)
}

// put fills the first free entry; there always is one, since at most half are
// used.
func (t *Spellings) put(entries []atomic.Pointer[Spelling], sp *Spelling) {
	mask := uint32(len(entries) - 1)
	i := sp.hash & mask
	for entries[i].Load() != nil {
		i = (i + 1) & mask
	}
	entries[i].Store(sp)
	t.used++
	t.bytes += spellingBytes + int64(len(sp.key))
}
