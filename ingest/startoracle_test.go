package ingest

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/prometheus/client_golang/prometheus/testutil"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/model/labels"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/util/teststorage"

	"laminar/sequence/nativehist"
	"laminar/sequence/nativehist/nativehisttest"
	"laminar/sequence/segment"
	"laminar/sequence/series"
)

// TestStartTimestampsAsPrometheus sends random requests, whose samples are in
// order because Prometheus takes no others, to Laminar and to Prometheus's own
// storage, by the calls of its remote write receiver. Both must hold the same
// samples, zeros among them.
func TestStartTimestampsAsPrometheus(t *testing.T) {
	zeros := 0.0
	for seed := range uint64(5) {
		rng := rand.New(rand.NewPCG(seed, 5))
		hists := nativehisttest.New(rng)
		prom := teststorage.New(t)
		d := openReceiver(t, Config{StartZeros: true}, nil)
		clocks := make([]int64, 4)
		for range 100 {
			var entries []entry
			for i := range clocks {
				e := ts(fmt.Sprintf("__name__ m i %d", i))
				// The receiver looks at an entry's floats first.
				for range rng.IntN(3) {
					clocks[i] += 1 + rng.Int64N(1000)
					e.series.Samples = append(e.series.Samples, started(clocks[i], rng.Float64(), startBefore(rng, clocks[i])))
				}
				for range rng.IntN(3) {
					clocks[i] += 1 + rng.Int64N(1000)
					start := startBefore(rng, clocks[i])
					if ints, floats := hists.Next(); ints != nil {
						e.series.Histograms = append(e.series.Histograms, writev2.FromIntHistogram(start, clocks[i], ints))
					} else {
						e.series.Histograms = append(e.series.Histograms, writev2.FromFloatHistogram(start, clocks[i], floats))
					}
				}
				entries = append(entries, e)
			}
			if err := d.post(entries...); err != nil {
				t.Fatalf("seed %d: answered %v", seed, err)
			}
			receive(t, prom, entries)
		}
		got, want := storedByLaminar(t, d.store), storedByPrometheus(t, prom)
		for k := range want {
			if got[k] != want[k] {
				t.Errorf("seed %d: %q at %d is %s, in Prometheus %s", seed, k.Labels, k.T, got[k], want[k])
			}
		}
		if !maps.Equal(got, want) {
			t.Fatalf("seed %d: %d samples are stored, %d by Prometheus", seed, len(got), len(want))
		}
		zeros += testutil.ToFloat64(d.metrics.zeros)
		if err := prom.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if zeros < 500 {
		t.Errorf("only %v zeros were written in all: the test tests little", zeros)
	}
}

// startBefore is none, or about where a start timestamp can stand to a sample
// and the one before it.
func startBefore(rng *rand.Rand, at int64) int64 {
	if rng.IntN(4) == 0 {
		return 0
	}
	return max(0, at+20-rng.Int64N(600))
}

// receive does what Prometheus's receiver does with start timestamps.
func receive(t *testing.T, prom storage.Appendable, entries []entry) {
	t.Helper()
	app := prom.Appender(t.Context())
	allowed := func(err error) {
		if err != nil && !errors.Is(err, storage.ErrOutOfOrderST) && !errors.Is(err, storage.ErrSTNewerThanSample) &&
			!errors.Is(err, storage.ErrOutOfOrderSample) && !errors.Is(err, storage.ErrDuplicateSampleForTimestamp) {
			t.Fatal(err)
		}
	}
	for _, e := range entries {
		ls := labels.FromStrings(e.labels...)
		for _, s := range e.series.Samples {
			if s.StartTimestamp != 0 {
				_, err := app.AppendSTZeroSample(0, ls, s.Timestamp, s.StartTimestamp)
				allowed(err)
			}
			if _, err := app.Append(0, ls, s.Timestamp, s.Value); err != nil {
				t.Fatal(err)
			}
		}
		for _, m := range e.series.Histograms {
			var ints *histogram.Histogram
			var floats *histogram.FloatHistogram
			if m.IsFloatHistogram() {
				floats = m.ToFloatHistogram()
			} else {
				ints = m.ToIntHistogram()
			}
			if m.StartTimestamp != 0 {
				_, err := app.AppendHistogramSTZeroSample(0, ls, m.Timestamp, m.StartTimestamp, ints, floats)
				allowed(err)
			}
			if _, err := app.AppendHistogram(0, ls, m.Timestamp, ints, floats); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := app.Commit(); err != nil {
		t.Fatal(err)
	}
}

// plainHistogram spells a histogram out, but for its hint: Prometheus makes
// hints anew from how its chunks follow each other.
func plainHistogram(h *histogram.FloatHistogram) string {
	if segment.IsStale(h.Sum) {
		return "stale histogram"
	}
	type plain histogram.FloatHistogram // without its String
	h = h.Copy().Compact(0)
	h.CounterResetHint = histogram.UnknownCounterReset
	return fmt.Sprintf("%+v", plain(*h))
}

func plainFloat(v float64) string { return fmt.Sprintf("%x", math.Float64bits(v)) }

func storedByLaminar(t *testing.T, s *memStore) map[key]string {
	t.Helper()
	out := map[key]string{}
	s.Each(func(k key, v float64, payload []byte) {
		if payload == nil {
			out[k] = plainFloat(v)
			return
		}
		h, err := nativehist.Decode(payload, v)
		if err != nil {
			t.Fatal(err)
		}
		out[k] = plainHistogram(h)
	})
	return out
}

func storedByPrometheus(t *testing.T, prom storage.Queryable) map[key]string {
	t.Helper()
	querier, err := prom.Querier(0, math.MaxInt64)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = querier.Close() }()
	out := map[key]string{}
	set := querier.Select(t.Context(), false, nil, labels.MustNewMatcher(labels.MatchEqual, "__name__", "m"))
	for set.Next() {
		one := set.At()
		var list []series.Label
		one.Labels().Range(func(l labels.Label) { list = append(list, series.Label{Name: l.Name, Value: l.Value}) })
		name := string(series.CanonicalLabels(nil, list))
		it := one.Iterator(nil)
		for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
			if kind == chunkenc.ValFloat {
				at, v := it.At()
				out[key{Labels: name, T: at}] = plainFloat(v)
				continue
			}
			at, h := it.AtFloatHistogram(nil)
			out[key{Labels: name, T: at}] = plainHistogram(h)
		}
		if err := it.Err(); err != nil {
			t.Fatal(err)
		}
	}
	if err := set.Err(); err != nil {
		t.Fatal(err)
	}
	return out
}
