package remotewrite

import (
	"hash/maphash"
	"sync/atomic"
)

// spellings maps label bytes as senders write them to series. Readers take no
// lock: the table is open addressed, its slots are only ever filled, and it is
// replaced as a whole when it grows or when series are forgotten. Writers hold
// registry.mu.
//
// The hash is seeded per process, so no sender can choose bytes that collide.
type spellings struct {
	seed  maphash.Seed
	slots atomic.Pointer[[]atomic.Pointer[spelling]] // length is a power of two
	used  int
}

type spelling struct {
	hash   uint64
	key    string
	series *series
}

const minSpellingSlots = 1024

func newSpellings() *spellings {
	t := &spellings{seed: maphash.MakeSeed()}
	slots := make([]atomic.Pointer[spelling], minSpellingSlots)
	t.slots.Store(&slots)
	return t
}

// lookup returns the series that key stands for, nil when it is not known.
func (t *spellings) lookup(key []byte) *series {
	hash := maphash.Bytes(t.seed, key)
	slots := *t.slots.Load()
	mask := uint64(len(slots) - 1)
	for i := hash & mask; ; i = (i + 1) & mask {
		sp := slots[i].Load()
		if sp == nil {
			return nil
		}
		if sp.hash == hash && sp.key == string(key) {
			return sp.series
		}
	}
}

// insertLocked adds a spelling; false says that it was there already.
func (t *spellings) insertLocked(key []byte, s *series) bool {
	if t.lookup(key) != nil {
		return false
	}
	slots := *t.slots.Load()
	if 2*(t.used+1) > len(slots) {
		t.rebuildLocked(2*len(slots), func(*series) bool { return false })
		slots = *t.slots.Load()
	}
	t.put(slots, &spelling{hash: maphash.Bytes(t.seed, key), key: string(key), series: s})
	return true
}

// removeLocked drops the spellings of series that are gone.
func (t *spellings) removeLocked(gone func(*series) bool) {
	t.rebuildLocked(len(*t.slots.Load()), gone)
}

func (t *spellings) rebuildLocked(size int, gone func(*series) bool) {
	old := *t.slots.Load()
	slots := make([]atomic.Pointer[spelling], size)
	t.used = 0
	for i := range old {
		if sp := old[i].Load(); sp != nil && !gone(sp.series) {
			t.put(slots, sp)
		}
	}
	t.slots.Store(&slots)
}

// put fills the first free slot; there always is one, since at most half are
// used.
func (t *spellings) put(slots []atomic.Pointer[spelling], sp *spelling) {
	mask := uint64(len(slots) - 1)
	i := sp.hash & mask
	for slots[i].Load() != nil {
		i = (i + 1) & mask
	}
	slots[i].Store(sp)
	t.used++
}
