package segment

// From bytes to a segment's arrays.
// Before: any bytes at all: a row can be damaged, or written by another program.
// After: the samples that were packed, or an error. No input makes it panic, read
// past the end, or allocate for more than maxPacked samples.

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"slices"

	"laminar/sequence"
	"laminar/sequence/segment/bitpack"
)

// Unpacker undoes Packer, both forms. It keeps its scratch memory, about 16
// bytes per sample of the largest segment, between uses. The zero Unpacker is
// ready. It is for one goroutine.
type Unpacker struct {
	streams [packedStreams][]int64
}

// Unpack fills the arrays of seg and reuses their memory if it is large enough.
// Base, MinT and MaxT of seg must be set. Bytes that are not a packed segment,
// are damaged, or hold samples outside MinT to MaxT are an error, never a panic
// and never a wrong sample. After an error the arrays hold nothing of use.
func (u *Unpacker) Unpack(packed []byte, seg *Segment) error {
	if err := checkPacked(packed); err != nil {
		return err
	}
	if packed[0] == columnsVersion {
		return u.unpackColumns(packed, seg)
	}
	n, err := u.decode(packed)
	if err != nil {
		return err
	}
	seg.Series = slices.Grow(seg.Series[:0], n)[:n]
	seg.Offsets = slices.Grow(seg.Offsets[:0], n)[:n]
	seg.Values = slices.Grow(seg.Values[:0], n)[:n]
	return u.undo(seg)
}

var errDamaged = errors.New("packed segment is damaged")

// checkPacked checks the version and the checksum, which are at the same place
// in all versions.
func checkPacked(packed []byte) error {
	switch {
	case len(packed) < 5:
		return fmt.Errorf("%w: %d bytes", errDamaged, len(packed))
	case packed[0] != packedVersion && packed[0] != columnsVersion:
		return fmt.Errorf("packed segment has version %d, this binary reads versions %d and %d", packed[0], packedVersion, columnsVersion)
	case crc32.Checksum(packed[5:], castagnoli) != binary.BigEndian.Uint32(packed[1:]):
		return fmt.Errorf("%w: wrong checksum", errDamaged)
	}
	return nil
}

// decode fills u.streams and returns the number of samples. Afterwards each
// stream has as many integers as the head says, but their values are unchecked.
func (u *Unpacker) decode(packed []byte) (samples int, err error) {
	if len(packed) < packedHeader {
		return 0, fmt.Errorf("%w: %d bytes", errDamaged, len(packed))
	}
	samples, runs, exceptions, lengths := headerOf(packed)
	// A stream of width 0 holds any number of integers in a few bytes, so the
	// number has a bound of its own: nothing may make us allocate without end.
	if runs < 1 || runs > samples || exceptions > samples || samples > maxPacked {
		return 0, fmt.Errorf("%w: %d samples, %d runs, %d exceptions", errDamaged, samples, runs, exceptions)
	}
	rest := packed[packedHeader:]
	for i, length := range lengths {
		count := runs
		switch i {
		case streamDTimes, streamDValues:
			count = samples - runs
		case streamWhere, streamBits:
			count = exceptions
		}
		if length > len(rest) {
			return 0, fmt.Errorf("%w: stream %d has %d bytes of %d", errDamaged, i, length, len(rest))
		}
		u.streams[i] = slices.Grow(u.streams[i][:0], count)[:count]
		if err := bitpack.Decode(u.streams[i], rest[:length]); err != nil {
			return 0, fmt.Errorf("%w: stream %d: %w", errDamaged, i, err)
		}
		rest = rest[length:]
	}
	if len(rest) != 0 {
		return 0, fmt.Errorf("%w: %d bytes too many", errDamaged, len(rest))
	}
	return samples, nil
}

// maxPacked is the largest number of samples of a packed segment. It bounds what a
// damaged head can make a reader allocate: 16 bytes for each sample in the arrays,
// and as many in scratch memory.
const maxPacked = 1 << 24

// undo turns the streams into samples. The arrays of seg have the right length.
// It checks what SQL readers and folds rely on: series ascend, the times of a
// series ascend within MinT to MaxT (S2, S6), and every count adds up.
func (u *Unpacker) undo(seg *Segment) error {
	var (
		id       int64
		from     int
		end      = seg.MaxT - seg.Base
		newest   int64 // offset of the run before
		dtimes   = u.streams[streamDTimes]
		dvalues  = u.streams[streamDValues]
		n        = seg.Len()
		earliest = seg.MinT - seg.Base
	)
	if end < earliest || end > math.MaxInt32 || earliest < 0 {
		return fmt.Errorf("%w: times %d to %d from base %d", errDamaged, seg.MinT, seg.MaxT, seg.Base)
	}
	for r, diff := range u.streams[streamIDs] {
		count, first := u.streams[streamCounts][r], u.streams[streamTimes][r]
		if count < 1 || count > int64(n-from) || count-1 > int64(len(dtimes)) || diff < 0 || diff > math.MaxInt32-id || id+diff == 0 {
			return fmt.Errorf("%w: run %d of series %d%+d has %d samples of %d", errDamaged, r, id, diff, count, n-from)
		}
		if first < earliest || diff == 0 && first <= newest {
			return fmt.Errorf("%w: run %d begins %d ms after the base", errDamaged, r, first)
		}
		id += diff
		to, others := from+int(count), int(count-1)
		for i := from; i < to; i++ {
			seg.Series[i] = sequence.SeriesID(id)
		}
		var ok bool
		if newest, ok = undoTimes(seg.Offsets[from:to], first, end, dtimes[:others]); !ok {
			return fmt.Errorf("%w: times of run %d", errDamaged, r)
		}
		if !undoValues(seg.Values[from:to], mode(u.streams[streamModes][r]), u.streams[streamValues][r], dvalues[:others]) {
			return fmt.Errorf("%w: run %d has mode %d", errDamaged, r, u.streams[streamModes][r])
		}
		dtimes, dvalues, from = dtimes[others:], dvalues[others:], to
	}
	if from != n {
		return fmt.Errorf("%w: runs have %d samples of %d", errDamaged, from, n)
	}
	at := int64(0)
	for i, diff := range u.streams[streamWhere] {
		if diff < 0 || diff == 0 && i > 0 || diff >= int64(n)-at {
			return fmt.Errorf("%w: exception %d is sample %d%+d of %d", errDamaged, i, at, diff, n)
		}
		at += diff
		seg.Values[at] = math.Float64frombits(uint64(u.streams[streamBits][i]))
	}
	return nil
}

// undoTimes fills the offsets of a run and returns the last. It reports false
// unless they ascend and none is after end. The differences are checked all
// together at the end: a branch for each would cost more than the sum.
func undoTimes(dst []int32, first, end int64, diffs []int64) (last int64, ok bool) {
	if first > end {
		return 0, false
	}
	at := first
	dst[0] = int32(at)
	var wrong int64 // negative when a difference is not in [1, end]
	for i, d := range diffs {
		wrong |= d - 1 | end - d
		at += d
		dst[i+1] = int32(at)
	}
	// Each step is positive, so nothing lies behind the last.
	return at, wrong >= 0 && at <= end
}

// undoValues fills the values of a run from its first integer and the rest, and
// reports false for a mode that does not exist. Damaged integers wrap around to
// some value; the checksum is what protects values. One loop per kind of mode
// keeps the decision out of the loops.
func undoValues(dst []float64, m mode, first int64, diffs []int64) bool {
	kind := m & modeKind
	if m < 0 || m&^(modeKind|modeAbsolute) != 0 || kind > maxScale && kind != modeBits {
		return false
	}
	rest := dst[1:]
	switch {
	case kind == modeBits && m&modeAbsolute != 0:
		dst[0] = math.Float64frombits(intToBits(first))
		for i, v := range diffs {
			rest[i] = math.Float64frombits(intToBits(v))
		}
	case kind == modeBits:
		v := first
		dst[0] = math.Float64frombits(intToBits(v))
		for i, d := range diffs {
			v += d
			rest[i] = math.Float64frombits(intToBits(v))
		}
	case m == 0:
		v := first
		dst[0] = float64(v)
		for i, d := range diffs {
			v += d
			rest[i] = float64(v)
		}
	case m&modeAbsolute != 0:
		scale := powers[kind]
		dst[0] = float64(first) / scale
		for i, v := range diffs {
			rest[i] = float64(v) / scale
		}
	default:
		v, scale := first, powers[kind]
		dst[0] = float64(v) / scale
		for i, d := range diffs {
			v += d
			rest[i] = float64(v) / scale
		}
	}
	return true
}
