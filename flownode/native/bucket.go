package native

import (
	"fmt"
	"math"
	"strconv"

	"github.com/prometheus/prometheus/model/histogram"
)

// Buckets of exponential histograms are Prometheus's own: bucket i of schema s holds
// values up to 2^(i * 2^-s), and those beyond bucket i-1. A bucket of one schema is two
// of the next finer one, so a bucket is found in the finest schema and made coarser by
// a shift: the bounds of each schema are some of those of the next, to the bit.

// The schemas that sketches have. The finest is the finest of Prometheus; coarser ones
// than the first of accuracies arise where a sketch would have too many buckets.
const (
	finest   = 8
	coarsest = -4 // 134 buckets hold every float there is, of either sign
)

// DefaultAccuracy is that of a histogram_over_time that states none.
const DefaultAccuracy = 0.01

// SchemaOf is the coarsest schema whose buckets are so narrow that all values of one
// differ by a part of accuracy at most. Accuracies from that of the finest schema to 1,
// where a bucket reaches from a value to twice as much, have one.
func SchemaOf(accuracy float64) (int32, error) {
	if accuracy > 0 && accuracy <= 1 {
		for schema := int32(0); schema <= finest; schema++ {
			if AccuracyOf(schema) <= accuracy {
				return schema, nil
			}
		}
	}
	return 0, fmt.Errorf("want an accuracy from %.5f to 1, not %s", AccuracyOf(finest)+5e-6, strconv.FormatFloat(accuracy, 'g', -1, 64))
}

// AccuracyOf is by which part a value can be off that is known by its bucket of a schema.
func AccuracyOf(schema int32) float64 { return math.Exp2(math.Exp2(float64(-schema))) - 1 }

const (
	mantissaBits = 52
	mantissaMask = 1<<mantissaBits - 1
	cellBits     = 9 // of the mantissa: so narrow that a cell holds one bound at most
	perOctave    = 1 << finest
)

// finder finds buckets of the finest schema within an octave, by the first bits of the
// mantissa and one comparison.
type finder struct {
	first [1 << cellBits]int32  // by cell: the first bound that is not below the cell's begin
	bound [perOctave + 1]uint64 // the bounds' mantissas, ascending, and one above all
}

var octave = newFinder()

// newFinder takes the bounds from a histogram of Prometheus's.
func newFinder() *finder {
	h := histogram.FloatHistogram{Schema: finest, PositiveSpans: []histogram.Span{{Offset: -perOctave, Length: perOctave}}, PositiveBuckets: make([]float64, perOctave)}
	for i := range h.PositiveBuckets {
		h.PositiveBuckets[i] = 1 // no bucket is passed over
	}
	var f finder
	it := h.PositiveBucketIterator()
	for i := 0; it.Next(); i++ { // from 0.5 on, to the last one below 1
		f.bound[i] = math.Float64bits(it.At().Upper) & mantissaMask
	}
	f.bound[perOctave] = math.MaxUint64
	next := int32(0)
	for cell := range f.first {
		for f.bound[next] < uint64(cell)<<(mantissaBits-cellBits) {
			next++
		}
		f.first[cell] = next
	}
	return &f
}

// bucketOf is the bucket of a value above zero in the finest schema. +Inf has the one
// after the last, as everywhere in Prometheus.
func bucketOf(v float64) int32 {
	bits := math.Float64bits(v)
	exponent, mantissa := int32(bits>>mantissaBits), bits&mantissaMask
	if exponent == 0 { // less than the smallest float of full precision
		fraction, exp := math.Frexp(v)
		exponent, mantissa = int32(exp)+1022, math.Float64bits(fraction)&mantissaMask
	}
	i := octave.first[mantissa>>(mantissaBits-cellBits)]
	if mantissa > octave.bound[i] {
		i++
	}
	if exponent == 0x7ff {
		i++
	}
	return i + (exponent-1023)*perOctave
}

// coarser is the bucket that a bucket is part of, so many schemas coarser.
func coarser(bucket int32, by uint8) int32 { return (bucket-1)>>by + 1 }
