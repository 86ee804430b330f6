package distinct

import (
	"encoding/binary"
	"math"
	"math/bits"

	"github.com/cespare/xxhash/v2"
)

// precision is how many bits of a hash choose the register.
const precision = 14

// registers is how many there are.
const registers = 1 << precision

// maxRank is the largest rank: of a hash whose other bits are all zero.
const maxRank = 64 - precision + 1

// Key is what is kept of a hash. From the highest bit of the hash:
//
//	14 bits   the register
//	17 bits   the beginning of the rest
//	33 bits   the end of the rest
//
// The rank is the number of zeros that the rest begins with, and one. Nearly always the
// first 17 bits of the rest decide it, and the key is the first 31 bits of the hash and
// a one. Else it is register and rank, 20 bits, and a zero. So a key has its register
// and its rank, and two keys are different unless the hashes agree in 31 bits or more.
type Key uint32

const (
	headBits = 17
	headMask = 1<<headBits - 1
	rankBits = 6
	rankMask = 1<<rankBits - 1
)

// keyOf is the key of a hash.
func keyOf(hash uint64) Key {
	if head := uint32(hash >> 33); head&headMask != 0 {
		return Key(head<<1 | 1)
	}
	// The bit below the 33 ends the count.
	rank := headBits + 1 + bits.LeadingZeros64(hash<<31|1<<30)
	return registerKey(int(hash>>(64-precision)), uint8(rank))
}

// registerKey is the key that says no more than that a register holds a rank. Of ranks
// up to 17 no hash has such a key.
func registerKey(register int, rank uint8) Key {
	return Key(uint32(register)<<rankBits|uint32(rank)) << 1
}

// register is the register that the key falls to, and its rank there: of any number, and
// not only of what is the key of a hash, since keys are read from results.
func (k Key) register() (register int, rank uint8) {
	if k&1 == 0 {
		return int(k>>(rankBits+1)) % registers, min(uint8(k>>1)&rankMask, maxRank)
	}
	head := uint32(k >> 1)
	return int(head >> headBits), uint8(bits.LeadingZeros32(head<<(32-headBits)) + 1)
}

// nan is the bits that stand for every NaN.
const nan = 0x7ff8000000000001

// KeyOf is the key of a value: of the xxHash64 of its eight bytes, the lowest first.
func KeyOf(v float64) Key {
	b := math.Float64bits(v)
	switch {
	case v == 0:
		b = 0 // -0 as well
	case v != v:
		b = nan
	}
	var buf [8]byte
	binary.LittleEndian.PutUint64(buf[:], b)
	return keyOf(xxhash.Sum64(buf[:]))
}
