package flownode

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"

	"laminar/sequence"
	"laminar/sequence/segment"
)

// foldRaw folds the raw samples of the series in the spans, whose borders are
// those of panes, into cells of into that are empty, while they are read: about
// rawAtOnce samples are held at a time, however many there are.
//
// Only, if not nil, says which samples are wanted, all of a cell or none. It may
// be called by several goroutines.
//
// When that is known only later of a series that its samples do not come in time
// order, its cells are emptied and folded again, from half of the time at a time.
func (l *Leaf) foldRaw(ctx context.Context, r *round, into State, series []sequence.SeriesID, spans []segment.Span, only func(slot int32, t int64) bool) error {
	if len(series) == 0 || len(spans) == 0 {
		return nil
	}
	raw := newRawSamples(l.Members, series)
	raw.only = only
	limit := r.node.rawAtOnce
	if len(spans) == 1 && spans[0].MaxT-spans[0].MinT < l.Def.Pane {
		limit = math.MaxInt
	} else if l.likely(r, len(series), spans) > int64(limit) {
		if err := l.holdLate(ctx, r, raw, spans); err != nil {
			raw.release()
			return err
		}
	}
	x := newRawFold(l, r, into, raw, limit)
	defer x.release()
	err := r.snap.ReadRaw(ctx, raw.selection(spans), x.takers(spans)...)
	r.readSamples += x.count()
	if err != nil {
		return raw.readError(spans, err)
	}
	return x.finish(ctx, r, spans)
}

// likely is about how many samples of so many series lie in the spans: as if
// each pane had one.
func (l *Leaf) likely(r *round, series int, spans []segment.Span) int64 {
	panes := int64(0)
	for _, s := range spans {
		panes += (min(s.MaxT, max(s.MinT, r.pos.Now)) - s.MinT) / l.Def.Pane
	}
	return panes * int64(series)
}

// errManyLate ends the reading of late samples.
var errManyLate = errors.New("too many late samples")

// holdLate finds the series of which hot unordered samples lie in the spans and
// lets them be held until all is read: they come last, whatever their time. Of
// too many nothing is said: they are folded again where that turns out to be
// necessary.
func (l *Leaf) holdLate(ctx context.Context, r *round, raw *rawSamples, spans []segment.Span) error {
	hold, n := make([]bool, len(raw.series)), 0
	err := r.snap.ReadDelta(ctx, l.Members.Metrics, sequence.Vector{}.Delta(r.pos.Vector), segment.PickUnordered, func(seg *segment.Segment) error {
		for i, id := range seg.Series {
			c := raw.index.Get(id)
			if c == NoSlot || hold[c] || !inSpans(spans, seg.Time(i)) {
				continue
			}
			hold[c] = true
			if n++; n > max(2, len(raw.series)/8) {
				return errManyLate
			}
		}
		return nil
	})
	switch {
	case errors.Is(err, errManyLate):
		return nil
	case err != nil:
		return fmt.Errorf("look for late samples of %s: %w", l.Def.Text, err)
	case n > 0:
		raw.hold = hold
	}
	return nil
}

// inSpans reports whether a time lies in one of the spans.
func inSpans(spans []segment.Span, t int64) bool {
	n, _ := slices.BinarySearchFunc(spans, t, func(s segment.Span, t int64) int { return cmp.Compare(s.MaxT, t) })
	return n < len(spans) && t >= spans[n].MinT
}

// halves splits spans on borders of panes; nothing is stored beyond horizon.
func (l *Leaf) halves(spans []segment.Span, horizon int64) [][]segment.Span {
	if n := len(spans); n > 1 {
		return [][]segment.Span{spans[:n/2], spans[n/2:]}
	}
	after, upTo := spans[0].MinT-1, spans[0].MaxT
	panes := (min(upTo, max(horizon, spans[0].MinT)) - after + l.Def.Pane - 1) / l.Def.Pane
	middle := after + max(1, panes/2)*l.Def.Pane
	return [][]segment.Span{spanOf(after, min(middle, upTo)), spanOf(min(middle, upTo), upTo)}
}

// FoldMixed adds samples of any of slots slots, those of one series in time
// order, each time once per series.
func (s *panes[P, PP]) FoldMixed(slot []int32, slots int, ts []int64, vs []float64) {
	for from := 0; from < len(ts); {
		if !s.keeps(ts[from], vs[from]) {
			from++
			continue
		}
		end := s.grid.End(ts[from])
		begin, to := max(s.from, end-s.grid.Width), from+1
		for to < len(ts) && ts[to] > begin && ts[to] <= end && (s.Markers || !segment.IsStale(vs[to])) {
			to++
		}
		s.Kind.Add(s.cells(end, int32(slots-1), slots), slot[from:to], ts[from:to], vs[from:to])
		if s.slide.changing(end) {
			for _, x := range slot[from:to] {
				s.slide.stale.add(x)
			}
		}
		from = to
	}
}

// keeps reports whether a sample enters a pane.
func (s *panes[P, PP]) keeps(t int64, v float64) bool { return t > s.from && s.keep(v) }
