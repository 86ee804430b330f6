package segmentrow

import (
	"encoding/binary"

	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sqlstore/pg"
)

// Segments are written by COPY in binary form, encoded here while they are sent.
// The fields stand in the order of the statement's columns, and each has the
// width of its column's type: PostgreSQL refuses any other.
//
// A hot segment is packed by its columns while it is sent, which is quick, since
// the region waits for a flush. A sealed one is packed series by series, which is
// smaller, and was packed before it comes here: no flush waits for a seal.

// Hot is the rows of one flush, for queries/raw/hot_copy.sql.
type Hot struct {
	Flush    sequence.Flush
	Segments []segment.Segment
	Packer   *segment.Packer // for this COPY alone
}

// hotColumns is how many columns queries/raw/hot_copy.sql names.
const hotColumns = 12

// Rows implements pg.RowSource.
func (h *Hot) Rows() int { return len(h.Segments) }

// AppendRow implements pg.RowSource. The row is the segment's number within its
// sequence, which together order what a flush has written.
func (h *Hot) AppendRow(dst []byte, row int) ([]byte, error) {
	seg := &h.Segments[row]
	dst = pg.AppendInt2(dst, hotColumns)
	dst = pg.AppendInt8Field(dst, int64(h.Flush.Seq))
	dst = pg.AppendInt8Field(dst, seg.Base)
	dst = pg.AppendInt8Field(dst, seg.MinT)
	dst = pg.AppendInt8Field(dst, seg.MaxT)
	dst = pg.AppendInt4Field(dst, int32(h.Flush.Region))
	dst = pg.AppendInt4Field(dst, int32(seg.Metric))
	dst = pg.AppendInt4Field(dst, int32(row))
	dst = pg.AppendInt4Field(dst, int32(seg.Len()))
	dst = pg.AppendBoolField(dst, seg.Ordered)
	dst = pg.AppendBoolField(dst, seg.HasStale)
	// How long the packed samples are is known when they are there.
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0) // the length of what follows
	dst, err := h.Packer.AppendColumns(dst, seg)
	if err != nil {
		return dst, err
	}
	binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return appendHistograms(dst, seg), nil
}

// Merged is a merged segment: what is known of it, with its samples packed.
type Merged struct {
	Head    segment.Segment // without samples, but with the payloads of histograms
	Samples int
	Packed  []byte
	Held    []byte // segment.Packer.AppendHeld
}

// Sealed is the rows of merged segments, for queries/raw/sealed_copy.sql.
type Sealed struct{ Segments []Merged }

// sealedColumns is how many columns queries/raw/sealed_copy.sql names.
const sealedColumns = 13

// Rows implements pg.RowSource.
func (s *Sealed) Rows() int { return len(s.Segments) }

// AppendRow implements pg.RowSource.
func (s *Sealed) AppendRow(dst []byte, row int) ([]byte, error) {
	r := &s.Segments[row]
	seg := &r.Head
	dst = pg.AppendInt2(dst, sealedColumns)
	dst = pg.AppendInt8Field(dst, segment.Bucket(seg.MinT))
	dst = pg.AppendInt8Field(dst, int64(seg.MinSeq))
	dst = pg.AppendInt8Field(dst, int64(seg.MaxSeq))
	dst = pg.AppendInt8Field(dst, seg.Base)
	dst = pg.AppendInt8Field(dst, seg.MinT)
	dst = pg.AppendInt8Field(dst, seg.MaxT)
	dst = pg.AppendInt4Field(dst, int32(seg.Region))
	dst = pg.AppendInt4Field(dst, int32(seg.Metric))
	dst = pg.AppendInt4Field(dst, int32(r.Samples))
	dst = pg.AppendBoolField(dst, seg.HasStale)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(r.Packed)))
	dst = append(dst, r.Packed...)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(r.Held)))
	dst = append(dst, r.Held...)
	return appendHistograms(dst, seg), nil
}

// appendHistograms appends the payloads of histograms; null for floats.
func appendHistograms(dst []byte, seg *segment.Segment) []byte {
	if seg.Histograms == nil {
		return binary.BigEndian.AppendUint32(dst, pg.NullField)
	}
	return appendByteaArray(dst, seg.Histograms)
}

// arrayHead is the bytes of an array before its elements: dimensions, whether
// there are nulls, element type, length, lower bound.
const arrayHead = 20

// appendArrayHead begins an array of n elements that take size bytes with their
// lengths.
func appendArrayHead(dst []byte, oid uint32, n, size int) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(arrayHead+size))
	dst = binary.BigEndian.AppendUint32(dst, 1)
	dst = binary.BigEndian.AppendUint32(dst, 0)
	dst = binary.BigEndian.AppendUint32(dst, oid)
	dst = binary.BigEndian.AppendUint32(dst, uint32(n))
	return binary.BigEndian.AppendUint32(dst, 1)
}

// appendByteaArray appends a bytea[] of one dimension, counted from 1 as
// PostgreSQL counts, without nulls.
func appendByteaArray(dst []byte, vals [][]byte) []byte {
	size := 4 * len(vals)
	for _, v := range vals {
		size += len(v)
	}
	dst = appendArrayHead(dst, oidBytea, len(vals), size)
	for _, v := range vals {
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(v)))
		dst = append(dst, v...)
	}
	return dst
}
