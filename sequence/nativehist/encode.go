package nativehist

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/prometheus/prometheus/model/histogram"

	"laminar/sequence/segment"
)

const version = 1

// Flags of a payload.
const (
	flagFloat = 1 << iota
	flagReset
	flagGauge
	flagStale

	allFlags = flagFloat | flagReset | flagGauge | flagStale
)

// Append appends the payload of a histogram with integer counts to dst. What
// Prometheus refuses is refused with its reason, and dst returned as it was;
// buckets finer than schema 8 are merged until they have that, as Prometheus
// does. h may be changed by that and is not kept.
func Append(dst []byte, h *histogram.Histogram) ([]byte, error) {
	if segment.IsStale(h.Sum) {
		return appendStale(dst), nil
	}
	if h.Schema > histogram.ExponentialSchemaMax && histogram.IsExponentialSchemaReserved(h.Schema) {
		if err := reduce(&h.Schema, h.Validate, h.ReduceResolution); err != nil {
			return dst, err
		}
	}
	if err := h.Validate(); err != nil {
		return dst, err
	}
	dst = appendHead(dst, 0, h.CounterResetHint, h.Schema)
	dst = binary.AppendUvarint(dst, h.Count)
	if !h.UsesCustomBuckets() {
		dst = appendFloat(dst, h.ZeroThreshold)
		dst = binary.AppendUvarint(dst, h.ZeroCount)
	}
	dst = appendSpans(dst, h.PositiveSpans)
	dst = appendDeltas(dst, h.PositiveBuckets)
	if h.UsesCustomBuckets() {
		return appendBounds(dst, h.CustomValues), nil
	}
	dst = appendSpans(dst, h.NegativeSpans)
	return appendDeltas(dst, h.NegativeBuckets), nil
}

// AppendFloat is Append for a histogram with float counts.
func AppendFloat(dst []byte, h *histogram.FloatHistogram) ([]byte, error) {
	if segment.IsStale(h.Sum) {
		return appendStale(dst), nil
	}
	if h.Schema > histogram.ExponentialSchemaMax && histogram.IsExponentialSchemaReserved(h.Schema) {
		if err := reduce(&h.Schema, h.Validate, h.ReduceResolution); err != nil {
			return dst, err
		}
	}
	if err := h.Validate(); err != nil {
		return dst, err
	}
	dst = appendHead(dst, flagFloat, h.CounterResetHint, h.Schema)
	dst = appendFloat(dst, h.Count)
	if !h.UsesCustomBuckets() {
		dst = appendFloat(dst, h.ZeroThreshold)
		dst = appendFloat(dst, h.ZeroCount)
	}
	dst = appendSpans(dst, h.PositiveSpans)
	dst = appendFloats(dst, h.PositiveBuckets)
	if h.UsesCustomBuckets() {
		return appendBounds(dst, h.CustomValues), nil
	}
	dst = appendSpans(dst, h.NegativeSpans)
	return appendFloats(dst, h.NegativeBuckets), nil
}

// reduce brings a histogram of a finer schema to the finest that is known. It
// is validated before, as one of the known schema: merging buckets relies on
// spans that fit.
func reduce(schema *int32, validate func() error, to func(int32) error) error {
	finer := *schema
	*schema = histogram.ExponentialSchemaMax
	err := validate()
	*schema = finer
	if err != nil {
		return err
	}
	if err := to(histogram.ExponentialSchemaMax); err != nil {
		return fmt.Errorf("reduce schema %d: %w", finer, err)
	}
	return nil
}

func appendStale(dst []byte) []byte { return append(dst, version, flagStale) }

func appendHead(dst []byte, flags byte, hint histogram.CounterResetHint, schema int32) []byte {
	switch hint {
	case histogram.CounterReset:
		flags |= flagReset
	case histogram.GaugeType:
		flags |= flagGauge
	}
	dst = append(dst, version, flags)
	return binary.AppendVarint(dst, int64(schema))
}

func appendFloat(dst []byte, v float64) []byte {
	return binary.BigEndian.AppendUint64(dst, math.Float64bits(v))
}

func appendSpans(dst []byte, spans []histogram.Span) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(spans)))
	for _, s := range spans {
		dst = binary.AppendVarint(dst, int64(s.Offset))
		dst = binary.AppendUvarint(dst, uint64(s.Length))
	}
	return dst
}

func appendDeltas(dst []byte, deltas []int64) []byte {
	for _, d := range deltas {
		dst = binary.AppendVarint(dst, d)
	}
	return dst
}

func appendFloats(dst []byte, vals []float64) []byte {
	for _, v := range vals {
		dst = appendFloat(dst, v)
	}
	return dst
}

func appendBounds(dst []byte, bounds []float64) []byte {
	return appendFloats(binary.AppendUvarint(dst, uint64(len(bounds))), bounds)
}
