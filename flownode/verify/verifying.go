package verify

// One flow's comparison: the definition and the members, which stay from one
// snapshot to the next, and the progress, which is loaded again in each.

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"time"

	"laminar/flownode/executor"
	"laminar/flownode/flowdef"
	"laminar/flownode/keep"
	"laminar/flownode/progress"
	"laminar/flownode/promeval"
	"laminar/flownode/read"
	"laminar/sequence"
)

// Verifier compares result tables with what Prometheus's engine computes from the
// raw samples. It may be used by several goroutines at once.
//
// Results and samples that are compared with each other are read in one snapshot.
// The results stand for the flow's stored vector V, the samples for the snapshot's
// position, which covers V. Windows that a segment after V may touch are left out,
// and so are the others that Skip lists. A window that holds no raw sample must have
// no rows. Windows from before the flow's beginning need not be stored; the rows
// that are stored of them are compared.
type Verifier struct {
	store Store
	eval  *promeval.Engine
	now   func() time.Time
	reads read.Settings
}

// New returns a Verifier that reads from the store. Budgets go by the given clock.
func New(store Store, now func() time.Time) *Verifier {
	return &Verifier{store: store, eval: promeval.New(), now: now, reads: read.Settings{Chooser: executor.Chooser{Meter: executor.NewMeter(now, nil, nil), Now: now}}}
}

// ErrFlowReplaced says that a flow got another definition while it was verified.
var ErrFlowReplaced = errors.New("the flow was replaced meanwhile")

// Budgets of one snapshot and of one reading in it. A snapshot is closed before
// anything is computed.
const (
	snapshotTime   = time.Second
	readTime       = 300 * time.Millisecond
	readingSamples = 1_000_000 // of one reading, about
	readingWindows = 1024      // of one reading
)

// verifying is the comparison of one flow under way. It belongs to one goroutine.
type verifying struct {
	v      *Verifier
	id     progress.FlowID
	opts   Options
	report Report

	upstream
	flow        progress.Flow // as the last snapshot showed it
	def         flowdef.Flow  // of flow; it stays the same
	layout      *flowdef.Layout
	leaves      keep.Leaves // they only select samples
	membersAt   sequence.Vector
	first, last sequence.Time // ends of the windows asked for
	next        sequence.Time // end of the first one still to do; sequence.NoTime before the first pass
	size        int           // windows of one reading
}

// lateWindows is what windows of a reading lack, by end.
type lateWindows map[sequence.Time][]progress.LateWindow

// reading is some windows and what was read for them.
type reading struct {
	ends    []int64        // ascending
	session sessionReading // of a flow of sessions
	samples *read.Selection
	stored  []progress.Window
	early   map[int64]func(sequence.SeriesID) (read.Early, bool) // by end; nil where windows see all
	late    lateWindows
}

// load brings the flow and its members to the snapshot: progress and dirty list as
// they are stored now, and the series created since the last one.
func (r *verifying) load(ctx context.Context, in *read.Reader, snap Snapshot) error {
	flow, err := snap.Flow(ctx, r.id)
	if err != nil {
		return fmt.Errorf("load the flow: %w", err)
	}
	if r.layout == nil {
		r.def, r.layout, r.report.Flow = flow.Def, flowdef.NewLayout(flow.Def), flow.Def.Title()
		r.leaves = selectorsOf(flow.Def)
	} else if flow.Def.PromQL != r.def.PromQL || flow.Def.Every != r.def.Every || flow.Def.Table != r.def.Table || !reflect.DeepEqual(flow.Def.Relabel, r.def.Relabel) {
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
	if def.Session != nil {
		return keep.NewLeaves(def) // it selects series by series
	}
	def.Expr = def.Expr.Whole("it is verified")
	return keep.NewLeaves(def)
}
