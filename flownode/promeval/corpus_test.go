package promeval_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"

	"laminar/flownode/promeval"
	"laminar/sequence/segment"
)

const (
	second = int64(1000)
	minute = 60 * second
)

// corpus is the expressions of testdata/promql/corpus.txt.
func corpus(tb testing.TB) []string {
	tb.Helper()
	exprs := expressions(tb, "corpus.txt")
	if len(exprs) < 80 {
		tb.Fatalf("corpus has %d expressions, want at least 80", len(exprs))
	}
	return exprs
}

// expressions reads a file of testdata/promql: one expression per line.
func expressions(tb testing.TB, file string) []string {
	tb.Helper()
	data, err := os.ReadFile("../../testdata/promql/" + file)
	if err != nil {
		tb.Fatal(err)
	}
	var exprs []string
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			exprs = append(exprs, line)
		}
	}
	return exprs
}

// dataEnd is the last time the samples of makeSamples reach, ms.
const dataEnd = 60 * minute

// makeSamples makes a small fleet's samples over an hour, with all that makes
// evaluation hard: jitter, gaps, series that end with a stale marker or without
// one, counter resets, NaN and infinities.
func makeSamples(seed uint64) promeval.Samples {
	g := &generator{rng: rand.New(rand.NewPCG(seed, 1))}
	for j, job := range []string{"api", "db", "web"} {
		zone := []string{"eu", "us"}[j%2]
		for i := range 3 {
			at := []string{"job", job, "instance", fmt.Sprintf("i%d", i), "zone", zone}
			for _, code := range []string{"200", "404", "500"} {
				g.counter(append(at, "__name__", "requests_total", "code", code)...)
			}
			g.counter(append(at, "__name__", "errors_total", "code", "500")...)
			g.gauge(20, append(at, "__name__", "temperature")...)
			g.gauge(10, append(at, "__name__", "load")...)
			g.constant(1, append(at, "__name__", "build_info", "version", fmt.Sprintf("v%d", i%2))...)
			g.histogram(append(at, "__name__", "latency_bucket")...)
		}
	}
	g.constant(0.3, "__name__", "probability")
	g.gauge(5, "__name__", "odd_labels", "xmin", "a", "value", "b", "dotted.name", "c", "__type__", "gauge")
	g.gauge(5, "__name__", "odd_labels", "xmin", "", "value", "ü\"\\", "dotted.name", "d", "__type__", "gauge")
	for i := range 4 {
		g.native("__name__", "native", "job", []string{"api", "db"}[i%2], "instance", fmt.Sprintf("i%d", i))
	}
	return g.out
}

type generator struct {
	rng *rand.Rand
	out promeval.Samples
}

// series walks over the hour and appends what next gives for each scrape.
func (g *generator) series(next func(t int64) float64, lset ...string) {
	s := promeval.Series{Labels: labels.FromStrings(lset...)}
	from, to := int64(0), dataEnd
	if g.rng.IntN(4) == 0 {
		from = g.rng.Int64N(20 * minute)
	}
	ends := g.rng.IntN(4) == 0
	if ends {
		to = 30*minute + g.rng.Int64N(20*minute)
	}
	for t := from + g.rng.Int64N(15*second); t <= to; t += 15 * second {
		if g.rng.IntN(60) == 0 {
			t += g.rng.Int64N(7 * minute) // a gap, sometimes longer than the lookback
		}
		at := t + g.rng.Int64N(3*second) - second
		if g.rng.IntN(8) == 0 {
			at = (t + minute) / minute * minute // on the border of windows
		}
		if n := len(s.Times); at < 0 || at > dataEnd || n > 0 && at <= s.Times[n-1] {
			continue
		}
		v := next(at)
		if g.rng.IntN(100) == 0 {
			v = segment.Stale()
		}
		s.Times = append(s.Times, at)
		s.Values = append(s.Values, v)
	}
	if n := len(s.Times); ends && n > 0 && g.rng.IntN(2) == 0 {
		s.Values[n-1] = segment.Stale()
	}
	g.out = append(g.out, s)
}

func (g *generator) counter(lset ...string) {
	v := float64(g.rng.IntN(1000))
	g.series(func(int64) float64 {
		v += float64(g.rng.IntN(50))
		if g.rng.IntN(50) == 0 {
			v = float64(g.rng.IntN(10))
		}
		return v
	}, lset...)
}

func (g *generator) gauge(mean float64, lset ...string) {
	v := mean
	odd := g.rng.IntN(6) == 0
	g.series(func(int64) float64 {
		v += g.rng.NormFloat64()
		if odd && g.rng.IntN(20) == 0 {
			return []float64{math.NaN(), math.Inf(1), math.Inf(-1), 0, math.Copysign(0, -1)}[g.rng.IntN(5)]
		}
		return v
	}, lset...)
}

func (g *generator) constant(v float64, lset ...string) {
	g.series(func(int64) float64 { return v }, lset...)
}

// native makes a series of native histograms that count on, with a few floats
// and stale markers among them.
func (g *generator) native(lset ...string) {
	first := len(g.out)
	g.constant(1, lset...)
	h := &histogram.FloatHistogram{Schema: 1, ZeroThreshold: 0.001, PositiveSpans: []histogram.Span{{Offset: -2, Length: 5}}, PositiveBuckets: make([]float64, 5)}
	made := promeval.Series{Labels: g.out[first].Labels}
	for i, t := range g.out[first].Times {
		if v := g.out[first].Values[i]; g.rng.IntN(30) == 0 || segment.IsStale(v) {
			made.Times, made.Values = append(made.Times, t), append(made.Values, v)
			continue
		}
		if g.rng.IntN(50) == 0 {
			clear(h.PositiveBuckets)
			h.Count, h.Sum = 0, 0
		}
		for b := range h.PositiveBuckets {
			n := float64(g.rng.IntN(4))
			h.PositiveBuckets[b] += n
			h.Count += n
			h.Sum += n * float64(b)
		}
		made.Histograms = append(made.Histograms, promql.HPoint{T: t, H: h.Copy()})
	}
	g.out[first] = made
}

// histogram makes the cumulative buckets of one classic histogram. The buckets
// are scraped together, at the times of one series.
func (g *generator) histogram(lset ...string) {
	bounds := []string{"0.1", "0.5", "1", "+Inf"}
	counts := make([]float64, len(bounds))
	first := len(g.out)
	var history [][]float64
	g.series(func(int64) float64 {
		if g.rng.IntN(60) == 0 {
			clear(counts)
		}
		add := 0.0
		for i := range counts {
			add += float64(g.rng.IntN(5))
			counts[i] += add
		}
		history = append(history, append([]float64(nil), counts...))
		return counts[0]
	}, append(lset, "le", bounds[0])...)
	lead := g.out[first]
	for b := 1; b < len(bounds); b++ {
		s := promeval.Series{Labels: labels.FromStrings(append(lset, "le", bounds[b])...), Times: lead.Times}
		for i, v := range lead.Values {
			if !segment.IsStale(v) {
				v = history[i][b]
			}
			s.Values = append(s.Values, v)
		}
		g.out = append(g.out, s)
	}
}
