package round

// When the newest samples of a delta came.
// Before: the delta is planned.
// After: each flow's clock knows the newest sample that it holds, and how long nothing
// newer has come.

import (
	"context"
	"time"

	"laminar/flownode/flowplan"
	"laminar/sequence"
)

// glance is when a round has looked for what is new, by the database's clock and by that
// of this process. The zero glance is none.
type glance struct {
	stored sequence.Time
	own    time.Time
}

// promptly is how long after the last round of a flow what is new counts as committed
// now, which is by as much too late at most. Rounds that are further apart ask the database.
const promptly = 2 * time.Second

// freshSince reports whether what is new at g counts as committed then: because the glance
// before was a moment ago, or the database's clock has been set since. By a clock that was
// set ahead, all that came before would seem to have come long ago, and windows would close
// whose samples are on their way.
func (g glance) freshSince(before glance) bool {
	if before.own.IsZero() {
		return false
	}
	since := g.own.Sub(before.own)
	set := time.Duration(g.stored-before.stored)*time.Millisecond - since
	return since <= promptly || max(set, -set) > promptly
}

// seeNewest notes the newest raw sample of the delta of each flow, and when it was
// committed: whether its senders are quiet must not depend on when rounds are made. A
// flow of which one is made each hour would else learn an hour late that they are.
func (c *cohort) seeNewest(ctx context.Context, r *round) error {
	at := glance{r.Pos.Now, r.Now()}
	var ask []*flowRound
	ranges := map[sequence.Region]sequence.Range{}
	for _, s := range c.flows {
		fresh := at.freshSince(s.looked)
		s.looked = at
		switch n := newestOf(s); {
		case min(n.T, at.stored) <= s.clock.Newest:
		case fresh:
			s.clock = s.clock.See(n.T, at.stored, at.stored)
		default:
			rng, there := ranges[n.Region]
			if !there {
				rng = sequence.Range{After: n.Seq - 1, UpTo: n.Seq}
			}
			ranges[n.Region] = sequence.Range{After: min(rng.After, n.Seq-1), UpTo: max(rng.UpTo, n.Seq)}
			ask = append(ask, s)
		}
	}
	if len(ask) == 0 {
		return nil
	}
	committed, err := r.committed(ctx, ranges)
	if err != nil {
		return err
	}
	for _, s := range ask {
		n := newestOf(s)
		s.clock = s.clock.See(n.T, committed(n), at.stored)
	}
	return nil
}

// newestOf is the newest raw sample of the flow's delta.
func newestOf(s *flowRound) flowplan.Newest {
	out := flowplan.Newest{T: sequence.NoTime}
	for _, l := range s.deltas {
		if l.Plan.Samples > 0 && l.Plan.Newest.T > out.T {
			out = l.Plan.Newest
		}
	}
	return out
}
