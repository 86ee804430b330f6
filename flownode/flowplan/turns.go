package flowplan

import "time"

// Turns divides the time of a round among the flows that have corrections to make: each
// may take the same part of what is left when its turn comes, so what one does not need
// goes to those behind it, and a long correction of one leaves the others theirs.
type Turns struct {
	end  time.Time
	left int
}

// NewTurns is turns of so many flows, up to the end of a round.
func NewTurns(flows int, end time.Time) *Turns { return &Turns{end: end, left: flows} }

// Take is until when the next flow may go on.
func (t *Turns) Take(now time.Time) time.Time {
	n := max(1, t.left)
	t.left--
	return Part(now, t.end, n)
}

// Part is where the first of n equal parts of the time from now to end ends; end where
// that is past.
func Part(now, end time.Time, n int) time.Time {
	if !now.Before(end) {
		return end
	}
	return now.Add(end.Sub(now) / time.Duration(n))
}
