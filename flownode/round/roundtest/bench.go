package roundtest

import (
	"context"
	"fmt"
	"testing"

	"github.com/prometheus/prometheus/model/histogram"

	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/sequence/nativehist/nativehisttest"
	"laminar/sequence/segment"
	"laminar/sequence/series"
)

// NewBenchWorld is a flow over many series with one scrape per 15 s for the
// length of its range.
func NewBenchWorld(b testing.TB, promql string, count, scrapes int) *World {
	b.Helper()
	w := NewWorld(b, 1, 2, flowdef.ExecutorColumnar, fmt.Sprintf("flows: [{name: f, promql: '%s', every: 1m}]", promql))
	w.BenchSeries(count)
	for range scrapes {
		w.BenchScrape(count)
	}
	return w
}

// BenchSeries creates series of the metric m, in ten jobs.
func (w *World) BenchSeries(count int) {
	w.Series = w.Series[:0]
	for n := range count {
		w.Store.Series = append(w.Store.Series, series.Series{
			ID: sequence.SeriesID(n + 1), Metric: 1, Region: 1, Seq: 1,
			Labels: []series.Label{
				{Name: series.MetricName, Value: "m"}, {Name: "instance", Value: fmt.Sprint(n)}, {Name: "job", Value: fmt.Sprint(n % 10)},
			},
		})
	}
}

// BenchScrape commits one sample of every series.
func (w *World) BenchScrape(count int) {
	w.Clock += 15_000
	seg := segment.Segment{Metric: 1, Ordered: true, Base: segment.Bucket(w.Clock), MinT: w.Clock, MaxT: w.Clock}
	for n := range count {
		seg.Series = append(seg.Series, sequence.SeriesID(n+1))
		seg.Offsets = append(seg.Offsets, int32(w.Clock-seg.Base))
		seg.Values = append(seg.Values, float64(w.Clock/1000+int64(n)))
	}
	w.Store.Append(1, seg)
	w.Store.Now = w.Clock
}

// BenchNativeScrape commits one native histogram of 150 buckets of every series; each of
// them grows with every scrape.
func (w *World) BenchNativeScrape(count int) {
	w.Clock += 15_000
	n := float64((w.Clock - w.Base) / 15_000)
	h := &histogram.FloatHistogram{Schema: 5, ZeroThreshold: 1e-128, Sum: n, PositiveSpans: []histogram.Span{{Offset: -75, Length: 150}}}
	for i := range 150 {
		h.PositiveBuckets = append(h.PositiveBuckets, n*float64(1+i))
		h.Count += n * float64(1+i)
	}
	payload, sum := nativehisttest.Encode(nil, h)
	seg := segment.Segment{Metric: 1, Ordered: true, Base: segment.Bucket(w.Clock), MinT: w.Clock, MaxT: w.Clock}
	for n := range count {
		seg.Series = append(seg.Series, sequence.SeriesID(n+1))
		seg.Offsets = append(seg.Offsets, int32(w.Clock-seg.Base))
		seg.Values, seg.Histograms = append(seg.Values, sum), append(seg.Histograms, payload)
	}
	w.Store.Append(1, seg)
	w.Store.Now = w.Clock
}

// Discard takes results and stores nothing.
type Discard struct{}

// Commit says that everything was stored.
func (Discard) Commit(_ context.Context, rounds []progress.Round) ([]progress.Outcome, error) {
	return make([]progress.Outcome, len(rounds)), nil
}
