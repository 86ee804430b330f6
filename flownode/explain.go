package flownode

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowplan"
	"laminar/flownode/progress"
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

	Link     flowplan.Link // from here to the database
	Measured bool          // reading samples has told how fast it is
	Leaves   []LeafExplanation
}

// LeafExplanation is an Explanation's part for Def.Expr.Leaves at the same place.
type LeafExplanation struct {
	Metrics, Series, Groups int

	Segments, Samples, Bytes int64 // since
	Unordered, Sealed        int64 // of these samples; they are always read in columns

	Reading            flowplan.Reading // of the others
	Columnar, Pushdown time.Duration    // what that is expected to take
	Choice             flowplan.ExecutorChoice
}

// explainCommits is how many commits of each region are read to see how fast the
// link is, and looked at where nothing else is to be read.
const explainCommits = 5

// Explain looks at a flow as its next round would, in one snapshot, and changes
// nothing. setting is the executor of flows that do not say. What other flows
// of its group read in the same round is not looked at: sharing that can only
// make columns cheaper. progress.ErrFlowGone when it is not there.
func Explain(ctx context.Context, store StoredSnapshotter, id progress.FlowID, setting Executor) (out Explanation, err error) {
	snap, err := store.StoredSnapshot(ctx)
	if err != nil {
		return out, fmt.Errorf("take a snapshot: %w", err)
	}
	defer func() {
		if cerr := snap.Close(context.WithoutCancel(ctx)); err == nil && cerr != nil {
			err = fmt.Errorf("close the snapshot: %w", cerr)
		}
	}()
	flow, err := snap.Flow(ctx, id)
	if err != nil {
		return out, fmt.Errorf("load the flow: %w", err)
	}
	metrics := NewMetrics(nil)
	node := &Node{cfg: Config{Executor: setting, Now: time.Now}, metrics: metrics, link: newLink(time.Now, metrics)}
	x := &explaining{r: &round{node: node, snap: &watchedSnapshot{snap, node.link}, pos: snap.Position()}}
	if x.run, err = newFlowRun(flow); err != nil {
		return out, err
	}
	out.Def, out.Vector, out.Position = flow.Def, flow.Vector, x.r.pos.Vector
	if err := x.load(ctx); err != nil {
		return out, err
	}
	if out.Since, out.Idle, err = x.delta(ctx, flow); err != nil {
		return out, err
	}
	x.leaves(&out)
	out.Link, out.Measured = node.link.current(), node.link.measured()
	return out, nil
}

// explaining is an Explain under way.
type explaining struct {
	r       *round
	run     *flowRun
	metrics []sequence.MetricID
	infos   []segment.Info
}

// load finds the flow's members.
func (x *explaining) load(ctx context.Context) error {
	series, err := x.r.snap.Series(ctx, metricNames(x.run), nil)
	if err != nil {
		return fmt.Errorf("list series: %w", err)
	}
	x.run.addSeries(series)
	for _, l := range x.run.leaves {
		x.metrics = append(x.metrics, l.Members.Metrics...)
	}
	slices.Sort(x.metrics)
	x.metrics = slices.Compact(x.metrics)
	return nil
}

// delta measures the link, and describes what there is to read.
func (x *explaining) delta(ctx context.Context, flow progress.Flow) (since sequence.Vector, idle bool, err error) {
	snap, pos := x.r.snap, x.r.pos.Vector
	for range 3 {
		// A history that changed is the flownode's to notice.
		if err := snap.CheckHistory(ctx, flow.Vector, flow.Flushes); err != nil && !errors.Is(err, sequence.ErrHistoryChanged) {
			return nil, false, fmt.Errorf("look for the flow's flushes: %w", err)
		}
	}
	newest := make(sequence.Vector, len(pos))
	for r, seq := range pos {
		newest[r] = max(0, seq-explainCommits)
	}
	err = snap.ReadDelta(ctx, x.metrics, newest.Delta(pos), segment.PickAll, func(*segment.Segment) error { return nil })
	if err != nil {
		return nil, false, fmt.Errorf("read the newest samples: %w", err)
	}
	for _, since := range []sequence.Vector{flow.Vector, newest} {
		if x.infos, err = snap.Infos(ctx, x.metrics, since); err != nil {
			return nil, false, fmt.Errorf("list segments after %s: %w", since, err)
		}
		if len(x.infos) > 0 {
			return since, idle, nil
		}
		idle = true
	}
	return newest, idle, nil
}

// leaves says of each leaf what is to be read, and by whom.
func (x *explaining) leaves(out *Explanation) {
	readings := make([]flowplan.Reading, len(x.run.leaves))
	for i, l := range x.run.leaves {
		e := LeafExplanation{Metrics: len(l.Members.Metrics), Series: len(l.Members.Series), Groups: len(l.Members.Groups)}
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
		readings[i] = l.orderedReading(own)
		out.Leaves = append(out.Leaves, e)
	}
	choices := chooseExecutors(x.r, x.run.leaves, readings)
	link := x.r.node.link.current()
	for i := range out.Leaves {
		e := &out.Leaves[i]
		e.Reading, e.Choice = readings[i], choices[i]
		e.Columnar, e.Pushdown = readings[i].Columnar(link), readings[i].Pushdown(link)
	}
}
