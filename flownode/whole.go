package flownode

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/prometheus/prometheus/promql"

	"laminar/flownode/promeval"
	"laminar/sequence"
)

// selection is the raw samples that the selectors of a batch flow read for some
// windows.
type selection struct {
	leaves []*MixedColumns // by leaf

	// The same by series, of all leaves that select it.
	series []selected
	at     map[sequence.SeriesID]int // index in series, while leaves are added
}

type selected struct {
	id sequence.SeriesID
	promeval.Series
}

// readSelection reads what the windows with ends from first to last need.
func (f *flowRun) readSelection(ctx context.Context, r *round, first, last int64) (*selection, error) {
	sel := &selection{at: map[sequence.SeriesID]int{}}
	for _, l := range f.leaves {
		after, _ := l.Span(first)
		_, upTo := l.Span(last)
		raw, err := readMixed(ctx, r.snap, l.Members, after, upTo)
		if err != nil {
			return nil, err
		}
		r.readSamples += raw.Samples()
		sel.leaves = append(sel.leaves, raw)
		if err := sel.add(l.Members, raw); err != nil {
			return nil, fmt.Errorf("read raw samples of %s: %w", l.Def.Text, err)
		}
	}
	// The engine shall see series always in the same order.
	slices.SortFunc(sel.series, func(a, b selected) int { return cmp.Compare(a.id, b.id) })
	return sel, nil
}

// add takes in the samples of a leaf. Leaves can read the same samples: they
// all read one snapshot, so of two at one time either will do.
func (s *selection) add(m *Members, raw *MixedColumns) error {
	for c, id := range m.Series {
		if len(raw.Times[c]) == 0 {
			continue
		}
		ts, vs, hists, err := raw.parted(c)
		if err != nil {
			return fmt.Errorf("series %d: %w", id, err)
		}
		i, found := s.at[id]
		if !found {
			s.at[id] = len(s.series)
			s.series = append(s.series, selected{id, promeval.Series{
				Labels: m.Groups[m.GroupOf[raw.Slot[c]]].Labels, Times: ts, Values: vs, Histograms: hists,
			}})
			continue
		}
		x := &s.series[i]
		x.Times, x.Values = SortKeepLast(slices.Concat(x.Times, ts), slices.Concat(x.Values, vs))
		x.Histograms = slices.Concat(x.Histograms, hists)
		slices.SortStableFunc(x.Histograms, func(a, b promql.HPoint) int { return cmp.Compare(a.T, b.T) })
		x.Histograms = slices.CompactFunc(x.Histograms, func(a, b promql.HPoint) bool { return a.T == b.T })
	}
	return nil
}

// evaluateWhole evaluates the expression of a batch flow over raw samples.
// touched says that some selector reads a sample; windows without any have no
// result, even where the engine would give one.
func (f *flowRun) evaluateWhole(ctx context.Context, r *round, sel *selection, end int64) (out promeval.Vector, touched bool, err error) {
	lo, hi := int64(math.MaxInt64), int64(math.MinInt64)
	for _, l := range f.leaves {
		after, upTo := l.Span(end)
		lo, hi = min(lo, after), max(hi, upTo)
	}
	if !f.touches(sel, end) {
		return nil, false, nil
	}
	out, err = r.node.eval.WithLookback(f.flow.Def.Lookback).Whole(ctx, f.flow.Def.PromQL, sel.within(lo, hi), end)
	return out, true, err
}

// touches reports whether some selector reads a sample in the window; those that
// read a fixed time do not count. What a stale marker counts for depends on the
// expression.
func (f *flowRun) touches(sel *selection, end int64) bool {
	for i, l := range f.leaves {
		if l.Def.Pinned {
			continue
		}
		after, upTo := l.Span(end)
		if sel.leaves[i].occupied(after, upTo, l.Def.Markers) {
			return true
		}
	}
	return false
}

// within is the samples with after < t <= upTo.
func (s *selection) within(after, upTo int64) promeval.Samples {
	samples := make(promeval.Samples, 0, len(s.series))
	for i := range s.series {
		x := &s.series[i]
		from, _ := slices.BinarySearch(x.Times, after+1)
		to, _ := slices.BinarySearch(x.Times, upTo+1)
		byTime := func(p promql.HPoint, t int64) int { return cmp.Compare(p.T, t) }
		hFrom, _ := slices.BinarySearchFunc(x.Histograms, after+1, byTime)
		hTo, _ := slices.BinarySearchFunc(x.Histograms, upTo+1, byTime)
		if from < to || hFrom < hTo {
			samples = append(samples, promeval.Series{
				Labels: x.Labels, Times: x.Times[from:max(from, to)], Values: x.Values[from:max(from, to)], Histograms: x.Histograms[hFrom:max(hFrom, hTo)],
			})
		}
	}
	return samples
}
