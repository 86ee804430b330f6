package read

// The raw samples that an expression reads which is evaluated whole.
// Before: the leaves only select series, each with a group of its own.
// After: all samples that windows from first to last read are there, once for
// each series, whichever leaves select it.

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sort"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql"

	"laminar/flownode/keep"
	"laminar/flownode/promeval"
	"laminar/sequence"
)

// Selection is the raw samples that the selectors of a batch flow read for some
// windows. It is read once for neighbouring windows; each is evaluated over the part
// that it may see (Within).
type Selection struct {
	Leaves []*MixedColumns // by leaf

	series []selected                // the same by series
	at     map[sequence.SeriesID]int // index in series, while leaves are added
}

// selected is a series with its samples, in the order of which the engine sees it.
type selected struct {
	id sequence.SeriesID
	promeval.Series
}

// Select reads what the windows with ends from first to last need.
func (r *Reader) Select(ctx context.Context, leaves keep.Leaves, first, last sequence.Time) (*Selection, error) {
	sel := &Selection{}
	for _, l := range leaves {
		raw, err := r.mixed(ctx, l.Members, sequence.Span{After: l.Span(first).After, UpTo: l.Span(last).UpTo})
		if err != nil {
			return nil, err
		}
		if err := sel.Add(l.Members, raw); err != nil {
			return nil, fmt.Errorf("read raw samples of %s: %w", l.Def.Text, err)
		}
	}
	slices.SortFunc(sel.series, byOrder)
	return sel, nil
}

// byOrder is the order in which the engine sees series. It is always the same, because the
// last bit of a sum depends on it: series of results, which each process numbers as it
// meets them, go by their labels.
func byOrder(a, b selected) int {
	if a.id < 0 && b.id < 0 {
		return labels.Compare(a.Labels, b.Labels)
	}
	return cmp.Compare(a.id, b.id)
}

// Add adds the samples of a leaf's members. Leaves can read the same samples:
// they all read one snapshot, so of two at one time either will do.
func (s *Selection) Add(m *keep.Members, raw *MixedColumns) error {
	if s.at == nil {
		s.at = map[sequence.SeriesID]int{}
	}
	s.Leaves = append(s.Leaves, raw)
	for c, id := range m.Series {
		if len(raw.Times[c]) == 0 {
			continue
		}
		ts, vs, hists, err := raw.Parted(c)
		if err != nil {
			return fmt.Errorf("series %d: %w", id, err)
		}
		// Leaves of an expression often select the same series (a / a offset 1h): the
		// engine gets it once, with the samples of both stretches.
		i, found := s.at[id]
		if !found {
			s.at[id] = len(s.series)
			s.series = append(s.series, selected{id, promeval.Series{
				Labels: m.Groups[m.GroupOf[raw.Slot[c]]].Labels, Seen: m.Groups[m.GroupOf[raw.Slot[c]]].Seen, Times: ts, Values: vs, Histograms: hists,
			}})
			continue
		}
		x := &s.series[i]
		x.Times, x.Values = keep.SortKeepLast(slices.Concat(x.Times, ts), slices.Concat(x.Values, vs))
		x.Histograms = slices.Concat(x.Histograms, hists)
		slices.SortStableFunc(x.Histograms, func(a, b promql.HPoint) int { return cmp.Compare(a.T, b.T) })
		x.Histograms = slices.CompactFunc(x.Histograms, func(a, b promql.HPoint) bool { return a.T == b.T })
	}
	return nil
}

// Relabel gives the series other labels, which must differ from each other.
func (s *Selection) Relabel(as func(id sequence.SeriesID, lset labels.Labels) labels.Labels) {
	for i := range s.series {
		s.series[i].Labels = as(s.series[i].id, s.series[i].Labels)
	}
}

// Touches reports whether some selector reads a sample in the window; those that
// read a fixed time do not count. What a stale marker counts for depends on the
// expression. leaves are those that were read.
func (s *Selection) Touches(leaves keep.Leaves, end sequence.Time) bool {
	for i, l := range leaves {
		if l.Def.Pinned {
			continue
		}
		if s.Leaves[i].occupied(l.Span(end), l.Def.Markers) {
			return true
		}
	}
	return false
}

// Within returns the samples in the span, in the selection's own arrays,
// which must not be changed. Series without a sample there are left out. Floats and
// histograms are cut apart from each other, since they are kept in two arrays.
func (s *Selection) Within(span sequence.Span) promeval.Samples { return s.WithinBut(span, nil) }

// Early is the samples of a series that a window sees of which it does not see all: those
// up to a time, and some behind that.
type Early struct {
	UpTo       sequence.Time
	Times      []int64
	Values     []float64 // of Times
	Histograms []promql.HPoint
}

// WithinBut is Within, of some series (if early is not nil) only what that says.
func (s *Selection) WithinBut(within sequence.Span, early func(sequence.SeriesID) (Early, bool)) promeval.Samples {
	samples := make(promeval.Samples, 0, len(s.series))
	for i := range s.series {
		x, span := &s.series[i], within
		var but Early
		if early != nil {
			var is bool
			if but, is = early(x.id); is {
				span.UpTo = min(span.UpTo, but.UpTo)
			}
		}
		from, to := span.Within(x.Times)
		hFrom := sort.Search(len(x.Histograms), func(i int) bool { return x.Histograms[i].T > span.After })
		hTo := max(hFrom, sort.Search(len(x.Histograms), func(i int) bool { return x.Histograms[i].T > span.UpTo }))
		part := promeval.Series{Labels: x.Labels, Seen: x.Seen, Times: x.Times[from:to], Values: x.Values[from:to], Histograms: x.Histograms[hFrom:hTo]}
		if len(but.Times)+len(but.Histograms) > 0 {
			part.Times, part.Values = slices.Concat(part.Times, but.Times), slices.Concat(part.Values, but.Values)
			part.Histograms = slices.Concat(part.Histograms, but.Histograms)
		}
		if len(part.Times)+len(part.Histograms) > 0 {
			samples = append(samples, part)
		}
	}
	return samples
}
