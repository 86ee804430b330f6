package workload

import (
	"encoding/binary"
	"fmt"
	"math"
	"time"

	"github.com/prometheus/prometheus/prompb"
)

// Series is the series of a simulated set of targets, as senders write them. All
// receivers and rounds share it: once it is made, it does not change.
type Series struct {
	Jobs   []string // by series: its job, or its user, for the row tables' series table
	Labels [][]byte // by series: its labels as they stand in a TimeSeries message
	Target int      // series per target
	phase  int64    // ms over which the targets' scrapes are spread within an interval

	// value is what series i shows in scrape k. It depends on nothing else, so every
	// receiver gets the same samples.
	value func(i int, k int64) float64
}

// JobCount is how many jobs the series are spread over.
const JobCount = 10

// NodeSeries is n series as a node exporter has them: 500 per target, of 100
// metrics. Targets are scraped at times of their own within an interval. No two
// series differ in their metric only, so that functions can be computed over
// all metrics at once.
func NodeSeries(n int, interval time.Duration) *Series {
	const target, metrics = 500, 100
	f := &Series{Target: target, phase: interval.Milliseconds(), value: measured}
	for i := range n {
		host, k := i/target, i%target
		f.Add(host,
			prompb.Label{Name: "__name__", Value: fmt.Sprintf("node_subsystem%d_events_total", k%metrics)},
			prompb.Label{Name: "device", Value: fmt.Sprintf("dev%d", k)},
			prompb.Label{Name: "instance", Value: fmt.Sprintf("host-%04d.example.org:9100", host)},
			prompb.Label{Name: "job", Value: jobName(host)},
			prompb.Label{Name: "mode", Value: "idle"},
		)
	}
	return f
}

// RequestSeries is n series of one metric, http_requests_total, 100 per target,
// all scraped at one time, so that a scrape completes a window.
func RequestSeries(n int) *Series { return MetricSeries(n, 100, "http_requests_total") }

// MetricSeries is n series with so many per target, the metrics sharing them
// evenly.
func MetricSeries(n, target int, metrics ...string) *Series {
	f := &Series{Target: target, value: measured}
	for i := range n {
		host, k := i/target, i%target
		f.Add(host,
			prompb.Label{Name: "__name__", Value: metrics[k*len(metrics)/target]},
			prompb.Label{Name: "instance", Value: fmt.Sprintf("host-%05d.example.org:8080", host)},
			prompb.Label{Name: "job", Value: jobName(host)},
			prompb.Label{Name: "path", Value: fmt.Sprintf("/api/v1/resource%d", k)},
		)
	}
	return f
}

func jobName(host int) string { return fmt.Sprintf("job-%d", host%JobCount) }

// Add appends a series of the target with that number.
func (f *Series) Add(host int, labels ...prompb.Label) { f.add(jobName(host), labels...) }

func (f *Series) add(job string, labels ...prompb.Label) {
	var text []byte
	for i := range labels {
		text = append(text, 1<<3|2)
		text = binary.AppendUvarint(text, uint64(labels[i].Size()))
		raw, err := labels[i].Marshal()
		if err != nil {
			panic(err) // a message of two strings cannot fail
		}
		text = append(text, raw...)
	}
	f.Jobs = append(f.Jobs, job)
	f.Labels = append(f.Labels, text)
}

// Len is how many series there are.
func (f *Series) Len() int { return len(f.Labels) }

// measured is what the series of targets show: four of five are counters that grow
// by whole numbers at a pace of their own, the fifth a gauge with two decimals.
func measured(i int, k int64) float64 {
	noise := Mix(uint64(i)<<32 | uint64(k)&0xffffffff)
	if i%5 == 4 {
		return 50 + math.Round(1000*math.Sin(float64(i)+float64(k)/40))/25 + float64(noise%100)/100
	}
	pace := int64(Mix(uint64(i)) % 400)
	return float64(1000*pace + k*pace + int64(noise%uint64(pace/4+1)))
}

// Mix is the finalizer of MurmurHash3: neighbours get unrelated values, the same
// in every run.
func Mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}
