package distinct

import (
	"encoding/binary"
	"slices"
)

// Exact is up to how many different keys a set keeps as they are.
const Exact = 1024

// Set is a set of values. The zero Set is empty and ready for use.
//
//	D1  dense == nil: keys is the different keys, ascending, at most Exact
//	D2  dense != nil: keys is nil, there were more than Exact different keys, and
//	    register r holds the largest rank of those that fall to it; 0 without any
//
// So what a Set holds depends on the set of keys alone.
type Set struct {
	keys  []Key
	dense *dense
}

// dense is the registers, eight to a word, the first in the lowest byte. None holds
// more than maxRank, so the highest bit of each byte is zero.
type dense [registers / 8]uint64

// Empty reports whether there is no value in the set.
func (s *Set) Empty() bool { return s.dense == nil && len(s.keys) == 0 }

// Add puts a value into the set.
func (s *Set) Add(v float64) { s.AddKey(KeyOf(v)) }

// AddKey puts the value with a key into the set.
func (s *Set) AddKey(k Key) {
	if s.dense != nil {
		s.dense.raise(k.register())
		return
	}
	n := len(s.keys)
	at := n
	if n > 0 && k <= s.keys[n-1] {
		var found bool
		if at, found = slices.BinarySearch(s.keys, k); found {
			return
		}
	}
	if n == Exact {
		s.spread()
		s.dense.raise(k.register())
		return
	}
	s.keys = slices.Insert(s.keys, at, k)
}

// spread makes the registers of the keys.
func (s *Set) spread() {
	s.dense = new(dense)
	s.dense.raiseAll(s.keys)
	s.keys = nil
}

// Union puts all values of another set into the set. The other stays as it is, and
// shares no memory with the set afterwards.
func (s *Set) Union(o *Set) {
	switch {
	case s.dense != nil && o.dense != nil:
		s.dense.union(o.dense)
	case s.dense != nil:
		s.dense.raiseAll(o.keys)
	case o.dense != nil:
		d := *o.dense
		d.raiseAll(s.keys)
		s.keys, s.dense = nil, &d
	case len(s.keys) == 0:
		s.keys = append(s.keys[:0], o.keys...)
	case len(o.keys) == 1: // a scrape's value
		s.AddKey(o.keys[0])
	default:
		s.unionKeys(o.keys)
	}
}

// unionKeys is Union where both sets are keys.
func (s *Set) unionKeys(other []Key) {
	fresh, at := 0, 0 // how many keys are new; where in the set the next one would be
	for _, k := range other {
		for at < len(s.keys) && s.keys[at] < k {
			at++
		}
		if at == len(s.keys) || s.keys[at] != k {
			fresh++
		}
	}
	switch n := len(s.keys) + fresh; {
	case fresh == 0:
	case n > Exact:
		s.spread()
		s.dense.raiseAll(other)
	default:
		// From the end, so that no key is overwritten before it was moved.
		have := len(s.keys) - 1
		s.keys = slices.Grow(s.keys, fresh)[:n]
		for to, o := n-1, len(other)-1; o >= 0; to-- {
			switch {
			case have >= 0 && s.keys[have] > other[o]:
				s.keys[to] = s.keys[have]
				have--
			default:
				if have >= 0 && s.keys[have] == other[o] {
					have--
				}
				s.keys[to] = other[o]
				o--
			}
		}
	}
}

// CloneFrom makes the set equal to another, without sharing memory with it.
func (s *Set) CloneFrom(o *Set) {
	s.keys = append(s.keys[:0], o.keys...)
	switch {
	case o.dense == nil:
		s.dense = nil
	case s.dense == nil:
		d := *o.dense
		s.dense, s.keys = &d, nil
	default:
		*s.dense, s.keys = *o.dense, nil
	}
}

// Held is how many bytes the set points to.
func (s *Set) Held() int64 {
	n := int64(4 * cap(s.keys))
	if s.dense != nil {
		n += registers
	}
	return n
}

// Count is how many different values are in the set: exact while it keeps their keys,
// else an estimate, rounded.
func (s *Set) Count() float64 {
	if s.dense == nil {
		return float64(len(s.keys))
	}
	return s.dense.estimate()
}

// Keys is the keys of the set: ascending while it has no registers, and of registers one
// for each that is not empty, which says no more than its rank. The caller must not
// change them.
func (s *Set) Keys() (keys []Key, ofRegisters bool) {
	if s.dense == nil {
		return s.keys, false
	}
	for r := range registers {
		if rank := s.dense.rank(r); rank > 0 {
			keys = append(keys, registerKey(r, rank))
		}
	}
	return keys, true
}

// OfKeys is the set with these keys, in any order. ofRegisters says that they are, or
// some of them, what Keys gives of registers.
func OfKeys(keys []Key, ofRegisters bool) Set {
	keys = slices.Clone(keys)
	slices.Sort(keys)
	s := Set{keys: slices.Compact(keys)}
	if ofRegisters || len(s.keys) > Exact {
		s.spread()
	}
	return s
}

// rank is what a register holds.
func (d *dense) rank(register int) uint8 { return uint8(d[register/8] >> (register % 8 * 8)) }

// raise makes a register hold a rank, if it holds less.
func (d *dense) raise(register int, rank uint8) {
	word, shift := &d[register/8%len(d)], register%8*8
	if old := *word >> shift & 0xff; old < uint64(rank) {
		*word += (uint64(rank) - old) << shift
	}
}

func (d *dense) raiseAll(keys []Key) {
	for _, k := range keys {
		d.raise(k.register())
	}
}

// union makes each register the larger of its two values, eight at a time: high is set
// in a byte of x|high - y where x >= y, since no byte of x or y has it.
func (d *dense) union(o *dense) {
	const high = 0x8080808080808080
	for i, y := range o {
		x := d[i]
		larger := ((x | high - y) & high) >> 7 * 0xff // all ones in the bytes where x is
		d[i] = x&larger | y&^larger
	}
}

// ranks counts the registers by what they hold. Neighbours are counted apart: they hold the
// same as a rule, and a processor waits for a number that it is still adding to.
func (d *dense) ranks() (n [maxRank + 1]int) {
	var of [4][256]int32
	for _, word := range d {
		for range 2 {
			of[0][word&0xff]++
			of[1][word>>8&0xff]++
			of[2][word>>16&0xff]++
			of[3][word>>24&0xff]++
			word >>= 32
		}
	}
	for rank := range n {
		n[rank] = int(of[0][rank] + of[1][rank] + of[2][rank] + of[3][rank])
	}
	return n
}

// A set's bytes: one byte that tells the two forms apart, then the keys, four bytes
// each, ascending, highest byte first; or six planes of 2,048 bytes. Plane b holds bit b
// of every register, register r in the bit 7-r%8 of byte r/8, as PostgreSQL numbers the
// bits of a bit string: SQL finds the larger of registers by ands and ors of planes.
const (
	formKeys   = 1
	formPlanes = 2

	planes     = rankBits
	planeBytes = registers / 8
)

// AppendBinary appends the set's bytes to buf. Equal sets have equal bytes.
func (s *Set) AppendBinary(buf []byte) []byte {
	if s.dense == nil {
		buf = append(buf, formKeys)
		for _, k := range s.keys {
			buf = binary.BigEndian.AppendUint32(buf, uint32(k))
		}
		return buf
	}
	buf = append(buf, formPlanes)
	for plane := range planes {
		for _, word := range s.dense {
			// Of the eight bytes the bit goes to one byte, the first register's highest.
			x := word >> plane & 0x0101010101010101
			buf = append(buf, byte(x*0x8040201008040201>>56))
		}
	}
	return buf
}
