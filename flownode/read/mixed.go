package read

// Floats and native histograms by series, for windows that are computed whole.
// Before: the leaf's members are complete at the snapshot.
// After: every sample in the span is there once, in time order.

import (
	"context"
	"fmt"
	"slices"
	"sort"

	"github.com/prometheus/prometheus/promql"

	"laminar/flownode/keep"
	"laminar/sequence"
	"laminar/sequence/nativehist"
	"laminar/sequence/segment"
)

// MixedColumns is Columns of floats and native histograms, for windows that the
// engine computes whole. The value of a histogram is its sum; its payload has
// everything else (package nativehist).
type MixedColumns struct {
	*keep.Columns

	// Histograms[c] is nil if column c holds floats only. Otherwise it is as long as
	// Values[c], with a payload for each histogram and nil for each float.
	Histograms [][][]byte
}

// mixed reads all of the members' samples in the span. It is for
// windows that are computed whole, so no groups are chosen: the engine must see
// everything that the selectors select. All of it is held at once, which is why a
// batch flow computes few windows from one reading (round.Flow).
func (r *Reader) mixed(ctx context.Context, m *keep.Members, span sequence.Span) (*MixedColumns, error) {
	return r.mixedOf(ctx, m, m.Series, sequence.Union(span), nil)
}

// mixedOf is mixed for some of the series, in spans; only, if not nil, says which samples
// are wanted.
func (r *Reader) mixedOf(ctx context.Context, m *keep.Members, series []sequence.SeriesID, spans sequence.Spans, only func(slot int32, t int64) bool) (*MixedColumns, error) {
	n := len(series)
	raw := &MixedColumns{
		Columns:    &keep.Columns{Slot: make([]int32, n), Times: make([][]int64, n), Values: make([][]float64, n)},
		Histograms: make([][][]byte, n),
	}
	if n == 0 || len(spans) == 0 {
		return raw, nil
	}
	var column keep.SlotIndex
	for i, id := range series {
		column.Set(id, int32(i))
		raw.Slot[i] = m.Index.Get(id)
	}
	unsorted := map[int32]struct{}{}
	sel := segment.Select{Metrics: m.Metrics, Span: spans.Whole()}
	if len(spans) > 1 {
		sel.Spans = spans
	}
	if n < len(m.Series) {
		sel.Series = series
	}
	held := int64(0)
	err := r.readRaw(ctx, sel, func(seg *segment.Segment) error {
		for i, id := range seg.Series {
			c := column.Get(id)
			if c == keep.NoSlot {
				continue
			}
			t := seg.Base + int64(seg.Offsets[i])
			if !spans.Hold(t) || only != nil && !only(raw.Slot[c], t) {
				continue
			}
			if n := len(raw.Times[c]); n > 0 && t <= raw.Times[c][n-1] {
				unsorted[c] = struct{}{}
			}
			raw.Times[c] = append(raw.Times[c], t)
			raw.Values[c] = append(raw.Values[c], seg.Values[i])
			held++
			// Most series never have a histogram: theirs stays nil.
			if seg.Histograms != nil || raw.Histograms[c] != nil {
				raw.add(c, seg, i)
			}
		}
		return r.Holds(m.Def.Text, held)
	})
	if err != nil {
		return nil, fmt.Errorf("read raw samples of %s in %s: %w", m.Def.Text, spans.Whole(), err)
	}
	for c := range unsorted {
		raw.sortKeepLast(c)
	}
	r.Samples += raw.Samples()
	return raw, nil
}

// Mixes reports whether native histograms have to be read with the leaf's floats. Sketches
// are of floats alone, but a histogram can stand in the place of one that it overwrote: so
// it is asked which metrics hold any.
func (r *Reader) Mixes(l *keep.Leaf) bool {
	return l.Def.Native && (!l.Def.Sketch() || l.Members.ReadsResults() || slices.ContainsFunc(l.Members.Metrics, func(m sequence.MetricID) bool {
		_, found := slices.BinarySearch(r.Pos.Histograms, m)
		return found
	}))
}

// foldNative is Fold for a leaf whose series may hold native histograms. What is wanted
// is held at once, as it is stored: payloads are small, and decoded series by series.
func (r *Reader) foldNative(ctx context.Context, l *keep.Leaf, into keep.State, series []sequence.SeriesID, spans sequence.Spans, only func(slot int32, t int64) bool) error {
	raw, err := r.mixedOf(ctx, l.Members, series, spans, only)
	if err != nil {
		return err
	}
	slots := len(l.Members.GroupOf)
	for c, slot := range raw.Slot {
		ts, vs, hists, err := raw.Parted(c)
		if err != nil {
			return fmt.Errorf("read raw samples of %s: series %d: %w", l.Def.Text, series[c], err)
		}
		into.FoldSorted(slot, slots, ts, vs)
		into.FoldHistograms(slot, slots, hists)
	}
	return nil
}

// add appends the payload of a column's newest sample, nil if it is a float. The
// first call for a column fills in nil for the floats that came before. Payloads
// are copied, because a segment is valid only while it is read.
func (x *MixedColumns) add(c int32, seg *segment.Segment, i int) {
	for len(x.Histograms[c]) < len(x.Values[c])-1 {
		x.Histograms[c] = append(x.Histograms[c], nil) // floats that came before
	}
	var payload []byte
	if seg.Histograms != nil {
		payload = slices.Clone(seg.Histograms[i])
	}
	x.Histograms[c] = append(x.Histograms[c], payload)
}

// sortKeepLast sorts a column by time and keeps, of samples at one time, the last,
// whether it is a float or a histogram.
func (x *MixedColumns) sortKeepLast(c int32) {
	if x.Histograms[c] == nil {
		x.Times[c], x.Values[c] = keep.SortKeepLast(x.Times[c], x.Values[c])
		return
	}
	ts, vs, hs := x.Times[c], x.Values[c], x.Histograms[c]
	sort.Stable(&mixedOrder{ts, vs, hs})
	n := 0
	for i := range ts {
		if n > 0 && ts[n-1] == ts[i] {
			n--
		}
		ts[n], vs[n], hs[n] = ts[i], vs[i], hs[i]
		n++
	}
	x.Times[c], x.Values[c], x.Histograms[c] = ts[:n], vs[:n], hs[:n]
}

// mixedOrder sorts three arrays by the first, for a stable sort: of samples at one
// time the last to come must stay the last.
type mixedOrder struct {
	times      []int64
	values     []float64
	histograms [][]byte
}

func (o *mixedOrder) Len() int           { return len(o.times) }
func (o *mixedOrder) Less(i, j int) bool { return o.times[i] < o.times[j] }
func (o *mixedOrder) Swap(i, j int) {
	o.times[i], o.times[j] = o.times[j], o.times[i]
	o.values[i], o.values[j] = o.values[j], o.values[i]
	o.histograms[i], o.histograms[j] = o.histograms[j], o.histograms[i]
}

// Parted is a column's floats, and its histograms as the engine takes them: decoded,
// with the sum from where it is stored. A payload that does not decode is an error of
// the reading; nothing is left out silently.
func (x *MixedColumns) Parted(c int) (ts []int64, vs []float64, hists []promql.HPoint, err error) {
	if x.Histograms[c] == nil {
		return x.Times[c], x.Values[c], nil, nil
	}
	for i, payload := range x.Histograms[c] {
		t, v := x.Times[c][i], x.Values[c][i]
		if payload == nil {
			ts, vs = append(ts, t), append(vs, v)
			continue
		}
		h, err := nativehist.Decode(payload, v)
		if err != nil {
			return nil, nil, nil, fmt.Errorf("histogram at %d: %w", t, err)
		}
		hists = append(hists, promql.HPoint{T: t, H: h})
	}
	return ts, vs, hists, nil
}

// occupied reports whether a sample lies in the span; stale markers
// only count if markers says so.
func (x *MixedColumns) occupied(span sequence.Span, markers bool) bool {
	for c := range x.Times {
		_, vs := x.Within(c, span)
		if markers && len(vs) > 0 || slices.ContainsFunc(vs, func(v float64) bool { return !segment.IsStale(v) }) {
			return true
		}
	}
	return false
}
