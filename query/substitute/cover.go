package substitute

import (
	"slices"

	"laminar/flownode/progress"
	"laminar/sequence"
)

// Standing is what a snapshot shows of a flow, and of raw samples that it has not read.
type Standing struct {
	Flow     *progress.Flow
	Refills  sequence.Spans // of window ends that refills have still to compute
	Unread   []Unread
	Earliest sequence.Time // raw samples before it are given up; 0 for none
	Now      sequence.Time // by the database's clock
}

// Unread is a stretch of time that holds samples of a metric which the flow has not read.
type Unread struct {
	Metric string
	Span   sequence.Span
}

// Verdict says what a flow's row at a time is worth.
type Verdict uint8

// The verdicts.
const (
	Open Verdict = iota // it may not be what the expression gives, or may not be there
	Read                // it is what the expression gives
	Only                // raw samples are gone: it is what is known
)

// Coverage says at which times a flow's rows, and where there are none their absence, are
// what its expression gives over the samples of the snapshot.
type Coverage struct {
	standing  Standing
	after     sequence.Time // windows that end up to it are not all computed, or not kept
	unsettled sequence.Spans
}

// NewCoverage is the coverage of a flow.
//
// A window that ends at T is computed if BeginsAfter < T <= EmittedUntil, and there as of the
// flow's vector (progress.P3) unless it is on the dirty list. It is as of the snapshot if no
// leaf reads a sample in it that came after the vector.
func NewCoverage(s Standing) *Coverage {
	f := s.Flow
	c := &Coverage{standing: s, after: f.BeginsAfter}
	if f.BeginsAfter == sequence.NoTime {
		c.after = f.EmittedUntil
	}
	if f.Def.Keep > 0 {
		// Rows of such windows are removed in time, by the clock of the newest sample, which
		// is never ahead of the database's.
		c.after = max(c.after, s.Now-f.Def.Keep)
	}
	unsettled := slices.Clone(s.Refills)
	for _, d := range f.Dirty {
		unsettled = append(unsettled, sequence.Between(d.WindowEnd, d.WindowEnd))
	}
	for _, u := range s.Unread {
		for i := range f.Def.Expr.Leaves {
			if l := &f.Def.Expr.Leaves[i]; l.Metric == u.Metric {
				// A sample at t is read by windows with t+Offset <= end < t+Offset+Range.
				unsettled = append(unsettled, sequence.Span{After: u.Span.After + l.Offset, UpTo: u.Span.UpTo + l.Offset + l.Range - 1})
			}
		}
	}
	c.unsettled = sequence.Union(unsettled...)
	return c
}

// Of is what the row at t is worth.
func (c *Coverage) Of(t sequence.Time) Verdict {
	f := c.standing.Flow
	switch {
	case t <= c.after || t > f.EmittedUntil:
		return Open
	case !f.Def.Expr.Rebuildable(t, c.standing.Earliest):
		return Only
	case c.unsettled.Hold(t):
		return Open
	}
	return Read
}

// Division is the times of a part of a query, divided between a flow and raw samples. It is
// not changed after it was made.
type Division struct {
	Times    Times
	Verdicts []Verdict // of each time
	FromFlow int64     // how many are not Open
	Only     int64     // how many are Only
	Runs     []Times   // the times to evaluate over raw samples: all that are Open, and few others
}

// mostRuns is how many stretches of a part are evaluated over raw samples.
const mostRuns = 4

// Divide divides times by what a flow covers. reach is how much time an evaluation reads:
// stretches that are nearer to each other would read the same samples, and are made one.
func Divide(at Times, c *Coverage, reach int64) *Division {
	d := &Division{Times: at, Verdicts: make([]Verdict, at.N)}
	var runs [][2]int64 // of indices, first and last
	for i := range at.N {
		v := c.Of(at.At(i))
		d.Verdicts[i] = v
		switch {
		case v == Only:
			d.Only++
			d.FromFlow++
		case v == Read:
			d.FromFlow++
		case len(runs) > 0 && (at.At(i)-at.At(runs[len(runs)-1][1]) <= max(reach, at.Step)):
			runs[len(runs)-1][1] = i
		default:
			runs = append(runs, [2]int64{i, i})
		}
	}
	for len(runs) > mostRuns {
		nearest := 1
		for i := 2; i < len(runs); i++ {
			if runs[i][0]-runs[i-1][1] < runs[nearest][0]-runs[nearest-1][1] {
				nearest = i
			}
		}
		runs[nearest-1][1] = runs[nearest][1]
		runs = slices.Delete(runs, nearest, nearest+1)
	}
	for _, r := range runs {
		d.Runs = append(d.Runs, Times{First: at.At(r[0]), Step: at.Step, N: r[1] - r[0] + 1})
	}
	return d
}

// FlowSpan is the first and the last of the times that are the flow's; there are some.
func (d *Division) FlowSpan() (first, last sequence.Time) {
	i := slices.IndexFunc(d.Verdicts, func(v Verdict) bool { return v != Open })
	j := len(d.Verdicts) - 1
	for d.Verdicts[j] == Open {
		j--
	}
	return d.Times.At(int64(i)), d.Times.At(int64(j))
}

// Index is which of the times t is; false where it is none.
func (t Times) Index(at sequence.Time) (int64, bool) {
	since := at - t.First
	if since < 0 || t.N == 0 {
		return 0, false
	}
	if t.Step == 0 {
		return 0, since == 0
	}
	i := since / t.Step
	return i, since%t.Step == 0 && i < t.N
}
