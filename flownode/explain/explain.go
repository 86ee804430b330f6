package explain

import (
	"context"
	"errors"
	"fmt"
	"time"

	"laminar/flownode/executor"
	"laminar/flownode/flowdef"
	"laminar/flownode/keep"
	"laminar/flownode/progress"
	"laminar/flownode/read"
	"laminar/sequence"
	"laminar/sequence/segment"
)

// Explanation is what a round of a flow has to read, and who would compute its
// partials.
type Explanation struct {
	Def      flowdef.Flow
	Vector   sequence.Vector // the flow's
	Position sequence.Vector // of the raw data

	// Since is the vector after which Leaves count what there is to read: the
	// flow's, or where nothing has come after that, and Idle says so, a few
	// commits earlier.
	Since sequence.Vector
	Idle  bool

	Link     executor.Link // from here to the database
	Measured bool          // reading samples has told how fast it is
	Leaves   []Leaf
}

// Leaf is an Explanation's part for Def.Expr.Leaves at the same place.
type Leaf struct {
	Metrics, Series, Groups int // of raw samples
	Results                 int // rows of flows that it reads, in their newest closed windows

	Segments, Samples, Bytes int64 // since
	Unordered, Sealed        int64 // of these samples; they are always read in columns

	Reading            executor.Reading // of the others
	Columnar, Pushdown time.Duration    // what that is expected to take
	Choice             executor.Choice
}

// newestCommits is how many commits of each region are read to see how fast the
// link is, and looked at where nothing else is to be read.
const newestCommits = 5

// Snapshot is what Explain reads from.
type Snapshot interface {
	read.Source
	read.Results

	// Upstream loads the flows whose results the flow reads.
	Upstream(ctx context.Context, id progress.FlowID) ([]progress.Flow, error)

	// Flow loads a flow, its progress and its dirty list without becoming its
	// owner. progress.ErrFlowGone when it is not there.
	Flow(ctx context.Context, id progress.FlowID) (progress.Flow, error)
}

// Explain looks at a flow as its next round would, in one snapshot, and changes
// nothing. setting is the executor of flows that do not say; now is the clock
// that reads are timed by. What other flows of its group read in the same round
// is not looked at: sharing that can only make columns cheaper.
// progress.ErrFlowGone when the flow is not there.
func Explain(ctx context.Context, snap Snapshot, id progress.FlowID, setting flowdef.Executor, now func() time.Time) (out Explanation, err error) {
	flow, err := snap.Flow(ctx, id)
	if err != nil {
		return out, fmt.Errorf("load the flow: %w", err)
	}
	meter := executor.NewMeter(now, nil, nil)
	settings := &read.Settings{Chooser: executor.Chooser{Setting: setting, Meter: meter, Now: now}}
	x := &explaining{Reader: read.NewReader(settings, snap, nil), flow: flow, leaves: keep.NewLeaves(flow.Def)}
	out.Def, out.Vector, out.Position = flow.Def, flow.Vector, x.Pos.Vector
	list, err := x.Series(ctx, x.leaves.MetricNames(), nil)
	if err != nil {
		return out, err
	}
	x.leaves.AddSeries(list)
	if out.Since, out.Idle, err = x.delta(ctx); err != nil {
		return out, err
	}
	x.explain(&out)
	if err := x.results(ctx, snap, &out); err != nil {
		return out, err
	}
	out.Link, out.Measured = meter.Link(), meter.Measured()
	return out, nil
}

// explaining is an Explain under way. It belongs to one goroutine.
type explaining struct {
	*read.Reader
	flow   progress.Flow
	leaves keep.Leaves
	infos  []segment.Info // of what there is to read
}

// delta measures the link, and describes what there is to read: after the flow's
// vector, or where that is nothing, in the newest commits, so that an idle flow is
// explained too. The link is measured by reading those commits' samples, which are
// thrown away.
func (x *explaining) delta(ctx context.Context) (since sequence.Vector, idle bool, err error) {
	metrics, pos := x.leaves.Metrics(), x.Pos.Vector
	for range 3 {
		// A history that changed is the flownode's to notice.
		if err := x.CheckHistory(ctx, x.flow.Vector, x.flow.Flushes); err != nil && !errors.Is(err, sequence.ErrHistoryChanged) {
			return nil, false, fmt.Errorf("look for the flow's flushes: %w", err)
		}
	}
	newest := make(sequence.Vector, len(pos))
	for r, seq := range pos {
		newest[r] = max(0, seq-newestCommits)
	}
	err = x.ReadDelta(ctx, metrics, newest.Delta(pos), segment.PickAll, func(*segment.Segment) error { return nil })
	if err != nil {
		return nil, false, fmt.Errorf("read the newest samples: %w", err)
	}
	for _, since := range []sequence.Vector{x.flow.Vector, newest} {
		if x.infos, err = x.Infos(ctx, metrics, since); err != nil {
			return nil, false, err
		}
		if len(x.infos) > 0 {
			return since, idle, nil
		}
		idle = true
	}
	return newest, idle, nil
}

// explain says of each leaf what is to be read, and by whom, as the leaves of a round
// are decided: together.
func (x *explaining) explain(out *Explanation) {
	readings := make([]executor.Reading, len(x.leaves))
	for i, l := range x.leaves {
		e := Leaf{Metrics: len(l.Members.Metrics), Series: len(l.Members.Series), Groups: len(l.Members.Groups)}
		var own []segment.Info
		for _, in := range x.infos {
			if !l.Members.Selects(in.Metric) {
				continue
			}
			own = append(own, in)
			e.Segments, e.Samples, e.Bytes = e.Segments+in.Segments, e.Samples+in.Samples, e.Bytes+in.Bytes
			switch {
			case in.Sealed:
				e.Sealed += in.Samples
			case !in.Ordered:
				e.Unordered += in.Samples
			}
		}
		readings[i] = executor.OrderedReading(l, own)
		out.Leaves = append(out.Leaves, e)
	}
	choices := x.Chooser.Delta(x.leaves, readings)
	link := x.Chooser.Meter.Link()
	for i := range out.Leaves {
		e := &out.Leaves[i]
		e.Reading, e.Choice = readings[i], choices[i]
		e.Columnar, e.Pushdown = readings[i].Columnar(link), readings[i].Pushdown(link)
	}
}
