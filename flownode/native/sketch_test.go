package native_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser/posrange"

	"laminar/flownode/function"
	"laminar/flownode/native"
	"laminar/flownode/partial/partialtest"
	"laminar/flownode/promeval"
	"laminar/flownode/promfunc"
	"laminar/sequence"
	"laminar/sequence/nativehist"
)

// over is the window that sketches are asked about; it does not matter to them.
var over = function.Window{Span: sequence.Span{After: after, UpTo: after + width}, End: after + width}

// kept is the native.Keeper that keeps a sketch of an accuracy.
type kept struct {
	native.Keeper
	use native.Use[native.Sketch]
}

func (k *kept) NativeSketch(use native.Use[native.Sketch]) { k.use = use }

func sketchOf(tb testing.TB, accuracy float64) native.Use[native.Sketch] {
	tb.Helper()
	var k kept
	if !native.Keep(function.HistogramOverTime, accuracy, &k) {
		tb.Fatalf("no sketch has the accuracy %v", accuracy)
	}
	return k.use
}

// fold is values as a sketch.
func fold(use native.Use[native.Sketch], values []float64) native.Sketch {
	cells, slots, times := make([]native.Sketch, 1), make([]int32, len(values)), make([]int64, len(values))
	use.Kind.Add(cells, slots, times, values)
	return cells[0]
}

// distribution is random values of a kind that measurements have.
type distribution struct {
	name string
	next func(*rand.Rand) float64
}

var distributions = []distribution{
	{"uniform", func(r *rand.Rand) float64 { return r.Float64() * 100 }},
	{"log-normal", func(r *rand.Rand) float64 { return math.Exp(2 * r.NormFloat64()) }},
	{"bimodal", func(r *rand.Rand) float64 { return []float64{0.02, 30}[r.IntN(2)] * (1 + r.NormFloat64()/20) }},
	{"zeros", func(r *rand.Rand) float64 {
		return []float64{0, math.Copysign(0, -1), r.Float64()}[r.IntN(3)]
	}},
	{"both signs", func(r *rand.Rand) float64 { return 50 * r.NormFloat64() }},
	{"whole numbers", func(r *rand.Rand) float64 { return float64(r.IntN(40) - 10) }},
	{"NaN", func(r *rand.Rand) float64 { return []float64{math.NaN(), r.NormFloat64()}[r.IntN(2)] }},
	{"infinities", func(r *rand.Rand) float64 {
		return []float64{math.Inf(1), math.Inf(-1), r.NormFloat64(), r.NormFloat64()}[r.IntN(4)]
	}},
	{"all floats", func(r *rand.Rand) float64 { return math.Float64frombits(r.Uint64()) }}, // more buckets than are kept
	{"one", func(*rand.Rand) float64 { return 1.5 }},
	{"extremes", func(r *rand.Rand) float64 {
		return []float64{math.MaxFloat64, -math.MaxFloat64, math.SmallestNonzeroFloat64, 1, -1, 0x1p-1022}[r.IntN(6)]
	}},
}

// TestSketchMerges: of whatever values, in whatever pieces and in whatever order they are
// merged, a sketch is the histogram that PromQL's function makes of them all, no finer than
// MaxBuckets allows: buckets and counts to the bit.
func TestSketchMerges(t *testing.T) {
	coarser := 0
	distributions := append(slices.Clone(distributions), distribution{"sums beyond doubles, and an infinity", func(r *rand.Rand) float64 {
		return []float64{1.7e308, -1.7e308, -1.7e308, -1.7e308, math.Inf(1)}[r.IntN(5)]
	}})
	for seed := range uint64(1_320) {
		rng := rand.New(rand.NewPCG(seed, 9))
		var (
			d        = distributions[seed%uint64(len(distributions))]
			accuracy = []float64{0.003, 0.01, 0.05, 0.3, 1}[rng.IntN(5)]
			use      = sketchOf(t, accuracy)
			values   = make([]float64, rng.IntN(1<<rng.IntN(12)+1))
			parts    = []native.Sketch{{}} // one of them is empty
			finite   = 0.0
		)
		for i := range values {
			if values[i] = d.next(rng); !math.IsNaN(values[i]) && !math.IsInf(values[i], 0) {
				finite += math.Abs(values[i])
			}
		}
		for rest := slices.Clone(values); len(rest) > 0; {
			n := 1 + rng.IntN(len(rest))
			rng.Shuffle(n, func(i, j int) { rest[i], rest[j] = rest[j], rest[i] })
			if rng.IntN(4) == 0 { // as samples are that a cell is folded with again
				var one native.Sketch
				for _, v := range rest[:n] {
					one.Add(0, v)
				}
				parts = append(parts, one)
			} else {
				parts = append(parts, fold(use, rest[:n]))
			}
			rest = rest[n:]
		}
		rng.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		merged, said := make([]native.Sketch, len(parts)), fmt.Sprint(parts)
		use.Kind.Copy(merged, parts)
		for len(merged) > 1 {
			i, j := rng.IntN(len(merged)), len(merged)-1
			if i == j {
				i--
			}
			merged[i].Merge(&merged[j])
			merged = merged[:j]
		}
		if now := fmt.Sprint(parts); now != said {
			t.Fatalf("seed %d: the parts were %s and are %s after a merge", seed, said, now)
		}
		v, ok := use.Finish(&merged[0], over)
		if ok != (len(values) > 0) {
			t.Fatalf("seed %d: a value: %v, of %d values", seed, ok, len(values))
		}
		if !ok {
			continue
		}
		schema, err := native.SchemaOf(accuracy)
		if err != nil {
			t.Fatal(err)
		}
		want := native.Coarser(promfunc.HistogramOf(values, schema))
		if want.Schema < schema {
			coarser++
		}
		if err := v.Histogram.Validate(); err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if got := v.Histogram.Sum; !partialtest.Close(rounded(got), rounded(want.Sum), 1e-12*min(finite, math.MaxFloat64)) {
			t.Fatalf("seed %d, %s: the sum is %v, want %v", seed, d.name, got, want.Sum)
		}
		got, wanted := nativehist.NewSparse(v.Histogram), nativehist.NewSparse(want)
		got.Sum = wanted.Sum
		if !got.Equal(wanted) {
			t.Fatalf("seed %d, %s, accuracy %v: merged\n%.500s\nwant\n%.500s", seed, d.name, accuracy, v.Histogram, want)
		}
	}
	if coarser < 20 {
		t.Errorf("only %d of the sketches had too many buckets", coarser)
	}
}

// rounded is a sum, infinite where rounding may have made it so.
func rounded(sum float64) float64 {
	if math.Abs(sum) > math.MaxFloat64*(1-1e-12) {
		return math.Inf(int(math.Copysign(1, sum)))
	}
	return sum
}

// TestSketchBuckets: a value's bucket is Prometheus's own, to the bit, in every schema.
func TestSketchBuckets(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var values []float64
	for _, exp := range []int{-1074, -1073, -1030, -1022, -1021, -3, -1, 0, 1, 2, 77, 1023} {
		for i := range 256 { // around each bound
			bound := math.Ldexp(math.Exp2(float64(i)/256), exp)
			for range 4 {
				bound = math.Nextafter(bound, 0)
			}
			for range 9 {
				if values = append(values, bound); bound < math.MaxFloat64 {
					bound = math.Nextafter(bound, math.Inf(1))
				}
			}
		}
	}
	for range 30_000 {
		if v := math.Abs(math.Float64frombits(rng.Uint64())); !math.IsNaN(v) {
			values = append(values, v)
		}
	}
	values = append(values, math.Inf(1), math.MaxFloat64, math.SmallestNonzeroFloat64)
	uppers := map[int32]map[int32][2]float64{}
	boundsOf := func(schema, bucket int32) [2]float64 {
		if b, ok := uppers[schema][bucket]; ok {
			return b
		}
		h := histogram.FloatHistogram{Schema: schema, PositiveSpans: []histogram.Span{{Offset: bucket, Length: 1}}, PositiveBuckets: []float64{1}}
		it := h.PositiveBucketIterator()
		it.Next()
		if uppers[schema] == nil {
			uppers[schema] = map[int32][2]float64{}
		}
		b := [2]float64{it.At().Lower, it.At().Upper}
		uppers[schema][bucket] = b
		return b
	}
	for _, v := range values {
		for schema := int32(-4); schema <= 8; schema++ {
			if v == 0 {
				continue
			}
			bucket := native.BucketOf(v, schema)
			// Bounds below the smallest number of full precision are rounded.
			if b := boundsOf(schema, bucket); v >= 0x1p-1022 && !(b[0] < v && v <= b[1]) {
				t.Fatalf("schema %d: %v is put into bucket %d, from %v to %v", schema, v, bucket, b[0], b[1])
			}
			if schema >= 0 {
				if want := promfunc.BucketOf(v, schema); want != bucket {
					t.Fatalf("schema %d: %v is put into bucket %d, and by definition it is in %d", schema, v, bucket, want)
				}
			}
		}
	}
}

// TestSketchAccuracy: quantiles of whatever values are off by the accuracy at most, from
// the value that stands at the rank.
func TestSketchAccuracy(t *testing.T) {
	for _, d := range distributions {
		for _, accuracy := range []float64{0.05, 0.01, 0.003} {
			checked := 0
			for seed := range uint64(10) {
				rng := rand.New(rand.NewPCG(seed, 3))
				values := make([]float64, 1+rng.IntN(1500))
				for i := range values {
					values[i] = d.next(rng)
				}
				// The engine's own histogram, which has no limit of buckets, and where it
				// keeps to the limit the sketch's.
				schema, err := native.SchemaOf(accuracy)
				if err != nil {
					t.Fatal(err)
				}
				of := []*histogram.FloatHistogram{promfunc.HistogramOf(values, schema)}
				use := sketchOf(t, accuracy)
				s := fold(use, values)
				if v, _ := use.Finish(&s, over); v.Histogram.Schema == schema {
					of = append(of, v.Histogram)
				}
				for _, h := range of {
					h = withoutNaN(h)
					for _, phi := range []float64{0, 0.001, 0.1, 0.25, 0.5, 0.75, 0.9, 0.99, 0.999, 1} {
						got, _ := promql.HistogramQuantile(phi, h, "x", posrange.PositionRange{})
						want, ok := atRank(values, phi)
						if !ok {
							continue
						}
						checked++
						if math.Abs(want) > 1e307 { // the logarithm of the last bound has no inverse
							if !(math.Abs(got) > 1e307) && !math.IsNaN(got) || got*want < 0 {
								t.Fatalf("%s, phi %v: %v, want %v", d.name, phi, got, want)
							}
							continue
						}
						if !(math.Abs(got-want) <= accuracy*math.Abs(want)*(1+1e-9)) {
							t.Fatalf("%s, seed %d, phi %v: %v, want %v and not more than %v off", d.name, seed, phi, got, want, accuracy)
						}
					}
				}
			}
			if checked < 100 {
				t.Errorf("%s: only %d quantiles were compared", d.name, checked)
			}
		}
	}
}

// withoutNaN is the histogram as if no value had been NaN, nor its sum: of those Prometheus
// 0.315 takes the last bucket, whatever the rank.
func withoutNaN(h *histogram.FloatHistogram) *histogram.FloatHistogram {
	if math.IsNaN(h.Sum) {
		h = h.Copy()
		h.Sum, h.Count = 0, h.ZeroCount
		for _, counts := range [2][]float64{h.PositiveBuckets, h.NegativeBuckets} {
			for _, n := range counts {
				h.Count += n
			}
		}
	}
	return h
}

// atRank is the value in whose bucket histogram_quantile looks; false where none is a
// number.
func atRank(values []float64, phi float64) (float64, bool) {
	sorted := slices.Sorted(slices.Values(slices.DeleteFunc(slices.Clone(values), math.IsNaN)))
	if len(sorted) == 0 {
		return 0, false
	}
	n := float64(len(sorted))
	i := int(math.Ceil(phi*n)) - 1
	if phi >= 0.5 {
		i = len(sorted) - int(math.Ceil((1-phi)*n))
	}
	return sorted[min(max(i, 0), len(sorted)-1)], true
}

// TestSketchNaN: NaN is counted and makes the sum NaN, as in Prometheus, and native
// histograms among the floats are left out.
func TestSketchNaN(t *testing.T) {
	use := sketchOf(t, 0.01)
	s := fold(use, []float64{math.NaN(), 2, math.Inf(1), 0})
	use.Add(&s, 1, wide(3))
	v, ok := use.Finish(&s, over)
	if h := v.Histogram; !ok || h.Count != 4 || !math.IsNaN(h.Sum) || h.ZeroCount != 1 || len(h.PositiveBuckets) != 2 || h.CounterResetHint != histogram.GaugeType {
		t.Errorf("the sketch is %v (%v)", h, ok)
	}
	var none native.Sketch
	use.Add(&none, 1, wide(3))
	if _, ok := use.Finish(&none, over); ok {
		t.Error("there is a value for native histograms alone")
	}
}

// TestHistogramOverTime: the engine knows the function, with and without an accuracy.
func TestHistogramOverTime(t *testing.T) {
	engine, end := promeval.New(), after+width
	samples := promeval.Samples{
		{Labels: labels.FromStrings("__name__", "x", "job", "a"), Times: []int64{after, after + 1, end}, Values: []float64{9, 1, 2}},
		{Labels: labels.FromStrings("__name__", "x", "job", "b"), Times: []int64{end}, Values: []float64{3}, Histograms: []promql.HPoint{{T: end - 1, H: wide(1)}}},
		{Labels: labels.FromStrings("__name__", "x", "job", "c"), Histograms: []promql.HPoint{{T: end - 1, H: wide(1)}}},
	}
	for expr, want := range map[string]*histogram.FloatHistogram{
		`histogram_over_time(x{job="a"}[5m])`:            promfunc.HistogramOf([]float64{1, 2}, 7),
		`histogram_over_time(x{job="a"}[5m], 0.05)`:      promfunc.HistogramOf([]float64{1, 2}, 4),
		`histogram_over_time(x{job="b"}[5m])`:            promfunc.HistogramOf([]float64{3}, 7),
		`sum(histogram_over_time(x[5m], 1))`:             promfunc.HistogramOf([]float64{1, 2, 3}, 0),
		`histogram_over_time(sum(x{job!="c"})[1s:1s])`:   promfunc.HistogramOf([]float64{5}, 7),
		`histogram_over_time(x{job="c"}[5m])`:            nil,
		`histogram_over_time(x{job="a"}[5m], vector(0))`: nil,
		`histogram_over_time(x{job="a"}[5m], 0.002)`:     nil,
	} {
		got, err := engine.Whole(context.Background(), expr, samples, end)
		switch {
		case want == nil:
			if err == nil && len(got) > 0 {
				t.Errorf("%s: %v, want nothing", expr, got)
			}
		case err != nil:
			t.Errorf("%s: %v", expr, err)
		case len(got) != 1 || got[0].Metric.Has("__name__") || !nativehist.NewSparse(got[0].Histogram).Equal(nativehist.NewSparse(want)):
			t.Errorf("%s: %v, want %v", expr, got, want)
		}
	}
}

// TestSchemaOf: the schema is the coarsest with the accuracy.
func TestSchemaOf(t *testing.T) {
	for accuracy, want := range map[float64]int32{1: 0, 0.42: 1, 0.1: 3, 0.05: 4, 0.03: 5, 0.02: 6, 0.01: 7, 0.003: 8, 0.0028: 8} {
		if got, err := native.SchemaOf(accuracy); err != nil || got != want || native.AccuracyOf(got) > accuracy || got > 0 && native.AccuracyOf(got-1) <= accuracy {
			t.Errorf("accuracy %v: schema %d (%v), want %d", accuracy, got, err, want)
		}
	}
	for _, accuracy := range []float64{0, -1, 0.0027, 1.1, math.NaN(), math.Inf(1)} {
		if schema, err := native.SchemaOf(accuracy); err == nil {
			t.Errorf("accuracy %v has the schema %d", accuracy, schema)
		}
	}
}

// TestSketchKind: the kind says of its partials what is so.
func TestSketchKind(t *testing.T) {
	p := &prober{rng: rand.New(rand.NewPCG(1, 1)), window: over}
	if !native.Keep(function.HistogramOverTime, 0.003, p) || p.ok {
		t.Fatal("there is no sketch, or it has a value for no sample")
	}
	p.laws(t)
}

// BenchmarkSketch is what a sketch costs: finding a bucket and adding to it, per value, and
// merging two of 150 buckets.
func BenchmarkSketch(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	values := make([]float64, 4096)
	for i := range values {
		values[i] = math.Exp(rng.NormFloat64() / 2)
	}
	use := sketchOf(b, 0.01)
	b.Run("bucket", func(b *testing.B) {
		sum := int32(0)
		for i := range b.N {
			sum += native.BucketOf(values[i%len(values)], 7)
		}
		if sum == 1 {
			b.Log(sum)
		}
	})
	b.Run("add", func(b *testing.B) {
		cells, slots, times := make([]native.Sketch, 1), make([]int32, len(values)), make([]int64, len(values))
		for n := 0; n < b.N; n += len(values) {
			use.Kind.Add(cells, slots, times, values)
		}
	})
	b.Run("merge", func(b *testing.B) {
		// Of about 150 buckets each, some of which the other has not.
		var parts [64]native.Sketch
		buckets := 0
		for i := range parts {
			var some []float64
			for range 700 {
				some = append(some, math.Exp(rng.NormFloat64()/4))
			}
			parts[i] = fold(use, some)
			buckets += len(parts[i].Buckets)
		}
		b.ReportMetric(float64(buckets)/float64(len(parts)), "buckets")
		b.ResetTimer()
		into := make([]native.Sketch, 1)
		for i := range b.N {
			if i%16 == 0 {
				into[0] = native.Sketch{}
			}
			into[0].Merge(&parts[i%len(parts)])
		}
	})
}
