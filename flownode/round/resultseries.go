package round

// Series of results that flows select. They get their numbers as rows are read, and
// not from the catalogue of series.
// Before: members are complete for raw series.
// After: they are complete for results in the stretch of time that was asked for.

import (
	"context"

	"laminar/flownode/keep"
	"laminar/sequence"
)

// recentResults makes members of the series of results that pane state can hold.
func (r *round) recentResults(ctx context.Context, flows []*flowRound) error {
	if r.tier = flows; len(r.cascade.feeds) == 0 {
		return nil
	}
	for _, s := range flows {
		if len(s.reads) == 0 || s.to.EmittedUntil == sequence.NoTime ||
			s.windows().Count(sequence.Span{After: s.to.EmittedUntil, UpTo: s.Watermark}) > maxCatchUp {
			continue
		}
		for _, l := range s.Leaves {
			open := l.Span(l.Windows.Next(s.to.EmittedUntil)).After
			if err := r.know(ctx, s.Flow, l, sequence.Span{After: open - lateKeep(l), UpTo: sequence.EndOfTime}); err != nil {
				return err
			}
		}
	}
	r.meetSeries()
	if r.results != nil {
		r.Pos.Histograms = r.results.Histograms()
	}
	return nil
}

// knowFor finds the series of results that windows of the flow read.
func (r *round) knowFor(ctx context.Context, f *Flow, ends []int64) error {
	if len(f.reads) == 0 {
		return nil
	}
	for _, l := range f.Leaves {
		span := sequence.Span{After: l.Span(ends[0]).After, UpTo: l.Span(ends[len(ends)-1]).UpTo}
		if err := r.know(ctx, f, l, span); err != nil {
			return err
		}
	}
	r.meetSeries()
	return nil
}

// know finds the series of results that the leaf may select in the span.
func (r *round) know(ctx context.Context, f *Flow, l *keep.Leaf, span sequence.Span) error {
	for _, p := range f.reads {
		if mayRead(l.Def, p) {
			if err := p.feed.Know(ctx, r.cascade.Tables, span); err != nil {
				return err
			}
		}
	}
	return nil
}

// meetSeries makes members of series of results that have got a number, in all flows
// of the tier: they may share members. A series that is met late has no sample in any
// stretch that was known before, so pane state lacks nothing of it.
func (r *round) meetSeries() {
	byKnown := map[int]keep.Leaves{}
	for _, s := range r.tier {
		if n := len(r.cascade.records.Series(s.numbered)); n > 0 && len(s.reads) > 0 {
			byKnown[s.numbered] = append(byKnown[s.numbered], s.Leaves...)
			s.numbered += n
		}
	}
	for known, leaves := range byKnown {
		addSeries(leaves, r.cascade.records.Series(known))
	}
}
