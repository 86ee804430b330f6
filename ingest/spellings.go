package ingest

import (
	"bytes"
	"hash/maphash"
	"math"
	"sync/atomic"
)

// spellings maps label bytes as senders write them to series. Readers take no
// lock: the table is open addressed, its entries are only ever filled, and it is
// replaced as a whole when it grows or when series are forgotten. Writers hold
// registry.mu.
//
// The hash is seeded per process, so no sender can choose bytes that collide.
type spellings struct {
	seed    maphash.Seed
	entries atomic.Pointer[[]atomic.Pointer[spelling]] // length is a power of two
	used    int
}

// spelling is one way to write the labels of a series. Only the registry sets
// its fields but next, before anybody else can see it.
type spelling struct {
	hash   uint32
	pair   pairID // who writes the series this way, where it names a replica
	key    string
	series *knownSeries

	// next is the spelling that came behind this one when it was last looked
	// for: senders write their series in the same order again and again. Only a
	// hint, and the only field that changes.
	next atomic.Pointer[spelling]
}

// canonical is the canonical labels that the key spells, of 1.0 or of 2.0. That
// they were accepted once is what makes a spelling.
func (sp *spelling) canonical(v1 bool) []byte {
	var labels []rawLabel
	if key := []byte(sp.key); v1 {
		labels, _ = appendLabelsV1(nil, key)
	} else {
		for len(key) > 0 {
			var l rawLabel
			l.name, key, _ = bytes.Cut(key, separator)
			l.value, key, _ = bytes.Cut(key, separator)
			labels = append(labels, l)
		}
	}
	canonical, _, _ := canonicalize(nil, labels, Limits{Labels: math.MaxInt, LabelBytes: math.MaxInt})
	return canonical
}

var separator = []byte{0xff}

const minSpellings = 1024

func newSpellings(seed maphash.Seed) *spellings {
	t := &spellings{seed: seed}
	entries := make([]atomic.Pointer[spelling], minSpellings)
	t.entries.Store(&entries)
	return t
}

// hash is where a key that stands in one piece is looked for.
func (t *spellings) hash(key []byte) uint32 { return uint32(maphash.Bytes(t.seed, key)) }

// lookup returns the spelling with this key, nil when it is not known.
func (t *spellings) lookup(key []byte, hash uint32) *spelling {
	entries := *t.entries.Load()
	mask := uint32(len(entries) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		sp := entries[i].Load()
		if sp == nil || sp.hash == hash && sp.key == string(key) {
			return sp
		}
	}
}

// follow is lookup where it is known what came before: prev, nil at the
// beginning of a message. In a table of many series every look-up waits for
// memory, for its entry and then for the spelling; what came behind prev last
// time lies where memory is being read already. hash is 0 where it was not
// needed.
func (t *spellings) follow(prev *spelling, key []byte) (sp *spelling, hash uint32) {
	if prev != nil {
		if sp = prev.next.Load(); sp != nil && sp.key == string(key) {
			return sp, 0
		}
	}
	hash = t.hash(key)
	if sp = t.lookup(key, hash); sp != nil && prev != nil {
		prev.next.Store(sp)
	}
	return sp, hash
}

// lookupRefs returns the spelling whose key is the symbols that refs name, each
// with 0xff behind it; nil when it is not known. No symbol may hold 0xff, else
// two label sets could have one key.
func (t *spellings) lookupRefs(symbols *symbolTable, refs []uint32, hash uint32) *spelling {
	entries := *t.entries.Load()
	mask := uint32(len(entries) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		sp := entries[i].Load()
		if sp == nil || sp.hash == hash && symbols.spells(sp.key, refs) {
			return sp
		}
	}
}

// followRefs is follow for the symbols that refs name; their hash says that
// there are such symbols, and costs little.
func (t *spellings) followRefs(prev *spelling, symbols *symbolTable, refs []uint32, hash uint32) *spelling {
	if prev != nil {
		if sp := prev.next.Load(); sp != nil && sp.hash == hash && symbols.spells(sp.key, refs) {
			return sp
		}
	}
	sp := t.lookupRefs(symbols, refs, hash)
	if sp != nil && prev != nil {
		prev.next.Store(sp)
	}
	return sp
}

// insertLocked adds a spelling; false says that it was there already.
func (t *spellings) insertLocked(sp *spelling) bool {
	if t.lookup([]byte(sp.key), sp.hash) != nil {
		return false
	}
	entries := *t.entries.Load()
	if 2*(t.used+1) > len(entries) {
		t.rebuildLocked(2*len(entries), func(*knownSeries) bool { return false })
		entries = *t.entries.Load()
	}
	t.put(entries, sp)
	return true
}

// removeLocked drops the spellings of series that are gone. A reader that found
// one of them just before may make a hint of it once more; who follows that
// finds a series that is dead, as a reader that was slower would.
func (t *spellings) removeLocked(gone func(*knownSeries) bool) {
	t.rebuildLocked(len(*t.entries.Load()), gone)
	entries := *t.entries.Load()
	for i := range entries {
		if sp := entries[i].Load(); sp != nil {
			sp.next.Store(nil)
		}
	}
}

func (t *spellings) rebuildLocked(size int, gone func(*knownSeries) bool) {
	old := *t.entries.Load()
	entries := make([]atomic.Pointer[spelling], size)
	t.used = 0
	for i := range old {
		if sp := old[i].Load(); sp != nil && !gone(sp.series) {
			t.put(entries, sp)
		}
	}
	t.entries.Store(&entries)
}

// put fills the first free entry; there always is one, since at most half are
// used.
func (t *spellings) put(entries []atomic.Pointer[spelling], sp *spelling) {
	mask := uint32(len(entries) - 1)
	i := sp.hash & mask
	for entries[i].Load() != nil {
		i = (i + 1) & mask
	}
	entries[i].Store(sp)
	t.used++
}
