package torture

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/prompb"

	"laminar/sequence/nativehist"
	"laminar/sequence/segment"
)

// histogramBits marks the values that stand for a native histogram: a NaN of
// their own, whose lowest 32 bits are the histogram's number.
const histogramBits = uint64(0x7ffc_0000_0000_0000)

// histogramValue is the value that stands for histogram k.
func histogramValue(k uint32) float64 { return math.Float64frombits(histogramBits | uint64(k)) }

// histogramNumber is the number of the histogram that a value stands for, if it
// stands for one.
func histogramNumber(v float64) (k uint32, ok bool) {
	bits := math.Float64bits(v)
	return uint32(bits), bits&^math.MaxUint32 == histogramBits
}

// histogramOf is histogram k as the engine sees it. Its sum is k, and each of its
// buckets grows with k, so a smaller k in a series is a counter reset. Every
// fifth has finer buckets.
func histogramOf(k uint32) *histogram.FloatHistogram {
	h := &histogram.FloatHistogram{
		ZeroThreshold: 0.001, ZeroCount: float64(k / 8), Sum: float64(k),
		PositiveSpans:   []histogram.Span{{Offset: 0, Length: 2}, {Offset: 2, Length: 1}},
		PositiveBuckets: []float64{float64(k), float64(k / 2), float64(k / 4)},
	}
	if k%5 == 0 {
		h.Schema = 1
	}
	h.Count = h.ZeroCount
	for _, n := range h.PositiveBuckets {
		h.Count += n
	}
	return h
}

// encodeHistogram is histogram k on the wire: an even one has integer counts, an
// odd one floats.
func encodeHistogram(t int64, k uint32) prompb.Histogram {
	h := histogramOf(k)
	if k%2 == 1 {
		return prompb.FromFloatHistogram(t, h)
	}
	ints := &histogram.Histogram{
		Schema: h.Schema, ZeroThreshold: h.ZeroThreshold, ZeroCount: uint64(h.ZeroCount), Count: uint64(h.Count), Sum: h.Sum,
		PositiveSpans: h.PositiveSpans,
	}
	before := int64(0)
	for _, n := range h.PositiveBuckets {
		ints.PositiveBuckets = append(ints.PositiveBuckets, int64(n)-before)
		before = int64(n)
	}
	return prompb.FromIntHistogram(t, ints)
}

// readPayload is the value of a histogram as it is stored: it must be one that
// was sent.
func readPayload(payload []byte, sum float64) (float64, error) {
	if segment.IsStale(sum) {
		return sum, nil
	}
	h, err := nativehist.Decode(payload, sum)
	if err != nil {
		return 0, err
	}
	k := uint32(sum)
	if want := histogramOf(k); !h.Equals(want) {
		return 0, fmt.Errorf("histogram %s is stored, %s was sent", h, want)
	}
	return histogramValue(k), nil
}

// readJSON is the value of a histogram as people read it; nil is a stale marker.
func readJSON(text []byte) (float64, error) {
	if text == nil {
		return segment.Stale(), nil
	}
	var h struct {
		Count, Sum float64
		Schema     int32
		Buckets    [][3]float64
	}
	if err := json.Unmarshal(text, &h); err != nil {
		return 0, err
	}
	k := uint32(h.Sum)
	want := histogramOf(k)
	var counts, wanted []float64
	for _, b := range h.Buckets {
		counts = append(counts, b[2])
	}
	for it := want.AllBucketIterator(); it.Next(); {
		if b := it.At(); b.Count > 0 {
			wanted = append(wanted, b.Count)
		}
	}
	if h.Count != want.Count || h.Sum != want.Sum || h.Schema != want.Schema || !slices.Equal(counts, wanted) {
		return 0, fmt.Errorf("histogram %s is shown, %s was sent", text, want)
	}
	return histogramValue(k), nil
}
