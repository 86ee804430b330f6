package round

// The flows that a flow reads, and what those that read it are told.
// Before: Cascade has placed the flow among the others.
// After a round: flows that read it know what the round made of its closed windows.

import (
	"context"
	"math"
	"slices"

	"laminar/flownode/flowdef"
	"laminar/flownode/keep"
	"laminar/flownode/progress"
	"laminar/flownode/read"
	"laminar/flownode/results"
	"laminar/sequence"
)

// upstream is what a flow knows of the flows that it reads and that read it.
//
//	N1  in a round, every flow of others has been computed before this one is
//	N2  seen is the sequence of the region of results up to which pane state stands
type upstream struct {
	reads     []*Flow       // the flows whose results it reads, perhaps itself; nil when it reads raw metrics only
	others    []*Flow       // reads without itself
	feed      *results.Feed // of its results; nil when no flow reads them
	depth     int           // of the flows that it reads, one on the other
	chain     int           // progress.Round.Chain
	numbered  int           // of the series of results, how many it has looked at
	numbering int           // Cascade.numbering that numbers are of
	seen      sequence.Seq  // 0 when it reads raw metrics only, and before its first round

	// Of the round under way.
	to     *progress.Progress
	begun  bool         // its windows have begun
	tables read.Results // in its snapshot
}

// at is a flow's position: its raw vector, at what it has seen of results.
func (u *upstream) at(vec sequence.Vector) sequence.Vector {
	if u.seen == 0 {
		return vec
	}
	return results.With(vec, u.seen)
}

// readsItself reports whether the flow reads its own results.
func (u *upstream) readsItself() bool { return len(u.others) < len(u.reads) }

// showUntil lets the flow see what it has given up to an end, if it reads that.
func (u *upstream) showUntil(end sequence.Time) {
	if u.readsItself() {
		u.feed.ShowUntil(end)
	}
}

// opened notes how far the flow is, once it is known whether its windows have begun.
func (u *upstream) opened(to *progress.Progress, begun bool) {
	if u.to, u.begun = to, begun; u.feed != nil {
		u.feed.Begin(to.EmittedUntil)
	}
}

// tell tells flows that read it of a closed window. all says that rows are all rows of
// it; w is what is written, perhaps only the difference from a provisional result.
func (u *upstream) tell(w progress.Window, rows []progress.Row, all bool) {
	switch {
	case u.feed == nil:
	case all:
		u.feed.Window(w.End, true, rows, nil)
	default:
		u.feed.Window(w.End, false, w.Rows, w.Gone)
	}
}

// follows reports whether the flow was as far as those that it reads when the round
// began: then it is to be as far when it ends. emitted and windows are the flow's.
func (u *upstream) follows(emitted sequence.Time, last func(sequence.Time) sequence.Time, ahead int64) bool {
	return len(u.others) > 0 && emitted != sequence.NoTime &&
		!slices.ContainsFunc(u.others, func(p *Flow) bool { return emitted < last(p.EmittedUntil-ahead) })
}

// capped is the watermark w, or where a flow that it reads has not come as far: windows
// of that up to there are closed and computed. It is not below before. A flow that has
// not begun has no results and sets no limit; when it begins with older windows, these
// are late.
func (u *upstream) capped(w, before sequence.Time, ahead int64) sequence.Time {
	for _, p := range u.others {
		if !p.begun || p.pinnedGone {
			continue
		}
		reached := p.to.EmittedUntil
		if reached >= p.to.ClosedUntil(p.windows()) {
			reached = p.to.Watermark // no window of it ends up to there that is not computed
		}
		w = min(w, reached-ahead)
	}
	return max(w, before)
}

// lacks reports whether samples of the leaf in the span are gone.
func (u *upstream) lacks(l *flowdef.Leaf, span sequence.Span, earliest sequence.Time) bool {
	return span.After < u.goneUpTo(l, earliest)
}

// goneUpTo is the time up to which samples of the leaf are gone: raw ones before earliest
// (0: none), results that are not kept any more. It is below all times when none are.
func (u *upstream) goneUpTo(l *flowdef.Leaf, earliest sequence.Time) sequence.Time {
	gone := sequence.Time(math.MinInt64)
	raw := l.Names() == nil
	for _, name := range l.Names() {
		raw = raw || !slices.ContainsFunc(u.reads, func(p *Flow) bool { return p.Def.Name == name })
	}
	if raw && earliest != 0 {
		gone = earliest - 1
	}
	return max(gone, u.unkeptUpTo(l))
}

// unkeptUpTo is the time up to which results that the leaf reads are not kept any more.
func (u *upstream) unkeptUpTo(l *flowdef.Leaf) sequence.Time {
	gone := sequence.Time(math.MinInt64)
	for _, p := range u.reads {
		if mayRead(l, p) && p.Def.Keep > 0 {
			gone = max(gone, p.keptFrom()-1)
		}
	}
	return gone
}

// lacksResults reports whether results that the window reads are not kept any more.
func (f *Flow) lacksResults(end sequence.Time) bool {
	return slices.ContainsFunc(f.Leaves, func(l *keep.Leaf) bool { return l.Span(end).After < f.unkeptUpTo(l.Def) })
}

// mayRead reports whether the leaf may select results of the flow.
func mayRead(l *flowdef.Leaf, p *Flow) bool { return l.NamesMetric() && l.MaySelect(p.Def.Name) }

// metrics is the metrics that the leaf reads, ascending: those of its members, and of
// results of which no series may be known yet.
func (u *upstream) metrics(l *keep.Leaf) []sequence.MetricID {
	if len(u.reads) == 0 {
		return l.Members.Metrics
	}
	out := slices.Clone(l.Members.Metrics)
	for _, p := range u.reads {
		if mayRead(l.Def, p) {
			out = append(out, p.feed.Metric())
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// early says which series of results a window of the flow that ends at end sees only as
// the evaluation before left them; nil for none. What the flow itself gives is hidden from
// it in any case (showUntil).
func (f *Flow) early(ctx context.Context, end sequence.Time) (func(sequence.SeriesID) (read.Early, bool), error) {
	if len(f.Def.Previous) == 0 {
		return nil, nil
	}
	var seen, behind []*results.Feed
	for _, p := range f.reads {
		if f.Def.SeesPrevious(&p.Def) {
			behind = append(behind, p.feed)
		} else {
			seen = append(seen, p.feed)
		}
	}
	return results.Early(ctx, f.tables, seen, behind, end)
}

// closeDelay is how long after its end a window of the flow closes, if samples come in
// time: no sooner than those of the flows that it reads.
func closeDelay(f *Flow) int64 {
	delay := f.Def.WatermarkDelay
	for _, p := range f.others {
		delay = max(delay, closeDelay(p))
	}
	return delay + f.Def.Expr.Ahead()
}

// pinnedIsGone reports whether samples of a fixed time, which every window needs, are
// gone; raw ones before earliest are.
func pinnedIsGone(f *Flow, earliest sequence.Time) bool {
	if len(f.reads) == 0 {
		return f.Def.Expr.PinnedGone(earliest)
	}
	return slices.ContainsFunc(f.Leaves, func(l *keep.Leaf) bool { return l.Def.Pinned && f.lacks(l.Def, l.Span(0), earliest) })
}

// cutsShort reports whether leaves that are kept up to the evaluation before read results
// alone of which that is to be seen: definitions elsewhere may have given others the name.
func cutsShort(f *Flow) bool {
	for _, l := range f.Leaves {
		for _, p := range f.reads {
			if l.Def.Before > 0 && mayRead(l.Def, p) && (p.Def.Every != l.Def.Before || !f.Def.SeesPrevious(&p.Def)) {
				return false
			}
		}
	}
	return true
}
