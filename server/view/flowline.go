package view

import (
	"maps"
	"slices"
	"time"

	"laminar/flownode"
	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	"laminar/sqlstore/flowstore"
)

// Flows is all flows, one line each: what is asked for again and again while people look.
type Flows struct {
	At    string     `json:"at"`    // by the clock of the process that answers
	Leads bool       `json:"leads"` // that process keeps the flows, so it knows their memory
	Flows []FlowLine `json:"flows"`
}

// FlowLine is a flow in few words; Flow has all of them.
type FlowLine struct {
	Flow         string  `json:"flow"`
	Table        string  `json:"table"`
	Group        string  `json:"group"`
	Every        string  `json:"every"`
	Mode         string  `json:"mode"`
	PromQL       string  `json:"promql"`
	Alerting     bool    `json:"alerting"`
	Approximate  float64 `json:"approximate,omitempty"`
	Executor     string  `json:"executor"` // as the definition or else the setting says
	State        string  `json:"state"`
	Error        string  `json:"error"`
	Hint         string  `json:"hint"`
	StalledSince string  `json:"stalled_since"`
	Watermark    string  `json:"watermark"`
	StoredUntil  string  `json:"stored_until"`
	NewestSample string  `json:"newest_sample"`
	LagSequences int64   `json:"lag_sequences"`
	LagSeconds   float64 `json:"lag_seconds"`
	Dirty        int64   `json:"dirty"` // windows to be recomputed; one with several reasons counts for each
	Jobs         int64   `json:"jobs"`
	LeftOut      int64   `json:"left_out"`
	Clashes      int64   `json:"clashes"`
	Rows         *int64  `json:"rows"` // of the table, about; null before PostgreSQL has estimated it
	Bytes        int64   `json:"bytes"`
	Memory       *Memory `json:"memory"` // null where the process that answers does not keep the flow
}

// Memory is how much of a flow was in memory after its last round.
type Memory struct {
	Series       int     `json:"series"`
	Groups       int     `json:"groups"`
	Panes        int     `json:"panes"`
	Bytes        int64   `json:"bytes"`
	RoundSeconds float64 `json:"round_seconds"` // of its fence group
	RoundedAt    string  `json:"rounded_at"`
}

// NewFlows shows flows; kept is what is in memory of them, nil where they are kept by
// another process. setting is the executor of flows that do not name one.
func NewFlows(flows []flowstore.FlowStatus, kept map[progress.FlowID]flownode.Kept, leads bool, setting flowdef.Executor, now time.Time) Flows {
	return Flows{At: millis(now), Leads: leads, Flows: Each(flows, func(f flowstore.FlowStatus) FlowLine {
		return newFlowLine(f, kept, setting)
	})}
}

func newFlowLine(f flowstore.FlowStatus, kept map[progress.FlowID]flownode.Kept, setting flowdef.Executor) FlowLine {
	state, cause := FlowState(f)
	l := FlowLine{
		Flow: f.Def.Title(), Table: TableName(f.Table), Group: f.Group, Every: flowdef.Step(f.Def), Mode: f.Def.Expr.Mode(),
		PromQL: f.Def.PromQL, Alerting: f.Def.Alert != nil, Approximate: f.Def.Approximate, Executor: string(f.Def.Executor),
		State: state, Error: cause, Hint: f.StalledHint, StalledSince: None,
		Watermark: FormatTime(f.Watermark), StoredUntil: FormatTime(f.EmittedUntil), NewestSample: FormatTime(f.NewestT),
		LagSequences: f.LagSequences, LagSeconds: float64(f.LagMillis) / 1000, Jobs: f.Jobs, LeftOut: f.LeftOut, Clashes: f.Clashes,
		Rows: TableRows(f), Bytes: f.TableBytes, Memory: FlowMemory(f.ID, kept),
	}
	if l.Executor == "" {
		l.Executor = string(setting)
	}
	if state == Stalled {
		l.StalledSince = FormatTime(f.StalledSince)
	}
	for _, reason := range slices.Sorted(maps.Keys(f.Dirty)) {
		l.Dirty += f.Dirty[reason]
	}
	return l
}

// TableRows is about how many rows the flow's table has; nil where that is not known.
func TableRows(f flowstore.FlowStatus) *int64 {
	if f.TableRows < 0 {
		return nil
	}
	return &f.TableRows
}

// FlowMemory shows what is in memory of a flow; nil where nothing is known of it.
func FlowMemory(id progress.FlowID, kept map[progress.FlowID]flownode.Kept) *Memory {
	k, ok := kept[id]
	if !ok {
		return nil
	}
	return &Memory{Series: k.Series, Groups: k.Groups, Panes: k.Panes, Bytes: k.Bytes, RoundSeconds: k.Took.Seconds(), RoundedAt: millis(k.At)}
}

// millis is a time of a clock, to the millisecond.
func millis(t time.Time) string { return FormatTime(t.UnixMilli()) }
