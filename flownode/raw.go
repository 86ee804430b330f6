package flownode

import (
	"context"
	"fmt"
	"slices"
	"sort"

	"laminar/sequence/segment"
)

// rawColumns is the raw samples of some series over some time, each (series,
// time) once, in time order: what refills and batch windows are computed from.
type rawColumns struct {
	slot []int32     // by column: the slot it folds into
	ts   [][]int64   // by column
	vs   [][]float64 // by column
}

// readRaw reads the samples with after < t <= upTo of the wanted groups'
// series in the snapshot. ReadRaw delivers them so that of two samples of one
// series and time the one with the higher sequence comes later: keeping the
// last is the rule "the highest sequence wins" (I3).
func readRaw(ctx context.Context, snap Snapshot, m *members, want groupSet, after, upTo int64) (*rawColumns, error) {
	ids := m.seriesOf(want)
	raw := &rawColumns{
		slot: make([]int32, len(ids)),
		ts:   make([][]int64, len(ids)),
		vs:   make([][]float64, len(ids)),
	}
	if len(ids) == 0 || upTo <= after {
		return raw, nil
	}
	var column slotIndex
	for i, id := range ids {
		raw.slot[i] = m.index.get(id)
		column.set(id, int32(i))
	}
	sel := segment.Select{Metrics: m.metrics, After: after, UpTo: upTo}
	if !want.all {
		sel.Series = ids
	}
	unsorted := make(map[int32]struct{})
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
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read raw samples of %s in (%d,%d]: %w", m.leaf.Text, after, upTo, err)
	}
	for c := range unsorted {
		raw.ts[c], raw.vs[c] = sortKeepLast(raw.ts[c], raw.vs[c])
	}
	return raw, nil
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

// rawWindows computes windows straight from raw samples: for leaves whose
// windows have too many panes to keep (batch).
type rawWindows[P any, PP cell[P]] struct {
	raw  *rawColumns
	kind kind[P]
}

func (w *rawWindows[P, PP]) window(after, upTo int64, m *members, want groupSet, out *slotValues) {
	acc := make([]P, len(m.groupOf))
	for c, slot := range w.raw.slot {
		if !want.has(m.groupOf[slot]) {
			continue
		}
		ts, vs := w.raw.within(c, after, upTo)
		for i, v := range vs {
			if w.kind.keep(v) {
				PP(&acc[slot]).Add(ts[i], v)
			}
		}
	}
	for slot := range acc {
		if v, ok := w.kind.finish(&acc[slot], after, upTo); ok {
			out.add(int32(slot), v)
		}
	}
}

func (w *rawWindows[P, PP]) holds(after, upTo int64) bool {
	for c := range w.raw.ts {
		_, vs := w.raw.within(c, after, upTo)
		if slices.ContainsFunc(vs, w.kind.keep) {
			return true
		}
	}
	return false
}

// within is the samples of a column with after < t <= upTo.
func (r *rawColumns) within(column int, after, upTo int64) ([]int64, []float64) {
	ts := r.ts[column]
	lo, _ := slices.BinarySearch(ts, after+1)
	hi, _ := slices.BinarySearch(ts, upTo+1)
	hi = max(lo, hi)
	return ts[lo:hi], r.vs[column][lo:hi]
}

// samples is how many samples there are.
func (r *rawColumns) samples() int64 {
	var n int64
	for _, ts := range r.ts {
		n += int64(len(ts))
	}
	return n
}
