package native_test

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"

	"laminar/flownode/function"
	"laminar/flownode/native"
	"laminar/flownode/partial/partialtest"
	"laminar/flownode/promeval"
	"laminar/sequence"
	"laminar/sequence/nativehist"
	"laminar/sequence/nativehist/nativehisttest"
	"laminar/sequence/segment"
)

// sample is a float, or where there is one a histogram.
type sample struct {
	t int64
	v float64
	h *histogram.FloatHistogram
}

// The window that functions are asked about.
const (
	after = int64(1_700_000_000_000)
	width = int64(300_000)
)

// randomSeries is a series within the window: a histogram that counts on and now and
// then begins anew or gets another layout, one that jumps about, or floats; some of it
// of the other sort.
func randomSeries(rng *rand.Rand) []sample {
	gen := nativehisttest.New(rng)
	fresh := func() *histogram.FloatHistogram {
		for {
			h, err := nativehist.Decode(gen.Payload()) // as all that is folded
			if err != nil {
				panic(err)
			}
			if !segment.IsStale(h.Sum) {
				return h
			}
		}
	}
	var (
		out   []sample
		now   = fresh()
		value = float64(rng.IntN(50))
		jumps = rng.IntN(4) == 0
		other = []int{0, 0, 0, 3, 100}[rng.IntN(5)] // percent of floats
		again = []int{0, 5, 30}[rng.IntN(3)]        // percent of histograms that begin anew
	)
	for t := after + 1 + rng.Int64N(20_000); t <= after+width; t += 1 + rng.Int64N(30_000) {
		if rng.IntN(100) < other {
			if value += float64(rng.IntN(9)); rng.IntN(20) == 0 {
				value = 0
			}
			out = append(out, sample{t: t, v: value})
			continue
		}
		switch {
		case jumps, rng.IntN(100) < again:
			now = fresh()
		case rng.IntN(10) == 0 && now.Schema > -4 && !now.UsesCustomBuckets():
			now = now.CopyToSchema(now.Schema - 1)
		default:
			now = now.Copy()
			now.CounterResetHint = histogram.UnknownCounterReset
			for i := range now.PositiveBuckets {
				n := float64(rng.IntN(4))
				now.PositiveBuckets[i] += n
				now.Count += n
				now.Sum += n * float64(i)
			}
		}
		if rng.IntN(50) == 0 {
			now = now.Copy()
			now.CounterResetHint = histogram.GaugeType
		}
		out = append(out, sample{t: t, h: now})
	}
	return out
}

// prober says what a function makes of samples that are folded in pieces and merged in
// a random order of joining.
type prober struct {
	rng    *rand.Rand
	pieces [][]sample
	window function.Window

	value native.Value
	ok    bool
	laws  func(t *testing.T)
}

func (p *prober) NativeCounter(use native.Use[native.Counter]) { probe(p, use) }
func (p *prober) NativeTotal(use native.Use[native.Total])     { probe(p, use) }
func (p *prober) NativeLast(use native.Use[native.Last])       { probe(p, use) }
func (p *prober) NativeSketch(use native.Use[native.Sketch])   { probe(p, use) }

func probe[P any, PP native.Cell[P]](x *prober, use native.Use[P]) {
	x.laws = func(t *testing.T) { t.Helper(); partialtest.KindLaws[P, PP](t, use.Kind) }
	parts := make([]P, len(x.pieces)+1) // one of them is empty
	for i, piece := range x.pieces {
		for _, s := range piece {
			if s.h != nil {
				use.Add(&parts[i], s.t, s.h)
			} else {
				PP(&parts[i]).Add(s.t, s.v)
			}
		}
	}
	said := make([]string, len(parts))
	for i := range parts {
		said[i] = spell(&parts[i], use, x.window)
	}
	merged := make([]P, len(parts))
	use.Kind.Copy(merged, parts)
	for len(merged) > 1 {
		i := x.rng.IntN(len(merged) - 1)
		PP(&merged[i]).Merge(&merged[i+1])
		merged = append(merged[:i+1], merged[i+2:]...)
	}
	x.value, x.ok = use.Finish(&merged[0], x.window)
	// Nothing that was merged has changed, nor does the answer change the partial.
	for i := range parts {
		if now := spell(&parts[i], use, x.window); now != said[i] {
			panic(fmt.Sprintf("part %d was %s and is %s after a merge", i, said[i], now))
		}
	}
	if again, ok := use.Finish(&merged[0], x.window); ok != x.ok || fmt.Sprint(again) != fmt.Sprint(x.value) {
		panic(fmt.Sprintf("asked twice it says %v and %v", x.value, again))
	}
	if held := use.Kind.Bytes(merged); held < 0 {
		panic("less than nothing is held")
	}
}

func spell[P any](p *P, use native.Use[P], w function.Window) string {
	v, ok := use.Finish(p, w)
	return fmt.Sprint(v.Float, v.Histogram, ok)
}

// TestAsTheEngine: whatever a series holds and however it is cut, a function's value is
// what Prometheus's engine gives, of histograms to the bit.
func TestAsTheEngine(t *testing.T) {
	engine := promeval.New()
	seeds := uint64(3000)
	if testing.Short() {
		seeds = 1000
	}
	results := map[string]int{}
	for seed := range seeds {
		rng := rand.New(rand.NewPCG(seed, 4))
		series := randomSeries(rng)
		one := promeval.Series{Labels: labels.FromStrings("__name__", "x")}
		for _, s := range series {
			if s.h != nil {
				one.Histograms = append(one.Histograms, promql.HPoint{T: s.t, H: s.h})
			} else {
				one.Times, one.Values = append(one.Times, s.t), append(one.Values, s.v)
			}
		}
		var pieces [][]sample
		for rest := series; len(rest) > 0; {
			n := 1 + rng.IntN(len(rest))
			pieces, rest = append(pieces, rest[:n]), rest[n:]
		}
		for _, f := range function.All() {
			p := &prober{rng: rng, pieces: pieces, window: function.Window{Span: sequence.Span{After: after, UpTo: after + width}, End: after + width}}
			if !native.Keep(f, 0, p) {
				continue
			}
			expr := f.Name + "(x[5m])"
			if f == function.Instant {
				expr = "x"
			}
			want, err := engine.Whole(context.Background(), expr, promeval.Samples{one}, after+width)
			if err != nil {
				t.Fatal(err)
			}
			if p.ok != (len(want) == 1) {
				t.Fatalf("seed %d, %s: a value: %v, the engine says %v of %v", seed, expr, p.ok, want, series)
			}
			if !p.ok {
				continue
			}
			if !agree(p.value, want[0]) {
				t.Fatalf("seed %d, %s: %v %v, the engine says %v %v of %v", seed, expr, p.value.Float, p.value.Histogram, want[0].Value, want[0].Histogram, series)
			}
			if p.value.Histogram != nil {
				results[f.Name]++
			}
		}
	}
	for _, name := range []string{"rate", "increase", "sum_over_time", "avg_over_time", "last_over_time", "instant"} {
		if results[name] < int(seeds)/5 {
			t.Errorf("only %d results of %s are histograms", results[name], name)
		}
	}
}

// agree compares a value with the engine's.
func agree(got native.Value, want promeval.Sample) bool {
	switch {
	case (got.Histogram == nil) != (want.Histogram == nil):
		return false
	case got.Histogram == nil:
		return partialtest.Close(got.Float, want.Value, 1e-12*math.Abs(want.Value))
	}
	return nativehist.NewSparse(got.Histogram).Equal(nativehist.NewSparse(want.Histogram))
}

// TestKinds: kinds say of their partials what is so, and every function that says so is
// kept.
func TestKinds(t *testing.T) {
	for _, f := range function.All() {
		p := &prober{rng: rand.New(rand.NewPCG(1, 1))}
		if kept := native.Keep(f, 0, p); kept != f.Histograms {
			t.Errorf("%s is kept: %v", f, kept)
		}
		if p.laws != nil {
			t.Run(f.Name, p.laws)
		}
		if p.ok {
			t.Errorf("%s has a value for no sample", f)
		}
	}
}

// wide is a histogram of 150 buckets.
func wide(n float64) *histogram.FloatHistogram {
	h := &histogram.FloatHistogram{Schema: 5, ZeroThreshold: 1e-128, Sum: n, PositiveSpans: []histogram.Span{{Offset: -75, Length: 150}}}
	for i := range 150 {
		h.PositiveBuckets = append(h.PositiveBuckets, n+float64(i))
		h.Count += n + float64(i)
	}
	return h
}

// BenchmarkFold is what one sample of 150 buckets costs, beside decoding it.
func BenchmarkFold(b *testing.B) {
	list := make([]*histogram.FloatHistogram, 64)
	for i := range list {
		list[i] = wide(float64(i))
	}
	b.Run("counter", func(b *testing.B) { benchFold[native.Counter](b, list) })
	b.Run("total", func(b *testing.B) { benchFold[native.Total](b, list) })
	b.Run("last", func(b *testing.B) { benchFold[native.Last](b, list) })
	b.Run("decode", func(b *testing.B) {
		payload, sum := nativehisttest.Encode(nil, list[5])
		for b.Loop() {
			if _, err := nativehist.Decode(payload, sum); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func benchFold[P any, PP native.Cell[P]](b *testing.B, list []*histogram.FloatHistogram) {
	b.Helper()
	b.ReportAllocs()
	var p P
	for i := 0; b.Loop(); i++ {
		if i%len(list) == 0 {
			p = *new(P)
		}
		PP(&p).AddHistogram(int64(i), list[i%len(list)])
	}
}

// BenchmarkMerge is what merging two partials of 150 buckets costs.
func BenchmarkMerge(b *testing.B) {
	b.Run("counter", func(b *testing.B) { benchMerge[native.Counter](b) })
	b.Run("total", func(b *testing.B) { benchMerge[native.Total](b) })
}

func benchMerge[P any, PP native.Cell[P]](b *testing.B) {
	b.Helper()
	b.ReportAllocs()
	var earlier, later P
	for i := range int64(4) {
		PP(&earlier).AddHistogram(i, wide(float64(i)))
		PP(&later).AddHistogram(4+i, wide(float64(4+i)))
	}
	for b.Loop() {
		var p P
		PP(&p).Merge(&earlier)
		PP(&p).Merge(&later)
	}
}

// BenchmarkRate is what finishing a window costs.
func BenchmarkRate(b *testing.B) {
	var p native.Counter
	for i := range int64(20) {
		p.AddHistogram(after+1+i*15_000, wide(float64(i)))
	}
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := p.Rate(after, after+width); !ok {
			b.Fatal("no rate")
		}
	}
}
