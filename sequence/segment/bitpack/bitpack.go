// Package bitpack packs integers into as few bits as a block of them needs:
// frame of reference, as in most column stores, laid out so that plain SQL can
// undo it (queries/view/function_unpack_ints.sql).
//
// A stream holds n integers in blocks of BlockLen, the last one shorter. Bits
// are counted from the highest bit of the first byte:
//
//	8 bits                         b, the width of a base, 0 to 64
//	per block 7 + b bits           w, the width of an offset, 0 to 64;
//	                               the block's base, zigzag
//	per block w bits per integer   the integers' offsets from the base
//	0 to 7 bits                    zero
//
// An integer is base + offset. Where w is 64 the base is 0 and the offset is the
// integer itself in two's complement, so nothing ever overflows 64 bits. A
// stream of no integers has no bytes. How many there are is for the caller to
// know.
//
// The package is pure and knows nothing of samples.
package bitpack

import (
	"encoding/binary"
	"fmt"
	"math/bits"
)

// BlockLen is how many integers share a base and a width.
const BlockLen = 64

const (
	baseWidthBits = 8
	widthBits     = 7
)

// block is the frame of one block.
type block struct {
	base  int64
	width int
}

// frame finds the smallest base and width of some integers.
func frame(vals []int64) block {
	lo, hi := vals[0], vals[0]
	for _, v := range vals[1:] {
		lo, hi = min(lo, v), max(hi, v)
	}
	width := bits.Len64(uint64(hi) - uint64(lo))
	if width == 64 {
		lo = 0
	}
	return block{lo, width}
}

// Width is how many bits each of the integers, at most BlockLen and at least
// one, takes when they are a block.
func Width(vals []int64) int { return frame(vals).width }

func zigzag(v int64) uint64   { return uint64(v<<1) ^ uint64(v>>63) }
func unzigzag(u uint64) int64 { return int64(u>>1) ^ -int64(u&1) }

// Encoder makes streams. It keeps its scratch memory between uses; the zero
// Encoder is ready. It is for one goroutine.
type Encoder struct{ blocks []block }

// Append appends the integers as a stream to dst. It allocates only where dst
// or the scratch memory is too short.
func (e *Encoder) Append(dst []byte, vals []int64) []byte {
	if len(vals) == 0 {
		return dst
	}
	e.blocks = e.blocks[:0]
	baseWidth, size := 0, baseWidthBits
	for rest := vals; len(rest) > 0; {
		now := rest[:min(BlockLen, len(rest))]
		rest = rest[len(now):]
		b := frame(now)
		e.blocks = append(e.blocks, b)
		baseWidth = max(baseWidth, bits.Len64(zigzag(b.base)))
		size += widthBits + b.width*len(now)
	}
	size += len(e.blocks) * baseWidth
	w := writer{dst: grow(dst, size/8+8)}
	w.put(uint64(baseWidth), baseWidthBits)
	for _, b := range e.blocks {
		w.put(uint64(b.width), widthBits)
		w.put(zigzag(b.base), baseWidth)
	}
	for i, b := range e.blocks {
		if b.width > 0 {
			w.putBlock(vals[i*BlockLen:min((i+1)*BlockLen, len(vals))], b)
		}
	}
	return w.end()
}

// grow makes room for n more bytes.
func grow(dst []byte, n int) []byte {
	if cap(dst)-len(dst) >= n {
		return dst
	}
	grown := make([]byte, len(dst), max(len(dst)+n, 2*cap(dst)))
	copy(grown, dst)
	return grown
}

// writer appends bits. It has room for seven bytes more than are written; there
// are never more than 7 bits in acc between two puts.
type writer struct {
	dst []byte
	acc uint64 // its lowest n bits are still to be written
	n   int
}

// put appends the lowest width bits of v; higher ones must be 0.
func (w *writer) put(v uint64, width int) {
	if width > 56 {
		w.put(v>>32, width-32)
		v, width = v&(1<<32-1), 32
	}
	w.acc = w.acc<<width | v
	w.n += width
	// Eight bytes are stored whatever their number: the next store overwrites
	// what is too much.
	at := len(w.dst)
	binary.BigEndian.PutUint64(w.dst[at:at+8], w.acc<<(64-w.n))
	w.dst = w.dst[:at+w.n/8]
	w.n %= 8
}

// putBlock appends the integers' offsets from the block's base.
func (w *writer) putBlock(vals []int64, b block) {
	if b.width > 56 {
		for _, v := range vals {
			w.put(uint64(v)-uint64(b.base), b.width)
		}
		return
	}
	// As put does, with what does not change kept in registers.
	dst, at, acc, n := w.dst[:cap(w.dst)], len(w.dst), w.acc, w.n
	for _, v := range vals {
		acc = acc<<(b.width&63) | (uint64(v) - uint64(b.base))
		n += b.width
		binary.BigEndian.PutUint64(dst[at:at+8], acc<<((64-n)&63))
		at += n >> 3
		n &= 7
	}
	w.dst, w.acc, w.n = dst[:at], acc, n
}

// end fills the last byte with zeros.
func (w *writer) end() []byte {
	if w.n > 0 {
		w.dst = append(w.dst, byte(w.acc<<(8-w.n)))
	}
	return w.dst
}

// Decode reads a stream of len(dst) integers, which must be all of src.
// Whatever src holds, it neither panics nor allocates, except for its error.
func Decode(dst []int64, src []byte) error {
	if len(dst) == 0 {
		if len(src) != 0 {
			return fmt.Errorf("%d bytes for no integers", len(src))
		}
		return nil
	}
	if len(src) == 0 {
		return fmt.Errorf("no bytes for %d integers", len(dst))
	}
	baseWidth := int(src[0])
	blocks := (len(dst) + BlockLen - 1) / BlockLen
	head, data := baseWidthBits, baseWidthBits+blocks*(widthBits+baseWidth)
	if baseWidth > 64 || data > 8*len(src) {
		return fmt.Errorf("bases of %d bits for %d blocks do not fit %d bytes", baseWidth, blocks, len(src))
	}
	for rest := dst; len(rest) > 0; {
		now := rest[:min(BlockLen, len(rest))]
		rest = rest[len(now):]
		width := int(get(src, head, widthBits))
		base := unzigzag(get(src, head+widthBits, baseWidth))
		head += widthBits + baseWidth
		if width > 64 || width == 64 && base != 0 || data+width*len(now) > 8*len(src) {
			return fmt.Errorf("a block of %d integers of %d bits over %d does not fit %d bytes", len(now), width, base, len(src))
		}
		unpack(now, src, data, width, base)
		data += width * len(now)
	}
	if (data+7)/8 != len(src) {
		return fmt.Errorf("%d bits in %d bytes", data, len(src))
	}
	if last := src[len(src)-1]; data%8 != 0 && last<<(data%8) != 0 {
		return fmt.Errorf("the last byte does not end in zeros")
	}
	return nil
}

// unpack reads one block, of which all bits are there.
func unpack(dst []int64, src []byte, at, width int, base int64) {
	if width == 0 {
		for i := range dst {
			dst[i] = base
		}
		return
	}
	i, shift := 0, 64-width
	if width <= 57 {
		// A load of eight bytes holds all of an integer, as long as it does not
		// reach behind the end.
		for last := 8*(len(src)-8) + 7; i < len(dst) && at <= last; i++ {
			v := binary.BigEndian.Uint64(src[at>>3:]) << (at & 7) >> shift
			dst[i] = base + int64(v)
			at += width
		}
	} else {
		for last := 8*(len(src)-9) + 7; i < len(dst) && at <= last; i++ {
			v := (binary.BigEndian.Uint64(src[at>>3:])<<(at&7) | uint64(src[at>>3+8])>>(8-at&7)) >> shift
			dst[i] = base + int64(v)
			at += width
		}
	}
	for ; i < len(dst); i++ {
		dst[i] = base + int64(get(src, at, width))
		at += width
	}
}

// get reads width bits, 0 to 64, from bit at on, all of which must be there.
func get(src []byte, at, width int) (v uint64) {
	for width > 0 {
		here := min(8-at&7, width)
		b := uint64(src[at>>3]) >> (8 - at&7 - here) & (1<<here - 1)
		v = v<<here | b
		at, width = at+here, width-here
	}
	return v
}
