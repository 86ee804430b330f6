package flownode

import (
	"cmp"
	"context"
	"math"
	"slices"

	"laminar/flownode/promeval"
	"laminar/sequence/segment"
)

// selection is the raw samples that the selectors of a batch flow read for some
// windows.
type selection struct {
	leaves []*rawColumns // by leaf

	// The same by series, of all leaves that select it.
	series []selected
	at     map[segment.SeriesID]int // index in series, while leaves are added
}

type selected struct {
	id segment.SeriesID
	promeval.Series
}

// readSelection reads what the windows with ends from first to last need.
func (f *flowRun) readSelection(ctx context.Context, r *round, first, last int64) (*selection, error) {
	sel := &selection{at: map[segment.SeriesID]int{}}
	for _, l := range f.leaves {
		after, _ := l.span(first)
		_, upTo := l.span(last)
		raw, err := readRaw(ctx, r.snap, l.members, allGroups(), after, upTo)
		if err != nil {
			return nil, err
		}
		r.readSamples += raw.samples()
		sel.leaves = append(sel.leaves, raw)
		sel.add(l.members, raw)
	}
	// The engine shall see series always in the same order.
	slices.SortFunc(sel.series, func(a, b selected) int { return cmp.Compare(a.id, b.id) })
	return sel, nil
}

// add takes in the samples of a leaf. Leaves can read the same samples: they
// all read one snapshot, so of two at one time either will do.
func (s *selection) add(m *members, raw *rawColumns) {
	for c, id := range m.series {
		if len(raw.ts[c]) == 0 {
			continue
		}
		i, found := s.at[id]
		if !found {
			s.at[id] = len(s.series)
			s.series = append(s.series, selected{id, promeval.Series{
				Labels: m.groups[m.groupOf[raw.slot[c]]].labels, Times: raw.ts[c], Values: raw.vs[c],
			}})
			continue
		}
		x := &s.series[i]
		x.Times, x.Values = sortKeepLast(slices.Concat(x.Times, raw.ts[c]), slices.Concat(x.Values, raw.vs[c]))
	}
}

// evaluateWhole evaluates the expression of a batch flow over raw samples.
// touched says that some selector reads a sample, be it a stale marker;
// windows without any have no result, even where the engine would give one.
func (f *flowRun) evaluateWhole(ctx context.Context, r *round, sel *selection, end int64) (out promeval.Vector, touched bool, err error) {
	lo, hi := int64(math.MaxInt64), int64(math.MinInt64)
	for i, l := range f.leaves {
		after, upTo := l.span(end)
		lo, hi = min(lo, after), max(hi, upTo)
		touched = touched || sel.leaves[i].holds(after, upTo)
	}
	if !touched {
		return nil, false, nil
	}
	out, err = r.node.eval.WithLookback(f.flow.Def.Lookback).Whole(ctx, f.flow.Def.PromQL, sel.within(lo, hi), end)
	return out, true, err
}

// within is the samples with after < t <= upTo.
func (s *selection) within(after, upTo int64) promeval.Samples {
	samples := make(promeval.Samples, 0, len(s.series))
	for i := range s.series {
		x := &s.series[i]
		from, _ := slices.BinarySearch(x.Times, after+1)
		to, _ := slices.BinarySearch(x.Times, upTo+1)
		if from < to {
			samples = append(samples, promeval.Series{Labels: x.Labels, Times: x.Times[from:to], Values: x.Values[from:to]})
		}
	}
	return samples
}

// holds reports whether any sample lies in after < t <= upTo.
func (r *rawColumns) holds(after, upTo int64) bool {
	for c := range r.ts {
		if ts, _ := r.within(c, after, upTo); len(ts) > 0 {
			return true
		}
	}
	return false
}
