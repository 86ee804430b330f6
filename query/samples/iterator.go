package samples

import (
	"fmt"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"laminar/sequence"
	"laminar/sequence/nativehist"
)

// Iterator walks the samples; it uses again one that it has given before, or is given
// nil. The column must not change any more.
func (c *Column) Iterator(again chunkenc.Iterator) chunkenc.Iterator {
	it, ok := again.(*iterator)
	if !ok {
		it = new(iterator)
	}
	*it = iterator{c: c, at: -1}
	return it
}

// iterator stands at sample at of a column: -1 before the first step, len(Times) behind
// the last. Where it stands at a histogram, ints or floats is that one, decoded.
type iterator struct {
	c      *Column
	at     int
	ints   *histogram.Histogram
	floats *histogram.FloatHistogram
	err    error
}

// Next steps to the next sample.
func (it *iterator) Next() chunkenc.ValueType {
	if it.at < len(it.c.Times) {
		it.at++
	}
	return it.land()
}

// Seek steps to the first sample at t or later, never back. The engine seeks in steps
// that are short beside the column, so the end of the step is looked for in strides
// that double.
func (it *iterator) Seek(t sequence.Time) chunkenc.ValueType {
	times := it.c.Times
	at := max(it.at, 0)
	if at < len(times) && times[at] < t {
		low, stride := at, 1 // times[low] < t
		for low+stride < len(times) && times[low+stride] < t {
			low, stride = low+stride, stride*2
		}
		high := min(low+stride, len(times)) // times[high] >= t, or there is none
		for low+1 < high {
			if mid := int(uint(low+high) >> 1); times[mid] < t {
				low = mid
			} else {
				high = mid
			}
		}
		at = high
	}
	it.at = at
	return it.land()
}

// land says what is at the new place, and decodes a histogram there.
func (it *iterator) land() chunkenc.ValueType {
	it.ints, it.floats = nil, nil
	if it.at >= len(it.c.Times) || it.err != nil {
		return chunkenc.ValNone
	}
	if it.c.Histograms == nil || it.c.Histograms[it.at] == nil {
		return chunkenc.ValFloat
	}
	it.ints, it.floats, it.err = nativehist.DecodeAny(it.c.Histograms[it.at], it.c.Values[it.at])
	switch {
	case it.err != nil:
		it.err = fmt.Errorf("histogram at %d: %w", it.c.Times[it.at], it.err)
		return chunkenc.ValNone
	case it.ints != nil:
		return chunkenc.ValHistogram
	}
	return chunkenc.ValFloatHistogram
}

// At is the float that the iterator stands at.
func (it *iterator) At() (int64, float64) { return it.c.Times[it.at], it.c.Values[it.at] }

// AtHistogram is the histogram with integer counts that the iterator stands at.
func (it *iterator) AtHistogram(h *histogram.Histogram) (int64, *histogram.Histogram) {
	if h == nil {
		return it.AtT(), it.ints.Copy()
	}
	it.ints.CopyTo(h)
	return it.AtT(), h
}

// AtFloatHistogram is the histogram that the iterator stands at, with float counts.
func (it *iterator) AtFloatHistogram(fh *histogram.FloatHistogram) (int64, *histogram.FloatHistogram) {
	switch {
	case it.ints != nil:
		return it.AtT(), it.ints.ToFloat(fh)
	case fh == nil:
		return it.AtT(), it.floats.Copy()
	}
	it.floats.CopyTo(fh)
	return it.AtT(), fh
}

// AtT is the time of the sample.
func (it *iterator) AtT() int64 { return it.c.Times[it.at] }

// AtST is 0: start timestamps are not stored.
func (it *iterator) AtST() int64 { return 0 }

// Err is why the iterator ended early.
func (it *iterator) Err() error { return it.err }
