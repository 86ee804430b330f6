package sequence

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// times are those that the tests ask spans for, some beyond every span's border.
const firstTime, lastTime Time = -3, 43

// randomSpan is a span within what the tests ask for, in about one of five cases
// empty, upside down included.
func randomSpan(rng *rand.Rand) Span {
	after := Time(rng.IntN(40)) - 2
	return Span{After: after, UpTo: after + Time(rng.IntN(10)) - 2}
}

func randomSpans(rng *rand.Rand) []Span {
	var out []Span
	for range rng.IntN(7) {
		out = append(out, randomSpan(rng))
	}
	if rng.IntN(4) == 0 {
		out = append(out, Span{After: Time(rng.IntN(40)), UpTo: EndOfTime})
	}
	rng.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// TestSpanLaws holds what a span says of itself and of two against asking both
// for each time.
func TestSpanLaws(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for range 20_000 {
		s, o := randomSpan(rng), randomSpan(rng)
		var held, both int
		covers := true
		for at := firstTime; at <= lastTime; at++ {
			in, other := s.Holds(at), o.Holds(at)
			if in {
				held++
			}
			if in && other {
				both++
			}
			covers = covers && (in || !other)
			if s.Cut(o).Holds(at) != (in && other) {
				t.Fatalf("%s and %s, cut to %s, at %d", s, o, s.Cut(o), at)
			}
			if (in || other) && !s.Join(o).Holds(at) {
				t.Fatalf("%s and %s, joined to %s, leave %d out", s, o, s.Join(o), at)
			}
		}
		if s.Empty() != (held == 0) || s.Overlaps(o) != (both > 0) || s.Covers(o) != covers {
			t.Fatalf("%s: empty %t; with %s: overlaps %t, covers %t", s, s.Empty(), o, s.Overlaps(o), s.Covers(o))
		}
		if j := s.Join(o); !j.Covers(s) || !j.Covers(o) || !j.Empty() && !s.Holds(j.UpTo) && !o.Holds(j.UpTo) ||
			!j.Empty() && !s.Holds(j.After+1) && !o.Holds(j.After+1) {
			t.Fatalf("%s and %s, joined to %s: not the smallest that covers both", s, o, j)
		}
		if back, err := ParseSpan(s.String()); err != nil || back != s {
			t.Fatalf("%s is read as %s, %v", s, back, err)
		}
	}
}

// TestBetween: both ends belong to it.
func TestBetween(t *testing.T) {
	for first := Time(-2); first < 4; first++ {
		for last := first - 1; last < 5; last++ {
			for at := Time(-4); at < 7; at++ {
				if s := Between(first, last); s.Holds(at) != (first <= at && at <= last) {
					t.Fatalf("from %d to %d is %s, which is wrong about %d", first, last, s, at)
				}
			}
		}
	}
}

// TestWithin: what lies in the span is cut out of ascending times, which may come
// more than once.
func TestWithin(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	for range 5_000 {
		times := make([]int64, rng.IntN(12))
		for i := range times {
			times[i] = int64(rng.IntN(40))
		}
		slices.Sort(times)
		s := randomSpan(rng)
		if rng.IntN(5) == 0 {
			s.UpTo = EndOfTime
		}
		want := slices.DeleteFunc(slices.Clone(times), func(at int64) bool { return !s.Holds(at) })
		if from, to := s.Within(times); !slices.Equal(times[from:to], want) {
			t.Fatalf("%s of %d is %d, want %d", s, times, times[from:to], want)
		}
	}
}

func TestParseSpanRefuses(t *testing.T) {
	for _, s := range []string{"", "(1,2)", "[1,2]", "1,2", "(1 2]", "(1,]", "(a,2]", "(1,2] ", "(1,9223372036854775808]"} {
		if got, err := ParseSpan(s); err == nil {
			t.Errorf("%q is read as %s", s, got)
		}
	}
}

// TestSpansLaws holds the union of spans, and what looks times up in it, against
// the spans that it was made of, and that it is disjoint and ascends.
func TestSpansLaws(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2_000 {
		spans := randomSpans(rng)
		union := Union(slices.Clone(spans)...)
		f := Finder{Spans: union}
		ask := func(at Time) {
			want := slices.ContainsFunc(spans, func(s Span) bool { return s.Holds(at) })
			if union.Hold(at) != want || f.Holds(at) != want {
				t.Fatalf("%d in %v, joined to %v: %t and %t, want %t", at, spans, union, union.Hold(at), f.Holds(at), want)
			}
		}
		for at := firstTime; at <= lastTime; at++ {
			ask(at)
		}
		for range 50 {
			ask(Time(rng.IntN(50)) - 4)
		}
		for _, at := range []Time{math.MinInt64, 0, EndOfTime, 3, math.MinInt64} {
			ask(at)
		}
		others := Union(randomSpans(rng)...)
		left := union.Without(others)
		for at := firstTime; at <= lastTime; at++ {
			if want := union.Hold(at) && !others.Hold(at); left.Hold(at) != want {
				t.Fatalf("%d in %v without %v, which is %v: %t, want %t", at, union, others, left, !want, want)
			}
		}
		if !slices.Equal(left, Union(slices.Clone(left)...)) {
			t.Fatalf("%v without %v is %v", union, others, left)
		}
		for i, s := range union {
			if s.Empty() || i > 0 && s.After <= union[i-1].UpTo || !union.Whole().Covers(s) {
				t.Fatalf("%v joined to %v", spans, union)
			}
		}
	}
}

// TestFinderAllocates: a time is looked up for every sample.
func TestFinderAllocates(t *testing.T) {
	f := Finder{Spans: Union(Span{1, 5}, Span{8, 9}, Span{20, EndOfTime})}
	if n := testing.AllocsPerRun(10, func() {
		for at := range Time(30) {
			f.Holds(at)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
