package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"
)

// fleetSeries is the series of a simulated set of targets, as senders write
// them. It never changes, so all receivers and rounds share it.
type fleetSeries struct {
	jobs   []string // by series: its job, for the row tables' series table
	labels [][]byte // by series: its labels as they stand in a TimeSeries message
	phase  int64    // ms over which the targets' scrapes are spread within an interval
	target int      // series per target
}

// jobCount is how many jobs the series are spread over.
const jobCount = 10

// nodeSeries is n series as a node exporter has them: 500 per target, of 100
// metrics. Targets are scraped at times of their own within an interval. No two
// series differ in their metric only, so that functions can be computed over
// all metrics at once.
func nodeSeries(n int, interval time.Duration) *fleetSeries {
	const target, metrics = 500, 100
	f := &fleetSeries{target: target, phase: interval.Milliseconds()}
	for i := range n {
		host, k := i/target, i%target
		f.add(host,
			prompb.Label{Name: "__name__", Value: fmt.Sprintf("node_subsystem%d_events_total", k%metrics)},
			prompb.Label{Name: "device", Value: fmt.Sprintf("dev%d", k)},
			prompb.Label{Name: "instance", Value: fmt.Sprintf("host-%04d.example.org:9100", host)},
			prompb.Label{Name: "job", Value: jobName(host)},
			prompb.Label{Name: "mode", Value: "idle"},
		)
	}
	return f
}

// requestSeries is n series of one metric, http_requests_total, 100 per target,
// all scraped at one time, so that a scrape completes a window.
func requestSeries(n int) *fleetSeries { return metricSeries(n, 100, "http_requests_total") }

// metricSeries is n series with so many per target, the metrics sharing them
// evenly.
func metricSeries(n, target int, metrics ...string) *fleetSeries {
	f := &fleetSeries{target: target}
	for i := range n {
		host, k := i/target, i%target
		f.add(host,
			prompb.Label{Name: "__name__", Value: metrics[k*len(metrics)/target]},
			prompb.Label{Name: "instance", Value: fmt.Sprintf("host-%05d.example.org:8080", host)},
			prompb.Label{Name: "job", Value: jobName(host)},
			prompb.Label{Name: "path", Value: fmt.Sprintf("/api/v1/resource%d", k)},
		)
	}
	return f
}

func jobName(host int) string { return fmt.Sprintf("job-%d", host%jobCount) }

func (f *fleetSeries) add(host int, labels ...prompb.Label) {
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
	f.jobs = append(f.jobs, jobName(host))
	f.labels = append(f.labels, text)
}

func (f *fleetSeries) len() int { return len(f.labels) }

// value is what series i shows in scrape k: four of five are counters that grow
// by whole numbers at a pace of their own, the fifth a gauge with two decimals.
// It depends on nothing else, so every receiver gets the same samples.
func value(i int, k int64) float64 {
	noise := mix(uint64(i)<<32 | uint64(k)&0xffffffff)
	if i%5 == 4 {
		return 50 + math.Round(1000*math.Sin(float64(i)+float64(k)/40))/25 + float64(noise%100)/100
	}
	pace := int64(mix(uint64(i)) % 400)
	return float64(1000*pace + k*pace + int64(noise%uint64(pace/4+1)))
}

// mix is the finalizer of MurmurHash3: neighbours get unrelated values.
func mix(x uint64) uint64 {
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	x ^= x >> 33
	x *= 0xc4ceb9fe1a85ec53
	return x ^ x>>33
}

// scrapes is a run of scrapes of the same series.
type scrapes struct {
	series   *fleetSeries
	start    time.Time // of scrape 0
	interval time.Duration
}

// at is the time of series i in scrape k, in ms since the epoch.
func (s scrapes) at(i int, k int64) int64 {
	t := s.start.UnixMilli() + k*s.interval.Milliseconds()
	if s.series.phase > 0 {
		t += int64(mix(uint64(i/s.series.target)) % uint64(s.series.phase))
	}
	return t
}

// time is when scrape k begins.
func (s scrapes) time(k int64) time.Time { return s.start.Add(time.Duration(k) * s.interval) }

// request is one body that is ready to be sent.
type request struct {
	body    []byte // snappy around a remote write 1.0 message
	samples int
}

// load is prepared requests: each lane is for one connection and keeps its
// order, so that no sample overtakes an earlier one of its series.
type load struct {
	lanes   [][]request
	samples int
}

// samplesPerRequest is what a Prometheus sends by default.
const samplesPerRequest = 2000

// prepare makes the requests of scrapes from <= k < to. Requests are full: they
// run on from one scrape into the next, as those of a sender's queue do.
func (s scrapes) prepare(from, to int64, lanes int) load {
	l := load{lanes: make([][]request, lanes)}
	var group sync.WaitGroup
	for n := range lanes {
		group.Go(func() { l.lanes[n] = s.lane(n, lanes, from, to) })
	}
	group.Wait()
	l.samples = s.series.len() * int(to-from)
	return l
}

// laneOf is the connection that carries series i. As in a Prometheus, whose
// shards divide series by their numbers, all connections carry equally many
// series, of all targets, and the choice depends on nothing else of a series.
func laneOf(i, lanes int) int {
	return (i%lanes + int(mix(uint64(i/lanes))%uint64(lanes))) % lanes
}

func (s scrapes) lane(n, lanes int, from, to int64) []request {
	var (
		out   []request
		raw   []byte
		count int
	)
	flush := func() {
		if count > 0 {
			out = append(out, request{snappy.Encode(nil, raw), count})
			raw, count = raw[:0], 0
		}
	}
	for k := from; k < to; k++ {
		for i := range s.series.len() {
			if laneOf(i, lanes) != n {
				continue
			}
			raw = appendSample(raw, s.series.labels[i], s.at(i, k), value(i, k))
			if count++; count == samplesPerRequest {
				flush()
			}
		}
	}
	flush()
	return out
}

// appendSample appends a TimeSeries with one sample to a WriteRequest.
func appendSample(raw, labels []byte, t int64, v float64) []byte {
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
