package pane

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"laminar/sequence/segment"
)

// TestFinder holds looking times up in spans against asking each span.
func TestFinder(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		var spans []segment.Span
		for at := int64(rng.IntN(5)); len(spans) < rng.IntN(6); {
			s := segment.Span{MinT: at, MaxT: at + int64(rng.IntN(4))}
			spans = append(spans, s)
			at = s.MaxT + 1 + int64(rng.IntN(4))
		}
		f := Finder{Spans: spans}
		for range 50 {
			at := int64(rng.IntN(40)) - 2
			want := slices.ContainsFunc(spans, func(s segment.Span) bool { return s.MinT <= at && at <= s.MaxT })
			if f.Holds(at) != want || Hold(spans, at) != want {
				t.Fatalf("%d in %v: want %t", at, spans, want)
			}
		}
	}
}

// TestUnion holds joined spans against the times of those they were made of, and
// that they are disjoint and ascend.
func TestUnion(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 2))
	for range 500 {
		var spans []segment.Span
		for range rng.IntN(6) {
			at := int64(rng.IntN(30))
			spans = append(spans, segment.Span{MinT: at, MaxT: at + int64(rng.IntN(5))})
		}
		if rng.IntN(4) == 0 {
			spans = append(spans, segment.Span{MinT: int64(rng.IntN(30)), MaxT: math.MaxInt64})
		}
		union := Union(slices.Clone(spans))
		for at := int64(-1); at < 40; at++ {
			want := slices.ContainsFunc(spans, func(s segment.Span) bool { return s.MinT <= at && at <= s.MaxT })
			if Hold(union, at) != want {
				t.Fatalf("%d in %v, joined to %v: want %t", at, spans, union, want)
			}
		}
		for i := 1; i < len(union); i++ {
			if union[i].MinT-1 <= union[i-1].MaxT {
				t.Fatalf("%v joined to %v", spans, union)
			}
		}
	}
	if got := Between(5, 5); got != nil {
		t.Errorf("no time lies in (5,5], got %v", got)
	}
}
