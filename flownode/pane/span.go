package pane

import (
	"cmp"
	"math"
	"slices"

	"laminar/sequence/segment"
)

// Spans that are looked up or searched ascend and are disjoint, as Join and
// Union make them.

// Between is the times with after < t <= upTo as a span; none when there is no
// such time.
func Between(after, upTo int64) []segment.Span {
	if after >= upTo {
		return nil
	}
	return []segment.Span{{MinT: after + 1, MaxT: upTo}}
}

// Join joins spans, which ascend by MinT, where they touch or overlap. It uses
// their array.
func Join(spans []segment.Span) []segment.Span {
	out := spans[:0]
	for _, s := range spans {
		if n := len(out); n > 0 && s.MinT-1 <= out[n-1].MaxT {
			out[n-1].MaxT = max(out[n-1].MaxT, s.MaxT)
		} else {
			out = append(out, s)
		}
	}
	return out
}

// Union is Join for spans in any order.
func Union(spans []segment.Span) []segment.Span {
	slices.SortFunc(spans, func(a, b segment.Span) int { return cmp.Compare(a.MinT, b.MinT) })
	return Join(spans)
}

// Find is the place of the first span that ends at t or later: the only one that
// can hold t. It is len(spans) when there is none.
func Find(spans []segment.Span, t int64) int {
	n, _ := slices.BinarySearchFunc(spans, t, func(s segment.Span, t int64) int { return cmp.Compare(s.MaxT, t) })
	return n
}

// Hold reports whether a time lies in one of the spans.
func Hold(spans []segment.Span, t int64) bool {
	n := Find(spans, t)
	return n < len(spans) && spans[n].MinT <= t
}

// Finder looks times up in spans. It is fast where one time lies near the last:
// it keeps the stretch, a span or a gap, in which that one lies. It is for one
// goroutine.
type Finder struct {
	Spans []segment.Span

	from, to int64 // the stretch from <= t < to
	in       bool  // it is a span
}

// Holds reports whether a time lies in one of the spans.
func (f *Finder) Holds(t int64) bool {
	if t >= f.from && t < f.to {
		return f.in
	}
	n := Find(f.Spans, t)
	f.in = n < len(f.Spans) && f.Spans[n].MinT <= t
	f.from, f.to = math.MinInt64, math.MaxInt64
	if n > 0 {
		f.from = f.Spans[n-1].MaxT + 1
	}
	switch {
	case f.in:
		f.from, f.to = f.Spans[n].MinT, f.Spans[n].MaxT+1
	case n < len(f.Spans):
		f.to = f.Spans[n].MinT
	}
	return f.in
}
