package function

import (
	"laminar/flownode/partial"
	"laminar/sequence"
)

// Window is what a function is asked about: the samples in the span, on behalf of
// the window that ends at End.
type Window struct {
	sequence.Span
	End   sequence.Time // UpTo + the selector's offset
	Param float64       // the function's constant argument; 0 without one
}

// Use is how a function uses a kind of partial.
type Use[P any] struct {
	Kind *partial.Kind[P]

	// Markers says that stale markers are folded into partials like samples.
	Markers bool

	// Finish is the function's value in a window, of the partial that the
	// samples of the window merge to. ok is false where it has none: always for
	// the empty partial. p is not changed.
	Finish func(p *P, w Window) (v float64, ok bool)

	// Since is Finish of a function that looks before its range, nil for others: before is
	// what the samples there merge to, which is the empty partial where there are none, and
	// what Finish takes it for.
	Since func(p, before *P, w Window) (v float64, ok bool)
}

// Keeper keeps partials. It has a method for every kind, because arrays of
// partials are typed: loops over them must call Add and Merge directly. So a new
// kind does not compile until every Keeper keeps it.
type Keeper interface {
	Simple(use Use[partial.Simple])
	Moments(use Use[partial.Moments])
	Counter(use Use[partial.Counter])
	Distinct(use Use[partial.Distinct])
	Seen(use Use[partial.Seen])
	Last(use Use[partial.Last])
	First(use Use[partial.First])
	Pair(use Use[partial.Pair])
	Turns(use Use[partial.Turns])
	Regression(use Use[partial.Regression])
}

// kept is a Use whose kind of partial is not part of its type, so that
// functions of all kinds stand in one table.
type kept struct {
	traits partial.Traits
	always bool // there is a value wherever there is a sample
	keep   func(k Keeper, markers bool)
}

// keptAs makes the Use of a kind with a finisher; method is the kind's method
// of Keeper.
func keptAs[P any](kind *partial.Kind[P], method func(Keeper, Use[P]), finish func(*P, Window) (float64, bool)) kept {
	return kept{
		traits: kind.Traits,
		keep: func(k Keeper, markers bool) {
			method(k, Use[P]{Kind: kind, Markers: markers, Finish: finish})
		},
	}
}

// whenever is a Use of which there is a value wherever there is a sample.
func whenever(k kept) kept {
	k.always = true
	return k
}

// simple is for functions that have a value whenever there is a sample.
func simple(value func(*partial.Simple) float64) kept {
	return whenever(keptAs(partial.SimpleKind, Keeper.Simple, func(p *partial.Simple, _ Window) (float64, bool) {
		if p.Empty() {
			return 0, false
		}
		return value(p), true
	}))
}

func moments(value func(*partial.Moments) float64) kept {
	return whenever(keptAs(partial.MomentsKind, Keeper.Moments, func(p *partial.Moments, _ Window) (float64, bool) {
		if p.Empty() {
			return 0, false
		}
		return value(p), true
	}))
}

// counter is for functions that extrapolate to the borders of the window. They
// are finished for every series and window, so they are called directly.
func counter(finish func(*partial.Counter, Window) (float64, bool)) kept {
	return keptAs(partial.CounterKind, Keeper.Counter, finish)
}

// counterSince is for functions that begin at the newest sample before the range.
func counterSince(finish func(p, before *partial.Counter) (float64, bool)) kept {
	use := Use[partial.Counter]{
		Kind:   partial.CounterKind,
		Finish: func(p *partial.Counter, _ Window) (float64, bool) { return finish(p, &partial.Counter{}) },
		Since:  func(p, before *partial.Counter, _ Window) (float64, bool) { return finish(p, before) },
	}
	return whenever(kept{traits: use.Kind.Traits, keep: func(k Keeper, _ bool) { k.Counter(use) }})
}

func last(value func(p *partial.Last) (float64, bool)) kept {
	return keptAs(partial.LastKind, Keeper.Last, func(p *partial.Last, _ Window) (float64, bool) { return value(p) })
}

func first(value func(p *partial.First) (float64, bool)) kept {
	return keptAs(partial.FirstKind, Keeper.First, func(p *partial.First, _ Window) (float64, bool) { return value(p) })
}

func pair(value func(p *partial.Pair) (float64, bool)) kept {
	return keptAs(partial.PairKind, Keeper.Pair, func(p *partial.Pair, _ Window) (float64, bool) { return value(p) })
}

func turns(value func(p *partial.Turns) float64) kept {
	return whenever(keptAs(partial.TurnsKind, Keeper.Turns, func(p *partial.Turns, _ Window) (float64, bool) {
		if p.Empty() {
			return 0, false
		}
		return value(p), true
	}))
}

// counted is for functions that say how many different values there are.
func counted() kept {
	return whenever(keptAs(partial.DistinctKind, Keeper.Distinct, func(p *partial.Distinct, _ Window) (float64, bool) {
		if p.Empty() {
			return 0, false
		}
		return p.Count(), true
	}))
}

// regression is for functions of a line, which may look from the window's end.
func regression(value func(p *partial.Regression, w Window) (float64, bool)) kept {
	return keptAs(partial.RegressionKind, Keeper.Regression, value)
}
