package sequence

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
)

// Span is the times with After < t <= UpTo. A Span with UpTo <= After holds
// nothing. It is open below and closed above as Range is, and as ranges are in
// PromQL: spans that follow one another share a border, and neither overlap nor
// leave a gap.
type Span struct {
	After, UpTo Time
}

// EndOfTime is the upper border of spans that have none.
const EndOfTime Time = math.MaxInt64

// Between is the span of times from first to last, both included. It is for
// times of samples; what windows and panes read is a Span already. The first
// time is greater than math.MinInt64.
func Between(first, last Time) Span { return Span{After: first - 1, UpTo: last} }

// Empty reports whether no time lies in the span.
func (s Span) Empty() bool { return s.UpTo <= s.After }

// Holds reports whether a time lies in the span.
func (s Span) Holds(t Time) bool { return s.After < t && t <= s.UpTo }

// Cut is the times that lie in both spans.
func (s Span) Cut(o Span) Span { return Span{After: max(s.After, o.After), UpTo: min(s.UpTo, o.UpTo)} }

// Covers reports whether every time of o lies in the span too.
func (s Span) Covers(o Span) bool { return o.Empty() || s.After <= o.After && o.UpTo <= s.UpTo }

// Overlaps reports whether a time lies in both spans.
func (s Span) Overlaps(o Span) bool { return !s.Cut(o).Empty() }

// Join is the smallest span that covers both.
func (s Span) Join(o Span) Span {
	switch {
	case s.Empty():
		return o
	case o.Empty():
		return s
	}
	return Span{After: min(s.After, o.After), UpTo: max(s.UpTo, o.UpTo)}
}

// Within is which of ascending times lie in the span: times[from:to].
func (s Span) Within(times []int64) (from, to int) {
	from = upTo(times, s.After)
	return from, max(from, upTo(times, s.UpTo))
}

// upTo is how many of ascending times are t or before.
func upTo(times []int64, t Time) int {
	n, _ := slices.BinarySearch(times, t)
	for n < len(times) && times[n] == t {
		n++
	}
	return n
}

// String spells the span "(1000,2500]".
func (s Span) String() string { return fmt.Sprintf("(%d,%d]", s.After, s.UpTo) }

// ParseSpan reads what Span.String writes.
func ParseSpan(s string) (Span, error) {
	after, upTo, ok := cutInterval(s)
	a, err := strconv.ParseInt(after, 10, 64)
	u, err2 := strconv.ParseInt(upTo, 10, 64)
	if !ok || err != nil || err2 != nil {
		return Span{}, fmt.Errorf("span of time %q: want the form (1000,2500], in milliseconds since the epoch", s)
	}
	return Span{After: a, UpTo: u}, nil
}

// Spans is spans of time that ascend, of which none is empty and no two touch:
// a set of times has one spelling. Union makes them.
type Spans []Span

// Union is the times that lie in any of the spans, which may come in any order.
// It uses their array.
func Union(spans ...Span) Spans {
	byAfter := func(a, b Span) int { return cmp.Compare(a.After, b.After) }
	if !slices.IsSortedFunc(spans, byAfter) {
		slices.SortFunc(spans, byAfter)
	}
	out := spans[:0]
	for _, s := range spans {
		n := len(out) - 1
		switch {
		case s.Empty():
		case n >= 0 && s.After <= out[n].UpTo:
			out[n].UpTo = max(out[n].UpTo, s.UpTo)
		default:
			out = append(out, s)
		}
	}
	return out
}

// Without is the times that lie in s and not in o.
func (s Spans) Without(o Spans) Spans {
	var out Spans
	for _, one := range s {
		for _, cut := range o[o.Search(one.After+1):] {
			if cut.After >= one.UpTo {
				break
			}
			if cut.After > one.After {
				out = append(out, Span{After: one.After, UpTo: cut.After})
			}
			one.After = max(one.After, cut.UpTo)
		}
		if !one.Empty() {
			out = append(out, one)
		}
	}
	return out
}

// Search is the place of the first span that ends at t or later: the only one
// that can hold t. It is len(s) when there is none.
func (s Spans) Search(t Time) int {
	n, _ := slices.BinarySearchFunc(s, t, func(s Span, t Time) int { return cmp.Compare(s.UpTo, t) })
	return n
}

// Hold reports whether a time lies in one of the spans.
func (s Spans) Hold(t Time) bool {
	n := s.Search(t)
	return n < len(s) && s[n].After < t
}

// Whole is the smallest span that covers all of them; they are not none.
func (s Spans) Whole() Span { return Span{After: s[0].After, UpTo: s[len(s)-1].UpTo} }

// Finder looks times up in spans. It is fast where one time lies near the last:
// it keeps the stretch, a span or a gap, in which that one lies. It is for one
// goroutine.
type Finder struct {
	Spans Spans

	last Span // a stretch of times that are all in the spans, or all not
	in   bool // they are
}

// Holds reports whether a time lies in one of the spans.
func (f *Finder) Holds(t Time) bool {
	if f.last.Holds(t) {
		return f.in
	}
	n := f.Spans.Search(t)
	f.last = Span{After: math.MinInt64, UpTo: EndOfTime}
	if n > 0 {
		f.last.After = f.Spans[n-1].UpTo
	}
	f.in = false
	if n < len(f.Spans) {
		if next := f.Spans[n]; next.Holds(t) {
			f.last, f.in = next, true
		} else {
			f.last.UpTo = next.After
		}
	}
	return f.in
}
