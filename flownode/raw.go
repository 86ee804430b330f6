package flownode

import (
	"context"
	"fmt"
	"math"
	"sort"
	"sync"

	"laminar/sequence/segment"
)

// rawSamples is raw samples of some series over some time as they were read:
// what refills and batch windows are computed from. A column is one series.
//
// ReadRaw delivers samples so that of two of one series and time the one with
// the higher sequence comes later: keeping the last is the rule "the highest
// sequence wins" (I3). Nearly always each series' samples come in time order
// and each time once. The columns of which that is not so are noted, and put in
// order before they are used.
type rawSamples struct {
	m      *members
	series []segment.SeriesID // by column
	slot   []int32            // by column: the slot it folds into
	index  slotIndex          // of columns by series
	last   []int64            // by column: its newest time so far
	odd    map[int32]struct{} // columns that are not in time order

	*rawBuffer
	count int64 // samples taken in
}

// rawBuffer is the samples, which are parallel arrays.
type rawBuffer struct {
	column []int32
	ts     []int64
	vs     []float64
}

// defaultRawAtOnce is how many samples are held at a time where they are folded
// as they are read: 10 MB.
const defaultRawAtOnce = 512 << 10

// rawBuffers keeps buffers, which are large, from one reading to the next.
var rawBuffers = sync.Pool{New: func() any { return new(rawBuffer) }}

// newRawSamples is for members of m. Give it back with release.
func newRawSamples(m *members, series []segment.SeriesID) *rawSamples {
	r := &rawSamples{
		m: m, series: series,
		slot: make([]int32, len(series)), last: make([]int64, len(series)), odd: map[int32]struct{}{},
	}
	r.rawBuffer, _ = rawBuffers.Get().(*rawBuffer)
	for c, id := range series {
		r.slot[c], r.last[c] = m.index.get(id), math.MinInt64
		r.index.set(id, int32(c))
	}
	return r
}

// release gives the buffer back. The samples must not be used any more.
func (r *rawSamples) release() {
	r.clear()
	rawBuffers.Put(r.rawBuffer)
	r.rawBuffer = nil
}

// clear forgets the samples, and keeps in mind how far each column has come.
func (b *rawBuffer) clear() { b.column, b.ts, b.vs = b.column[:0], b.ts[:0], b.vs[:0] }

// take takes the columns' samples with after < t <= upTo in.
func (r *rawSamples) take(seg *segment.Segment, after, upTo int64) {
	if seg.MaxT <= after || seg.MinT > upTo {
		return
	}
	before := len(r.ts)
	for i, id := range seg.Series {
		c := r.index.get(id)
		if c == noSlot {
			continue
		}
		t := seg.Base + int64(seg.Offsets[i])
		if t <= after || t > upTo {
			continue
		}
		if t <= r.last[c] {
			r.odd[c] = struct{}{}
		} else {
			r.last[c] = t
		}
		r.column = append(r.column, c)
		r.ts = append(r.ts, t)
		r.vs = append(r.vs, seg.Values[i])
	}
	r.count += int64(len(r.ts) - before)
}

// read reads the series' samples with after < t <= upTo in the snapshot. When
// at least so many are held that it is full, it calls full, which may clear
// them.
func (r *rawSamples) read(ctx context.Context, snap Snapshot, after, upTo int64, limit int, full func()) error {
	if len(r.series) == 0 || upTo <= after {
		return nil
	}
	sel := segment.Select{Metrics: r.m.metrics, After: after, UpTo: upTo}
	if len(r.series) < len(r.m.series) {
		sel.Series = r.series
	}
	err := snap.ReadRaw(ctx, sel, func(seg *segment.Segment) error {
		if r.take(seg, after, upTo); len(r.ts) >= limit {
			full()
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("read raw samples of %s in (%d,%d]: %w", r.m.leaf.Text, after, upTo, err)
	}
	return nil
}

// readRaw reads the samples with after < t <= upTo of the wanted groups' series
// by column.
func readRaw(ctx context.Context, snap Snapshot, m *members, want groupSet, after, upTo int64) (*rawColumns, error) {
	raw := newRawSamples(m, m.seriesOf(want))
	defer raw.release()
	if err := raw.read(ctx, snap, after, upTo, math.MaxInt, nil); err != nil {
		return nil, err
	}
	return raw.columns(), nil
}

// columns sorts the samples by column.
func (r *rawSamples) columns() *rawColumns {
	counts := make([]int, len(r.slot))
	for _, c := range r.column {
		counts[c]++
	}
	ts, vs := make([]int64, len(r.ts)), make([]float64, len(r.ts))
	out := &rawColumns{slot: r.slot, ts: make([][]int64, len(r.slot)), vs: make([][]float64, len(r.slot))}
	for c, n := range counts {
		out.ts[c], ts = ts[:0:n], ts[n:]
		out.vs[c], vs = vs[:0:n], vs[n:]
	}
	for i, c := range r.column {
		out.ts[c], out.vs[c] = append(out.ts[c], r.ts[i]), append(out.vs[c], r.vs[i])
	}
	for c := range r.odd {
		out.ts[c], out.vs[c] = sortKeepLast(out.ts[c], out.vs[c])
	}
	return out
}

// foldInto adds all samples to pane state of slots slots.
func (r *rawSamples) foldInto(s store, slots int) {
	if len(r.odd) > 0 {
		r.columns().foldInto(s, slots)
		return
	}
	var crossing []int32 // slots of a stretch in which each sample is of another series
	for from := 0; from < len(r.column); {
		to := from + 1
		for to < len(r.column) && r.column[to] == r.column[from] {
			to++
		}
		if to-from > 1 {
			s.foldSorted(r.slot[r.column[from]], slots, r.ts[from:to], r.vs[from:to])
			from = to
			continue
		}
		crossing = crossing[:0]
		for to = from; to < len(r.column) && (to+1 == len(r.column) || r.column[to+1] != r.column[to]); to++ {
			crossing = append(crossing, r.slot[r.column[to]])
		}
		s.foldMixed(crossing, slots, r.ts[from:to], r.vs[from:to])
		from = to
	}
}

// rawColumns is raw samples by column, each time once, in time order.
type rawColumns struct {
	slot []int32     // by column: the slot it folds into
	ts   [][]int64   // by column
	vs   [][]float64 // by column
}

// sortKeepLast sorts samples by time and keeps, of those at one time, the last.
func sortKeepLast(ts []int64, vs []float64) ([]int64, []float64) {
	sort.Stable(&columns{ts, vs})
	n := 0
	for i := range ts {
		if n > 0 && ts[n-1] == ts[i] {
			n--
		}
		ts[n], vs[n] = ts[i], vs[i]
		n++
	}
	return ts[:n], vs[:n]
}

// columns sorts two arrays by the first.
type columns struct {
	ts []int64
	vs []float64
}

func (c *columns) Len() int           { return len(c.ts) }
func (c *columns) Less(i, j int) bool { return c.ts[i] < c.ts[j] }
func (c *columns) Swap(i, j int) {
	c.ts[i], c.ts[j] = c.ts[j], c.ts[i]
	c.vs[i], c.vs[j] = c.vs[j], c.vs[i]
}

// foldInto adds all samples to pane state of slots slots.
func (r *rawColumns) foldInto(s store, slots int) {
	for c, slot := range r.slot {
		s.foldSorted(slot, slots, r.ts[c], r.vs[c])
	}
}

// samples is how many samples there are.
func (r *rawColumns) samples() int64 {
	var n int64
	for _, ts := range r.ts {
		n += int64(len(ts))
	}
	return n
}
