package flownode

import (
	"context"
	"fmt"
	"slices"
	"sort"

	"github.com/prometheus/prometheus/promql"

	"laminar/sequence/nativehist"
	"laminar/sequence/segment"
)

// mixedColumns is rawColumns of floats and native histograms: what batch windows
// are computed from. The values of histograms are their sums.
type mixedColumns struct {
	*rawColumns

	// hs is by column nil, or as long as vs with a payload for each histogram
	// and nil for each float.
	hs [][][]byte
}

// readMixed is readRaw, of all groups, with histograms.
func readMixed(ctx context.Context, snap Snapshot, m *members, after, upTo int64) (*mixedColumns, error) {
	n := len(m.series)
	raw := &mixedColumns{
		rawColumns: &rawColumns{slot: slices.Clone(m.slots), ts: make([][]int64, n), vs: make([][]float64, n)},
		hs:         make([][][]byte, n),
	}
	if n == 0 || upTo <= after {
		return raw, nil
	}
	var column slotIndex
	for i, id := range m.series {
		column.set(id, int32(i))
	}
	unsorted := map[int32]struct{}{}
	sel := segment.Select{Metrics: m.metrics, After: after, UpTo: upTo}
	err := snap.ReadRaw(ctx, sel, func(seg *segment.Segment) error {
		for i, id := range seg.Series {
			c := column.get(id)
			if c == noSlot {
				continue
			}
			t := seg.Base + int64(seg.Offsets[i])
			if t <= after || t > upTo {
				continue
			}
			if n := len(raw.ts[c]); n > 0 && t <= raw.ts[c][n-1] {
				unsorted[c] = struct{}{}
			}
			raw.ts[c] = append(raw.ts[c], t)
			raw.vs[c] = append(raw.vs[c], seg.Values[i])
			if seg.Histograms != nil || raw.hs[c] != nil {
				raw.add(c, seg, i)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read raw samples of %s in (%d,%d]: %w", m.leaf.Text, after, upTo, err)
	}
	for c := range unsorted {
		raw.sortKeepLast(c)
	}
	return raw, nil
}

// add notes of the newest sample of a column whether it is a histogram. The
// payload is copied: segments are valid only while they are read.
func (r *mixedColumns) add(c int32, seg *segment.Segment, i int) {
	for len(r.hs[c]) < len(r.vs[c])-1 {
		r.hs[c] = append(r.hs[c], nil) // floats that came before
	}
	var payload []byte
	if seg.Histograms != nil {
		payload = slices.Clone(seg.Histograms[i])
	}
	r.hs[c] = append(r.hs[c], payload)
}

func (r *mixedColumns) sortKeepLast(c int32) {
	if r.hs[c] == nil {
		r.ts[c], r.vs[c] = sortKeepLast(r.ts[c], r.vs[c])
		return
	}
	ts, vs, hs := r.ts[c], r.vs[c], r.hs[c]
	sort.Stable(&mixedOrder{columns{ts, vs}, hs})
	n := 0
	for i := range ts {
		if n > 0 && ts[n-1] == ts[i] {
			n--
		}
		ts[n], vs[n], hs[n] = ts[i], vs[i], hs[i]
		n++
	}
	r.ts[c], r.vs[c], r.hs[c] = ts[:n], vs[:n], hs[:n]
}

// mixedOrder sorts three arrays by the first.
type mixedOrder struct {
	columns
	hs [][]byte
}

func (c *mixedOrder) Swap(i, j int) {
	c.columns.Swap(i, j)
	c.hs[i], c.hs[j] = c.hs[j], c.hs[i]
}

// parted is a column's floats, and its histograms as the engine takes them.
func (r *mixedColumns) parted(c int) (ts []int64, vs []float64, hists []promql.HPoint, err error) {
	if r.hs[c] == nil {
		return r.ts[c], r.vs[c], nil, nil
	}
	for i, payload := range r.hs[c] {
		t, v := r.ts[c][i], r.vs[c][i]
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

// occupied reports whether a sample lies in after < t <= upTo; stale markers
// only count if markers says so.
func (r *mixedColumns) occupied(after, upTo int64, markers bool) bool {
	for c := range r.ts {
		_, vs := r.within(c, after, upTo)
		if markers && len(vs) > 0 || slices.ContainsFunc(vs, func(v float64) bool { return !segment.IsStale(v) }) {
			return true
		}
	}
	return false
}
