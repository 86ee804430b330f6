package verify

import (
	"context"
	"errors"
	"fmt"
	"time"

	"laminar/flownode/executor"
	"laminar/flownode/flowdef"
	"laminar/flownode/keep"
	"laminar/flownode/progress"
	"laminar/flownode/promeval"
	"laminar/flownode/read"
	"laminar/sequence"
)

// Snapshotter takes snapshots that show the flows too.
type Store interface {
	// StoredSnapshot begins a REPEATABLE READ transaction that sees the raw data
	// and what is stored of flows at one moment. It is closed within seconds.
	StoredSnapshot(ctx context.Context) (Snapshot, error)
}

// Snapshot is the raw data, and what is stored of flows.
type Snapshot interface {
	read.Source
	Stored
	Close(ctx context.Context) error
}

// Stored is what is stored of flows.
type Stored interface {
	// Flow loads a flow, its progress and its dirty list without becoming its
	// owner. progress.ErrFlowGone when it is not there.
	Flow(ctx context.Context, id progress.FlowID) (progress.Flow, error)

	// PendingRefills lists the flow's unfinished refill jobs; only ID, NextT and
	// To are set.
	PendingRefills(ctx context.Context, id progress.FlowID) ([]progress.Job, error)

	// OldestResult is the end of the oldest window that has a row of a flow
	// that Flow has loaded; progress.Unset when none has.
	OldestResult(ctx context.Context, id progress.FlowID) (int64, error)

	// Results lists the rows of such a flow with after < window end <= upTo,
	// those of one window together, oldest first.
	Results(ctx context.Context, id progress.FlowID, after, upTo int64) ([]progress.Window, error)
}

// Skip says why a window was not compared.
type Skip string

// The reasons. In each case the table may rightly differ from what the raw
// samples of the snapshot give, or nothing can be said.
const (
	SkipOpen      Skip = "open"       // not closed and stored yet
	SkipChanging  Skip = "changing"   // samples after the flow's vector may touch it
	SkipDirty     Skip = "dirty"      // on the dirty list
	SkipRefilling Skip = "refilling"  // an unfinished refill has it still to do
	SkipRawGone   Skip = "raw_gone"   // raw samples of it have been given up
	SkipExpired   Skip = "expired"    // its results are not kept any more
	SkipHistory   Skip = "other_past" // the flow has yet to notice that the history changed
)

// Verifier compares result tables with what Prometheus's engine computes from the
// raw samples. It may be used by several goroutines at once.
//
// Everything that is compared with each other is read in one snapshot. The
// results stand for the flow's stored vector V, the samples for the snapshot's
// position, which covers V: windows that a segment after V may touch are left
// out, and so are the others that Skip lists. A window that holds no raw sample
// must have no rows. Windows from before the flow's beginning need not be there;
// of those the rows that are there are compared.
type Verifier struct {
	store Store
	eval  *promeval.Engine
	now   func() time.Time
	reads read.Settings
}

// New returns a Verify that reads from the store. Budgets go by the clock
// it is given.
func New(store Store, now func() time.Time) *Verifier {
	return &Verifier{store: store, eval: promeval.New(), now: now, reads: read.Settings{Chooser: executor.Chooser{Meter: executor.NewMeter(now, nil, nil), Now: now}}}
}

// Options says which windows are compared.
type Options struct {
	From, To int64   // windows with From < end <= To, ms; progress.Unset: as far as there are any
	Sample   float64 // this part of them, 0 < Sample <= 1
	Seed     uint64  // which of them: with equal seeds the same

	// Progress, when not nil, is told how many of the windows are done.
	Progress func(done, total int64)
}

// Report is what a comparison of one flow found.
type Report struct {
	Flow    string // its title
	Windows int64  // compared
	Rows    int64  // of these windows, computed or stored
	Skipped map[Skip]int64

	Found       int64        // differences
	Differences []Difference // the first maxDifferences of them, by window
}

// maxDifferences is how many differences of one flow are listed; the others are
// counted only, because a table that is wrong throughout needs no list.
const maxDifferences = 10_000

// Budgets of one snapshot and of one reading in it. A snapshot is closed before
// anything is computed.
const (
	snapshotTime   = time.Second
	readTime       = 300 * time.Millisecond
	readingSamples = 1_000_000 // of one reading, about
	readingWindows = 1024      // of one reading
)

// ErrFlowReplaced says that a flow got another definition while it was verified.
var ErrFlowReplaced = errors.New("the flow was replaced meanwhile")

// Flow compares the stored windows of one flow. progress.ErrFlowGone when it is
// not there, or goes meanwhile.
func (v *Verifier) Flow(ctx context.Context, id progress.FlowID, opts Options) (Report, error) {
	run := &verifying{v: v, id: id, opts: opts, next: progress.Unset, size: 16, report: Report{Skipped: map[Skip]int64{}}}
	for more := true; more; {
		var err error
		if more, err = run.pass(ctx); err != nil {
			return run.report, fmt.Errorf("verify flow %d: %w", id, err)
		}
		if opts.Progress != nil && run.first <= run.last {
			every := run.def.Every
			opts.Progress((run.next-run.first)/every, (run.last-run.first)/every+1)
		}
	}
	return run.report, nil
}

// verifying is the comparison of one flow under way.
type verifying struct {
	v      *Verifier
	id     progress.FlowID
	opts   Options
	report Report

	flow        progress.Flow // as the last snapshot showed it
	def         flowdef.Flow  // of flow; it stays the same
	layout      *flowdef.Layout
	leaves      keep.Leaves // they only select samples
	membersAt   sequence.Vector
	first, last int64 // ends of the windows asked for
	next        int64 // end of the first one still to do; Unset before the first pass
	size        int   // windows of one reading
}

// reading is some windows and what was read for them.
type reading struct {
	ends    []int64 // ascending
	samples *read.Selection
	stored  []progress.Window
}

// pass reads from one snapshot, then computes and compares. more says that
// windows are left.
func (r *verifying) pass(ctx context.Context) (more bool, err error) {
	readings, more, err := r.readAll(ctx)
	if err != nil {
		return false, err
	}
	for i := range readings {
		if err := r.compare(ctx, &readings[i]); err != nil {
			return false, err
		}
	}
	return more, nil
}

// readAll reads as much as one snapshot may.
func (r *verifying) readAll(ctx context.Context) (out []reading, more bool, err error) {
	snap, err := r.v.store.StoredSnapshot(ctx)
	if err != nil {
		return nil, false, fmt.Errorf("take a snapshot: %w", err)
	}
	defer func() {
		if cerr := snap.Close(context.WithoutCancel(ctx)); err == nil && cerr != nil {
			err = fmt.Errorf("close the snapshot: %w", cerr)
		}
	}()
	began, in := r.v.now(), read.NewReader(&r.v.reads, snap, nil)
	if err := r.load(ctx, in, snap); err != nil {
		return nil, false, err
	}
	if r.next == progress.Unset {
		if err := r.bounds(ctx, in, snap); err != nil {
			return nil, false, err
		}
	}
	skip, err := r.skips(ctx, in, snap)
	if err != nil {
		return nil, false, err
	}
	for r.v.now().Sub(began) < snapshotTime && in.Samples < 2*readingSamples {
		ends := r.pick(skip)
		if len(ends) == 0 {
			return out, false, nil
		}
		one, err := r.read(ctx, in, snap, ends)
		if err != nil {
			return nil, false, err
		}
		out = append(out, one)
	}
	return out, r.next <= r.last, nil
}

// load brings the flow and its members to the snapshot.
func (r *verifying) load(ctx context.Context, in *read.Reader, snap Snapshot) error {
	flow, err := snap.Flow(ctx, r.id)
	if err != nil {
		return fmt.Errorf("load the flow: %w", err)
	}
	if r.layout == nil {
		r.def, r.layout, r.report.Flow = flow.Def, flowdef.NewLayout(flow.Def), flow.Def.Title()
		r.leaves = selectorsOf(flow.Def)
	} else if flow.Def.PromQL != r.def.PromQL || flow.Def.Every != r.def.Every || flow.Def.Table != r.def.Table {
		return ErrFlowReplaced
	}
	r.flow = flow
	list, err := in.Series(ctx, r.leaves.MetricNames(), r.membersAt)
	if err != nil {
		return err
	}
	r.leaves.AddSeries(list)
	r.membersAt = in.Pos.Vector
	return nil
}

// selectorsOf is leaves that select what the expression reads, series by series,
// and compute nothing: what a batch flow has anyway.
func selectorsOf(def flowdef.Flow) keep.Leaves {
	def.Expr = def.Expr.Whole("it is verified")
	return keep.NewLeaves(def)
}
