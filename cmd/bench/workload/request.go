package workload

import (
	"encoding/binary"
	"math"
	"sync"

	"github.com/golang/snappy"
)

// Request is one body that is ready to be sent.
type Request struct {
	Body    []byte // snappy around a remote write 1.0 message
	Samples int    // in it
}

// Load is prepared requests: each lane is for one connection and keeps its
// order, so that no sample overtakes an earlier one of its series.
type Load struct {
	Lanes   [][]Request
	Samples int // in all of it
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

// lane makes the requests of lane n.
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
			raw = AppendSample(raw, s.Series.Labels[i], s.at(i, k), s.Series.value(i, k))
			if count++; count == SamplesPerRequest {
				flush()
			}
		}
	}
	flush()
	return out
}

// AppendSample appends a TimeSeries with one sample to a WriteRequest. Its labels
// are those of Series.Labels, its time is in ms since 1970.
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
