package flownode

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"sort"
	"sync"

	"laminar/sequence"
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
	m      *Members
	series []sequence.SeriesID            // by column
	slot   []int32                        // by column: the slot it folds into
	index  SlotIndex                      // of columns by series
	last   []int64                        // by column: its newest time so far
	odd    map[int32]struct{}             // columns that are not in time order
	only   func(slot int32, t int64) bool // which samples are wanted; nil for all

	*rawBuffer
	count int64 // samples taken in

	// Columns that are known not to come in time order, and their samples, which
	// clear does not forget.
	hold []bool // by column; nil for none
	held rawBuffer
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

// beside is for samples of others of the same series, which come to another
// goroutine at the same time: what is kept by column is shared, and each column
// is one goroutine's own. Settings are copied. Give it back with release, too.
func (r *rawSamples) beside() *rawSamples {
	b := *r
	b.odd, b.count, b.held = map[int32]struct{}{}, 0, rawBuffer{}
	b.rawBuffer, _ = rawBuffers.Get().(*rawBuffer)
	return &b
}

// newRawSamples is for members of m. Give it back with release.
func newRawSamples(m *Members, series []sequence.SeriesID) *rawSamples {
	r := &rawSamples{
		m: m, series: series,
		slot: make([]int32, len(series)), last: make([]int64, len(series)), odd: map[int32]struct{}{},
	}
	r.rawBuffer, _ = rawBuffers.Get().(*rawBuffer)
	for c, id := range series {
		r.slot[c], r.last[c] = m.Index.Get(id), math.MinInt64
		r.index.Set(id, int32(c))
	}
	return r
}

// release gives the buffer back. The samples must not be used any more.
func (r *rawSamples) release() {
	if cap(r.held.ts) > cap(r.ts) {
		*r.rawBuffer = r.held
	}
	r.clear()
	rawBuffers.Put(r.rawBuffer)
	r.rawBuffer = nil
}

func (b *rawBuffer) add(column int32, t int64, v float64) {
	b.column = append(b.column, column)
	b.ts = append(b.ts, t)
	b.vs = append(b.vs, v)
}

// grow makes room for n samples more.
func (b *rawBuffer) grow(n int) {
	b.column, b.ts, b.vs = slices.Grow(b.column, n), slices.Grow(b.ts, n), slices.Grow(b.vs, n)
}

// clear forgets the samples, and keeps in mind how far each column has come.
func (b *rawBuffer) clear() { b.column, b.ts, b.vs = b.column[:0], b.ts[:0], b.vs[:0] }

// take takes the columns' samples that lie in a span in.
func (r *rawSamples) take(seg *segment.Segment, spans []segment.Span) {
	n, _ := slices.BinarySearchFunc(spans, seg.MinT, func(s segment.Span, t int64) int { return cmp.Compare(s.MaxT, t) })
	if n == len(spans) || spans[n].MinT > seg.MaxT {
		return
	}
	if r.only == nil && r.hold == nil && spans[n].MinT <= seg.MinT && seg.MaxT <= spans[n].MaxT {
		r.takeAll(seg)
		return
	}
	span := spans[n]
	before := len(r.ts)
	for i, id := range seg.Series {
		c := r.index.Get(id)
		if c == NoSlot {
			continue
		}
		t := seg.Base + int64(seg.Offsets[i])
		if t < span.MinT || t > span.MaxT {
			if n, _ = slices.BinarySearchFunc(spans, t, func(s segment.Span, t int64) int { return cmp.Compare(s.MaxT, t) }); n == len(spans) || t < spans[n].MinT {
				continue
			}
			span = spans[n]
		}
		if r.only != nil && !r.only(r.slot[c], t) {
			continue
		}
		if r.hold != nil && r.hold[c] {
			r.held.add(c, t, seg.Values[i])
			r.count++
			continue
		}
		if t <= r.last[c] {
			r.odd[c] = struct{}{}
		} else {
			r.last[c] = t
		}
		r.add(c, t, seg.Values[i])
	}
	r.count += int64(len(r.ts) - before)
}

// takeAll takes all samples of the columns in: nearly all segments of a large
// reading lie in its span.
func (r *rawSamples) takeAll(seg *segment.Segment) {
	n := len(r.ts)
	r.grow(seg.Len())
	var (
		columns = r.column[:n+seg.Len()]
		ts      = r.ts[:n+seg.Len()]
		vs      = r.vs[:n+seg.Len()]
		offsets = seg.Offsets[:len(seg.Series)]
		values  = seg.Values[:len(seg.Series)]
		to      = n
	)
	for i, id := range seg.Series {
		c := r.index.Get(id)
		if c == NoSlot {
			continue
		}
		t := seg.Base + int64(offsets[i])
		if t <= r.last[c] {
			r.odd[c] = struct{}{}
		} else {
			r.last[c] = t
		}
		columns[to], ts[to], vs[to] = c, t, values[i]
		to++
	}
	r.column, r.ts, r.vs = columns[:to], ts[:to], vs[:to]
	r.count += int64(to - n)
}

// selection is what is to be read of the series' samples in the spans, of which
// there are some.
func (r *rawSamples) selection(spans []segment.Span) segment.Select {
	sel := segment.Select{Metrics: r.m.Metrics, After: spans[0].MinT - 1, UpTo: spans[len(spans)-1].MaxT}
	if len(spans) > 1 {
		sel.Spans = spans
	}
	if len(r.series) < len(r.m.Series) {
		sel.Series = r.series
	}
	return sel
}

// readError says which samples could not be read.
func (r *rawSamples) readError(spans []segment.Span, err error) error {
	return fmt.Errorf("read raw samples of %s from %d to %d: %w", r.m.Def.Text, spans[0].MinT, spans[len(spans)-1].MaxT, err)
}

// readRaw reads the series' samples in the spans by column; only, if not nil,
// says which are wanted.
func readRaw(ctx context.Context, snap Snapshot, m *Members, series []sequence.SeriesID, spans []segment.Span, only func(slot int32, t int64) bool) (*Columns, error) {
	raw := newRawSamples(m, series)
	raw.only = only
	defer raw.release()
	if len(series) > 0 && len(spans) > 0 {
		err := snap.ReadRaw(ctx, raw.selection(spans), func(seg *segment.Segment) error {
			raw.take(seg, spans)
			return nil
		})
		if err != nil {
			return nil, raw.readError(spans, err)
		}
	}
	return raw.columns(), nil
}

// spanOf is the samples with after < t <= upTo; none when there is no such time.
func spanOf(after, upTo int64) []segment.Span {
	if after >= upTo {
		return nil
	}
	return []segment.Span{{MinT: after + 1, MaxT: upTo}}
}

// joinSpans joins spans, which ascend by MinT, where they touch or overlap.
func joinSpans(spans []segment.Span) []segment.Span {
	out := spans[:0]
	for _, s := range spans {
		if n := len(out); n > 0 && s.MinT <= out[n-1].MaxT+1 {
			out[n-1].MaxT = max(out[n-1].MaxT, s.MaxT)
		} else {
			out = append(out, s)
		}
	}
	return out
}

// unhold makes what is held the samples, of columns that are in no order.
func (r *rawSamples) unhold() {
	*r.rawBuffer, r.held = r.held, *r.rawBuffer
	for c, hold := range r.hold {
		if hold {
			r.odd[int32(c)] = struct{}{}
		}
	}
	r.hold = nil
}

// columns sorts the samples by column.
func (r *rawSamples) columns() *Columns {
	counts := make([]int, len(r.slot))
	for _, c := range r.column {
		counts[c]++
	}
	ts, vs := make([]int64, len(r.ts)), make([]float64, len(r.ts))
	out := &Columns{Slot: r.slot, Times: make([][]int64, len(r.slot)), Values: make([][]float64, len(r.slot))}
	for c, n := range counts {
		out.Times[c], ts = ts[:0:n], ts[n:]
		out.Values[c], vs = vs[:0:n], vs[n:]
	}
	for i, c := range r.column {
		out.Times[c], out.Values[c] = append(out.Times[c], r.ts[i]), append(out.Values[c], r.vs[i])
	}
	for c := range r.odd {
		out.Times[c], out.Values[c] = SortKeepLast(out.Times[c], out.Values[c])
	}
	return out
}

// foldInto adds all samples to pane state of slots slots.
func (r *rawSamples) foldInto(s State, slots int) {
	if len(r.odd) > 0 {
		r.columns().FoldInto(s, slots)
		return
	}
	var slot [4 * runLength]int32
	for from := 0; from < len(r.column); from += len(slot) {
		to := min(from+len(slot), len(r.column))
		for i, c := range r.column[from:to] {
			slot[i] = r.slot[c]
		}
		s.FoldMixed(slot[:to-from], slots, r.ts[from:to], r.vs[from:to])
	}
}

// Columns is raw samples by column, each time once, in time order.
type Columns struct {
	Slot   []int32     // by column: the slot it folds into
	Times  [][]int64   // by column
	Values [][]float64 // by column
}

// SortKeepLast sorts samples by time and keeps, of those at one time, the last.
func SortKeepLast(ts []int64, vs []float64) ([]int64, []float64) {
	sort.Stable(&timeOrder{ts, vs})
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

// timeOrder sorts two arrays by the first.
type timeOrder struct {
	times  []int64
	values []float64
}

func (c *timeOrder) Len() int           { return len(c.times) }
func (c *timeOrder) Less(i, j int) bool { return c.times[i] < c.times[j] }
func (c *timeOrder) Swap(i, j int) {
	c.times[i], c.times[j] = c.times[j], c.times[i]
	c.values[i], c.values[j] = c.values[j], c.values[i]
}

// FoldInto adds all samples to pane state of slots slots.
func (r *Columns) FoldInto(s State, slots int) {
	for c, slot := range r.Slot {
		s.FoldSorted(slot, slots, r.Times[c], r.Values[c])
	}
}

// Samples is how many samples there are.
func (r *Columns) Samples() int64 {
	var n int64
	for _, ts := range r.Times {
		n += int64(len(ts))
	}
	return n
}
