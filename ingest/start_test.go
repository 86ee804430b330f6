package ingest

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/prometheus/model/histogram"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"laminar/ingest/ingesttest"
	"laminar/ingest/refusal"
	"laminar/sequence"
	"laminar/sequence/nativehist/nativehisttest"
	"laminar/sequence/segment"
)

// startKind is a kind of samples that may have start timestamps.
type startKind struct {
	name string
	add  func(e *entry, at, v, start int64)
	// stamp is what is stored of a sample; that of a zero where v is 0.
	stamp func(v int64) uint64
}

// startKinds are floats, and native histograms of which 0 is the empty one that
// Prometheus puts at a start timestamp.
func startKinds() []startKind {
	of := func(v int64) *histogram.Histogram {
		h := histogramAt(v)
		if v == 0 {
			h = &histogram.Histogram{CounterResetHint: histogram.CounterReset, Schema: h.Schema, ZeroThreshold: h.ZeroThreshold}
		}
		return h
	}
	custom := func(v int64) *histogram.FloatHistogram {
		h := &histogram.FloatHistogram{Schema: histogram.CustomBucketsSchema, CustomValues: []float64{0.5, 2.5}}
		if v == 0 {
			h.CounterResetHint = histogram.CounterReset
			return h
		}
		h.Count, h.Sum = float64(v)+0.5, 3
		h.PositiveSpans, h.PositiveBuckets = []histogram.Span{{Offset: 1, Length: 1}}, []float64{h.Count}
		return h
	}
	encoded := func(payload []byte, sum float64) uint64 { return ingesttest.Stamp(sum, payload) }
	return []startKind{
		{
			"floats", func(e *entry, at, v, start int64) {
				e.series.Samples = append(e.series.Samples, started(at, float64(v), start))
			},
			func(v int64) uint64 { return bits(float64(v)) },
		},
		{
			"histograms", func(e *entry, at, v, start int64) {
				e.series.Histograms = append(e.series.Histograms, writev2.FromIntHistogram(start, at, of(v)))
			},
			func(v int64) uint64 { return encoded(nativehisttest.Encode(of(v), nil)) },
		},
		{
			"histograms with float counts and custom bounds", func(e *entry, at, v, start int64) {
				e.series.Histograms = append(e.series.Histograms, writev2.FromFloatHistogram(start, at, custom(v)))
			},
			func(v int64) uint64 { return encoded(nativehisttest.Encode(nil, custom(v))) },
		},
	}
}

// histogramAt is a valid histogram that tells its time.
func histogramAt(t int64) *histogram.Histogram {
	return &histogram.Histogram{
		Schema: 2, Count: uint64(t) + 3, Sum: float64(t) / 7, ZeroThreshold: 0.001, ZeroCount: 1,
		PositiveSpans: []histogram.Span{{Offset: -2, Length: 1}, {Offset: 3, Length: 1}}, PositiveBuckets: []int64{2, t - 2},
	}
}

// TestStartTimestamps has a row for every way a start timestamp can stand to
// the samples of its series. Each inner list is one request; it is committed
// before the next begins.
func TestStartTimestamps(t *testing.T) {
	type sample struct{ t, v, start int64 }
	for _, row := range []struct {
		name     string
		requests [][]sample
		want     map[int64]float64
	}{
		{"first sample", [][]sample{{{1000, 7, 900}}}, map[int64]float64{900: 0, 1000: 7}},
		{"the same start again", [][]sample{{{1000, 7, 900}}, {{2000, 8, 900}}}, map[int64]float64{900: 0, 1000: 7, 2000: 8}},
		{"in one request", [][]sample{{{1000, 7, 900}, {2000, 8, 900}}}, map[int64]float64{900: 0, 1000: 7, 2000: 8}},
		{"a restart", [][]sample{{{1000, 7, 900}}, {{2000, 1, 1500}}}, map[int64]float64{900: 0, 1000: 7, 1500: 0, 2000: 1}},
		{"a restart in one request", [][]sample{{{1000, 7, 900}, {2000, 1, 1500}}}, map[int64]float64{900: 0, 1000: 7, 1500: 0, 2000: 1}},
		{"none", [][]sample{{{1000, 7, 0}}}, map[int64]float64{1000: 7}},
		{"at the last sample", [][]sample{{{1000, 7, 0}}, {{2000, 8, 1000}}}, map[int64]float64{1000: 7, 2000: 8}},
		{"before the last sample", [][]sample{{{1000, 7, 0}}, {{2000, 8, 900}}}, map[int64]float64{1000: 7, 2000: 8}},
		{"at its sample", [][]sample{{{1000, 7, 1000}}}, map[int64]float64{1000: 7}},
		{"after its sample", [][]sample{{{1000, 7, 1001}}}, map[int64]float64{1000: 7}},
		{"before 1970", [][]sample{{{1000, 7, -1}}}, map[int64]float64{1000: 7}},
		{"before what retention keeps", [][]sample{{{1000, 7, 499}}}, map[int64]float64{1000: 7}},
		{"where retention begins", [][]sample{{{1000, 7, 500}}}, map[int64]float64{500: 0, 1000: 7}},
		{"of a late sample", [][]sample{{{2000, 7, 0}}, {{1000, 5, 900}}}, map[int64]float64{1000: 5, 2000: 7}},
		{"late within the request", [][]sample{{{2000, 7, 0}, {1000, 5, 900}}}, map[int64]float64{1000: 5, 2000: 7}},
		{"a sample stands there", [][]sample{{{2000, 7, 900}, {900, 5, 0}}}, map[int64]float64{900: 5, 2000: 7}},
		{"a day before", [][]sample{{{200_000_000, 7, 1000}}}, map[int64]float64{1000: 0, 200_000_000: 7}},
		{"of a refused sample", [][]sample{{{1000, 1, 0}}, {{499, 5, 400}}}, map[int64]float64{1000: 1}},
	} {
		for _, kind := range startKinds() {
			for _, zeros := range []bool{true, false} {
				t.Run(fmt.Sprintf("%s/%s/%v", row.name, kind.name, zeros), func(t *testing.T) {
					d := openReceiver(t, Config{StartZeros: zeros}, func(s *memStore) { s.Earliest = 500 })
					// What retention has given up is learnt from the first flush.
					if err := d.post(ts("__name__ other", at(1000, 1))); err != nil {
						t.Fatal(err)
					}
					want := map[key]uint64{{Labels: "__name__\xffother\xff", T: 1000}: bits(1)}
					for _, samples := range row.requests {
						e, taken := ts("__name__ m"), 0
						for _, s := range samples {
							kind.add(&e, s.t, s.v, s.start)
							if s.t >= 500 {
								taken++
								want[key{Labels: "__name__\xffm\xff", T: s.t}] = kind.stamp(s.v)
							}
						}
						confirmed := Tally{Samples: taken}
						if len(e.series.Histograms) > 0 {
							confirmed = Tally{Histograms: taken}
						}
						if written, _ := d.send(e); written != confirmed {
							t.Errorf("%+v is confirmed as written, want %+v", written, confirmed)
						}
					}
					for at, v := range row.want {
						if zeros && v == 0 {
							want[key{Labels: "__name__\xffm\xff", T: at}] = kind.stamp(0)
						}
					}
					d.store.Require(t, want)
				})
			}
		}
	}
}

// TestStartTimestampsAgainstModel holds random histories against the rule taken
// word by word: several requests share a flush, some flushes fail and come
// again, the database refuses contents and retention moves.
func TestStartTimestampsAgainstModel(t *testing.T) {
	zeros := 0
	for seed := range uint64(200) {
		zeros += startHistory(t, seed)
	}
	if zeros < 200 {
		t.Errorf("only %d zeros were written in all: the test tests little", zeros)
	}
}

// modelSeries is what the model knows of one series.
type modelSeries struct {
	newest  int64 // committed
	written bool
}

func startHistory(t *testing.T, seed uint64) (zeros int) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 3))
	store := ingesttest.New(1)
	d := newReceiver(t, store, Config{StartZeros: true})
	f := d.flushers[0]
	content, known := map[key]uint64{}, map[string]modelSeries{}
	clock := int64(1000)
	kinds := startKinds()
	for range 30 {
		clock += 100
		store.Earliest = max(store.Earliest, rng.Int64N(clock/2))
		var failure error
		switch rng.IntN(8) {
		case 0:
			failure = sequence.ErrUnavailable
		case 1:
			failure = sequence.ErrBadContent // of the flush as a whole
		}
		store.OnCommit = func(sequence.Flush, []segment.Segment) (bool, error) {
			err := failure
			failure = nil
			return err == nil, err
		}
		refused, unavailable := errors.Is(failure, sequence.ErrBadContent), errors.Is(failure, sequence.ErrUnavailable)
		requests := 1 + rng.IntN(3)
		if refused {
			requests = 2 // then each is written by itself, else the only one is lost
		}
		flush := map[key]uint64{}
		newest := map[string]modelSeries{}
		for range requests {
			if refused {
				newest = map[string]modelSeries{}
			}
			var entries []entry
			for range 1 + rng.IntN(3) {
				labels := fmt.Sprintf("__name__ m%d", rng.IntN(4))
				canonical := fmt.Sprintf("__name__\xff%s\xff", labels[len("__name__ "):])
				e, kind := ts(labels), kinds[rng.IntN(len(kinds))]
				for range 1 + rng.IntN(2) {
					v := 1 + rng.Int64N(1<<40)
					s := started(clock+rng.Int64N(200)-150, float64(v), clock-rng.Int64N([]int64{400, clock}[rng.IntN(2)]))
					kind.add(&e, s.Timestamp, v, s.StartTimestamp)
					if s.Timestamp < store.Earliest {
						continue
					}
					last := known[canonical]
					if in := newest[canonical]; in.written && (!last.written || in.newest > last.newest) {
						last = in
					}
					if z := s.StartTimestamp; z > 0 && z < s.Timestamp && z >= store.Earliest && (!last.written || z > last.newest) {
						if _, taken := flush[key{Labels: canonical, T: z}]; !taken {
							flush[key{Labels: canonical, T: z}] = kind.stamp(0)
							zeros++
						}
					}
					flush[key{Labels: canonical, T: s.Timestamp}] = kind.stamp(v)
					if in := newest[canonical]; !in.written || s.Timestamp > in.newest {
						newest[canonical] = modelSeries{s.Timestamp, true}
					}
				}
				entries = append(entries, e)
			}
			in, err := d.Begin(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			in.times = refusal.AnyTime()
			for _, e := range entries {
				if err := in.put(d.table, e); err != nil {
					t.Fatal(err)
				}
			}
			b := in.batches.take(1)
			b.request, b.budget = newRequest(), d.budget
			b.request.pending.Store(2) // nobody waits for it
			if !f.buf.add(b) {
				t.Fatal("buffer is closed")
			}
			in.End()
			if refused { // every request is a flush of its own
				commitModel(content, known, flush)
				flush = map[key]uint64{}
			}
		}
		f.flush(t.Context(), f.buf.take())
		if !unavailable {
			commitModel(content, known, flush)
		}
	}
	got := store.Content()
	for k, v := range content {
		if got[k] != v {
			t.Fatalf("seed %d: %q at %d is %x, want %x", seed, k.Labels, k.T, got[k], v)
		}
	}
	if len(got) != len(content) {
		t.Fatalf("seed %d: %d samples are stored, want %d", seed, len(got), len(content))
	}
	return int(testutil.ToFloat64(d.metrics.zeros))
}

// commitModel takes a flush into the model's content.
func commitModel(content map[key]uint64, known map[string]modelSeries, flush map[key]uint64) {
	for k, v := range flush {
		content[k] = v
		if s := known[k.Labels]; !s.written || k.T > s.newest {
			known[k.Labels] = modelSeries{k.T, true}
		}
	}
}
