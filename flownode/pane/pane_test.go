package pane

import (
	"math/rand/v2"
	"slices"
	"testing"

	"laminar/sequence"
)

// TestGridEnd walks up from far below, one pane at a time, to the pane that
// holds t.
func TestGridEnd(t *testing.T) {
	for width := int64(1); width <= 7; width++ {
		g := Grid{Width: width}
		for at := int64(-30); at <= 30; at++ {
			want := -40 * width
			for want < at {
				want += width
			}
			if got := g.End(at); got != want || !g.Span(got).Holds(at) {
				t.Fatalf("width %d: End(%d) = %d, want %d", width, at, got, want)
			}
		}
	}
}

// TestWindowsOfSample compares with asking every window end whether its window
// holds the sample.
func TestWindowsOfSample(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for range 20_000 {
		var (
			step   = 1 + rnd.Int64N(9)
			rng    = 1 + rnd.Int64N(20)
			offset = rnd.Int64N(21) - 10
			at     = rnd.Int64N(60)
			w      = Windows{Every: step, Range: rng, Offset: offset}
		)
		var want []int64
		for end := int64(0); end <= 120*step; end += step {
			if w.Bounds(end).Holds(at) {
				want = append(want, end)
			}
		}
		first, last := w.Of(sequence.Between(at, at))
		got := slices.Collect(w.Ends(first, last))
		if !slices.Equal(got, want) {
			t.Fatalf("range %d offset %d step %d: windows of a sample at %d are %d, want %d", rng, offset, step, at, got, want)
		}
		if len(want) == 0 {
			if last >= first {
				t.Fatalf("range %d offset %d step %d: no window holds %d, but first %d <= last %d", rng, offset, step, at, first, last)
			}
			continue
		}
		if first != want[0] || last != want[len(want)-1] {
			t.Fatalf("range %d offset %d step %d: first and last window of %d are %d and %d, want %d and %d",
				rng, offset, step, at, first, last, want[0], want[len(want)-1])
		}
	}
}

// TestWindowEnds holds where windows end against going from end to end.
func TestWindowEnds(t *testing.T) {
	for every := int64(1); every <= 7; every++ {
		w := Windows{Every: every}
		for at := int64(-30); at <= 30; at++ {
			last, next := -40*every, int64(0)
			for last+every <= at {
				last += every
			}
			for next <= at {
				next += every
			}
			from := next
			if last == at && at >= 0 {
				from = at
			}
			if w.Last(at) != last || w.Next(at) != next || w.From(at) != from {
				t.Fatalf("every %d, at %d: last %d, next %d, from %d, want %d, %d, %d", every, at, w.Last(at), w.Next(at), w.From(at), last, next, from)
			}
		}
	}
}

// TestWindowsCount: as many windows end in a span as there are ends in it.
func TestWindowsCount(t *testing.T) {
	rnd := rand.New(rand.NewPCG(5, 6))
	for range 5_000 {
		w := Windows{Every: 1 + rnd.Int64N(7)}
		span := sequence.Span{After: rnd.Int64N(40) - 1, UpTo: rnd.Int64N(60) - 2}
		want := int64(0)
		for range w.Ends(w.Next(span.After), span.UpTo) {
			want++
		}
		if got := w.Count(span); got != want {
			t.Fatalf("every %d, in %s: %d, want %d", w.Every, span, got, want)
		}
	}
}

// TestPanesMakeWindow: with panes of Width, a sample is in a window exactly
// when its pane is one of the window's panes, and a window has range/width of
// them.
func TestPanesMakeWindow(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	for range 5_000 {
		var (
			unit   = 1 + rnd.Int64N(4)
			step   = unit * (1 + rnd.Int64N(6))
			rng    = unit * (1 + rnd.Int64N(12))
			offset = unit * (rnd.Int64N(9) - 4)
			grid   = Grid{Width: Width(rng, offset, step)}
			end    = step * rnd.Int64N(20)
			w      = Windows{Every: step, Range: rng, Offset: offset}
		)
		if grid.Width < unit || rng%grid.Width != 0 || step%grid.Width != 0 || offset%grid.Width != 0 {
			t.Fatalf("width of range %d offset %d step %d is %d", rng, offset, step, grid.Width)
		}
		window := w.Bounds(end)
		panes := between(grid, window)
		if int64(len(panes)) != rng/grid.Width {
			t.Fatalf("range %d has %d panes of %d", rng, len(panes), grid.Width)
		}
		for at := window.After - 5; at <= window.UpTo+5; at++ {
			in := window.Holds(at)
			if slices.Contains(panes, grid.End(at)) != in {
				t.Fatalf("sample at %d, window %s, pane %d of %d", at, window, grid.End(at), panes)
			}
			if slices.Contains(reached(w, at), end) != in {
				t.Fatalf("sample at %d, window %s: Of disagrees", at, window)
			}
		}
	}
}

// TestCutMakesWindow: the panes of Cut make up every window of its ranges, also at offsets
// that are no multiples of a second, and are no narrower than without the rest.
func TestCutMakesWindow(t *testing.T) {
	rnd := rand.New(rand.NewPCG(7, 8))
	for range 5_000 {
		var (
			unit   = []int64{1, 250, 1000, 15_000}[rnd.IntN(4)]
			step   = unit * (1 + rnd.Int64N(6))
			lead   = unit * rnd.Int64N(9)
			rng    = unit * (1 + rnd.Int64N(12))
			offset = unit*(rnd.Int64N(9)-4) + rnd.Int64N(3) - 1
			grid   = Cut(offset, step, rng, lead)
			end    = step * rnd.Int64N(20)
		)
		if unit >= 1000 && grid.Width < 1000 {
			t.Fatalf("panes of range %d offset %d step %d are %+v", rng, offset, step, grid)
		}
		if grid.Phase < 0 || grid.Phase >= grid.Width {
			t.Fatalf("phase of %+v", grid)
		}
		for _, w := range []Windows{{Every: step, Range: rng, Offset: offset}, {Every: step, Range: lead, Offset: offset + rng}} {
			window := w.Bounds(end)
			panes := between(grid, window)
			if int64(len(panes))*grid.Width != w.Range {
				t.Fatalf("range %d has %d panes of %+v", w.Range, len(panes), grid)
			}
			for _, at := range []int64{window.After - 1, window.After, window.After + 1, window.UpTo - 1, window.UpTo, window.UpTo + 1, window.After + 1 + rnd.Int64N(max(1, w.Range))} {
				if slices.Contains(panes, grid.End(at)) != window.Holds(at) {
					t.Fatalf("sample at %d, window %s, pane %d of %d, %+v", at, window, grid.End(at), panes, grid)
				}
			}
		}
	}
}

// reached lists the windows that a sample reaches.
func reached(w Windows, at int64) []int64 {
	return slices.Collect(w.Ends(w.Of(sequence.Between(at, at))))
}

// between lists the panes that lie in the span.
func between(g Grid, span sequence.Span) []int64 {
	var out []int64
	for end := span.After + g.Width; end <= span.UpTo; end += g.Width {
		out = append(out, end)
	}
	return out
}
