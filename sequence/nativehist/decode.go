package nativehist

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/histogram"

	"laminar/sequence/segment"
)

// ErrPayload says that bytes are not a payload that Append makes.
var ErrPayload = errors.New("not a histogram's payload")

// Decode reads a payload as the query engine sees every histogram, with float
// counts. sum is the value that stands beside the payload.
//
// Spans without a bucket are left out. Clients send one to say that an empty histogram is
// a native one, and Prometheus's arithmetic takes the buckets of another histogram for
// those of such a span, or fails.
func Decode(payload []byte, sum float64) (*histogram.FloatHistogram, error) {
	h, fh, err := DecodeAny(payload, sum)
	if h != nil {
		fh = h.ToFloat(nil)
	}
	if err == nil {
		fh.PositiveSpans, fh.NegativeSpans = withoutEmpty(fh.PositiveSpans), withoutEmpty(fh.NegativeSpans)
	}
	return fh, err
}

// withoutEmpty is the spans that have buckets, where they were.
func withoutEmpty(spans []histogram.Span) []histogram.Span {
	empty := func(s histogram.Span) bool { return s.Length == 0 }
	if !slices.ContainsFunc(spans, empty) {
		return spans
	}
	var out []histogram.Span
	offset := int32(0) // of the spans that are left out
	for _, s := range spans {
		if offset += s.Offset; !empty(s) {
			out, offset = append(out, histogram.Span{Offset: offset, Length: s.Length}), 0
		}
	}
	return out
}

// DecodeAny reads a payload as it was written: one of the histograms is not nil
// unless there is an error. The result shares no memory with the payload.
func DecodeAny(payload []byte, sum float64) (*histogram.Histogram, *histogram.FloatHistogram, error) {
	d := reader{rest: payload}
	flags := d.head()
	if d.err != nil {
		return nil, nil, d.err
	}
	if flags&flagStale != 0 {
		if flags != flagStale || len(d.rest) != 0 || !segment.IsStale(sum) {
			return nil, nil, fmt.Errorf("%w: more than a stale marker", ErrPayload)
		}
		return &histogram.Histogram{Sum: sum}, nil, nil
	}
	if segment.IsStale(sum) {
		return nil, nil, fmt.Errorf("%w: a stale marker with buckets", ErrPayload)
	}
	if flags&flagFloat != 0 {
		fh := d.floatHistogram(flags, sum)
		return nil, fh, d.finish(fh.Validate)
	}
	h := d.histogram(flags, sum)
	return h, nil, d.finish(h.Validate)
}

// reader reads a payload and keeps the first error; after it everything read is
// zero.
type reader struct {
	rest []byte
	err  error
}

func (d *reader) fail(what string) {
	if d.err == nil {
		d.err = fmt.Errorf("%w: %s", ErrPayload, what)
	}
	d.rest = nil
}

// finish says whether all was read and makes a histogram.
func (d *reader) finish(validate func() error) error {
	if d.err == nil && len(d.rest) != 0 {
		d.fail("bytes are left over")
	}
	if d.err != nil {
		return d.err
	}
	if err := validate(); err != nil {
		return fmt.Errorf("%w: %w", ErrPayload, err)
	}
	return nil
}

func (d *reader) head() (flags byte) {
	switch {
	case len(d.rest) < 2:
		d.fail("too short")
		return 0
	case d.rest[0] != version:
		d.fail(fmt.Sprintf("version %d", d.rest[0]))
		return 0
	}
	flags = d.rest[1]
	if flags&^allFlags != 0 || flags&flagReset != 0 && flags&flagGauge != 0 {
		d.fail(fmt.Sprintf("flags %d", flags))
		return 0
	}
	d.rest = d.rest[2:]
	return flags
}

func hint(flags byte) histogram.CounterResetHint {
	switch {
	case flags&flagReset != 0:
		return histogram.CounterReset
	case flags&flagGauge != 0:
		return histogram.GaugeType
	default:
		return histogram.UnknownCounterReset
	}
}

func (d *reader) histogram(flags byte, sum float64) *histogram.Histogram {
	h := &histogram.Histogram{CounterResetHint: hint(flags), Sum: sum, Schema: d.schema(), Count: d.uvarint()}
	custom := h.UsesCustomBuckets()
	if !custom {
		h.ZeroThreshold, h.ZeroCount = d.float(), d.uvarint()
	}
	var n int
	h.PositiveSpans, n = d.spans()
	h.PositiveBuckets = d.deltas(n)
	if custom {
		h.CustomValues = d.floats(d.length(8))
		return h
	}
	h.NegativeSpans, n = d.spans()
	h.NegativeBuckets = d.deltas(n)
	return h
}

func (d *reader) floatHistogram(flags byte, sum float64) *histogram.FloatHistogram {
	h := &histogram.FloatHistogram{CounterResetHint: hint(flags), Sum: sum, Schema: d.schema(), Count: d.float()}
	custom := h.UsesCustomBuckets()
	if !custom {
		h.ZeroThreshold, h.ZeroCount = d.float(), d.float()
	}
	var n int
	h.PositiveSpans, n = d.spans()
	h.PositiveBuckets = d.floats(n)
	if custom {
		h.CustomValues = d.floats(d.length(8))
		return h
	}
	h.NegativeSpans, n = d.spans()
	h.NegativeBuckets = d.floats(n)
	return h
}

func (d *reader) uvarint() uint64 {
	v, n := binary.Uvarint(d.rest)
	// A last byte of zero says nothing: the number had a shorter form.
	if n <= 0 || n > 1 && d.rest[n-1] == 0 {
		d.fail("a number is cut off, too large or not in its shortest form")
		return 0
	}
	d.rest = d.rest[n:]
	return v
}

func (d *reader) varint() int64 {
	u := d.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

func (d *reader) schema() int32 { return d.int32("schema") }

func (d *reader) int32(what string) int32 {
	v := d.varint()
	if v < math.MinInt32 || v > math.MaxInt32 {
		d.fail(fmt.Sprintf("%s %d", what, v))
		return 0
	}
	return int32(v)
}

func (d *reader) float() float64 {
	if len(d.rest) < 8 {
		d.fail("a float is cut off")
		return 0
	}
	v := math.Float64frombits(binary.BigEndian.Uint64(d.rest))
	d.rest = d.rest[8:]
	return v
}

// length reads how many things follow that take width bytes at least, so no
// more memory is taken than the payload can fill.
func (d *reader) length(width int) int {
	n := d.uvarint()
	if n > uint64(len(d.rest)/width) {
		d.fail(fmt.Sprintf("%d elements in %d bytes", n, len(d.rest)))
		return 0
	}
	return int(n)
}

// spans reads the spans of a side and returns how many buckets they hold.
func (d *reader) spans() (out []histogram.Span, buckets int) {
	n := d.length(2)
	if n > 0 {
		out = make([]histogram.Span, n)
	}
	total := uint64(0)
	for i := range out {
		offset, length := d.int32("offset"), d.uvarint()
		if length > math.MaxUint32 {
			d.fail(fmt.Sprintf("span of %d buckets", length))
		}
		out[i] = histogram.Span{Offset: offset, Length: uint32(length)}
		total += length
	}
	if total > uint64(len(d.rest)) {
		d.fail(fmt.Sprintf("%d buckets in %d bytes", total, len(d.rest)))
		return out, 0
	}
	return out, int(total)
}

func (d *reader) deltas(n int) []int64 {
	if n == 0 {
		return nil
	}
	out := make([]int64, n)
	for i := range out {
		out[i] = d.varint()
	}
	return out
}

func (d *reader) floats(n int) []float64 {
	if n == 0 || n > len(d.rest)/8 {
		if n > 0 {
			d.fail("floats are cut off")
		}
		return nil
	}
	out := make([]float64, n)
	for i := range out {
		out[i] = d.float()
	}
	return out
}
