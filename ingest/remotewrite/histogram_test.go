package remotewrite

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"laminar/ingest"
	"laminar/sequence"
	"laminar/sequence/nativehist"
	"laminar/sequence/nativehist/nativehisttest"
	"laminar/sequence/segment"
)

// histogramAt is a valid histogram that tells its time.
func histogramAt(t int64) *histogram.Histogram {
	return &histogram.Histogram{
		Schema: 2, Count: uint64(t) + 3, Sum: float64(t) / 7, ZeroThreshold: 0.001, ZeroCount: 1,
		PositiveSpans: []histogram.Span{{Offset: -2, Length: 1}, {Offset: 3, Length: 1}}, PositiveBuckets: []int64{2, t - 2},
	}
}

func histogramsV1(tb testing.TB, at ...int64) prompb.TimeSeries {
	tb.Helper()
	series := ts("__name__ up job a")
	for _, t := range at {
		series.Histograms = append(series.Histograms, prompb.FromIntHistogram(t, histogramAt(t)))
	}
	return series
}

// spoilt makes the second of the histograms one that Prometheus refuses.
func spoilt(series prompb.TimeSeries) prompb.TimeSeries {
	series.Histograms[1].PositiveSpans[0].Length++
	return series
}

func histogramsV2(at ...int64) entryV2 {
	e := seriesV2("__name__ up job a")
	for _, t := range at {
		e.series.Histograms = append(e.series.Histograms, writev2.FromIntHistogram(0, t, histogramAt(t)))
	}
	return e
}

// TestHistogramMessages: of both versions' messages is kept what Prometheus's
// own decoder makes of them.
func TestHistogramMessages(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	g := nativehisttest.New(rng)
	var h histogramMessage // one for all, as the intake has it
	for round := range 3000 {
		ints, floats := g.Next()
		var v1 prompb.Histogram
		var v2 writev2.Histogram
		at := rng.Int64N(1 << 41)
		if ints != nil {
			v1, v2 = prompb.FromIntHistogram(at, ints), writev2.FromIntHistogram(5, at, ints)
		} else {
			v1, v2 = prompb.FromFloatHistogram(at, floats), writev2.FromFloatHistogram(5, at, floats)
		}
		for _, m := range []interface{ Marshal() ([]byte, error) }{&v1, &v2} {
			msg, err := m.Marshal()
			if err != nil {
				t.Fatal(err)
			}
			if err := h.read(msg); err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
			payload, sum := nativehisttest.Encode(h.histogram())
			want, wantSum := nativehisttest.Encode(ints, floats)
			if string(payload) != string(want) || bits(sum) != bits(wantSum) || h.t != at {
				t.Fatalf("round %d: read as %x, %v at %d; want %x, %v at %d", round, payload, sum, h.t, want, wantSum, at)
			}
		}
	}
}

// TestHistogramNumbersOneByOne: repeated numbers may come unpacked, and twice.
func TestHistogramNumbersOneByOne(t *testing.T) {
	msg := []byte{
		histCountInt<<3 | wireVarint, 9, histCountInt<<3 | wireVarint, 5,
		histPositiveDeltas<<3 | wireVarint, 4, // 2
		histPositiveDeltas<<3 | wireBytes, 1, 2, // 1 more: 3
		histTimestamp<<3 | wireVarint, 7,
	}
	msg = append(msg, field(histPositiveSpans, []byte{1<<3 | wireVarint, 1, 2<<3 | wireVarint, 2})...)
	var h histogramMessage
	if err := h.read(msg); err != nil {
		t.Fatal(err)
	}
	got, err := nativehist.Decode(nativehisttest.Encode(h.histogram()))
	want := &histogram.FloatHistogram{Count: 5, PositiveSpans: []histogram.Span{{Offset: -1, Length: 2}}, PositiveBuckets: []float64{2, 3}}
	if err != nil || !got.Equals(want) || h.t != 7 {
		t.Errorf("read as %v at %d, %v; want %v at 7", got, h.t, err, want)
	}
}

// FuzzHistogram holds the reading of a message against Prometheus's decoder.
func FuzzHistogram(f *testing.F) {
	g := nativehisttest.New(rand.New(rand.NewPCG(3, 4)))
	for range 20 {
		ints, floats := g.Next()
		h := prompb.FromFloatHistogram(1000, floats0(floats))
		if ints != nil {
			h = prompb.FromIntHistogram(1000, ints)
		}
		msg, err := h.Marshal()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(msg)
	}
	f.Fuzz(func(t *testing.T, msg []byte) { compare(t, field(1, labelField("__name__", "m"), field(4, msg))) })
}

func floats0(h *histogram.FloatHistogram) *histogram.FloatHistogram {
	if h == nil {
		return new(histogram.FloatHistogram)
	}
	return h
}

// TestStaleHistograms: a marker that ends a histogram series is a histogram.
func TestStaleHistograms(t *testing.T) {
	d := openReceiver(t, ingest.Config{}, Config{}, nil)
	marker := histogramsV1(t, 1000, 2000)
	marker.Histograms[1] = prompb.FromFloatHistogram(2000, &histogram.FloatHistogram{Sum: segment.Stale(), Count: math.NaN()})
	if code, text, _ := d.post(d.Write(), packSnappy(t, marker)); code != 204 {
		t.Fatalf("answered %d %q", code, text)
	}
	for r := range sequence.Region(2) {
		for _, fl := range d.store.Log(r + 1) {
			seg := &fl.Segments[0]
			if len(fl.Segments) != 1 || !seg.HasStale || !segment.IsStale(seg.Values[1]) || len(seg.Histograms) != 2 || len(seg.Histograms[1]) != 2 {
				t.Errorf("stored as %+v", fl.Segments)
			}
		}
	}
}

// TestHistogramBytesAreHeld: payloads count against the budget, and end a flush
// and a segment early.
func TestHistogramBytesAreHeld(t *testing.T) {
	series := ts("__name__ up job a")
	for i := range int64(30) {
		h := histogramAt(1000 + i)
		h.PositiveSpans, h.PositiveBuckets, h.Count = []histogram.Span{{Length: 70_000}}, make([]int64, 70_000), 1
		for j := range h.PositiveBuckets {
			h.PositiveBuckets[j] = int64(j%2)*400_000 - 200_000*int64(j&1)
		}
		h.PositiveBuckets[0] = 1 << 40
		h.Count = h.ZeroCount
		var at int64
		for _, delta := range h.PositiveBuckets {
			at += delta
			h.Count += uint64(at)
		}
		series.Histograms = append(series.Histograms, prompb.FromIntHistogram(1000+i, h))
	}
	d := openReceiver(t, ingest.Config{BufferBytes: 1 << 20}, Config{}, nil)
	if code, text, _ := d.post(d.Write(), packSnappy(t, series)); code != 204 {
		t.Fatalf("answered %d %q", code, text)
	}
	segments := 0
	for r := range sequence.Region(2) {
		for _, fl := range d.store.Log(r + 1) {
			for i := range fl.Segments {
				segments++
				size := 0
				for _, payload := range fl.Segments[i].Histograms {
					size += len(payload)
				}
				if size > segment.MaxHistogramBytes {
					t.Errorf("a segment of %d bytes", size)
				}
			}
		}
	}
	if segments < 2 {
		t.Errorf("%d segments", segments)
	}
	if used := d.metric("buffer_bytes", ""); used != 0 {
		t.Errorf("%v bytes of the budget are still taken", used)
	}
}
