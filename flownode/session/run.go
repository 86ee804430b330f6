package session

import "laminar/flownode/partial"

// Run is samples of one series without a long pause, as much of them as the value needs.
// At least one sample is in it.
type Run struct {
	First, Last int64 // times of the oldest and the newest sample
	Count       int64

	// By the rule's value:
	//
	//	sum, avg     A the sum, B its compensation (partial.Plus)
	//	min, max     A
	//	first, last  A
	//	increase     A the oldest value, B the newest, C the increase from A to B
	A, B, C float64
}

// one is the run of a single sample.
func (r *Rule) one(t int64, v float64) Run {
	run := Run{First: t, Last: t, Count: 1, A: v}
	if r.Value == Increase {
		run.B = v
	}
	return run
}

// Add adds a sample that is later than all of the list.
func (r *Rule) Add(runs []Run, t int64, v float64) []Run {
	if n := len(runs); n > 0 && t-runs[n-1].Last <= r.Gap {
		r.join(&runs[n-1], r.one(t, v))
		return runs
	}
	return append(runs, r.one(t, v))
}

// Glue appends runs of the same series that are later than all of the list. later stays
// as it is.
func (r *Rule) Glue(runs, later []Run) []Run {
	if n := len(runs); n > 0 && len(later) > 0 && later[0].First-runs[n-1].Last <= r.Gap {
		r.join(&runs[n-1], later[0])
		later = later[1:]
	}
	return append(runs, later...)
}

// join adds a later run of the same series to a run.
func (r *Rule) join(into *Run, later Run) {
	into.Last = later.Last
	into.Count += later.Count
	switch r.Value {
	case Sum, Avg:
		into.plus(later)
	case Min:
		into.A = least(into.A, later.A)
	case Max:
		into.A = most(into.A, later.A)
	case Last:
		into.A = later.A
	case Increase:
		into.C += grown(into.B, later.A) + later.C
		into.B = later.B
	case Count, First:
	}
}

// plus adds the sum of another run.
func (run *Run) plus(o Run) {
	run.A, run.B = partial.Plus(run.A, run.B, o.A, o.B)
}

// grown is how much a counter has grown from one value to a later one. One that is
// smaller has begun anew from 0.
func grown(from, to float64) float64 {
	if to < from {
		return to
	}
	return to - from
}

// least and most are as PromQL's min and max: NaN counts where there is nothing else.
func least(a, b float64) float64 {
	if b < a || a != a {
		return b
	}
	return a
}

func most(a, b float64) float64 {
	if b > a || a != a {
		return b
	}
	return a
}
