package session

import (
	"cmp"
	"slices"

	"laminar/flownode/partial"
	"laminar/sequence"
)

// Session is a session of a group.
type Session struct {
	First, Last int64 // times of its oldest and its newest sample, ms
	Value       float64
}

// Finder finds the sessions of one group after the other. It keeps its room. It belongs
// to one goroutine.
type Finder struct {
	rule   *Rule
	runs   []seriesRun
	sorted bool
	last   map[int32]float64 // increase: newest values by series, of the session under way
}

type seriesRun struct {
	Run
	series int32
}

// NewFinder is a Finder for a rule.
func NewFinder(rule *Rule) *Finder { return &Finder{rule: rule, sorted: true} }

// Add adds runs of one series of the group, each within one half, later than those of it
// that were added before. Series are added in the order of their numbers, so that sums
// are always made in the same order.
func (f *Finder) Add(series int32, runs []Run) {
	for _, run := range runs {
		if n := len(f.runs); n > 0 && f.runs[n-1].First > run.First {
			f.sorted = false
		}
		f.runs = append(f.runs, seriesRun{run, series})
	}
}

// Find appends the sessions of what was added that end in the span, oldest first, and
// forgets what was added. What was added must begin where Rule.Needs of the span does.
func (f *Finder) Find(ends sequence.Span, out []Session) []Session {
	if !f.sorted {
		slices.SortFunc(f.runs, func(a, b seriesRun) int {
			return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.series, b.series))
		})
	}
	var (
		at      Run   // the session under way
		upTo    int64 // the end of the half of its last piece
		pieceAt int64 // the newest sample of that piece
		chain   int   // the place of that piece in its chain
	)
	for i := range f.runs {
		run := &f.runs[i]
		joined := i > 0 && run.First-pieceAt <= f.rule.Gap
		same := joined && run.First <= upTo // of the same piece
		if !same {
			if chain++; !joined {
				chain = 0
			}
			if chain != 1 { // else it is the second piece of a session
				if i > 0 && ends.Holds(at.Last) {
					out = append(out, f.session(&at))
				}
				at = Run{}
				clear(f.last)
			}
			upTo, pieceAt = f.rule.Grid().End(run.First), run.Last
		}
		pieceAt = max(pieceAt, run.Last)
		f.take(&at, run)
	}
	if len(f.runs) > 0 && ends.Holds(at.Last) {
		out = append(out, f.session(&at))
	}
	clear(f.last)
	f.runs, f.sorted = f.runs[:0], true
	return out
}

// take adds a run to a session; a session without samples is zero. Runs of one series
// come in the order of time.
func (f *Finder) take(at *Run, run *seriesRun) {
	if f.rule.Value == Increase {
		if f.last == nil {
			f.last = map[int32]float64{}
		}
		if before, ok := f.last[run.series]; ok {
			at.C += grown(before, run.A)
		}
		at.C += run.C
		f.last[run.series] = run.B
	}
	if at.Count == 0 {
		c := at.C
		*at = run.Run
		if f.rule.Value == Increase {
			at.C = c
		}
		return
	}
	switch f.rule.Value {
	case Sum, Avg:
		at.plus(run.Run)
	case Min:
		at.A = least(at.A, run.A)
	case Max:
		at.A = most(at.A, run.A)
	case First: // runs come by their beginnings
		if run.First == at.First {
			at.A = most(at.A, run.A)
		}
	case Last:
		switch {
		case run.Last > at.Last:
			at.A = run.A
		case run.Last == at.Last:
			at.A = most(at.A, run.A)
		}
	case Count, Increase:
	}
	at.Last = max(at.Last, run.Last)
	at.Count += run.Count
}

// session is what a run of all samples of the group amounts to.
func (f *Finder) session(at *Run) Session {
	s := Session{First: at.First, Last: at.Last, Value: at.A}
	switch f.rule.Value {
	case Count:
		s.Value = float64(at.Count)
	case Sum:
		s.Value = partial.Total(at.A, at.B)
	case Avg:
		s.Value = partial.Mean(at.A, at.B, float64(at.Count))
	case Increase:
		s.Value = at.C
	case Min, Max, First, Last:
	}
	return s
}
