package segment

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"math/bits"
	"slices"
)

// Columns are the packed form of a hot segment: its samples as bytes, in their
// order of arrival, cheap to make and readable in plain SQL (the function
// unpack_columns). Hot segments hold few samples of each of many series, so the
// runs of the sealed form (packed.go) would consist of heads only.
//
// Before AppendColumns the segment keeps S1 and S3, in any order of samples. After
// Unpack the arrays hold the same samples in the same order, to the bit: S5 and the
// merge of sealing speak of the order in the arrays.
//
// Each of the three arrays becomes a column of integers of one width. Values
// become integers as in a run of the sealed form, but all in one mode. In
// modeBits the bits are kept unchanged. The bytes, integers big-endian:
//
//	0   1 byte   columnsVersion
//	1   4 bytes  CRC-32C of all that follows
//	5   4 bytes  samples, n
//	9   1 byte   mode, without modeAbsolute
//	10  1 byte   bytes of an id, 0 to 4
//	11  1 byte   bytes of a time, 0 to 4
//	12  1 byte   bytes of a value, 0 to 8
//	13  4 bytes  smallest id
//	17  8 bytes  smallest of the values' integers; 0 where they take 8 bytes
//	25           n ids, less the smallest
//	             n times, ms after the segment's base
//	             n values' integers, less the smallest
const (
	columnsVersion = 2
	columnsHeader  = 25
)

// AppendColumns appends the samples of a segment to dst as columns. It allocates
// nothing if dst and the scratch memory are large enough. The segment must keep
// S1 and S3; its samples may be in any order. After an error dst is returned as
// it was.
func (p *Packer) AppendColumns(dst []byte, seg *Segment) ([]byte, error) {
	n := seg.Len()
	if n == 0 || n > maxPacked {
		return dst, fmt.Errorf("columns of a segment of metric %d: %d samples, want 1 to %d", seg.Metric, n, maxPacked)
	}
	firstID, lastID := bounds(seg.Series)
	firstT, lastT := bounds(seg.Offsets)
	if firstID < 1 || firstT < 0 {
		return dst, fmt.Errorf("columns of a segment of metric %d: series %d, %d ms after the base", seg.Metric, firstID, firstT)
	}
	m := p.allInts(seg.Values)
	low, high := bounds(p.ints)
	widths := [3]int{byteWidth(uint64(lastID - firstID)), byteWidth(uint64(lastT)), byteWidth(uint64(high) - uint64(low))}
	if widths[2] == 8 {
		low = 0
	}
	start := len(dst)
	// putColumn stores eight bytes whatever the width, and the next store
	// overwrites the excess. That is faster than a store per width and needs
	// eight bytes of room after the last.
	size := columnsHeader + n*(widths[0]+widths[1]+widths[2])
	dst = slices.Grow(dst, size+8)
	all := dst[start : start+size+8]
	all[0] = columnsVersion
	binary.BigEndian.PutUint32(all[5:], uint32(n))
	all[9], all[10], all[11], all[12] = byte(m), byte(widths[0]), byte(widths[1]), byte(widths[2])
	binary.BigEndian.PutUint32(all[13:], uint32(firstID))
	binary.BigEndian.PutUint64(all[17:], uint64(low))
	rest := putColumn(all[columnsHeader:], seg.Series, uint64(firstID), widths[0])
	rest = putColumn(rest, seg.Offsets, 0, widths[1])
	putColumn(rest, p.ints, uint64(low), widths[2])
	all = all[:size]
	binary.BigEndian.PutUint32(all[1:], crc32.Checksum(all[5:], castagnoli))
	return dst[:start+size], nil
}

// bounds are the smallest and the largest of at least one integer.
func bounds[T ~int32 | ~int64](vals []T) (low, high T) {
	low, high = vals[0], vals[0]
	for _, v := range vals[1:] {
		low, high = min(low, v), max(high, v)
	}
	return low, high
}

// byteWidth is how many bytes an integer takes, 0 for the integer 0.
func byteWidth(v uint64) int { return (bits.Len64(v) + 7) / 8 }

// putColumn writes each integer minus the base in width bytes, highest first,
// and returns what follows them in dst. dst must have room for eight bytes more.
// A width of 0 writes nothing: all integers equal the base.
func putColumn[T ~int32 | ~int64](dst []byte, vals []T, base uint64, width int) []byte {
	if width == 0 {
		return dst
	}
	at, shift := 0, 64-8*width
	for _, v := range vals {
		binary.BigEndian.PutUint64(dst[at:at+8], (uint64(v)-base)<<(shift&63))
		at += width
	}
	return dst[at:]
}

// allInts fills p.ints from the values and returns the mode for all of them: the
// smallest scale in which every value is an integer, else modeBits. Finding a
// finer scale starts over, at most maxScale times; nearly always the first
// values show the scale.
//
// There are no exceptions here, unlike in a run: one stale marker puts the whole
// segment into modeBits. An exception would need a list of its own in the bytes and
// in the SQL function, and a hot segment lives only until it is sealed.
func (p *Packer) allInts(vals []float64) mode {
	p.ints = slices.Grow(p.ints[:0], len(vals))[:len(vals)]
	scale := mode(0)
	for i := 0; i < len(vals); i++ {
		n, ok := scaled(vals[i], scale)
		if ok {
			p.ints[i] = n
			continue
		}
		for scale++; scale <= maxScale; scale++ {
			if _, ok := scaled(vals[i], scale); ok {
				break
			}
		}
		if scale > maxScale {
			for i, v := range vals {
				p.ints[i] = int64(math.Float64bits(v))
			}
			return modeBits
		}
		i = -1 // again from the first, in the finer scale
	}
	return scale
}

// columnsFrame is the head of a segment's columns, checked: the bytes after it are
// exactly samples * (widths[0] + widths[1] + widths[2]).
type columnsFrame struct {
	samples int
	mode    mode
	widths  [3]int
	firstID int64
	low     int64
}

// columnsHead reads the head and checks that it fits the length of packed, so
// that nothing after it can read beyond the end or allocate without bound.
func columnsHead(packed []byte) (f columnsFrame, err error) {
	if len(packed) < columnsHeader {
		return f, fmt.Errorf("%w: %d bytes", errDamaged, len(packed))
	}
	f = columnsFrame{
		samples: int(binary.BigEndian.Uint32(packed[5:])),
		mode:    mode(packed[9]),
		widths:  [3]int{int(packed[10]), int(packed[11]), int(packed[12])},
		firstID: int64(binary.BigEndian.Uint32(packed[13:])),
		low:     int64(binary.BigEndian.Uint64(packed[17:])),
	}
	switch {
	case f.samples < 1 || f.samples > maxPacked || f.mode > maxScale && f.mode != modeBits,
		f.widths[0] > 4 || f.widths[1] > 4 || f.widths[2] > 8 || f.widths[2] == 8 && f.low != 0,
		len(packed) != columnsHeader+f.samples*(f.widths[0]+f.widths[1]+f.widths[2]):
		return f, fmt.Errorf("%w: %d samples in mode %d of %v bytes take %d", errDamaged, f.samples, f.mode, f.widths, len(packed))
	}
	return f, nil
}

// unpackColumns is Unpack for columns whose checksum is right. It still checks
// ids and times: a checksum protects against accidents, not against a row that
// was written wrongly.
func (u *Unpacker) unpackColumns(packed []byte, seg *Segment) error {
	f, err := columnsHead(packed)
	if err != nil {
		return err
	}
	n := f.samples
	earliest, latest := seg.MinT-seg.Base, seg.MaxT-seg.Base
	if latest < earliest || latest > math.MaxInt32 || earliest < 0 {
		return fmt.Errorf("%w: times %d to %d from base %d", errDamaged, seg.MinT, seg.MaxT, seg.Base)
	}
	seg.Series = slices.Grow(seg.Series[:0], n)[:n]
	seg.Offsets = slices.Grow(seg.Offsets[:0], n)[:n]
	seg.Values = slices.Grow(seg.Values[:0], n)[:n]
	at := columnsHeader
	if low, high := takeColumn(seg.Series, packed, at, f.widths[0], f.firstID); low < 1 || high > math.MaxInt32 {
		return fmt.Errorf("%w: series %d to %d", errDamaged, low, high)
	}
	at += n * f.widths[0]
	if low, high := takeColumn(seg.Offsets, packed, at, f.widths[1], 0); low < earliest || high > latest {
		return fmt.Errorf("%w: times %d to %d ms after the base, want %d to %d", errDamaged, low, high, earliest, latest)
	}
	at += n * f.widths[1]
	ints := slices.Grow(u.streams[0][:0], n)[:n]
	u.streams[0] = ints
	takeColumn(ints, packed, at, f.widths[2], f.low)
	switch f.mode {
	case modeBits:
		for i, v := range ints {
			seg.Values[i] = math.Float64frombits(uint64(v))
		}
	case 0:
		for i, v := range ints {
			seg.Values[i] = float64(v)
		}
	default:
		scale := powers[f.mode]
		for i, v := range ints {
			seg.Values[i] = float64(v) / scale
		}
	}
	return nil
}

// takeColumn undoes putColumn: it fills dst from src, beginning at the byte at,
// and returns the smallest and the largest integer. src must hold all of them.
// Sums of damaged integers wrap around; callers check the bounds.
//
// The first loop loads eight bytes at a time, as long as eight are left in src;
// the second reads the last few byte by byte.
func takeColumn[T ~int32 | ~int64](dst []T, src []byte, at, width int, base int64) (low, high int64) {
	if width == 0 {
		for i := range dst {
			dst[i] = T(base)
		}
		return base, base
	}
	low, high = math.MaxInt64, math.MinInt64
	i, shift := 0, 64-8*width
	for ; i < len(dst) && at+8 <= len(src); i++ {
		v := base + int64(binary.BigEndian.Uint64(src[at:])>>(shift&63))
		low, high = min(low, v), max(high, v)
		dst[i] = T(v)
		at += width
	}
	for ; i < len(dst); i++ {
		var v int64
		for _, b := range src[at : at+width] {
			v = v<<8 | int64(b)
		}
		v += base
		low, high = min(low, v), max(high, v)
		dst[i] = T(v)
		at += width
	}
	return low, high
}
