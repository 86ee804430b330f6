package native

import (
	"slices"
	"strconv"
	"unsafe"

	"github.com/prometheus/prometheus/model/histogram"

	"laminar/flownode/partial"
)

// MaxBuckets is how many buckets a sketch has at most. One more makes it coarser.
const MaxBuckets = 512

// Sketch is the partial for histogram_over_time: the floats of a window, or of a group of
// series, as an exponential histogram. Native histograms in the range are left out.
//
//	K1  Simple is of all floats, NaN among them; Zeros counts zeros
//	K2  Buckets are the buckets of schema Schema that the other floats but NaN fall in,
//	    each once, ascending; Counts says how many. A bucket on the negative side is
//	    that of the value without its sign, less negative
//	K3  Schema is the finest schema of which there are at most MaxBuckets buckets, but
//	    none finer than one in which a float was added
//
// Of more floats there are not fewer buckets, and of a coarser schema not more. So K3
// depends on the floats alone: in whatever pieces they are added and merged, and in
// whatever order, the same schema comes out, and the same counts to the bit. The sum is
// that of partial.Simple.
type Sketch struct {
	partial.Simple
	Zeros   uint64
	Schema  int32 // 0 where Count is
	Buckets []int32
	Counts  []uint64 // as long as Buckets
}

// few is how many buckets a sketch has room for at first: as many as a series has samples
// in a pane, as a rule.
const few = 4

// negative is what buckets of the two sides are apart: more than there are of one.
const negative = 1 << 24

// Add folds in a float, into the finest buckets where it is the first. The time does not
// matter.
func (p *Sketch) Add(_ int64, v float64) { p.add(v, finest) }

// add folds in a float, into buckets of a schema where it is the first.
func (p *Sketch) add(v float64, schema int32) {
	if p.Count == 0 {
		p.Schema = schema
	}
	p.Simple.Add(0, v)
	var b int32
	switch {
	case v > 0:
		b = coarser(bucketOf(v), uint8(finest-p.Schema))
	case v < 0:
		b = coarser(bucketOf(-v), uint8(finest-p.Schema)) - negative
	case v == 0:
		p.Zeros++
		return
	default:
		return // NaN is counted, and in no bucket
	}
	i := place(p.Buckets, b)
	if i < len(p.Buckets) && p.Buckets[i] == b {
		p.Counts[i]++
		return
	}
	if p.Buckets == nil {
		p.Buckets, p.Counts = make([]int32, 0, few), make([]uint64, 0, few)
	}
	p.Buckets, p.Counts = slices.Insert(p.Buckets, i, b), slices.Insert(p.Counts, i, 1)
	p.fit()
}

// place is how many of the buckets, which ascend, are below b. The loop has no branch that
// depends on the values: of random ones half of the guesses would be wrong.
func place(buckets []int32, b int32) int {
	if len(buckets) == 0 {
		return 0
	}
	from := 0
	for n := len(buckets); n > 1; {
		half := n >> 1
		next := from
		if buckets[from+half-1] < b {
			next = from + half
		}
		from = next
		n -= half
	}
	if buckets[from] < b {
		from++
	}
	return from
}

// AddHistogram leaves a native histogram out, as quantile_over_time does: it tells of
// other values than its series' own.
func (p *Sketch) AddHistogram(int64, *histogram.FloatHistogram) {}

// Merge joins b to p. It is associative and commutes, for the counts to the bit.
func (p *Sketch) Merge(b *Sketch) {
	switch {
	case b.Count == 0:
		return
	case p.Count == 0:
		p.clone(b)
		return
	}
	p.Simple.Merge(&b.Simple)
	p.Zeros += b.Zeros
	p.lower(b.Schema)
	if by := uint8(b.Schema - p.Schema); by > 0 {
		buckets, counts := lowered(nil, nil, b.Buckets, b.Counts, by)
		p.join(buckets, counts)
	} else {
		p.join(b.Buckets, b.Counts)
	}
	p.fit()
}

// join adds buckets of p's schema.
func (p *Sketch) join(buckets []int32, counts []uint64) {
	if len(buckets) >= many && len(p.Buckets) >= many {
		p.joinMany(buckets, counts)
		return
	}
	missing, i := 0, 0
	for _, b := range buckets {
		for i < len(p.Buckets) && p.Buckets[i] < b {
			i++
		}
		if i == len(p.Buckets) || p.Buckets[i] != b {
			missing++
		}
	}
	// From the end, so that what is there moves once, and in place.
	i = len(p.Buckets) - 1
	p.Buckets = slices.Grow(p.Buckets, missing)[:len(p.Buckets)+missing]
	p.Counts = slices.Grow(p.Counts, missing)[:len(p.Buckets)]
	to := len(p.Buckets) - 1
	for j := len(buckets) - 1; j >= 0; to-- {
		switch {
		case i < 0 || p.Buckets[i] < buckets[j]:
			p.Buckets[to], p.Counts[to] = buckets[j], counts[j]
			j--
		case p.Buckets[i] == buckets[j]:
			p.Buckets[to], p.Counts[to] = buckets[j], p.Counts[i]+counts[j]
			i--
			j--
		default:
			p.Buckets[to], p.Counts[to] = p.Buckets[i], p.Counts[i]
			i--
		}
	}
}

// many is from how many buckets on joining them without branches pays.
const many = 16

// joinMany is join by way of arrays beside p's own, one step for each bucket that either
// has, without a branch that depends on which.
func (p *Sketch) joinMany(buckets []int32, counts []uint64) {
	var (
		both    [2 * MaxBuckets]int32
		sums    [2 * MaxBuckets]uint64
		n, i, j int
	)
	mine, own := p.Buckets, p.Counts[:len(p.Buckets)]
	counts = counts[:len(buckets)]
	for i < len(mine) && j < len(buckets) {
		a, b := mine[i], buckets[j]
		var first, second uint64 // which of the two the next bucket is of
		if a <= b {
			first = 1
		}
		if b <= a {
			second = 1
		}
		both[n&(len(both)-1)] = min(a, b)
		sums[n&(len(sums)-1)] = own[i]&-first + counts[j]&-second
		i, j, n = i+int(first), j+int(second), n+1
	}
	n += copy(both[n:], mine[i:])
	copy(sums[n-len(mine)+i:], own[i:])
	n += copy(both[n:], buckets[j:])
	copy(sums[n-len(buckets)+j:], counts[j:])
	p.Buckets = append(p.Buckets[:0], both[:n]...)
	p.Counts = append(p.Counts[:0], sums[:n]...)
}

// fit makes the sketch coarser until it has no more buckets than it may have.
func (p *Sketch) fit() {
	for len(p.Buckets) > MaxBuckets {
		p.lower(p.Schema - 1)
	}
}

// lower makes the sketch as coarse as a schema, unless it is already.
func (p *Sketch) lower(schema int32) {
	if schema < p.Schema {
		p.Buckets, p.Counts = lowered(p.Buckets[:0], p.Counts[:0], p.Buckets, p.Counts, uint8(p.Schema-schema))
		p.Schema = schema
	}
}

// lowered appends buckets made so many schemas coarser to others, which may be the front
// of the same arrays.
func lowered(into []int32, intoCounts []uint64, buckets []int32, counts []uint64, by uint8) ([]int32, []uint64) {
	for i, b := range buckets {
		if b < -negative/2 {
			b = coarser(b+negative, by) - negative
		} else {
			b = coarser(b, by)
		}
		if n := len(into); n > 0 && into[n-1] == b {
			intoCounts[n-1] += counts[i]
		} else {
			into, intoCounts = append(into, b), append(intoCounts, counts[i])
		}
	}
	return into, intoCounts
}

// Histogram is the sketch as a native histogram of a schema, or of the sketch's own where
// that is coarser; false for no float. Its zero bucket holds zeros alone, and it is a
// gauge: it says what is, and not what has been counted so far.
func (p *Sketch) Histogram(schema int32) (*histogram.FloatHistogram, bool) {
	if p.Empty() {
		return nil, false
	}
	schema = min(schema, p.Schema)
	buckets, counts := p.Buckets, p.Counts
	if by := uint8(p.Schema - schema); by > 0 {
		buckets, counts = lowered(nil, nil, buckets, counts, by)
	}
	h := &histogram.FloatHistogram{
		CounterResetHint: histogram.GaugeType, Schema: schema, Count: float64(p.Count), Sum: p.Total(), ZeroCount: float64(p.Zeros),
	}
	positive, _ := slices.BinarySearch(buckets, -negative/2)
	all := make([]float64, len(counts))
	for i, n := range counts {
		all[i] = float64(n)
	}
	h.NegativeSpans, h.NegativeBuckets = spansOf(buckets[:positive], negative), all[:positive:positive]
	h.PositiveSpans, h.PositiveBuckets = spansOf(buckets[positive:], 0), all[positive:]
	return h, true
}

// spansOf is the spans of buckets that ascend, shifted by so much.
func spansOf(buckets []int32, shift int32) (out []histogram.Span) {
	next := int32(0) // the bucket after the last span
	for _, b := range buckets {
		if b += shift; len(out) > 0 && b == next {
			out[len(out)-1].Length++
		} else {
			out = append(out, histogram.Span{Offset: b - next, Length: 1})
		}
		next = b + 1
	}
	return out
}

// Coarser is a histogram as a sketch holds what was in it: of the finest schema with no
// more than MaxBuckets buckets. An engine applies it where it computes without sketches
// (Limited). h itself is not changed.
func Coarser(h *histogram.FloatHistogram) *histogram.FloatHistogram {
	for {
		filled := 0
		for _, counts := range [2][]float64{h.NegativeBuckets, h.PositiveBuckets} {
			for _, n := range counts {
				if n != 0 {
					filled++
				}
			}
		}
		if filled <= MaxBuckets || h.UsesCustomBuckets() || h.Schema <= coarsest {
			return h
		}
		hint := h.CounterResetHint // which is not copied
		h = h.CopyToSchema(h.Schema - 1)
		h.CounterResetHint = hint
	}
}

// clone makes p hold the same, with lists of its own.
func (p *Sketch) clone(of *Sketch) {
	*p = *of
	p.Buckets, p.Counts = slices.Clone(of.Buckets), slices.Clone(of.Counts)
}

func (p *Sketch) held() int64 {
	return int64(cap(p.Buckets))*int64(unsafe.Sizeof(int32(0))) + int64(cap(p.Counts))*int64(unsafe.Sizeof(uint64(0)))
}

// Fields lists what the partial holds.
func (p *Sketch) Fields() []partial.Field {
	return append(p.Simple.Fields(), partial.Field{Name: "zeros", Value: int64(p.Zeros)},
		partial.Field{Name: "schema", Value: int64(p.Schema)}, partial.Field{Name: "buckets", Value: int64(len(p.Buckets))})
}

// sketchKinds are the kinds by the schema that is asked for: partials of one kind are of
// use to all who ask for the same.
var sketchKinds = func() (out [finest + 1]*partial.Kind[Sketch]) {
	for schema := range int32(len(out)) {
		// Many hold a few samples of a series, some what a group of series has.
		kind := newKind(partial.Traits{Name: "sketch of schema " + strconv.Itoa(int(schema)), FoldsLate: true}, likely, (*Sketch).held, (*Sketch).clone)
		kind.Add = func(cells []Sketch, slots []int32, _ []int64, values []float64) {
			for i, s := range slots {
				cells[s].add(values[i], schema)
			}
		}
		out[schema] = kind
	}
	return out
}()
