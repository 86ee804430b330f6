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

// MixedColumns is rawColumns of floats and native histograms: what batch windows
// are computed from. The values of histograms are their sums.
type MixedColumns struct {
	*Columns

	// Histograms is by column nil, or as long as vs with a payload for each histogram
	// and nil for each float.
	Histograms [][][]byte
}

// readMixed is readRaw, of all groups, with histograms.
func readMixed(ctx context.Context, snap Snapshot, m *Members, after, upTo int64) (*MixedColumns, error) {
	n := len(m.Series)
	raw := &MixedColumns{
		Columns:    &Columns{Slot: slices.Clone(m.Slots), Times: make([][]int64, n), Values: make([][]float64, n)},
		Histograms: make([][][]byte, n),
	}
	if n == 0 || upTo <= after {
		return raw, nil
	}
	var column SlotIndex
	for i, id := range m.Series {
		column.Set(id, int32(i))
	}
	unsorted := map[int32]struct{}{}
	sel := segment.Select{Metrics: m.Metrics, After: after, UpTo: upTo}
	err := snap.ReadRaw(ctx, sel, func(seg *segment.Segment) error {
		for i, id := range seg.Series {
			c := column.Get(id)
			if c == NoSlot {
				continue
			}
			t := seg.Base + int64(seg.Offsets[i])
			if t <= after || t > upTo {
				continue
			}
			if n := len(raw.Times[c]); n > 0 && t <= raw.Times[c][n-1] {
				unsorted[c] = struct{}{}
			}
			raw.Times[c] = append(raw.Times[c], t)
			raw.Values[c] = append(raw.Values[c], seg.Values[i])
			if seg.Histograms != nil || raw.Histograms[c] != nil {
				raw.add(c, seg, i)
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read raw samples of %s in (%d,%d]: %w", m.Def.Text, after, upTo, err)
	}
	for c := range unsorted {
		raw.sortKeepLast(c)
	}
	return raw, nil
}

// add notes of the newest sample of a column whether it is a histogram. The
// payload is copied: segments are valid only while they are read.
func (r *MixedColumns) add(c int32, seg *segment.Segment, i int) {
	for len(r.Histograms[c]) < len(r.Values[c])-1 {
		r.Histograms[c] = append(r.Histograms[c], nil) // floats that came before
	}
	var payload []byte
	if seg.Histograms != nil {
		payload = slices.Clone(seg.Histograms[i])
	}
	r.Histograms[c] = append(r.Histograms[c], payload)
}

func (r *MixedColumns) sortKeepLast(c int32) {
	if r.Histograms[c] == nil {
		r.Times[c], r.Values[c] = SortKeepLast(r.Times[c], r.Values[c])
		return
	}
	ts, vs, hs := r.Times[c], r.Values[c], r.Histograms[c]
	sort.Stable(&mixedOrder{timeOrder{ts, vs}, hs})
	n := 0
	for i := range ts {
		if n > 0 && ts[n-1] == ts[i] {
			n--
		}
		ts[n], vs[n], hs[n] = ts[i], vs[i], hs[i]
		n++
	}
	r.Times[c], r.Values[c], r.Histograms[c] = ts[:n], vs[:n], hs[:n]
}

// mixedOrder sorts three arrays by the first.
type mixedOrder struct {
	timeOrder
	hs [][]byte
}

func (c *mixedOrder) Swap(i, j int) {
	c.timeOrder.Swap(i, j)
	c.hs[i], c.hs[j] = c.hs[j], c.hs[i]
}

// parted is a column's floats, and its histograms as the engine takes them.
func (r *MixedColumns) parted(c int) (ts []int64, vs []float64, hists []promql.HPoint, err error) {
	if r.Histograms[c] == nil {
		return r.Times[c], r.Values[c], nil, nil
	}
	for i, payload := range r.Histograms[c] {
		t, v := r.Times[c][i], r.Values[c][i]
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
func (r *MixedColumns) occupied(after, upTo int64, markers bool) bool {
	for c := range r.Times {
		_, vs := r.Within(c, after, upTo)
		if markers && len(vs) > 0 || slices.ContainsFunc(vs, func(v float64) bool { return !segment.IsStale(v) }) {
			return true
		}
	}
	return false
}
