package samples

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sort"

	"laminar/flownode/keep"
	"laminar/sequence"
	"laminar/sequence/segment"
)

// Source is what samples are read from: a snapshot of the raw data.
type Source interface {
	// ReadRaw calls fn for every segment, sealed and hot, that overlaps the selection,
	// in such an order that of two samples of one series and time the one with the
	// higher sequence comes later. With several functions each gets the segments of
	// regions of its own, and different ones may be called at the same time.
	ReadRaw(ctx context.Context, sel segment.Select, fns ...func(*segment.Segment) error) error
}

// Meter counts what is held, and refuses with an error what is too much. It may be
// called by several goroutines at once.
type Meter interface {
	Take(samples int, bytes int64) error
}

// sampleBytes is what a sample takes: its time and its value.
const sampleBytes = 16

// Column is the samples of one series.
//
//	len(Times) == len(Values), Times ascend strictly
//	Histograms is nil if there are floats only; else it is as long as Times, with the
//	payload of each native histogram (package nativehist) and nil for each float
//
// The value of a histogram is its sum.
type Column struct {
	Times      []int64 // ms
	Values     []float64
	Histograms [][]byte

	unsorted bool // while it is read: the times do not ascend
}

// Add adds a sample that is newer than those that are there; payload is nil for a float.
func (c *Column) Add(t int64, v float64, payload []byte) {
	c.Times, c.Values = append(c.Times, t), append(c.Values, v)
	if payload == nil && c.Histograms == nil {
		return
	}
	for len(c.Histograms) < len(c.Times)-1 {
		c.Histograms = append(c.Histograms, nil) // floats that came before
	}
	c.Histograms = append(c.Histograms, payload)
}

// Read reads the samples of the series in the span: column i of the result is those of
// ids[i]. The ids are distinct and of the metrics; lanes is how many goroutines may
// take samples.
func Read(ctx context.Context, from Source, metrics []sequence.MetricID, ids []sequence.SeriesID, span sequence.Span, lanes int, meter Meter) ([]Column, error) {
	r := &reading{span: span, columns: make([]Column, len(ids)), meter: meter}
	for i, id := range ids {
		r.index.Set(id, int32(i))
	}
	fns := make([]func(*segment.Segment) error, max(1, lanes))
	for i := range fns {
		fns[i] = r.take
	}
	if err := from.ReadRaw(ctx, segment.Select{Metrics: metrics, Span: span}, fns...); err != nil {
		return nil, fmt.Errorf("read raw samples in %s: %w", span, err)
	}
	for i := range r.columns {
		if r.columns[i].unsorted {
			r.columns[i].sortKeepLast()
		}
	}
	return r.columns, nil
}

// reading is samples while they are read. Its index does not change then; each column
// is written by the goroutine that has the region of its series.
type reading struct {
	span    sequence.Span
	index   keep.SlotIndex // of columns by series
	columns []Column
	meter   Meter
}

// take takes the samples of a segment that are wanted.
func (r *reading) take(seg *segment.Segment) error {
	taken, bytes := 0, int64(0)
	for from := 0; from < seg.Len(); {
		id := seg.Series[from]
		to := from + 1
		for to < seg.Len() && seg.Series[to] == id {
			to++
		}
		if c := r.index.Get(id); c != keep.NoSlot {
			n, more := r.columns[c].take(seg, from, to, r.span)
			taken, bytes = taken+n, bytes+more
		}
		from = to
	}
	if taken == 0 {
		return nil
	}
	return r.meter.Take(taken, bytes+int64(taken)*sampleBytes)
}

// take takes samples from to to of a segment, which are of this series, where they lie
// in the span. It returns how many these are, and the bytes of their payloads.
func (c *Column) take(seg *segment.Segment, from, to int, span sequence.Span) (taken int, bytes int64) {
	// Those of a sealed segment ascend.
	if seg.Sealed && !span.Covers(seg.Span()) {
		offsets := seg.Offsets[from:to]
		after, upTo := span.After-seg.Base, span.UpTo-seg.Base
		to = from + sort.Search(len(offsets), func(i int) bool { return int64(offsets[i]) > upTo })
		from += sort.Search(len(offsets), func(i int) bool { return int64(offsets[i]) > after })
	}
	if from >= to {
		return 0, 0
	}
	last := int64(math.MinInt64)
	if n := len(c.Times); n > 0 {
		last = c.Times[n-1]
	}
	before := len(c.Times)
	c.Times, c.Values = slices.Grow(c.Times, to-from), slices.Grow(c.Values, to-from)
	for i := from; i < to; i++ {
		t := seg.Base + int64(seg.Offsets[i])
		if !span.Holds(t) {
			continue
		}
		c.unsorted = c.unsorted || t <= last
		last = t
		var payload []byte
		if seg.Histograms != nil {
			payload = slices.Clone(seg.Histograms[i]) // the segment is valid only while it is read
			bytes += int64(24 + len(payload))
		}
		c.Add(t, seg.Values[i], payload)
	}
	return len(c.Times) - before, bytes
}

// sortKeepLast puts the samples in the order of their times. Of those at one time the
// one that was read last stays, be it a float or a histogram.
func (c *Column) sortKeepLast() {
	c.unsorted = false
	if c.Histograms == nil {
		c.Times, c.Values = keep.SortKeepLast(c.Times, c.Values)
		return
	}
	sort.Stable((*mixed)(c))
	n := 0
	for i := range c.Times {
		if n > 0 && c.Times[n-1] == c.Times[i] {
			n--
		}
		c.Times[n], c.Values[n], c.Histograms[n] = c.Times[i], c.Values[i], c.Histograms[i]
		n++
	}
	c.Times, c.Values, c.Histograms = c.Times[:n], c.Values[:n], c.Histograms[:n]
}

// mixed sorts the three arrays by time.
type mixed Column

func (m *mixed) Len() int           { return len(m.Times) }
func (m *mixed) Less(i, j int) bool { return m.Times[i] < m.Times[j] }
func (m *mixed) Swap(i, j int) {
	m.Times[i], m.Times[j] = m.Times[j], m.Times[i]
	m.Values[i], m.Values[j] = m.Values[j], m.Values[i]
	m.Histograms[i], m.Histograms[j] = m.Histograms[j], m.Histograms[i]
}
