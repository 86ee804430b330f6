package sqlstore

import (
	"encoding/binary"
	"io"
	"math"

	"laminar/sequence"
	"laminar/sequence/segment"
)

// copyChunk is how much a copyStream encodes at a time, in bytes, at least.
const copyChunk = 256 << 10

// rowSource appends rows in PostgreSQL's binary COPY format. An error ends the
// COPY, and nothing of it is written.
type rowSource interface {
	rows() int
	appendRow(dst []byte, row int) ([]byte, error)
}

// copyStream is a binary COPY as a reader. It encodes as it is read, so that
// encoding, sending and the server's work overlap and memory stays bounded by
// the largest row. Its buffer is kept between uses: a warm stream allocates
// nothing.
//
// The format: a signature, flags and an empty extension; for each row the
// number of fields, then each field with its length; -1 at the end. All
// integers are big-endian.
type copyStream struct {
	src     rowSource
	buf     []byte
	off     int
	next    int
	started bool
	ended   bool
}

var copySignature = append([]byte("PGCOPY\n\xff\r\n\x00"), make([]byte, 8)...)

// reset begins a new COPY of the source's rows.
func (c *copyStream) reset(src rowSource) {
	*c = copyStream{src: src, buf: c.buf[:0]}
}

// Read implements io.Reader.
func (c *copyStream) Read(p []byte) (int, error) {
	if c.off == len(c.buf) {
		if c.ended {
			return 0, io.EOF
		}
		if err := c.fill(); err != nil {
			return 0, err
		}
	}
	n := copy(p, c.buf[c.off:])
	c.off += n
	return n, nil
}

func (c *copyStream) fill() (err error) {
	c.buf, c.off = c.buf[:0], 0
	if !c.started {
		c.started = true
		c.buf = append(c.buf, copySignature...)
	}
	for ; c.next < c.src.rows() && len(c.buf) < copyChunk; c.next++ {
		if c.buf, err = c.src.appendRow(c.buf, c.next); err != nil {
			return err
		}
	}
	if c.next == c.src.rows() {
		c.ended = true
		c.buf = appendInt2(c.buf, -1)
	}
	return nil
}

// hotRows are the segments of one flush, for queries.HotCopy.
type hotRows struct {
	flush    sequence.Flush
	segments []segment.Segment
	packer   *segment.Packer
}

const hotColumns = 12

func (h *hotRows) rows() int { return len(h.segments) }

func (h *hotRows) appendRow(dst []byte, row int) ([]byte, error) {
	seg := &h.segments[row]
	dst = appendInt2(dst, hotColumns)
	dst = appendInt8Field(dst, int64(h.flush.Seq))
	dst = appendInt8Field(dst, seg.Base)
	dst = appendInt8Field(dst, seg.MinT)
	dst = appendInt8Field(dst, seg.MaxT)
	dst = appendInt4Field(dst, int32(h.flush.Region))
	dst = appendInt4Field(dst, int32(seg.Metric))
	dst = appendInt4Field(dst, int32(row))
	dst = appendInt4Field(dst, int32(seg.Len()))
	dst = appendBoolField(dst, seg.Ordered)
	dst = appendBoolField(dst, seg.HasStale)
	at := len(dst)
	dst = append(dst, 0, 0, 0, 0) // the length of what follows
	dst, err := h.packer.AppendColumns(dst, seg)
	if err != nil {
		return dst, err
	}
	binary.BigEndian.PutUint32(dst[at:], uint32(len(dst)-at-4))
	return appendHistograms(dst, seg), nil
}

// sealedRow is a merged segment: what is known of it, with its samples packed.
type sealedRow struct {
	head    segment.Segment // without samples, but with the payloads of histograms
	samples int
	packed  []byte
}

// sealedRows are merged segments, for queries.SealedCopy.
type sealedRows struct{ segments []sealedRow }

const sealedColumns = 12

func (s *sealedRows) rows() int { return len(s.segments) }

func (s *sealedRows) appendRow(dst []byte, row int) ([]byte, error) {
	r := &s.segments[row]
	seg := &r.head
	dst = appendInt2(dst, sealedColumns)
	dst = appendInt8Field(dst, segment.Bucket(seg.MinT))
	dst = appendInt8Field(dst, int64(seg.MinSeq))
	dst = appendInt8Field(dst, int64(seg.MaxSeq))
	dst = appendInt8Field(dst, seg.Base)
	dst = appendInt8Field(dst, seg.MinT)
	dst = appendInt8Field(dst, seg.MaxT)
	dst = appendInt4Field(dst, int32(seg.Region))
	dst = appendInt4Field(dst, int32(seg.Metric))
	dst = appendInt4Field(dst, int32(r.samples))
	dst = appendBoolField(dst, seg.HasStale)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(r.packed)))
	dst = append(dst, r.packed...)
	return appendHistograms(dst, seg), nil
}

// appendHistograms appends the payloads of histograms; null for floats.
func appendHistograms(dst []byte, seg *segment.Segment) []byte {
	if seg.Histograms == nil {
		return binary.BigEndian.AppendUint32(dst, nullField)
	}
	return appendByteaArray(dst, seg.Histograms)
}

// nullField is the length of a field that is null: -1.
const nullField = 1<<32 - 1

func appendInt2(dst []byte, v int16) []byte { return binary.BigEndian.AppendUint16(dst, uint16(v)) }

func appendInt4Field(dst []byte, v int32) []byte {
	dst = binary.BigEndian.AppendUint32(dst, 4)
	return binary.BigEndian.AppendUint32(dst, uint32(v))
}

func appendInt8Field(dst []byte, v int64) []byte {
	dst = binary.BigEndian.AppendUint32(dst, 8)
	return binary.BigEndian.AppendUint64(dst, uint64(v))
}

func appendBoolField(dst []byte, v bool) []byte {
	dst = binary.BigEndian.AppendUint32(dst, 1)
	if v {
		return append(dst, 1)
	}
	return append(dst, 0)
}

func appendFloat8Field(dst []byte, v float64) []byte {
	dst = binary.BigEndian.AppendUint32(dst, 8)
	return binary.BigEndian.AppendUint64(dst, math.Float64bits(v))
}

// appendTextField appends a text, or with jsonb a JSON text, which begins with
// the number of its format.
func appendTextField(dst []byte, v string, jsonb bool) []byte {
	if !jsonb {
		dst = binary.BigEndian.AppendUint32(dst, uint32(len(v)))
		return append(dst, v...)
	}
	dst = binary.BigEndian.AppendUint32(dst, uint32(1+len(v)))
	dst = append(dst, 1)
	return append(dst, v...)
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
