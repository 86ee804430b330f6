package progress_test

import (
	"math/rand/v2"
	"testing"

	"laminar/flownode/progress"
	"laminar/sequence"
)

// TestStretches: the stretches of a flow are what was there and what came, without what was
// computed whole; where they are too many, with the least of what lies between them.
func TestStretches(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	joined := 0
	for range 30 {
		var before sequence.Spans
		want := map[int64]bool{} // the ends of windows that may lack samples
		for range 10 {
			random := func(n int) (out []sequence.Span) {
				for range rng.IntN(n) {
					after := 10 * rng.Int64N(1000)
					out = append(out, sequence.Span{After: after, UpTo: after + 10*(1+rng.Int64N(4))})
				}
				return out
			}
			add, whole := random(100), random(20)
			for end := int64(0); end <= 10_100; end += 10 {
				in := want[end]
				for _, s := range add {
					in = in || s.Holds(end)
				}
				for _, s := range whole {
					in = in && !s.Holds(end)
				}
				want[end] = in
			}
			got := progress.Stretches(before, add, whole)
			if len(got) > 64 {
				t.Fatalf("%d stretches", len(got))
			}
			if len(got) == 64 {
				joined++
			}
			for end := int64(0); end <= 10_100; end += 10 {
				if want[end] && !got.Hold(end) || len(got) < 64 && want[end] != got.Hold(end) {
					t.Fatalf("%d is in %v: %v, want %v", end, got, got.Hold(end), want[end])
				}
				want[end] = got.Hold(end)
			}
			before = got
		}
	}
	if joined < 10 {
		t.Errorf("only %d times there were too many", joined)
	}
}
