package round

// Pane state: which leaves have it in memory, and where it begins.
// Before: pane state that exists stands at the round's vector.
// After: so does state that was built here; panes that are neither needed nor cheap
// are dropped.
//
// Of the panes in memory, with need the beginning of the earliest open window:
//
//	end > need                    always kept: open windows are computed from them
//	need-lateKeep < end <= need   always kept, and built: late samples are common
//	older, within the budget      kept if they exist, never built
//	older still                   dropped (trim)

import (
	"context"
	"time"

	"laminar/flownode/keep"
	"laminar/flownode/progress"
	"laminar/flownode/read"
	"laminar/sequence"
)

// maxCatchUp is how many windows behind the watermark are computed from pane
// state; further back they are computed from raw, chunk by chunk, and state is
// built when the flow is near.
const maxCatchUp = 120

// behind is how many windows the flow has to emit, empty ones included.
func (s *flowRound) behind(watermark sequence.Time) int64 {
	return s.windows().Count(sequence.Span{After: s.to.EmittedUntil, UpTo: watermark})
}

// stateMissing reports whether the leaf lacks pane state that it should have, and
// where that state is to begin: it must reach back to the earliest open window. A
// leaf whose state would exceed MaxStateBytes, or with that of other leaves the Allowance, is
// computed from raw samples instead,
// and so is one whose windows have too many panes. A leaf that selects nothing has
// state without cells, which costs nothing and makes its first samples no special
// case.
//
// The size is estimated up to the latest time that a sample may have, so that state
// built now does not outgrow its limit before it is trimmed.
func (s *flowRound) stateMissing(l *keep.Leaf) (from sequence.Time, missing bool) {
	if l.Def.Batch || len(l.Members.Series) == 0 && l.State != nil {
		return 0, false
	}
	need := needed(s, l)
	if l.ReachesBack(need) {
		return 0, false
	}
	from = need - lateKeep(l)
	return from, fits(s, l, from) && s.r.Allowance.Fits(s.r.cascade, s.r.shared(l), expected(s, l, from))
}

// shared names the panes of a leaf within its fence group: leaves that may use the same ones
// have one name.
func (r *round) shared(l *keep.Leaf) any {
	if key := l.ShareKey(); key != "" {
		return key
	}
	return l
}

// fits reports whether pane state of the leaf that begins at from is expected to take no
// more memory than it may.
func fits(s *flowRound, l *keep.Leaf, from sequence.Time) bool {
	return expected(s, l, from) <= s.r.MaxStateBytes
}

// expected is how much memory pane state of the leaf that begins at from is expected to take.
func expected(s *flowRound, l *keep.Leaf, from sequence.Time) int64 {
	ahead := s.r.Pos.Now + read.AheadOfClock
	return l.StateBytes((ahead - from) / l.Def.Pane)
}

// needed is where pane state of the leaf has to begin, so that the earliest open window
// can be computed from it.
func needed(s *flowRound, l *keep.Leaf) sequence.Time {
	if rule := l.Def.Session; rule != nil {
		return rule.Needs(sequence.Span{After: s.to.EmittedUntil, UpTo: sequence.EndOfTime}).After
	}
	return l.Span(l.Windows.Next(s.to.EmittedUntil)).After
}

// buildStates builds the pane state of all leaves of the flows that lack it and
// select the same metrics from one reading: after a start that is all of them. Of
// leaves that may use the same panes one is built. What is left, ensureState builds.
func (r *round) buildStates(ctx context.Context, flows []*flowRound) error {
	r.flows, r.byKey = flows, nil
	var missing []read.Missing
	building := map[string]bool{}
	for _, s := range flows {
		if !s.keepsUp() {
			continue // its windows are computed from raw samples, chunk by chunk
		}
		for _, l := range s.Leaves {
			from, ok := s.stateMissing(l)
			if !ok || len(l.Members.Series) == 0 || r.share(l, from) || building[l.ShareKey()] {
				continue
			}
			missing = append(missing, read.Missing{Leaf: l, From: r.sharedFrom(l, from)})
			building[l.ShareKey()] = l.ShareKey() != ""
		}
	}
	built, err := r.BuildTogether(ctx, missing)
	r.Refills[progress.NoState] += built
	return err
}

// keepsUp reports whether the flow's windows are to be computed from pane state: it has
// begun, and does not lag far behind.
func (s *flowRound) keepsUp() bool { return s.started && s.behind(s.watermark()) <= maxCatchUp }

// sharer is a leaf that may use the panes of others, and its flow.
type sharer struct {
	flow *flowRound
	leaf *keep.Leaf
}

// sharers is the leaves of the round that may use the same panes as the leaf, itself
// among them. They are found when that is first asked: most rounds lack no state.
func (r *round) sharers(l *keep.Leaf) []sharer {
	if r.byKey == nil {
		r.byKey = map[string][]sharer{}
		for _, s := range r.flows {
			for _, l := range s.Leaves {
				if key := l.ShareKey(); key != "" {
					r.byKey[key] = append(r.byKey[key], sharer{s, l})
				}
			}
		}
	}
	return r.byKey[l.ShareKey()]
}

// share makes a leaf that lacks pane state use panes that another leaf of the round
// has, if they stand at the round's vector and reach back to from. It reports whether
// it does.
func (r *round) share(l *keep.Leaf, from sequence.Time) bool {
	for _, o := range r.sharers(l) {
		if o.leaf == l || !o.leaf.ReachesBack(from) {
			continue
		}
		if at, _ := o.leaf.State.Position(); at.Equal(r.Pos.Vector) && l.Share(o.leaf) {
			return true
		}
	}
	return false
}

// dropState forgets the pane state of a leaf, and of those that use its panes.
func (r *round) dropState(l *keep.Leaf) {
	for _, o := range r.sharers(l) {
		if o.leaf != l && o.leaf.State != nil && o.leaf.State.Same(l.State) {
			o.leaf.State = nil
		}
	}
	l.State = nil
}

// sharedFrom is where panes are to begin that are built for a leaf, so that all leaves
// that may use them can: the earliest of where theirs must begin.
func (r *round) sharedFrom(l *keep.Leaf, from sequence.Time) sequence.Time {
	for _, o := range r.sharers(l) {
		if o.leaf == l || !o.flow.keepsUp() {
			continue
		}
		if o.leaf.State != nil {
			from = min(from, o.leaf.From())
		} else if own, missing := o.flow.stateMissing(o.leaf); missing {
			from = min(from, own)
		}
	}
	return from
}

// ensureState builds the pane state that the earliest open window needs, where it
// is missing and small enough to keep. It is asked before windows are emitted, so
// that they need not each read raw samples, and again afterwards, when the earliest
// open window is another.
func (s *flowRound) ensureState(ctx context.Context) error {
	for _, l := range s.Leaves {
		from, missing := s.stateMissing(l)
		if !missing || s.r.share(l, from) {
			continue
		}
		var err error
		if l.State, err = s.r.BuildState(ctx, l, s.r.sharedFrom(l, from)); err != nil {
			return err
		}
		s.r.Refills[progress.NoState]++
		// Leaves with later panes go over to these, so that one of each is kept.
		for _, o := range s.r.sharers(l) {
			if o.leaf.State != nil {
				o.leaf.Share(l)
			}
		}
	}
	return nil
}

// lateKeep is how long panes are kept beyond the beginning of the earliest open
// window, ms, a multiple of the pane's width and at most 60 panes. Senders that
// retry are late by a minute or two all the time, and each of their samples would
// otherwise cost a reading of raw samples.
func lateKeep(l *keep.Leaf) int64 {
	const late = int64(2 * time.Minute / time.Millisecond)
	return min((late+l.Def.Pane-1)/l.Def.Pane, 60) * l.Def.Pane
}

// Panes that no open window needs stay longer where that is cheap: samples that
// are late by less then cost only their own cells, and windows are computed again
// without reading raw samples.
const (
	latePanes = 256              // of a leaf
	lateBytes = int64(256 << 20) // of all flows of the process
)

// trim drops panes that no open window needs and that are too old, or too large,
// to be kept for late samples. It never begins earlier than it did: what was
// dropped would be missing. State that has turned out to be larger than it may is dropped.
func (s *flowRound) trim() {
	if s.r.Allowance != nil && s.r.Allowance.Excess(s.ID, s.Leaves.Bytes()) {
		for _, l := range s.Leaves {
			if l.State != nil {
				s.r.dropState(l)
			}
		}
		return
	}
	late := lateBytes
	if most := s.r.Allowance.Most(); most > 0 {
		late = min(late, most/4)
	}
	share := late / max(1, s.r.limits.Flows*int64(len(s.Leaves)))
	for _, l := range s.Leaves {
		if l.State == nil {
			continue
		}
		// What the earliest open window needs is kept in any case; before that as much
		// as late samples are worth.
		need := needed(s, l)
		if l.Learn(l.State, len(l.Members.GroupOf)); !fits(s, l, need-lateKeep(l)) && l.Def.Session != nil {
			s.r.dropState(l)
			continue
		}
		l.State.Trim(need - max(lateKeep(l), min(l.PanesIn(share), latePanes)*l.Def.Pane))
	}
}
