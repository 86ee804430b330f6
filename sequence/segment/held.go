package segment

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"
	"slices"

	"laminar/sequence"
	"laminar/sequence/segment/bitpack"
)

// Which series a sealed segment holds, as bytes beside the packed samples: whoever asks
// which series have samples at all would else unpack all of these.
//
// The bytes, integers big-endian:
//
//	0  1 byte   heldVersion
//	1  4 bytes  CRC-32C of all that follows
//	5  4 bytes  number of series
//	9           the series in ascending order, each less the one before (the first: from 0)
const (
	heldVersion = 1
	heldHeader  = 9
)

// AppendHeld appends the series of the sealed segment that Append has packed last.
func (p *Packer) AppendHeld(dst []byte) []byte {
	// A run that goes on with the series before it is 0 away from it.
	series := p.ints[:0]
	for _, d := range p.streams[streamIDs] {
		if d != 0 {
			series = append(series, d)
		}
	}
	p.ints = series
	start := len(dst)
	dst = append(dst, make([]byte, heldHeader)...)
	dst = p.enc.Append(dst, series)
	head := dst[start:]
	head[0] = heldVersion
	binary.BigEndian.PutUint32(head[5:], uint32(len(series)))
	binary.BigEndian.PutUint32(head[1:], crc32.Checksum(head[5:], castagnoli))
	return dst
}

// Held calls fn for each series that bytes of AppendHeld list, in ascending order.
// Bytes that are no such list, or are damaged, are an error before fn is called.
func (u *Unpacker) Held(held []byte, fn func(sequence.SeriesID)) error {
	switch {
	case len(held) < heldHeader:
		return fmt.Errorf("list of series is damaged: %d bytes", len(held))
	case held[0] != heldVersion:
		return fmt.Errorf("list of series has version %d, this binary reads version %d", held[0], heldVersion)
	case crc32.Checksum(held[5:], castagnoli) != binary.BigEndian.Uint32(held[1:]):
		return fmt.Errorf("list of series is damaged: wrong checksum")
	}
	n := binary.BigEndian.Uint32(held[5:])
	if n == 0 || n > maxPacked {
		return fmt.Errorf("list of series is damaged: %d series", n)
	}
	u.streams[streamIDs] = slices.Grow(u.streams[streamIDs][:0], int(n))[:n]
	ids := u.streams[streamIDs]
	if err := bitpack.Decode(ids, held[heldHeader:]); err != nil {
		return fmt.Errorf("list of series is damaged: %w", err)
	}
	last := int64(0)
	for _, d := range ids {
		if d <= 0 || d > math.MaxInt32-last {
			return fmt.Errorf("list of series is damaged: series %d is followed by %d", last, last+d)
		}
		last += d
	}
	last = 0
	for _, d := range ids {
		last += d
		fn(sequence.SeriesID(last))
	}
	return nil
}
