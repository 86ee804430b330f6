package nativehist_test

import (
	"bytes"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/prometheus/prometheus/model/histogram"

	"laminar/sequence/nativehist"
	"laminar/sequence/nativehist/nativehisttest"
	"laminar/sequence/segment"
)

// TestRoundTrip: what is written is read back, and equal histograms have equal
// bytes.
func TestRoundTrip(t *testing.T) {
	g := nativehisttest.New(rand.New(rand.NewPCG(1, 2)))
	seen := map[string]bool{}
	for round := range 20_000 {
		h, fh := g.Next()
		var (
			payload []byte
			err     error
			sum     float64
			want    *histogram.FloatHistogram
		)
		if h != nil {
			payload, err = nativehist.Append([]byte("x"), h)
			sum, want = h.Sum, h.ToFloat(nil)
		} else {
			payload, err = nativehist.AppendFloat([]byte("x"), fh)
			sum, want = fh.Sum, fh
		}
		if err != nil {
			t.Fatalf("round %d: %v: %v", round, want, err)
		}
		if payload[0] != 'x' {
			t.Fatal("what stood before the payload is gone")
		}
		payload = payload[1:]
		got, err := nativehist.Decode(payload, sum)
		if err != nil {
			t.Fatalf("round %d: %v: %v", round, want, err)
		}
		switch {
		case segment.IsStale(sum):
			if len(payload) != 2 || !segment.IsStale(got.Sum) {
				t.Fatalf("round %d: stale marker became %v in %d bytes", round, got, len(payload))
			}
			continue
		case !got.Equals(want):
			t.Fatalf("round %d: got %v, want %v", round, got, want)
		}
		wantHint := want.CounterResetHint
		if wantHint == histogram.NotCounterReset {
			wantHint = histogram.UnknownCounterReset
		}
		if got.CounterResetHint != wantHint {
			t.Fatalf("round %d: hint %d, want %d", round, got.CounterResetHint, wantHint)
		}
		back, fback, err := nativehist.DecodeAny(payload, sum)
		if err != nil || (back == nil) != (h == nil) || (fback == nil) != (fh == nil) {
			t.Fatalf("round %d: read back as %v, %v, %v", round, back, fback, err)
		}
		if again := again(t, back, fback); !bytes.Equal(again, payload) {
			t.Fatalf("round %d: written again as %x, was %x", round, again, payload)
		}
		seen[string(payload[1:2])] = true
	}
	if len(seen) != 6 { // integer and float, each without hint, reset and gauge
		t.Errorf("%d combinations of flags, want 6", len(seen))
	}
}

func again(t *testing.T, h *histogram.Histogram, fh *histogram.FloatHistogram) []byte {
	t.Helper()
	var payload []byte
	var err error
	if h != nil {
		payload, err = nativehist.Append(nil, h)
	} else {
		payload, err = nativehist.AppendFloat(nil, fh)
	}
	if err != nil {
		t.Fatal(err)
	}
	return payload
}

// TestRefused: what Prometheus refuses is refused for the same reason.
func TestRefused(t *testing.T) {
	span := func(n uint32) []histogram.Span { return []histogram.Span{{Offset: 0, Length: n}} }
	for name, c := range map[string]struct {
		h    *histogram.Histogram
		fh   *histogram.FloatHistogram
		want error
	}{
		"count too small":         {h: &histogram.Histogram{Count: 1, PositiveSpans: span(1), PositiveBuckets: []int64{2}}, want: histogram.ErrHistogramCountMismatch},
		"spans and buckets":       {h: &histogram.Histogram{Count: 2, PositiveSpans: span(2), PositiveBuckets: []int64{2}}, want: histogram.ErrHistogramSpansBucketsMismatch},
		"negative bucket":         {h: &histogram.Histogram{PositiveSpans: span(1), PositiveBuckets: []int64{-2}}, want: histogram.ErrHistogramNegativeBucketCount},
		"negative offset":         {h: &histogram.Histogram{PositiveSpans: []histogram.Span{{Length: 1}, {Offset: -1, Length: 1}}, PositiveBuckets: []int64{0, 0}}, want: histogram.ErrHistogramSpanNegativeOffset},
		"schema":                  {h: &histogram.Histogram{Schema: 53}, want: histogram.ErrHistogramsInvalidSchema},
		"schema below":            {fh: &histogram.FloatHistogram{Schema: -5}, want: histogram.ErrHistogramsInvalidSchema},
		"bounds not ascending":    {h: &histogram.Histogram{Schema: -53, CustomValues: []float64{1, 1}}, want: histogram.ErrHistogramCustomBucketsInvalid},
		"bound is infinite":       {h: &histogram.Histogram{Schema: -53, CustomValues: []float64{1, math.Inf(1)}}, want: histogram.ErrHistogramCustomBucketsInfinite},
		"bound is NaN":            {fh: &histogram.FloatHistogram{Schema: -53, CustomValues: []float64{math.NaN()}}, want: histogram.ErrHistogramCustomBucketsNaN},
		"zero count with bounds":  {fh: &histogram.FloatHistogram{Schema: -53, ZeroCount: 1, CustomValues: []float64{1}}, want: histogram.ErrHistogramCustomBucketsZeroCount},
		"too few bounds":          {fh: &histogram.FloatHistogram{Schema: -53, CustomValues: []float64{1}, PositiveSpans: span(3), PositiveBuckets: []float64{1, 1, 1}}, want: histogram.ErrHistogramCustomBucketsMismatch},
		"bounds and exponential":  {fh: &histogram.FloatHistogram{CustomValues: []float64{1}}, want: histogram.ErrHistogramExpSchemaCustomBounds},
		"negative float count":    {fh: &histogram.FloatHistogram{Count: -1}, want: histogram.ErrHistogramNegativeCount},
		"finer, spans mismatched": {h: &histogram.Histogram{Schema: 20, PositiveSpans: span(5), PositiveBuckets: []int64{1}}, want: histogram.ErrHistogramSpansBucketsMismatch},
	} {
		var payload []byte
		var err error
		if c.h != nil {
			payload, err = nativehist.Append([]byte("x"), c.h)
		} else {
			payload, err = nativehist.AppendFloat([]byte("x"), c.fh)
		}
		if !errors.Is(err, c.want) || string(payload) != "x" {
			t.Errorf("%s: %v and %q, want %v", name, err, payload, c.want)
		}
	}
}

// TestFinerSchema: buckets that are too fine are merged, as Prometheus does.
func TestFinerSchema(t *testing.T) {
	h := &histogram.Histogram{Schema: 9, Count: 6, Sum: 3, PositiveSpans: []histogram.Span{{Offset: 1, Length: 4}}, PositiveBuckets: []int64{1, 0, 1, 0}}
	want := h.Copy()
	if err := want.ReduceResolution(histogram.ExponentialSchemaMax); err != nil {
		t.Fatal(err)
	}
	payload, err := nativehist.Append(nil, h)
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := nativehist.DecodeAny(payload, 3)
	if err != nil || got.Schema != 8 || !got.Equals(want) {
		t.Errorf("got %v, %v, want %v", got, err, want)
	}
}

// FuzzDecode: no bytes make the decoder panic or take memory without measure,
// and what it accepts is canonical.
func FuzzDecode(f *testing.F) {
	g := nativehisttest.New(rand.New(rand.NewPCG(3, 4)))
	for range 30 {
		payload, sum := g.Payload()
		f.Add(payload, math.Float64bits(sum))
	}
	f.Add([]byte{1, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1}, uint64(0))
	f.Fuzz(func(t *testing.T, payload []byte, bits uint64) {
		sum := math.Float64frombits(bits)
		h, fh, err := nativehist.DecodeAny(payload, sum)
		if err != nil {
			if !errors.Is(err, nativehist.ErrPayload) {
				t.Fatalf("error of another kind: %v", err)
			}
			return
		}
		if segment.IsStale(sum) {
			return
		}
		if written := again(t, h, fh); !bytes.Equal(written, payload) {
			t.Fatalf("%x is written as %x", payload, written)
		}
	})
}

// TestDecodeRefuses: bytes that Append never makes.
func TestDecodeRefuses(t *testing.T) {
	g := nativehisttest.New(rand.New(rand.NewPCG(5, 6)))
	for range 300 {
		payload, sum := g.Payload()
		for n := range payload {
			if _, err := nativehist.Decode(payload[:n], sum); !errors.Is(err, nativehist.ErrPayload) {
				t.Fatalf("%x cut to %d bytes: %v", payload, n, err)
			}
		}
		if _, err := nativehist.Decode(append(payload, 0), sum); !errors.Is(err, nativehist.ErrPayload) {
			t.Fatalf("%x and a byte: %v", payload, err)
		}
	}
	for _, payload := range [][]byte{{2, 0, 0, 0}, {1, 16, 0, 0}, {1, 6, 0, 0}, {1, 8, 0}, {1, 0, 0x80, 0}} {
		if _, err := nativehist.Decode(payload, 0); !errors.Is(err, nativehist.ErrPayload) {
			t.Errorf("%x: %v", payload, err)
		}
	}
}

// TestSpansWithoutBuckets: what the engine gets has no span without a bucket, and the
// same buckets.
func TestSpansWithoutBuckets(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	changed := 0
	for range 2000 {
		h := nativehisttest.Random(rng)
		got, err := nativehist.Decode(nativehisttest.Encode(nil, h))
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range slices.Concat(got.PositiveSpans, got.NegativeSpans) {
			if s.Length == 0 {
				t.Fatalf("%v is left in %v", s, got)
			}
		}
		if len(got.PositiveSpans) < len(h.PositiveSpans) {
			changed++
		}
		if !nativehist.NewSparse(got).Equal(nativehist.NewSparse(h)) || len(got.PositiveBuckets) != len(h.PositiveBuckets) {
			t.Fatalf("%v has become %v", h, got)
		}
	}
	if changed < 200 {
		t.Errorf("only %d histograms had such spans", changed)
	}
}
