package remotewrite

import (
	"fmt"
	"math"

	"github.com/prometheus/prometheus/model/histogram"
)

// histogramMessage reads native histograms: prometheus.Histogram of remote write
// 1.0 and io.prometheus.write.v2.Histogram have the same fields, but for a start
// timestamp that only the latter has. Its memory is used again for the next one.
type histogramMessage struct {
	t      int64 // milliseconds since the epoch
	float  bool  // the counts are floats; then floats is the histogram, else ints
	ints   histogram.Histogram
	floats histogram.FloatHistogram
}

// The numbers of the fields.
const (
	histCountInt       = 1
	histCountFloat     = 2
	histSum            = 3
	histSchema         = 4
	histZeroThreshold  = 5
	histZeroInt        = 6
	histZeroFloat      = 7
	histNegativeSpans  = 8
	histNegativeDeltas = 9
	histNegativeCounts = 10
	histPositiveSpans  = 11
	histPositiveDeltas = 12
	histPositiveCounts = 13
	histResetHint      = 14
	histTimestamp      = 15
	histCustomValues   = 16
)

func (h *histogramMessage) reset() {
	h.t, h.float = 0, false
	i, f := &h.ints, &h.floats
	*i = histogram.Histogram{
		PositiveSpans: i.PositiveSpans[:0], NegativeSpans: i.NegativeSpans[:0],
		PositiveBuckets: i.PositiveBuckets[:0], NegativeBuckets: i.NegativeBuckets[:0],
	}
	*f = histogram.FloatHistogram{PositiveBuckets: f.PositiveBuckets[:0], NegativeBuckets: f.NegativeBuckets[:0]}
}

// read reads one message. As in Prometheus's own decoder the kind of the count
// decides whether it is a float histogram, and the fields of the other kind are
// not looked at; of fields that come twice the later one counts.
func (h *histogramMessage) read(msg []byte) error {
	h.reset()
	for i := 0; i < len(msg); {
		field, wire, next, err := tag(msg, i)
		if err != nil {
			return err
		}
		switch field {
		case histCountInt, histZeroInt, histSchema, histResetHint, histTimestamp:
			if wire != wireVarint {
				return wrongWire("histogram", field, wire)
			}
			var v uint64
			if v, i, err = uvarint(msg, next); err != nil {
				return err
			}
			h.setInt(field, v)
		case histCountFloat, histZeroFloat, histSum, histZeroThreshold:
			if wire != wireFixed64 {
				return wrongWire("histogram", field, wire)
			}
			var v uint64
			if v, i, err = fixed64(msg, next); err != nil {
				return err
			}
			h.setFloat(field, math.Float64frombits(v))
		case histNegativeSpans, histPositiveSpans:
			if wire != wireBytes {
				return wrongWire("histogram", field, wire)
			}
			start, end, err := chunk(msg, next)
			if err != nil {
				return err
			}
			span, err := readSpan(msg[start:end])
			if err != nil {
				return err
			}
			if field == histNegativeSpans {
				h.ints.NegativeSpans = append(h.ints.NegativeSpans, span)
			} else {
				h.ints.PositiveSpans = append(h.ints.PositiveSpans, span)
			}
			i = end
		case histNegativeDeltas:
			h.ints.NegativeBuckets, i, err = appendZigzags(h.ints.NegativeBuckets, msg, next, field, wire)
		case histPositiveDeltas:
			h.ints.PositiveBuckets, i, err = appendZigzags(h.ints.PositiveBuckets, msg, next, field, wire)
		case histNegativeCounts:
			h.floats.NegativeBuckets, i, err = appendDoubles(h.floats.NegativeBuckets, msg, next, field, wire)
		case histPositiveCounts:
			h.floats.PositiveBuckets, i, err = appendDoubles(h.floats.PositiveBuckets, msg, next, field, wire)
		case histCustomValues:
			h.ints.CustomValues, i, err = appendDoubles(h.ints.CustomValues, msg, next, field, wire)
		default:
			i, err = skip(msg, next, wire)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (h *histogramMessage) setInt(field int32, v uint64) {
	switch field {
	case histCountInt:
		h.ints.Count, h.float = v, false
	case histZeroInt:
		h.ints.ZeroCount, h.floats.ZeroCount = v, 0
	case histSchema:
		h.ints.Schema = unzigzag32(v)
	case histResetHint:
		h.ints.CounterResetHint = histogram.CounterResetHint(v)
	case histTimestamp:
		h.t = int64(v)
	}
}

func (h *histogramMessage) setFloat(field int32, v float64) {
	switch field {
	case histCountFloat:
		h.floats.Count, h.float = v, true
	case histZeroFloat:
		h.floats.ZeroCount, h.ints.ZeroCount = v, 0
	case histSum:
		h.ints.Sum = v
	case histZeroThreshold:
		h.ints.ZeroThreshold = v
	}
}

// histogram is what was read, as integers or as floats; the other is nil.
func (h *histogramMessage) histogram() (*histogram.Histogram, *histogram.FloatHistogram) {
	i, f := &h.ints, &h.floats
	if !h.float {
		return i, nil
	}
	f.CounterResetHint, f.Schema, f.ZeroThreshold, f.Sum = i.CounterResetHint, i.Schema, i.ZeroThreshold, i.Sum
	f.PositiveSpans, f.NegativeSpans, f.CustomValues = i.PositiveSpans, i.NegativeSpans, i.CustomValues
	return nil, f
}

// readSpan reads one BucketSpan message.
func readSpan(msg []byte) (span histogram.Span, err error) {
	for i := 0; i < len(msg); {
		field, wire, next, err := tag(msg, i)
		if err != nil {
			return span, err
		}
		if field != 1 && field != 2 {
			if i, err = skip(msg, next, wire); err != nil {
				return span, err
			}
			continue
		}
		if wire != wireVarint {
			return span, wrongWire("bucket span", field, wire)
		}
		var v uint64
		if v, i, err = uvarint(msg, next); err != nil {
			return span, err
		}
		if field == 1 {
			span.Offset = unzigzag32(v)
		} else {
			span.Length = uint32(v)
		}
	}
	return span, nil
}

func unzigzag32(v uint64) int32 { return int32(uint32(v)>>1) ^ -int32(v&1) }

// appendZigzags reads a repeated sint64, packed or one by one.
func appendZigzags(dst []int64, msg []byte, i int, field int32, wire int) ([]int64, int, error) {
	var from, to int
	switch wire {
	case wireVarint:
		v, next, err := uvarint(msg, i)
		return append(dst, int64(v>>1)^-int64(v&1)), next, err
	case wireBytes:
		var err error
		if from, to, err = chunk(msg, i); err != nil {
			return dst, 0, err
		}
	default:
		return dst, 0, wrongWire("histogram", field, wire)
	}
	for packed := msg[:to]; from < to; {
		v, next, err := uvarint(packed, from)
		if err != nil {
			return dst, 0, fmt.Errorf("packed numbers: %w", err)
		}
		dst, from = append(dst, int64(v>>1)^-int64(v&1)), next
	}
	return dst, to, nil
}

// appendDoubles reads a repeated double, packed or one by one.
func appendDoubles(dst []float64, msg []byte, i int, field int32, wire int) ([]float64, int, error) {
	switch wire {
	case wireFixed64:
		v, next, err := fixed64(msg, i)
		return append(dst, math.Float64frombits(v)), next, err
	case wireBytes:
	default:
		return dst, 0, wrongWire("histogram", field, wire)
	}
	from, to, err := chunk(msg, i)
	if err != nil {
		return dst, 0, err
	}
	for packed := msg[:to]; from < to; {
		v, next, err := fixed64(packed, from)
		if err != nil {
			return dst, 0, fmt.Errorf("packed numbers: %w", err)
		}
		dst, from = append(dst, math.Float64frombits(v)), next
	}
	return dst, to, nil
}
