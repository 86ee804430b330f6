package round

// A flow between rounds.
// Before: it was taken over, so nothing else writes its results.
// After a round: it is what that round made of it and was committed, or it is
// thrown away and loaded again (I7).

import (
	"slices"
	"time"

	"laminar/flownode/evaluate"
	"laminar/flownode/flowdef"
	"laminar/flownode/flowplan"
	"laminar/flownode/keep"
	"laminar/flownode/pane"
	"laminar/flownode/progress"
	"laminar/flownode/sessionround"
	"laminar/flownode/sources"
	"laminar/sequence"
)

// Flow is a flow this process owns: what is stored of it, and its caches. It
// belongs to one goroutine.
//
//	F1  Progress is what is stored, as of the last commit at Epoch; Vector alone
//	    may be ahead of it, while nothing but the vector has moved
//	F2  every leaf's state, where it exists, stands at Vector between rounds
//	F3  all windows with an end <= EmittedUntil are closed
type Flow struct {
	progress.Flow
	evaluate.Evaluator
	DirtyWindows *flowplan.DirtyList
	MembersAt    sequence.Vector // every leaf's members are complete up to here; nil before the first reading
	Stored       sequence.Vector // the vector as stored
	StoredAt     time.Time       // when it was stored

	clock  flowplan.Clock
	now    sequence.Time // the database's clock in the last round; 0 before the first
	looked glance
	upstream
	sources *sources.Sources // nil where the watermark goes by the newest sample alone
	open    evaluate.Open

	sessions sessionround.Rows // of a flow of sessions

	removed int64 // Position.Removed when the members were read, or last looked at

	notBefore  time.Time     // when a costly provisional window may be computed again
	postponed  bool          // it was not, and something has changed
	waits      sequence.Time // since when a flow with results from nothing waits for its group to begin; or sequence.NoTime
	pinnedGone bool          // no window can be computed any more: samples that all of them read are given up
}

// NewFlow is a flow as it was loaded, with nothing in memory: neither members nor
// pane state, which the first round reads and builds.
func NewFlow(f progress.Flow) *Flow {
	run := &Flow{
		Flow: f, DirtyWindows: flowplan.NewDirtyList(), Stored: f.Vector, open: evaluate.OpenAt(sequence.NoTime),
		waits: sequence.NoTime, clock: flowplan.Clock{Newest: f.NewestT, NewestAt: f.NewestAt},
		sources: sources.New(f.Def.Watermark, f.Sources),
	}
	run.Evaluator = evaluate.New(&run.Def, run.early, foldOf(&f))
	for _, d := range f.Dirty {
		run.DirtyWindows.Restore(d.WindowEnd, d.Group, d.Reason, d.Since, d.FirstAt, d.LastAt)
	}
	run.Dirty = nil // DirtyWindows holds it from now on
	return run
}

// foldOf bounds the groups of a flow that wants it, by those that were chosen before.
func foldOf(f *progress.Flow) *keep.Fold {
	if f.Def.MaxGroups == 0 {
		return nil
	}
	return keep.NewFold(f.Def.Expr.Leaves[0], f.Def.MaxGroups, f.Chosen, f.Folds)
}

// forgetHistory drops everything that was derived from commits or series that may be
// gone: members (series ids may belong to others now) and pane state. What is stored
// stays until it is computed again: emitted-until, dirty list and results are about
// event time, which a restore does not change.
func (f *Flow) forgetHistory() {
	f.MembersAt, f.sessions = nil, sessionround.Rows{}
	f.sources.Forget()
	f.Forget()
}

// becomeNative makes the flow one over series that hold native histograms, which may be
// one in batch mode. Its progress, its dirty list and the layout of its results stay;
// members are to be read again, because its leaves select series one by one.
func (f *Flow) becomeNative() {
	becomes(f, f.Def.ForHistograms())
}

// becomes gives the flow another form of its expression.
func becomes(f *Flow, expr flowdef.Compiled) {
	f.Def.Expr, f.MembersAt, f.sessions = expr, nil, sessionround.Rows{}
	f.Becomes()
}

// rebuildable reports whether no raw sample of the window is gone (I6), when all
// before earliest are given up (0: none). Every path that computes a window asks
// first: what cannot be computed from all its samples stays as it is stored.
func (f *Flow) rebuildable(end, earliest sequence.Time) bool {
	if len(f.reads) > 0 {
		return !slices.ContainsFunc(f.Leaves, func(l *keep.Leaf) bool { return f.lacks(l.Def, l.Span(end), earliest) })
	}
	return f.Def.Expr.Rebuildable(end, earliest)
}

// firstRebuildable is the end of the first window that is rebuildable; 0 when all are. It
// does not look at pinned leaves.
func (f *Flow) firstRebuildable(earliest sequence.Time) sequence.Time {
	if len(f.reads) == 0 {
		return f.Def.FirstRebuildable(earliest)
	}
	first := sequence.Time(0)
	for _, l := range f.Leaves {
		if gone := f.goneUpTo(l.Def, earliest); !l.Def.Pinned && gone >= 0 {
			first = max(first, f.windows().From(gone-l.Span(0).After))
		}
	}
	return first
}

// expired reports whether results of the window are not kept any more.
func (f *Flow) expired(end sequence.Time) bool { return end < f.keptFrom() }

// keptFrom is flowdef.Flow.KeptFrom as of the round under way. Where the database's clock
// was ahead and has been set back, it goes by what the clock says now: windows of these days
// are not too old because samples of later ones came meanwhile.
func (f *Flow) keptFrom() sequence.Time {
	emitted := f.EmittedUntil
	if f.to != nil {
		emitted = f.to.EmittedUntil
	}
	came := f.clock.NewestAt
	if f.now > 0 {
		came = min(came, f.now)
	}
	return f.Def.KeptFrom(f.clock.Newest, came, emitted)
}

// windows is where the flow's windows end and what they read.
func (f *Flow) windows() pane.Windows { return f.Def.Windows() }

// Budgets of what is computed at a time.
const (
	maxChunkBytes = int64(256 << 20) // of pane state, of windows computed from one reading
	maxRoundRows  = 500_000          // of a flow in a round, about: so many and one chunk more
)

// chunk is how many windows are computed from one reading of raw samples: at least
// as many as a range has steps, so that the samples that neighbours share are read
// about twice at most. Windows of a batch leaf are each computed from all their
// samples, which costs more than reading them. A flow that reads itself computes
// window by window.
func (f *Flow) chunk(most int64) int {
	if f.readsItself() {
		return 1
	}
	n := int64(32)
	for _, l := range f.Leaves {
		if !l.Def.Batch {
			n = max(n, l.Def.Range/l.Windows.Every)
		}
	}
	return f.bounded(min(n, 1000), most)
}

// bounded is how many of n windows can be computed from one reading, at least one,
// so that memory does not grow with how much there is to compute.
//
// It is the smallest of two limits over the leaves. The rows of the windows are at
// most windows * groups. The panes of k windows span range + (k-1)*step, so k is at
// most (panes*width - range) / step + 1 for the panes that maxChunkBytes hold.
func (f *Flow) bounded(n, most int64) int {
	bytes := maxChunkBytes
	if most > 0 {
		bytes = min(bytes, most/2)
	}
	for _, l := range f.Leaves {
		groups := int64(max(1, len(l.Members.Groups)))
		n = min(n, maxRoundRows/groups)
		if l.Def.Batch {
			continue
		}
		n = min(n, (l.PanesIn(bytes)*l.Def.Pane-l.Def.Range)/l.Windows.Every+1)
	}
	return int(max(1, n))
}

// gap is how far apart the ends of windows may be that are computed from one
// reading, ms. Ends further apart share few samples or none, and the samples
// between them would be read in vain.
func (f *Flow) gap() int64 { return max(f.Def.Expr.MaxReach, 16*f.windows().Every) }

// near cuts ends, which ascend, before the first that is more than gap after its
// predecessor.
func (f *Flow) near(ends []int64) []int64 {
	for i := 1; i < len(ends); i++ {
		if ends[i]-ends[i-1] > f.gap() {
			return ends[:i]
		}
	}
	return ends
}

// unrebuildable says why the window with this end cannot be computed, when all
// raw samples before earliest are given up.
func (f *Flow) unrebuildable(end, earliest sequence.Time) error {
	if pinnedIsGone(f, earliest) {
		return &progress.PinnedGoneError{Flow: f.Def.Name, Earliest: earliest}
	}
	return &progress.RetentionError{Flow: f.Def.Name, From: end, Earliest: f.firstRebuildable(earliest), Results: f.lacksResults(end)}
}

// storeIdleAfter is how long the vector of a flow that nothing touched may stay
// unstored in a large group, where not every flow writes in every round. The
// command flow wait may be delayed by this much.
const storeIdleAfter = 5 * time.Second

// Deadline is when, by the database's clock in ms, time alone brings work for the
// flow: its vector is to be stored, dirty windows become ready, a postponed
// provisional window may be computed, or the watermark follows the clock past the
// end of a window. It is sequence.NoTime when time never does: then only samples
// bring work, and a flow without any costs nothing.
//
// It may be too early, which costs a round that finds nothing. It must not be too
// late, because nothing else would begin that round.
func (f *Flow) Deadline() sequence.Time {
	next := f.DirtyWindows.NextReady()
	// In a large group an idle flow's vector is not stored every round, but it must be
	// before long: flow wait reads it.
	if at := f.StoredAt.Add(storeIdleAfter).UnixMilli(); !f.Stored.Equal(f.Vector) && (next == sequence.NoTime || at < next) {
		next = at
	}
	if at := f.notBefore.UnixMilli(); f.postponed && (next == sequence.NoTime || at < next) {
		next = at
	}
	if at := f.waits + flowplan.QuietAfter; f.waits != sequence.NoTime && f.EmittedUntil == sequence.NoTime && (next == sequence.NoTime || at < next) {
		next = at
	}
	if q := f.clock.QuietDeadline(); q != sequence.NoTime && f.EmittedUntil != sequence.NoTime && !f.pinnedGone && f.pendingOpen() {
		def := &f.Def
		closes := max(q, f.nextClose()+closeDelay(f), def.ClosesFrom())
		if at := f.sources.Deadline(); at != sequence.NoTime {
			closes = at
		}
		if next == sequence.NoTime || closes < next {
			next = closes
		}
	}
	return next
}

// nextClose is the end of the window that closes next, of flows of sessions that of the
// session that does. One has to be open.
func (f *Flow) nextClose() sequence.Time {
	if f.Def.Session == nil {
		return f.windows().Next(f.EmittedUntil)
	}
	if state := keep.SessionsOf(f.Leaves[0]); state != nil {
		return f.windows().From(state.Soonest(f.EmittedUntil))
	}
	return f.windows().Next(f.EmittedUntil)
}

// pendingOpen reports whether a window that is still open may get a result: some
// pane state reaches beyond what was emitted, or is not in memory and samples may
// be there, or it needs none, or what it gave before goes on in it. Without that a flow
// whose source has gone would make a round for every window that closes empty.
func (f *Flow) pendingOpen() bool {
	if f.Def.Expr.FromNothing || f.readsItself() {
		return true
	}
	for _, l := range f.Leaves {
		if state := keep.SessionsOf(l); state != nil {
			return state.Beyond(f.EmittedUntil)
		}
		if l.State == nil {
			if len(l.Members.Series) > 0 {
				return l.Windows.Last(f.clock.Newest)+f.Def.Expr.MaxReach+l.Windows.Every >= f.EmittedUntil
			}
			continue
		}
		if l.State.Beyond(l.Span(l.Windows.Next(f.EmittedUntil)).After) {
			return true
		}
	}
	return false
}

// Result is a round's outcome for one flow. The driver stores Round, in one
// transaction with the others of the fence group, and then calls Committed; or it
// calls Waits, where MayWait allows that. In any other case the Flow must not be
// used again: its caches are ahead of what is stored.
type Result struct {
	Flow  *Flow
	Round progress.Round
	Idle  bool // nothing but the vector moved
	More  bool // there is work left that need not wait for a trigger
}

// smallGroup is the largest number of flows of a fence group of which all store
// their vector every round. In larger groups idle flows wait (storeIdleAfter): a
// thousand of them would otherwise write a thousand rows for every flush.
const smallGroup = 50

// MayWait reports whether the result need not be stored now: nothing but the
// vector moved, and that is stored already or may be a little later. flows is how
// many the fence group has.
func (res *Result) MayWait(flows int, now time.Time) bool {
	f := res.Flow
	return res.Idle && (f.Stored.Equal(res.Round.To.Vector) || flows > smallGroup && now.Sub(f.StoredAt) < storeIdleAfter)
}

// Waits makes the flow go on from a result that is not stored. Its vector is then
// ahead of Stored, and the next round to be stored starts From Stored: that is the
// vector the fence compares (I4).
func (res *Result) Waits() {
	res.Flow.Progress, res.Flow.Error = res.Round.To, res.Round.Error
}

// Committed makes the flow go on from a result that was stored (F1), with this outcome.
func (res *Result) Committed(now time.Time, outcome progress.Outcome) {
	res.Waits()
	if l := res.Round.Late; l != nil {
		res.Flow.Late = progress.LateState{Noted: outcome.LateNoted, Stretches: l.Stretches}
	}
	res.Flow.Stored, res.Flow.StoredAt = res.Round.To.Vector, now
}
