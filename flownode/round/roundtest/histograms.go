package roundtest

import (
	"math/rand/v2"
	"testing"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/promql"

	"laminar/flownode/promeval"
	"laminar/sequence/nativehist"
	"laminar/sequence/nativehist/nativehisttest"
	"laminar/sequence/segment"
)

// NativeSamples is what of a series' samples is native histograms: payloads by
// time, while the sums are where the values of floats are.
type NativeSamples struct {
	Chance  int // in percent that a sample is a histogram
	now     *histogram.Histogram
	pending map[int64][]byte // of samples that are about to be committed
	stored  map[int64][]byte
}

// commit takes note that the sample at t is committed.
func (n *NativeSamples) commit(t int64) {
	if payload := n.pending[t]; payload != nil {
		if n.stored == nil {
			n.stored = map[int64][]byte{}
		}
		n.stored[t] = payload
	} else {
		delete(n.stored, t)
	}
	delete(n.pending, t)
}

// again makes the next sample at t what is there.
func (n *NativeSamples) again(t int64) {
	if payload := n.stored[t]; payload != nil {
		n.pending[t] = payload
	} else {
		delete(n.pending, t)
	}
}

// part parts a series' histograms from its floats.
func (n *NativeSamples) part(t testing.TB, x promeval.Series) promeval.Series {
	t.Helper()
	out := promeval.Series{Labels: x.Labels}
	for i, at := range x.Times {
		payload := n.stored[at]
		if payload == nil {
			out.Times, out.Values = append(out.Times, at), append(out.Values, x.Values[i])
			continue
		}
		h, err := nativehist.Decode(payload, x.Values[i])
		if err != nil {
			t.Fatal(err)
		}
		out.Histograms = append(out.Histograms, promql.HPoint{T: at, H: h})
	}
	return out
}

// next is the next histogram of a series that counts on, resets, changes
// its buckets and ends.
func (n *NativeSamples) next(rng *rand.Rand) (payload []byte, sum float64) {
	fresh := func() *histogram.Histogram {
		h := &histogram.Histogram{Schema: int32(rng.IntN(3)), ZeroThreshold: 0.001}
		if rng.IntN(4) == 0 {
			h.Schema, h.ZeroThreshold, h.CustomValues = histogram.CustomBucketsSchema, 0, []float64{0.5, 1, 2, 4}
		}
		h.PositiveSpans, h.PositiveBuckets = []histogram.Span{{Length: 4}}, make([]int64, 4)
		return h
	}
	switch p := rng.IntN(100); {
	case p < 3:
		return nativehisttest.Encode(&histogram.Histogram{Sum: segment.Stale()}, nil)
	case n.now == nil || p < 10:
		n.now = fresh()
	}
	h := n.now
	counts, last := make([]int64, len(h.PositiveBuckets)), int64(0)
	for i, d := range h.PositiveBuckets {
		last += d
		counts[i] = last
	}
	for range rng.IntN(20) {
		i := rng.IntN(len(counts))
		counts[i]++
		h.Count++
		h.Sum += float64(i)
	}
	last = 0
	for i, c := range counts {
		h.PositiveBuckets[i], last = c-last, c
	}
	if rng.IntN(5) == 0 {
		return nativehisttest.Encode(nil, h.ToFloat(nil))
	}
	return nativehisttest.Encode(h, nil)
}
