package lab

import (
	"encoding/binary"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"
)

// ScrapeInterval is the interval of a fleet that is scraped as prometheus.yml has it.
const ScrapeInterval = 15 * time.Second

// PerMinute is how many scrapes a window of a minute holds.
const PerMinute = int64(time.Minute / ScrapeInterval)

// FleetSeries is the series of a simulated set of targets, as senders write
// them. It never changes, so all receivers and rounds share it.
type FleetSeries struct {
	Jobs   []string // by series: its job, for the row tables' series table
	Labels [][]byte // by series: its labels as they stand in a TimeSeries message
	phase  int64    // ms over which the targets' scrapes are spread within an interval
	Target int      // series per target
}

// JobCount is how many jobs the series are spread over.
const JobCount = 10

// NodeSeries is n series as a node exporter has them: 500 per target, of 100
// metrics. Targets are scraped at times of their own within an interval. No two
// series differ in their metric only, so that functions can be computed over
// all metrics at once.
func NodeSeries(n int, interval time.Duration) *FleetSeries {
	const target, metrics = 500, 100
	f := &FleetSeries{Target: target, phase: interval.Milliseconds()}
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
func RequestSeries(n int) *FleetSeries { return MetricSeries(n, 100, "http_requests_total") }

// MetricSeries is n series with so many per target, the metrics sharing them
// evenly.
func MetricSeries(n, target int, metrics ...string) *FleetSeries {
	f := &FleetSeries{Target: target}
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

// Add adds a series of a host.
func (f *FleetSeries) Add(host int, labels ...prompb.Label) {
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
	f.Jobs = append(f.Jobs, jobName(host))
	f.Labels = append(f.Labels, text)
}

// Len is how many series there are.
func (f *FleetSeries) Len() int { return len(f.Labels) }

// value is what series i shows in scrape k: four of five are counters that grow
// by whole numbers at a pace of their own, the fifth a gauge with two decimals.
// It depends on nothing else, so every receiver gets the same samples.
func value(i int, k int64) float64 {
	noise := Mix(uint64(i)<<32 | uint64(k)&0xffffffff)
	if i%5 == 4 {
		return 50 + math.Round(1000*math.Sin(float64(i)+float64(k)/40))/25 + float64(noise%100)/100
	}
	pace := int64(Mix(uint64(i)) % 400)
	return float64(1000*pace + k*pace + int64(noise%uint64(pace/4+1)))
}

// Mix is the finalizer of MurmurHash3: neighbours get unrelated values.
func Mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// Scrapes is a run of scrapes of the same series.
type Scrapes struct {
	Series   *FleetSeries
	Start    time.Time // of scrape 0
	Interval time.Duration
}

// at is the time of series i in scrape k, in ms since the epoch.
func (s Scrapes) at(i int, k int64) int64 {
	t := s.Start.UnixMilli() + k*s.Interval.Milliseconds()
	if s.Series.phase > 0 {
		t += int64(Mix(uint64(i/s.Series.Target)) % uint64(s.Series.phase))
	}
	return t
}

// Time is when scrape k begins.
func (s Scrapes) Time(k int64) time.Time { return s.Start.Add(time.Duration(k) * s.Interval) }

// Request is one body that is ready to be sent.
type Request struct {
	Body    []byte // snappy around a remote write 1.0 message
	samples int
}

// Load is prepared requests: each lane is for one connection and keeps its
// order, so that no sample overtakes an earlier one of its series.
type Load struct {
	Lanes   [][]Request
	Samples int
}

// SamplesPerRequest is what a Prometheus sends by default.
const SamplesPerRequest = 2000

// Prepare makes the requests of scrapes from <= k < to. Requests are full: they
// run on from one scrape into the next, as those of a sender's queue do.
func (s Scrapes) Prepare(from, to int64, lanes int) Load {
	l := Load{Lanes: make([][]Request, lanes)}
	var group sync.WaitGroup
	for n := range lanes {
		group.Go(func() { l.Lanes[n] = s.lane(n, lanes, from, to) })
	}
	group.Wait()
	l.Samples = s.Series.Len() * int(to-from)
	return l
}

// laneOf is the connection that carries series i. As in a Prometheus, whose
// shards divide series by their numbers, all connections carry equally many
// series, of all targets, and the choice depends on nothing else of a series.
func laneOf(i, lanes int) int {
	return (i%lanes + int(Mix(uint64(i/lanes))%uint64(lanes))) % lanes
}

func (s Scrapes) lane(n, lanes int, from, to int64) []Request {
	var (
		out   []Request
		raw   []byte
		count int
	)
	flush := func() {
		if count > 0 {
			out = append(out, Request{snappy.Encode(nil, raw), count})
			raw, count = raw[:0], 0
		}
	}
	for k := from; k < to; k++ {
		for i := range s.Series.Len() {
			if laneOf(i, lanes) != n {
				continue
			}
			raw = AppendSample(raw, s.Series.Labels[i], s.at(i, k), value(i, k))
			if count++; count == SamplesPerRequest {
				flush()
			}
		}
	}
	flush()
	return out
}

// AppendSample appends a TimeSeries with one sample to a WriteRequest.
func AppendSample(raw, labels []byte, t int64, v float64) []byte {
	size := 9 + 1 + uvarintLen(uint64(t))
	raw = append(raw, 1<<3|2)
	raw = binary.AppendUvarint(raw, uint64(len(labels)+2+size))
	raw = append(raw, labels...)
	raw = append(raw, 2<<3|2, byte(size), 1<<3|1)
	raw = binary.LittleEndian.AppendUint64(raw, math.Float64bits(v))
	raw = append(raw, 2<<3)
	return binary.AppendUvarint(raw, uint64(t))
}

func uvarintLen(x uint64) int { return len(binary.AppendUvarint(nil, x)) }
