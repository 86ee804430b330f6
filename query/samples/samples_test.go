package samples

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"

	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"laminar/sequence"
	"laminar/sequence/nativehist"
	"laminar/sequence/segment"
)

// source hands on segments by region, each region to one function, at the same time.
type source map[sequence.Region][]*segment.Segment

func (s source) ReadRaw(_ context.Context, _ segment.Select, fns ...func(*segment.Segment) error) error {
	var group sync.WaitGroup
	errs := make([]error, len(s))
	for i, r := range slices.Sorted(maps.Keys(s)) {
		group.Go(func() {
			for _, seg := range s[r] {
				if errs[i] = fns[i%len(fns)](seg); errs[i] != nil {
					return
				}
			}
		})
	}
	group.Wait()
	return errors.Join(errs...)
}

// count is a Meter.
type count struct {
	mu             sync.Mutex
	samples, limit int
	bytes          int64
}

var errFull = errors.New("full")

func (c *count) Take(samples int, bytes int64) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.samples, c.bytes = c.samples+samples, c.bytes+bytes
	if c.limit > 0 && c.samples > c.limit {
		return errFull
	}
	return nil
}

// point is a sample as a test knows it; histograms by their count.
type point struct {
	v float64
	h uint64
}

// random makes segments of two regions, as they may be stored, and what is in them in
// the end by series and time.
func random(t *testing.T, rng *rand.Rand) (source, map[sequence.SeriesID]map[int64]point) {
	t.Helper()
	src, want := source{}, map[sequence.SeriesID]map[int64]point{}
	for region := sequence.Region(1); region <= 2; region++ {
		for range 1 + rng.IntN(6) {
			seg := &segment.Segment{Region: region, Base: int64(rng.IntN(500)), Sealed: rng.IntN(2) == 0}
			hists := rng.IntN(4) == 0
			type key struct {
				id sequence.SeriesID
				t  int64
			}
			var keys []key
			for range 1 + rng.IntN(60) {
				keys = append(keys, key{sequence.SeriesID(int(region)*100 + rng.IntN(5)), seg.Base + int64(rng.IntN(300))})
			}
			if seg.Sealed {
				slices.SortFunc(keys, func(a, b key) int { return int(a.id-b.id)*10_000 + int(a.t-b.t) })
				keys = slices.Compact(keys)
			}
			for _, k := range keys {
				p := point{v: rng.Float64()}
				seg.Series, seg.Offsets = append(seg.Series, k.id), append(seg.Offsets, int32(k.t-seg.Base))
				if hists {
					p.h = uint64(1 + rng.IntN(100))
					payload, err := nativehist.Append(nil, &histogram.Histogram{Count: p.h, Sum: p.v, ZeroThreshold: 1, ZeroCount: p.h})
					if err != nil {
						t.Fatal(err)
					}
					seg.Histograms, seg.Values = append(seg.Histograms, payload), append(seg.Values, p.v)
				} else {
					seg.Values = append(seg.Values, p.v)
				}
				if want[k.id] == nil {
					want[k.id] = map[int64]point{}
				}
				want[k.id][k.t] = p
			}
			seg.MinT, seg.MaxT = seg.Time(0), seg.Time(0)
			for i := range keys {
				seg.MinT, seg.MaxT = min(seg.MinT, seg.Time(i)), max(seg.MaxT, seg.Time(i))
			}
			src[region] = append(src[region], seg)
		}
	}
	return src, want
}

// TestReadEqualsNaive reads random segments, sealed and hot, late and overwriting, floats
// and histograms, and compares every series with the last value that was written at each
// time; it is walked by Next and by Seek.
func TestReadEqualsNaive(t *testing.T) {
	for seed := range uint64(500) {
		rng := rand.New(rand.NewPCG(seed, 1))
		src, want := random(t, rng)
		var ids []sequence.SeriesID
		for id := range want {
			if rng.IntN(4) > 0 {
				ids = append(ids, id)
			}
		}
		after := int64(rng.IntN(400))
		span := sequence.Span{After: after, UpTo: after + int64(rng.IntN(500))}
		meter := &count{}
		columns, err := Read(t.Context(), src, []sequence.MetricID{1}, ids, span, 1+rng.IntN(3), meter)
		if err != nil {
			t.Fatal(err)
		}
		held := 0
		for i, id := range ids {
			var times []int64
			for at := range want[id] {
				if span.Holds(at) {
					times = append(times, at)
				}
			}
			slices.Sort(times)
			if !slices.Equal(columns[i].Times, times) {
				t.Fatalf("seed %d: series %d has %v, want %v", seed, id, columns[i].Times, times)
			}
			held += len(times)
			if got, want := walk(t, columns[i].Iterator(nil)), spell(times, want[id]); got != want {
				t.Fatalf("seed %d: series %d is %s, want %s", seed, id, got, want)
			}
			// Any way of seeking and stepping lands where a search through all would.
			it, at := columns[i].Iterator(nil), -1
			for range 20 {
				if rng.IntN(2) == 0 {
					at = min(at+1, len(times))
					it.Next()
				} else {
					to := after + int64(rng.IntN(600)) - 50
					at = max(at, 0)
					for at < len(times) && times[at] < to {
						at++
					}
					it.Seek(to)
				}
				if at == len(times) {
					if kind := it.Next(); kind != chunkenc.ValNone {
						t.Fatalf("seed %d: there is a %s behind the end", seed, kind)
					}
					break
				}
				if it.AtT() != times[at] {
					t.Fatalf("seed %d: the iterator is at %d, want %d of %v", seed, it.AtT(), times[at], times)
				}
			}
		}
		if meter.samples < held || meter.bytes < int64(16*held) {
			t.Fatalf("seed %d: %d samples and %d bytes were counted, %d are held", seed, meter.samples, meter.bytes, held)
		}
	}
}

// walk spells what an iterator gives.
func walk(t *testing.T, it chunkenc.Iterator) (text string) {
	t.Helper()
	for kind := it.Next(); kind != chunkenc.ValNone; kind = it.Next() {
		switch kind {
		case chunkenc.ValFloat:
			at, v := it.At()
			text += fmt.Sprintf("%d=%v ", at, v)
		default:
			at, h := it.AtHistogram(nil)
			_, fh := it.AtFloatHistogram(new(histogram.FloatHistogram))
			text += fmt.Sprintf("%d=%v#%d ", at, h.Sum, h.Count)
			if fh.Count != float64(h.Count) || fh.Sum != h.Sum {
				t.Fatalf("as floats it is %v, as integers %v", fh, h)
			}
		}
	}
	if it.Err() != nil {
		t.Fatal(it.Err())
	}
	return text
}

func spell(times []int64, points map[int64]point) (text string) {
	for _, at := range times {
		if p := points[at]; p.h > 0 {
			text += fmt.Sprintf("%d=%v#%d ", at, p.v, p.h)
		} else {
			text += fmt.Sprintf("%d=%v ", at, p.v)
		}
	}
	return text
}

// TestReadIsRefused: what the meter refuses ends the reading.
func TestReadIsRefused(t *testing.T) {
	src, want := random(t, rand.New(rand.NewPCG(1, 1)))
	ids := slices.Collect(maps.Keys(want))
	_, err := Read(t.Context(), src, []sequence.MetricID{1}, ids, sequence.Span{After: -1, UpTo: 10_000}, 2, &count{limit: 5})
	if !errors.Is(err, errFull) {
		t.Errorf("got %v", err)
	}
}

// TestBrokenPayload: a histogram that does not decode is an error, and not left out.
func TestBrokenPayload(t *testing.T) {
	c := Column{Times: []int64{1, 2}, Values: []float64{1, 2}, Histograms: [][]byte{nil, {99}}}
	it := c.Iterator(nil)
	if it.Next() != chunkenc.ValFloat || it.Next() != chunkenc.ValNone || !errors.Is(it.Err(), nativehist.ErrPayload) {
		t.Errorf("got %v", it.Err())
	}
}
