package segment

// From a sealed segment to bytes; packed.go describes them.
// Before: the samples are sorted by (series, time) (S6).
// After: bytes from which Unpacker and the SQL function make the same values, to the
// bit. Which form packs best is decided for each series from its own samples, and
// never changes a value: a wrong guess only makes the bytes longer.

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"math"

	"laminar/sequence"
	"laminar/sequence/segment/bitpack"
)

// Packer packs segments: sealed ones with Append, hot ones with AppendColumns.
// It keeps its scratch memory, about 40 bytes per sample of the largest segment,
// between uses. The zero Packer is ready. It is for one goroutine.
type Packer struct {
	enc     bitpack.Encoder
	streams [packedStreams][]int64
	ints    []int64 // one series' values
	odd     []int   // which of them are exceptions
	at      int     // sample index that the next exception is counted from
	lastID  sequence.SeriesID
}

// Append appends the packed samples of a sealed segment to dst. It allocates
// nothing if dst and the scratch memory are large enough. The segment must keep
// S1, S3 and S6; a violation that would damage the result is an error. After an
// error dst is returned as it was.
func (p *Packer) Append(dst []byte, seg *Segment) ([]byte, error) {
	for i := range p.streams {
		p.streams[i] = p.streams[i][:0]
	}
	p.at, p.lastID = 0, 0
	if n := seg.Len(); n == 0 || n > maxPacked {
		return dst, fmt.Errorf("pack segment of metric %d: %d samples, want 1 to %d", seg.Metric, n, maxPacked)
	}
	for from := 0; from < seg.Len(); {
		to := from + 1
		for to < seg.Len() && seg.Series[to] == seg.Series[from] {
			to++
		}
		if err := p.series(seg, from, to); err != nil {
			return dst, fmt.Errorf("pack segment of metric %d: %w", seg.Metric, err)
		}
		from = to
	}
	start := len(dst)
	dst = append(dst, make([]byte, packedHeader)...)
	for i, stream := range p.streams {
		before := len(dst)
		dst = p.enc.Append(dst, stream)
		binary.BigEndian.PutUint32(dst[start+17+4*i:], uint32(len(dst)-before))
	}
	head := dst[start:]
	head[0] = packedVersion
	binary.BigEndian.PutUint32(head[5:], uint32(seg.Len()))
	binary.BigEndian.PutUint32(head[9:], uint32(len(p.streams[streamIDs])))
	binary.BigEndian.PutUint32(head[13:], uint32(len(p.streams[streamWhere])))
	binary.BigEndian.PutUint32(head[1:], crc32.Checksum(head[5:], castagnoli))
	return dst, nil
}

// put appends an integer to a stream.
func (p *Packer) put(stream int, v int64) { p.streams[stream] = append(p.streams[stream], v) }

// series packs the samples [from, to), which are all of one series, as one run
// or as several: a gap, or a drop of a counter, begins a new run if these are
// rare. Then they do not widen the blocks of differences.
func (p *Packer) series(seg *Segment, from, to int) error {
	offsets, vals := seg.Offsets[from:to], seg.Values[from:to]
	id := seg.Series[from]
	if id <= p.lastID || offsets[0] < 0 {
		return fmt.Errorf("series %d at %d ms stands after series %d", id, offsets[0], p.lastID)
	}
	m := p.toInts(vals)
	for _, i := range p.odd {
		p.put(streamWhere, int64(from+i-p.at))
		p.put(streamBits, int64(math.Float64bits(vals[i])))
		p.at = from + i
	}
	if absolute(p.ints) {
		m |= modeAbsolute
	}
	cutGaps := rare(countGaps(offsets), len(offsets))
	cutDrops := m&modeAbsolute == 0 && rare(countDrops(p.ints), len(p.ints))
	start := 0
	p.run(id, m, offsets[0], p.ints[0])
	step := int32(math.MaxInt32)
	for i := 1; i < len(offsets); i++ {
		dt := offsets[i] - offsets[i-1]
		if dt <= 0 {
			return fmt.Errorf("series %d at %d ms stands after %d ms", id, offsets[i], offsets[i-1])
		}
		gap := isGap(dt, step)
		if !gap {
			step = dt
		}
		if cutGaps && gap || cutDrops && p.ints[i] < p.ints[i-1] {
			p.put(streamCounts, int64(i-start))
			p.run(id, m, offsets[i], p.ints[i])
			start = i
			continue
		}
		p.put(streamDTimes, int64(dt))
		if m&modeAbsolute == 0 {
			p.put(streamDValues, p.ints[i]-p.ints[i-1])
		} else {
			p.put(streamDValues, p.ints[i])
		}
	}
	p.put(streamCounts, int64(len(offsets)-start))
	return nil
}

// run begins a run. Its count follows when it ends, into a stream of its own.
func (p *Packer) run(id sequence.SeriesID, m mode, offset int32, value int64) {
	p.put(streamIDs, int64(id-p.lastID))
	p.put(streamModes, int64(m))
	p.put(streamTimes, int64(offset))
	p.put(streamValues, value)
	p.lastID = id
}

// toInts fills p.ints and p.odd from the values of one series and returns their
// mode: a decimal scale if nearly all values have one, else modeBits. p.odd is
// the indices of exceptions, ascending. In modeBits infinities and NaN are
// exceptions if they are few, because their bits are far from all others.
func (p *Packer) toInts(vals []float64) mode {
	if scale, ok := chooseScale(vals); ok && p.scaledInts(vals, scale) {
		p.fill()
		return scale
	}
	p.ints, p.odd = p.ints[:0], p.odd[:0]
	for i, v := range vals {
		if isSpecial(v) {
			p.odd = append(p.odd, i)
		}
		p.ints = append(p.ints, bitsToInt(math.Float64bits(v)))
	}
	if fewExceptions(len(p.odd), len(vals)) {
		p.fill()
	} else {
		p.odd = p.odd[:0]
	}
	return modeBits
}

// scaledInts fills p.ints and p.odd. It reports false if too many values are no
// integers in this scale; then p.ints and p.odd hold nothing of use.
func (p *Packer) scaledInts(vals []float64, scale mode) bool {
	p.ints, p.odd = p.ints[:0], p.odd[:0]
	for i, v := range vals {
		n, ok := scaled(v, scale)
		if !ok {
			p.odd = append(p.odd, i)
			if !fewExceptions(len(p.odd), len(vals)) {
				return false
			}
		}
		p.ints = append(p.ints, n)
	}
	return true
}

// fill gives each exception the integer of the sample before it, so that it
// costs no difference. Exceptions at the beginning get the integer of the first
// sample that is not one.
func (p *Packer) fill() {
	for _, i := range p.odd {
		if i > 0 {
			p.ints[i] = p.ints[i-1]
		}
	}
	lead := 0
	for lead < len(p.odd) && p.odd[lead] == lead {
		lead++
	}
	for i := range lead {
		p.ints[i] = p.ints[lead] // lead < len(p.ints): not all are exceptions
	}
}

// absolute reports whether integers pack better as they are than as differences,
// by the bits that blocks of them would take. It must report true if a
// difference overflows. Values that jump around a level are such integers.
func absolute(ints []int64) bool {
	var plain, diff int
	var d [bitpack.BlockLen]int64
	for from := 1; from < len(ints); from += bitpack.BlockLen {
		now := ints[from:min(from+bitpack.BlockLen, len(ints))]
		for i, v := range now {
			before := ints[from+i-1]
			d[i] = v - before
			if (v > before) != (d[i] > 0) {
				return true // the difference overflows
			}
		}
		plain += bitpack.Width(now) * len(now)
		diff += bitpack.Width(d[:len(now)]) * len(now)
	}
	// Where little is gained the differences win: blocks hold several short
	// series, and differences of several series resemble one another.
	return plain+len(ints)/2 < diff && len(ints) >= bitpack.BlockLen
}

// isGap reports whether dt, the ms since the sample before, is a gap when samples
// have arrived about step ms apart: it is at least one and a half steps, about.
// Halves keep the sum within 32 bits.
func isGap(dt, step int32) bool { return dt/2 > step/2+step/4 }

// countGaps counts the gaps of a series. The samples before the first gap, or
// between two, set the step.
func countGaps(offsets []int32) (gaps int) {
	step := int32(math.MaxInt32)
	for i := 1; i < len(offsets); i++ {
		dt := offsets[i] - offsets[i-1]
		if isGap(dt, step) {
			gaps++
		} else {
			step = dt
		}
	}
	return gaps
}

// countDrops counts how often the integers fall, as counters do at a reset.
func countDrops(ints []int64) (drops int) {
	for i := 1; i < len(ints); i++ {
		if ints[i] < ints[i-1] {
			drops++
		}
	}
	return drops
}

// rare reports whether it pays to begin a run at each of n events among the
// samples of a series. A run costs about as much as widening half a block, so
// there must be at least half a block of samples per event: n <= samples / (B/2),
// with B samples in a block.
func rare(n, samples int) bool { return n > 0 && n*bitpack.BlockLen/2 <= samples }
