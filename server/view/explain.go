package view

import (
	"laminar/flownode/executor"
	"laminar/flownode/explain"
	"laminar/flownode/flowdef"
)

// Explained is a flow taken apart: `flow explain`. Without a database there is
// no Data.
type Explained struct {
	Flow     string          `json:"flow"`
	PromQL   string          `json:"promql"`
	Every    string          `json:"every"`
	Emit     string          `json:"emit"`               // update or close
	Mode     string          `json:"mode"`               // incremental or batch
	Why      string          `json:"why,omitempty"`      // batch, of the whole expression
	Residual string          `json:"residual,omitempty"` // over leaf_1, leaf_2, ...
	Executor string          `json:"executor"`           // as the definition or else the setting says
	SaidBy   string          `json:"said_by"`            // flow or setting
	Data     *ExplainedData  `json:"data,omitempty"`
	Leaves   []ExplainedLeaf `json:"leaves"`

	Approximate float64 `json:"approximate,omitempty"` // accuracy of quantiles over time that sketches give
}

// ExplainedData is what is common to all leaves of a flow in a database.
type ExplainedData struct {
	Vector         string  `json:"vector"`
	Position       string  `json:"position"`
	Since          string  `json:"since"` // what the leaves' counts begin after
	Idle           bool    `json:"idle"`  // nothing has come since the vector: since is some commits earlier
	RoundTrip      float64 `json:"round_trip_seconds"`
	BytesPerSecond float64 `json:"bytes_per_second"`
	Measured       bool    `json:"measured"` // or assumed
}

// ExplainedLeaf is a leaf, and what the next round does about it.
type ExplainedLeaf struct {
	Leaf       string         `json:"leaf"`
	State      string         `json:"state"`
	Range      string         `json:"range"`
	Offset     string         `json:"offset"`
	Pane       string         `json:"pane,omitempty"`
	Panes      int64          `json:"panes,omitempty"`
	CannotPush string         `json:"cannot_push,omitempty"`
	Executor   string         `json:"executor"`              // auto where only data tell
	Reason     string         `json:"reason"`                // of the executor
	Refused    string         `json:"refused,omitempty"`     // why it is not pushdown though that was said
	SharedWith []string       `json:"shared_with,omitempty"` // flows that keep their panes together with it
	Upstream   []string       `json:"upstream,omitempty"`    // flows whose results it may select
	Read       *ExplainedRead `json:"read,omitempty"`
}

// ExplainedRead is what the next round reads for a leaf, and what that is
// expected to cost.
type ExplainedRead struct {
	Metrics   int     `json:"metrics"`
	Series    int     `json:"series"`
	Groups    int     `json:"groups"`
	Results   int     `json:"results,omitempty"` // rows of upstream flows in their newest closed windows
	Segments  int64   `json:"segments"`
	Samples   int64   `json:"samples"`
	Bytes     int64   `json:"bytes"`
	Unordered int64   `json:"unordered_samples"`
	Sealed    int64   `json:"sealed_samples"`
	Partials  int64   `json:"partials"` // at most
	Columnar  float64 `json:"columnar_seconds"`
	Pushdown  float64 `json:"pushdown_seconds,omitempty"` // where it is possible
}

// NewExplainedDefinition shows what a definition alone tells. setting is the
// executor of flows that do not name one; all is the definitions that it may share
// panes with.
func NewExplainedDefinition(f flowdef.Flow, setting flowdef.Executor, all []flowdef.Flow) Explained {
	out := Explained{
		Flow: f.Title(), PromQL: f.PromQL, Every: flowdef.Step(f), Emit: string(f.Emit), Mode: f.Expr.Mode(), Why: f.Expr.Why,
		Residual: f.Expr.ResidualText(), Executor: string(f.Executor), SaidBy: "flow", Leaves: []ExplainedLeaf{},
		Approximate: f.Approximate,
	}
	if f.Executor == "" {
		out.Executor, out.SaidBy = string(setting), "setting"
	}
	sharing, upstream := explain.Sharing(f, all), explain.Upstream(f, all)
	for i := range f.Expr.Leaves {
		l := &f.Expr.Leaves[i]
		choice := executor.Choose(l.CannotPush(), f.Executor, setting, executor.Reading{}, executor.Link{})
		e := ExplainedLeaf{
			Leaf: l.Text, State: l.State(), Range: flowdef.FormatMillis(l.Range), Offset: flowdef.FormatMillis(l.Offset),
			CannotPush: string(l.CannotPush()), Executor: string(choice.Executor), Reason: string(choice.Reason), Refused: string(choice.Refused), SharedWith: sharing[i], Upstream: upstream[i],
		}
		if choice.Reason == executor.ByCost {
			e.Executor = string(flowdef.ExecutorAuto)
		}
		if !l.Batch {
			e.Pane, e.Panes = flowdef.FormatMillis(l.Pane), l.Panes
		}
		out.Leaves = append(out.Leaves, e)
	}
	return out
}

// NewExplained shows a flow of a catalogue, with what its next round reads.
func NewExplained(x explain.Explanation, setting flowdef.Executor, all []flowdef.Flow) Explained {
	out := NewExplainedDefinition(x.Def, setting, all)
	out.Data = &ExplainedData{
		Vector: x.Vector.String(), Position: x.Position.String(), Since: x.Since.String(), Idle: x.Idle,
		RoundTrip: x.Link.RoundTrip.Seconds(), Measured: x.Measured,
	}
	if x.Link.PerByte > 0 {
		out.Data.BytesPerSecond = 1 / x.Link.PerByte
	}
	for i := range x.Leaves {
		in, e := &x.Leaves[i], &out.Leaves[i]
		e.Executor, e.Reason = string(in.Choice.Executor), string(in.Choice.Reason)
		e.Read = &ExplainedRead{
			Metrics: in.Metrics, Series: in.Series, Groups: in.Groups, Results: in.Results, Segments: in.Segments, Samples: in.Samples, Bytes: in.Bytes,
			Unordered: in.Unordered, Sealed: in.Sealed, Partials: in.Reading.Partials, Columnar: in.Columnar.Seconds(),
		}
		if e.CannotPush == "" {
			e.Read.Pushdown = in.Pushdown.Seconds()
		}
	}
	return out
}
