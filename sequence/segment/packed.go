package segment

import (
	"encoding/binary"
	"hash/crc32"
)

// A packed segment is the samples of a sealed segment as bytes, in a form that
// both Go and plain SQL can undo (the function unpack_segment).
//
// The samples, sorted by (series, time), are cut into runs of one series each.
// A series is one run, or several if that packs better, as at a counter reset.
// The mode of a run turns its values into integers. The rest is nine streams of
// integers, each packed by itself (package bitpack):
//
//	ids      per run: series id less that of the run before (the first: from 0)
//	counts   per run: samples
//	modes    per run: see mode
//	times    per run: first sample's time, ms after the segment's base
//	values   per run: first sample's value as an integer
//	dtimes   per other sample: ms since the sample before
//	dvalues  per other sample: its integer, less the one before if the mode says so
//	where    per exception: sample index less that of the exception before
//	bits     per exception: the value's bits
//
// An exception is a sample whose value the run's mode cannot express, or only
// at the cost of its neighbours, such as a stale marker. It has an integer too,
// which has no meaning: undoing overwrites it with the bits.
//
// The counts of the streams follow from three numbers of the head:
//
//	ids, counts, modes, times, values   one per run
//	dtimes, dvalues                     samples - runs
//	where, bits                         exceptions
//
// Streams and not rows, because integers of one kind resemble each other: a block of
// them is as wide as its largest. A reader checks that the counts add up to the
// number of samples, so it also refuses bytes that were written wrongly and have the
// right checksum.
//
// The bytes, integers big-endian:
//
//	0   1 byte    packedVersion
//	1   4 bytes   CRC-32C of all that follows
//	5   4 bytes   samples
//	9   4 bytes   runs
//	13  4 bytes   exceptions
//	17  36 bytes  length of each stream in bytes
//	53            the streams
const (
	packedVersion = 1
	packedStreams = 9
	packedHeader  = 17 + 4*packedStreams
)

// The streams, in order.
const (
	streamIDs = iota
	streamCounts
	streamModes
	streamTimes
	streamValues
	streamDTimes
	streamDValues
	streamWhere
	streamBits
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// mode is how a run's values became integers:
//
//	0 to maxScale  value = integer / 10^mode, exactly: the division gives the value's bits
//	modeBits       the value's bits, those of negative values with all but the sign inverted,
//	               so that integers have the order of the numbers
//
// plus modeAbsolute where the dvalues are the integers themselves and not
// differences.
type mode int64

const (
	maxScale     mode = 15
	modeBits     mode = 31
	modeAbsolute mode = 32
	modeKind     mode = 31 // mask
)

// powers are the powers of ten; all are exact.
var powers = [maxScale + 1]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15}

// bitsToInt and intToBits are each other's inverse. bitsToInt keeps the order of
// numbers: for a < b, neither of them NaN, bitsToInt(bits(a)) < bitsToInt(bits(b)).
// So neighbouring values have small differences, also around zero.
func bitsToInt(b uint64) int64 { return int64(b) ^ int64(uint64(int64(b)>>63)>>1) }
func intToBits(i int64) uint64 { return uint64(i ^ int64(uint64(i>>63)>>1)) }

// headerOf reads the four numbers and the streams' lengths.
func headerOf(packed []byte) (samples, runs, exceptions int, lengths [packedStreams]int) {
	samples = int(binary.BigEndian.Uint32(packed[5:]))
	runs = int(binary.BigEndian.Uint32(packed[9:]))
	exceptions = int(binary.BigEndian.Uint32(packed[13:]))
	for i := range lengths {
		lengths[i] = int(binary.BigEndian.Uint32(packed[17+4*i:]))
	}
	return samples, runs, exceptions, lengths
}
