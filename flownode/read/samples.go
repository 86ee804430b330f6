package read

// Raw samples as they are read, until they are folded or sorted by series.
// Before: the snapshot gives, of two samples of one series and time, the one
// with the higher sequence later.
// After: each time of a series is there once, with the highest sequence (I3).

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"

	"laminar/flownode/keep"
	"laminar/sequence"
	"laminar/sequence/segment"
)

// rawSamples is raw samples of some series over some time, as they were read. A
// column is one series.
//
// Of samples at one time the last is kept, which is the rule "the highest sequence
// wins" (I3). Nearly always each series' samples come in time order and each time
// once. Other columns are noted as unsorted, and put in order before they are used.
//
//	R1  ts[i], vs[i] is a sample of column column[i], in the order of reading
//	R2  last[c] is the newest time of column c so far, cleared samples included
//	R3  a column that is not in unsorted ascends in time, without repeats, from
//	    one clear to the next
//
// R2 makes a column count as out of order even if its later samples have been
// folded and forgotten already.
type rawSamples struct {
	m        *keep.Members
	series   []sequence.SeriesID            // by column
	slot     []int32                        // by column: the slot it folds into
	index    keep.SlotIndex                 // of columns by series
	last     []int64                        // by column: its newest time so far
	unsorted map[int32]struct{}             // columns that are not in time order
	only     func(slot int32, t int64) bool // which samples are wanted; nil for all

	*rawBuffer
	count int64 // samples taken

	// Columns that are known not to come in time order, and their samples, which
	// clear does not forget.
	hold []bool // by column; nil for none
	held rawBuffer
}

// rawBuffer is samples in parallel arrays: 20 bytes each, and folded without looking
// at what is not needed.
type rawBuffer struct {
	column []int32
	ts     []int64
	vs     []float64
}

// rawBuffers keeps buffers, which are large, from one reading to the next: a refill
// makes thousands of readings of the same size.
var rawBuffers = sync.Pool{New: func() any { return new(rawBuffer) }}

// newRawSamples is for members of m; series are some of them or all. It costs 12
// bytes and an index entry for each series, also for those without a sample. The
// caller must release it.
func newRawSamples(m *keep.Members, series []sequence.SeriesID) *rawSamples {
	r := &rawSamples{
		m: m, series: series,
		slot: make([]int32, len(series)), last: make([]int64, len(series)), unsorted: map[int32]struct{}{},
	}
	r.rawBuffer, _ = rawBuffers.Get().(*rawBuffer)
	for c, id := range series {
		r.slot[c], r.last[c] = m.Index.Get(id), math.MinInt64
		r.index.Set(id, int32(c))
	}
	return r
}

// sibling is for another goroutine that takes other series of the same reading at
// the same time. Arrays by column are shared, and each column is used by one
// goroutine only. Buffers and the set of unsorted columns are its own. The caller
// must release it, too.
func (r *rawSamples) sibling() *rawSamples {
	b := *r
	b.unsorted, b.count, b.held = map[int32]struct{}{}, 0, rawBuffer{}
	b.rawBuffer, _ = rawBuffers.Get().(*rawBuffer)
	return &b
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

// clear forgets the samples and keeps their room. The newest time of each column
// stays in rawSamples.last (R2).
func (b *rawBuffer) clear() { b.column, b.ts, b.vs = b.column[:0], b.ts[:0], b.vs[:0] }

// take takes the columns' samples of a segment that lie in one of the spans.
func (r *rawSamples) take(seg *segment.Segment, spans sequence.Spans) {
	all := seg.Span()
	n := spans.Search(seg.MinT)
	if n == len(spans) || !spans[n].Overlaps(all) {
		return // it lies in a gap: spans of several windows are read as one selection
	}
	if r.only == nil && r.hold == nil && spans[n].Covers(all) {
		r.takeAll(seg)
		return
	}
	// Times of one segment are near each other, so the span is looked up only when
	// a time has left the last one.
	span := spans[n]
	before := len(r.ts)
	for i, id := range seg.Series {
		c := r.index.Get(id)
		if c == keep.NoSlot {
			continue
		}
		t := seg.Base + int64(seg.Offsets[i])
		if !span.Holds(t) {
			if n = spans.Search(t); n == len(spans) || t <= spans[n].After {
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
			r.unsorted[c] = struct{}{}
		} else {
			r.last[c] = t
		}
		r.add(c, t, seg.Values[i])
	}
	r.count += int64(len(r.ts) - before)
}

// takeAll takes all of the columns' samples of a segment: nearly all segments of
// a large reading lie in its span. Room is made once, so that the loop neither
// grows arrays nor checks their bounds.
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
		if c == keep.NoSlot {
			continue
		}
		t := seg.Base + int64(offsets[i])
		if t <= r.last[c] {
			r.unsorted[c] = struct{}{}
		} else {
			r.last[c] = t
		}
		columns[to], ts[to], vs[to] = c, t, values[i]
		to++
	}
	r.column, r.ts, r.vs = columns[:to], ts[:to], vs[:to]
	r.count += int64(to - n)
}

// takeHeld makes the held samples the samples. Their columns are in no order: they
// were held because late samples of theirs come last.
func (r *rawSamples) takeHeld() {
	*r.rawBuffer, r.held = r.held, *r.rawBuffer
	for c, hold := range r.hold {
		if hold {
			r.unsorted[int32(c)] = struct{}{}
		}
	}
	r.hold = nil
}

// selection is what is to be read of the series' samples in the spans, of which
// there is one at least.
func (r *rawSamples) selection(spans sequence.Spans) segment.Select {
	sel := segment.Select{Metrics: r.m.Metrics, Span: spans.Whole()}
	if len(spans) > 1 {
		sel.Spans = spans
	}
	if len(r.series) < len(r.m.Series) {
		sel.Series = r.series
	}
	return sel
}

// readError says which samples could not be read.
func (r *rawSamples) readError(spans sequence.Spans, err error) error {
	return fmt.Errorf("read raw samples of %s in %s: %w", r.m.Def.Text, spans.Whole(), err)
}

// columns sorts the samples by column. They are counted first, so that all columns
// share two arrays; the arrays are new and stay valid after release.
func (r *rawSamples) columns() *keep.Columns {
	counts := make([]int, len(r.slot))
	for _, c := range r.column {
		counts[c]++
	}
	ts, vs := make([]int64, len(r.ts)), make([]float64, len(r.ts))
	out := &keep.Columns{Slot: r.slot, Times: make([][]int64, len(r.slot)), Values: make([][]float64, len(r.slot))}
	for c, n := range counts {
		out.Times[c], ts = ts[:0:n], ts[n:]
		out.Values[c], vs = vs[:0:n], vs[n:]
	}
	for i, c := range r.column {
		out.Times[c], out.Values[c] = append(out.Times[c], r.ts[i]), append(out.Values[c], r.vs[i])
	}
	for c := range r.unsorted {
		out.Times[c], out.Values[c] = keep.SortKeepLast(out.Times[c], out.Values[c])
	}
	return out
}

// foldChunk is how many samples are handed to pane state at a time: few enough
// for their slots to stand on the stack and in the nearest cache.
const foldChunk = 1024

// foldInto adds all samples to pane state of slots slots. Nearly always no column
// is out of order, and samples go to the cells in the order in which they came,
// without being sorted by series first.
func (r *rawSamples) foldInto(s keep.State, slots int) {
	if len(r.unsorted) > 0 {
		keep.FoldColumns(s, r.columns(), slots)
		return
	}
	var slot [foldChunk]int32
	for from := 0; from < len(r.column); from += len(slot) {
		to := min(from+len(slot), len(r.column))
		for i, c := range r.column[from:to] {
			slot[i] = r.slot[c]
		}
		s.FoldMixed(slot[:to-from], slots, r.ts[from:to], r.vs[from:to])
	}
}

// Columns reads the members' samples of the series in the spans; only, if not nil,
// says which are wanted. All are held at once. It is for windows without panes, and
// for the few cells that a round repairs; Fold is for everything larger.
func (r *Reader) Columns(ctx context.Context, m *keep.Members, series []sequence.SeriesID, spans sequence.Spans, only func(slot int32, t int64) bool) (*keep.Columns, error) {
	raw := newRawSamples(m, series)
	raw.only = only
	defer raw.release()
	if len(series) > 0 && len(spans) > 0 {
		err := r.readRaw(ctx, raw.selection(spans), func(seg *segment.Segment) error {
			raw.take(seg, spans)
			return r.Holds(m.Def.Text, int64(len(raw.column)))
		})
		if err != nil {
			return nil, raw.readError(spans, err)
		}
	}
	out := raw.columns()
	r.Samples += out.Samples()
	return out, nil
}
