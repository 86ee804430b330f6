// Package lateness counts samples by how old they are when they come: what tells which
// watermark_delay lets windows close with nearly all of their samples.
//
// A request counts its samples in a Tally of its own, at about a nanosecond each for fresh
// ones, and adds it to the Histogram of the process. Nothing of it is stored.
package lateness

import (
	"math"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// bounds are the upper ends of the buckets but the last, ms, ascending. Samples of senders
// that keep up are in the first ones, which are looked at first.
var bounds = [...]int64{1000, 2000, 5000, 10_000, 30_000, 60_000, 300_000, 900_000, 3_600_000, 21_600_000, 86_400_000}

// buckets is how many there are.
const buckets = len(bounds) + 1

// Tally is the samples of one request. The zero Tally has none. It belongs to one goroutine.
type Tally struct {
	counts [buckets]uint64
	sum    int64 // of the ages, ms: in one request they are few enough
}

// Add counts a sample of an age, ms. One that is ahead of the clock has none.
func (t *Tally) Add(age int64) {
	age = max(age, 0)
	t.sum += age
	for i, bound := range bounds {
		if age <= bound {
			t.counts[i]++
			return
		}
	}
	t.counts[buckets-1]++
}

// Histogram is the samples of a process. It is a prometheus.Collector, and safe for
// concurrent use.
type Histogram struct {
	counts [buckets]atomic.Uint64
	sum    atomic.Uint64 // ms, the bits of a float64: samples of years ago would soon overflow an integer
	desc   *prometheus.Desc
}

// New makes a histogram, which is shown under a name.
func New(name, help string) *Histogram {
	return &Histogram{desc: prometheus.NewDesc(name, help, nil, nil)}
}

// Add adds the samples of a request.
func (h *Histogram) Add(t *Tally) {
	for i, n := range t.counts {
		if n > 0 {
			h.counts[i].Add(n)
		}
	}
	for {
		before := h.sum.Load()
		if h.sum.CompareAndSwap(before, math.Float64bits(math.Float64frombits(before)+float64(t.sum))) {
			return
		}
	}
}

// Describe implements prometheus.Collector.
func (h *Histogram) Describe(to chan<- *prometheus.Desc) { to <- h.desc }

// Collect implements prometheus.Collector.
func (h *Histogram) Collect(to chan<- prometheus.Metric) {
	var all uint64
	below := make(map[float64]uint64, len(bounds))
	for i := range h.counts {
		all += h.counts[i].Load()
		if i < len(bounds) {
			below[(time.Duration(bounds[i]) * time.Millisecond).Seconds()] = all
		}
	}
	to <- prometheus.MustNewConstHistogram(h.desc, all, math.Float64frombits(h.sum.Load())/1000, below)
}
