package main

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/prompb"

	"laminar/flownode/promeval"
	"laminar/sequence/segment"
)

// tortureSeries is how many series a history may come to have.
const tortureSeries = 24

// tortureModel is what the database must hold: every sample that was
// acknowledged, the last to be sent winning. It also makes up new samples.
type tortureModel struct {
	rng      *rand.Rand
	series   []*modelSeries
	active   int   // series that exist by now
	clock    int64 // newest event time, ms
	first    int64 // where event time begins, ms
	earliest int64 // samples before it have been given up; 0 when none were
	sent     [][]modelPoint
}

type modelSeries struct {
	labels  labels.Labels
	counter bool
	value   float64
	samples map[int64]float64
}

// modelPoint is one sample to be sent.
type modelPoint struct {
	series int
	t      int64
	v      float64
}

func newTortureModel(rng *rand.Rand, first int64) *tortureModel {
	m := &tortureModel{rng: rng, clock: first, first: first, active: 8}
	names := []string{"requests_total", "errors_total", "temperature"}
	for n := range tortureSeries {
		m.series = append(m.series, &modelSeries{
			labels: labels.FromStrings("__name__", names[n%3], "instance", fmt.Sprint("i", n/6),
				"job", fmt.Sprint("j", n%2), "n", fmt.Sprint(n)),
			counter: n%3 < 2,
			samples: map[int64]float64{},
		})
	}
	return m
}

// nextValue is what a series says next: counters with resets, gauges of eighths
// (their sums are exact), and now and then what is no number.
func (m *tortureModel) nextValue(i int) float64 {
	s := m.series[i]
	switch p := m.rng.IntN(100); {
	case p < 2:
		return segment.Stale()
	case p < 4 && !s.counter:
		return []float64{math.NaN(), math.Inf(1), math.Inf(-1)}[m.rng.IntN(3)]
	case s.counter && p < 10:
		s.value = float64(m.rng.IntN(5))
	case s.counter:
		s.value += float64(m.rng.IntN(50))
	default:
		s.value = float64(m.rng.IntN(2000)-1000) / 8
	}
	return s.value
}

// stretch is samples of most series in (from, from+span], some exactly on a
// border of windows. Of n senders that may each send at once, number i gets
// times of its own.
func (m *tortureModel) stretch(from, span int64, i, n int) []modelPoint {
	var out []modelPoint
	for s := range m.active {
		if m.rng.IntN(4) == 0 {
			continue
		}
		for t := from + m.rng.Int64N(15_000); t <= from+span; t += 15_000 {
			at := t
			if m.rng.IntN(5) == 0 {
				at -= at % 30_000
			}
			if at = at - at%int64(n) + int64(i); at >= m.oldest() {
				out = append(out, modelPoint{s, at, m.nextValue(s)})
			}
		}
	}
	return out
}

// scrape moves event time on.
func (m *tortureModel) scrape(i, n int) []modelPoint {
	span := 1 + m.rng.Int64N(90_000)
	points := m.stretch(m.clock, span, i, n)
	if i == n-1 {
		m.clock += span
		m.active = min(tortureSeries, m.active+m.rng.IntN(2))
	}
	return points
}

// late is samples of up to twenty minutes ago, seldom of long ago.
func (m *tortureModel) late(i, n int) []modelPoint {
	back := m.rng.Int64N(20 * 60_000)
	if m.rng.IntN(10) == 0 {
		back = m.rng.Int64N(m.clock - m.first + 1)
	}
	points := m.stretch(max(m.oldest(), m.clock-back), m.rng.Int64N(40_000), i, n)
	if m.rng.IntN(2) == 0 { // one late device
		s := m.rng.IntN(m.active)
		points = slices.DeleteFunc(points, func(p modelPoint) bool { return p.series != s })
	}
	return points
}

// again is samples that are there already, with the same or another value.
func (m *tortureModel) again(i, n int) []modelPoint {
	s := m.rng.IntN(m.active)
	times := slices.DeleteFunc(slices.Sorted(maps.Keys(m.series[s].samples)), func(t int64) bool { return t%int64(n) != int64(i) })
	var out []modelPoint
	for range min(len(times), 1+m.rng.IntN(8)) {
		t := times[m.rng.IntN(len(times))]
		v := m.series[s].samples[t]
		if m.rng.IntN(2) == 0 {
			v = m.nextValue(s)
		}
		out = append(out, modelPoint{s, t, v})
		if m.rng.IntN(5) == 0 { // twice in one request: the later one counts
			out = append(out, modelPoint{s, t, m.nextValue(s)})
		}
	}
	return out
}

// ahead is a sample by a sender whose clock is fast: it is now, and a bit, while
// event time is two days ago.
func (m *tortureModel) ahead(now int64) []modelPoint {
	s := m.rng.IntN(m.active)
	return []modelPoint{{s, now + m.rng.Int64N(120_000), m.nextValue(s)}}
}

// oldest is the first time that may still be sent.
func (m *tortureModel) oldest() int64 { return max(m.first, m.earliest) }

// acknowledged takes in a delivery.
func (m *tortureModel) acknowledged(points []modelPoint) {
	for _, p := range points {
		m.series[p.series].samples[p.t] = p.v
	}
	if len(points) > 0 {
		m.sent = append(m.sent, points)
	}
}

// giveUp forgets what is before a time.
func (m *tortureModel) giveUp(before int64) {
	m.earliest = before
	for _, s := range m.series {
		maps.DeleteFunc(s.samples, func(t int64, _ float64) bool { return t < before })
	}
	m.sent = nil // a resend could hold such samples
}

// held is a copy of the samples, by series.
func (m *tortureModel) held() []map[int64]float64 {
	out := make([]map[int64]float64, len(m.series))
	for i, s := range m.series {
		out[i] = maps.Clone(s.samples)
	}
	return out
}

// engineSamples is samples by series as Prometheus's engine wants them.
func (m *tortureModel) engineSamples(samples []map[int64]float64) promeval.Samples {
	var out promeval.Samples
	for i, points := range samples {
		if len(points) == 0 {
			continue
		}
		s := promeval.Series{Labels: m.series[i].labels, Times: slices.Sorted(maps.Keys(points))}
		for _, t := range s.Times {
			s.Values = append(s.Values, points[t])
		}
		out = append(out, s)
	}
	return out
}

// encode is a remote write 1.0 request, its samples in this order.
func (m *tortureModel) encode(points []modelPoint) ([]byte, error) {
	var req prompb.WriteRequest
	for _, p := range points {
		req.Timeseries = append(req.Timeseries, prompb.TimeSeries{
			Labels:  prompb.FromLabels(m.series[p.series].labels, nil),
			Samples: []prompb.Sample{{Timestamp: p.t, Value: p.v}},
		})
	}
	raw, err := req.Marshal()
	return snappy.Encode(nil, raw), err
}

// same reports whether two values are the same sample: bits, except that one
// NaN is as good as another.
func same(a, b float64) bool {
	return math.Float64bits(a) == math.Float64bits(b) ||
		math.IsNaN(a) && math.IsNaN(b) && segment.IsStale(a) == segment.IsStale(b)
}
