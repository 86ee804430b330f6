package segmentrow

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"laminar/sequence"
	"laminar/sequence/segment"
)

// Segments are read in binary form, column by column, without the driver's
// scanning: a round reads millions of samples, and a scan into slices would copy
// each array once more and allocate it. What a row must look like is checked
// before anything is believed, since segments outlive the version that wrote
// them.
//
// Of the columns, region to max_t describe the segment, and samples says how many
// it holds. The samples themselves are in packed, or, in segments from before
// there were packed ones, in the three arrays. Payloads of histograms stand apart,
// one for each sample; the value column then holds their sums.

// The columns of the queries that give segments, in this order.
const (
	colRegion = iota
	colMetric
	colMinSeq
	colMaxSeq
	colOrdered
	colHasStale
	colBase
	colMinT
	colMaxT
	colSeries
	colOffsets
	colValues
	colHistograms
	colPacked // null where the samples are in the three arrays, which are null where not
	colSamples
	segmentColumnCount
)

// OIDs of the element types, from PostgreSQL's pg_type.
const (
	oidBytea  = 17
	oidInt4   = 23
	oidFloat8 = 701
)

// Decode reads one row in binary format into seg, whose arrays are used
// again when they are large enough; histograms share the row's memory. It checks
// everything it relies on: what does not look like a segment is an error, never a
// panic. seg.Sealed says which kind it is.
//
// Samples are packed or, in what was written before they were, arrays.
func Decode(cols [][]byte, seg *segment.Segment, u *segment.Unpacker) error {
	if len(cols) != segmentColumnCount {
		return fmt.Errorf("decode segment: %d columns, want %d", len(cols), segmentColumnCount)
	}
	if err := decodeHead(cols, seg); err != nil {
		return err
	}
	// The number of samples stands in the row, too, and must be what comes out.
	d := rowDecoder{cols: cols}
	samples := int(d.int4(colSamples))
	err := d.err
	switch {
	case err != nil:
	case cols[colPacked] != nil:
		err = u.Unpack(cols[colPacked], seg)
	default:
		err = decodeArrays(cols, seg)
	}
	if err == nil && seg.Len() != samples {
		err = fmt.Errorf("it has %d samples, its row says %d", seg.Len(), samples)
	}
	if err == nil {
		err = decodeHistograms(cols, seg)
	}
	if err != nil {
		kind := "hot"
		if seg.Sealed {
			kind = "sealed"
		}
		return fmt.Errorf("%s segment of metric %d in region %d, sequences %d to %d, times %d to %d: %w",
			kind, seg.Metric, seg.Region, seg.MinSeq, seg.MaxSeq, seg.MinT, seg.MaxT, err)
	}
	return nil
}

// decodeHead reads what segments have beside their samples.
func decodeHead(cols [][]byte, seg *segment.Segment) error {
	d := rowDecoder{cols: cols}
	seg.Region = sequence.Region(d.int4(colRegion))
	seg.Metric = sequence.MetricID(d.int4(colMetric))
	seg.MinSeq = sequence.Seq(d.int8(colMinSeq))
	seg.MaxSeq = sequence.Seq(d.int8(colMaxSeq))
	seg.Ordered = d.bool(colOrdered)
	seg.HasStale = d.bool(colHasStale)
	seg.Base = d.int8(colBase)
	seg.MinT = d.int8(colMinT)
	seg.MaxT = d.int8(colMaxT)
	if d.err != nil {
		return fmt.Errorf("decode segment: %w", d.err)
	}
	return nil
}

// decodeArrays reads samples from the three arrays that segments had before they
// were packed.
func decodeArrays(cols [][]byte, seg *segment.Segment) error {
	var err error
	if seg.Series, err = decodeInt4s(cols[colSeries], seg.Series); err != nil {
		return fmt.Errorf("decode series ids: %w", err)
	}
	if seg.Offsets, err = decodeInt4s(cols[colOffsets], seg.Offsets); err != nil {
		return fmt.Errorf("decode time offsets: %w", err)
	}
	if seg.Values, err = decodeFloat8s(cols[colValues], seg.Values); err != nil {
		return fmt.Errorf("decode values: %w", err)
	}
	if len(seg.Series) != len(seg.Offsets) || len(seg.Series) != len(seg.Values) {
		return fmt.Errorf("decode segment: %d series ids, %d times and %d values, want as many of each",
			len(seg.Series), len(seg.Offsets), len(seg.Values))
	}
	return nil
}

// decodeHistograms reads the payloads of a segment of histograms; one of floats
// has none.
func decodeHistograms(cols [][]byte, seg *segment.Segment) error {
	if seg.Histograms = nil; cols[colHistograms] == nil {
		return nil
	}
	var err error
	if seg.Histograms, err = decodeByteas(cols[colHistograms]); err != nil {
		return fmt.Errorf("decode histograms: %w", err)
	}
	if len(seg.Histograms) != len(seg.Values) {
		return fmt.Errorf("decode segment: %d histograms of %d samples", len(seg.Histograms), len(seg.Values))
	}
	return nil
}

// rowDecoder reads fixed-width columns and keeps the first error.
type rowDecoder struct {
	cols [][]byte
	err  error
}

// fixed is a column of so many bytes. After an error it is zeros, so that the
// caller need not look before the end.
func (d *rowDecoder) fixed(col, width int) []byte {
	if b := d.cols[col]; len(b) == width {
		return b
	}
	if d.err == nil {
		d.err = fmt.Errorf("column %d has %d bytes, want %d", col, len(d.cols[col]), width)
	}
	return make([]byte, width)
}

func (d *rowDecoder) int4(col int) int32 { return int32(binary.BigEndian.Uint32(d.fixed(col, 4))) }
func (d *rowDecoder) int8(col int) int64 { return int64(binary.BigEndian.Uint64(d.fixed(col, 8))) }
func (d *rowDecoder) bool(col int) bool  { return d.fixed(col, 1)[0] != 0 }

// arrayElements checks the head of a binary array: one dimension (or none, when
// empty), no nulls, elements of the type, and each width bytes long. It
// returns what follows: n times a length and an element. width < 0 lets each
// element have its own length, which the caller checks.
//
//	int32 dimensions, int32 has nulls, int32 element type,
//	int32 length, int32 lower bound, then per element int32 width and bytes
func arrayElements(b []byte, oid uint32, width int) (body []byte, n int, err error) {
	if len(b) < 12 {
		return nil, 0, fmt.Errorf("array of %d bytes has no head", len(b))
	}
	dims, nulls, elem := binary.BigEndian.Uint32(b), binary.BigEndian.Uint32(b[4:]), binary.BigEndian.Uint32(b[8:])
	switch {
	case elem != oid:
		return nil, 0, fmt.Errorf("array of type %d, want %d", elem, oid)
	case nulls != 0:
		return nil, 0, fmt.Errorf("array has nulls")
	case dims == 0:
		return nil, 0, nil
	case dims != 1:
		return nil, 0, fmt.Errorf("array of %d dimensions, want 1", dims)
	case len(b) < 20:
		return nil, 0, fmt.Errorf("array of %d bytes has no dimension", len(b))
	}
	count, body := int64(binary.BigEndian.Uint32(b[12:])), b[20:]
	// Compared in 64 bits and before anything is allocated: a damaged count must not
	// make a slice of billions.
	if width < 0 {
		if count > int64(len(body)/4) {
			return nil, 0, fmt.Errorf("array of %d elements has %d bytes", count, len(body))
		}
		return body, int(count), nil
	}
	if int64(len(body)) != count*int64(4+width) {
		return nil, 0, fmt.Errorf("array of %d elements has %d bytes, want %d", count, len(body), count*int64(4+width))
	}
	return body, int(count), nil
}

// decodeInt4s reads an integer[] into dst, whose memory is used again.
func decodeInt4s[T ~int32](b []byte, dst []T) ([]T, error) {
	body, n, err := arrayElements(b, oidInt4, 4)
	if err != nil {
		return dst[:0], err
	}
	dst = slices.Grow(dst[:0], n)[:n]
	for i := range dst {
		e := body[i*8 : i*8+8 : i*8+8]
		if binary.BigEndian.Uint32(e) != 4 {
			return dst[:0], fmt.Errorf("element %d is not 4 bytes long", i)
		}
		dst[i] = T(binary.BigEndian.Uint32(e[4:]))
	}
	return dst, nil
}

// decodeFloat8s reads a float8[] into dst, whose memory is used again.
func decodeFloat8s(b []byte, dst []float64) ([]float64, error) {
	body, n, err := arrayElements(b, oidFloat8, 8)
	if err != nil {
		return dst[:0], err
	}
	dst = slices.Grow(dst[:0], n)[:n]
	for i := range dst {
		e := body[i*12 : i*12+12 : i*12+12]
		if binary.BigEndian.Uint32(e) != 8 {
			return dst[:0], fmt.Errorf("element %d is not 8 bytes long", i)
		}
		// The bits are kept as they are: a stale marker is a signalling NaN.
		dst[i] = math.Float64frombits(binary.BigEndian.Uint64(e[4:]))
	}
	return dst, nil
}

// decodeByteas reads a bytea[] without nulls; its elements share b's memory.
func decodeByteas(b []byte) ([][]byte, error) {
	body, n, err := arrayElements(b, oidBytea, -1)
	if err != nil {
		return nil, err
	}
	out := make([][]byte, n)
	for i := range out {
		if len(body) < 4 {
			return nil, fmt.Errorf("element %d is cut off", i)
		}
		size := int64(binary.BigEndian.Uint32(body))
		if size > int64(len(body)-4) {
			return nil, fmt.Errorf("element %d of %d bytes is cut off", i, size)
		}
		out[i], body = body[4:4+size:4+size], body[4+size:]
	}
	if len(body) > 0 {
		return nil, fmt.Errorf("%d bytes behind the last element", len(body))
	}
	return out, nil
}
