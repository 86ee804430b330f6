package view

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"

	"laminar/flownode/flowdef"
	"laminar/flownode/sources"
	"laminar/flownode/watermark"
	"laminar/sequence"
	"laminar/sequence/series"
	"laminar/sqlstore/flowstore"
)

// Definition is what the definition of a flow says, and how the flow is kept:
// `flow validate`.
type Definition struct {
	Flow   string   `json:"flow"`
	Table  string   `json:"table"`
	Every  string   `json:"every"`
	Group  string   `json:"group"`
	PromQL string   `json:"promql"`
	Mode   string   `json:"mode"` // incremental or batch
	Kept   []string `json:"kept"` // why batch, and how each leaf is kept

	Approximate float64 `json:"approximate,omitempty"` // accuracy of quantiles over time that sketches give

	// Keys is the other keys of the definition by name, spelled as in a file: trigger,
	// watermark_delay, emit and late always, others where they are set.
	Keys map[string]string `json:"keys"`
}

// ModeText is a flow's mode, and whether its results are approximate by its definition.
func ModeText(mode string, approximate float64) string {
	if approximate != 0 {
		return mode + ", approximate " + strconv.FormatFloat(approximate, 'g', -1, 64)
	}
	return mode
}

// NewDefinition shows a flow that is in no catalogue: its table has no schema
// yet.
func NewDefinition(f flowdef.Flow) Definition {
	return Definition{
		Flow: f.Title(), Table: f.Table, Every: flowdef.Step(f), Group: f.Group,
		PromQL: f.PromQL, Mode: f.Expr.Mode(), Kept: DescribeFlow(&f), Approximate: f.Approximate,
		Keys: keyValues(&f),
	}
}

// Flow is a flow of the catalogue and how far it is: `flow list`, `flow show`
// and `status`.
type Flow struct {
	Definition
	Watermark    string           `json:"watermark"`
	StoredUntil  string           `json:"stored_until"` // end of the last closed window that is stored
	NewestSample string           `json:"newest_sample"`
	Sources      []Source         `json:"sources,omitempty"` // where the watermark goes by them
	Vector       string           `json:"vector"`
	LagSequences int64            `json:"lag_sequences"`
	LagSeconds   float64          `json:"lag_seconds"`
	Dirty        map[string]int64 `json:"dirty"` // windows to be recomputed, by reason
	Jobs         int64            `json:"jobs"`
	Bytes        int64            `json:"bytes"`
	State        string           `json:"state"`           // stalled, failing, refilling, empty or ok
	Error        string           `json:"error,omitempty"` // why it is stalled or failing
	Hint         string           `json:"hint,omitempty"`  // what to do about it
	StalledSince string           `json:"stalled_since,omitempty"`
	LeftOut      int64            `json:"left_out"`                 // label sets whose rows PostgreSQL has refused
	LeftOutRow   string           `json:"left_out_row,omitempty"`   // the last of them
	Clashes      int64            `json:"clashes,omitempty"`        // rows that another rule of the record gives with another result, which stands
	ClashRow     string           `json:"clash_row,omitempty"`      // the newest of them
	LateSamples  int64            `json:"late_samples,omitempty"`   // that came too late for closed windows
	LateWindows  int64            `json:"late_windows,omitempty"`   // closed windows that lack some of them now
	Stretches    []Stretch        `json:"late_stretches,omitempty"` // further ones that may: too many to be noted one by one
	MaxGroups    int64            `json:"max_groups,omitempty"`     // so many groups keep a row
	Folded       bool             `json:"folded,omitempty"`         // there are more, which are one group, __other__
	Metrics      []Metric         `json:"metrics,omitempty"`        // only flow show
	Alert        *AlertRule       `json:"alert,omitempty"`          // the same, of an alerting rule
}

// NewFlow shows a flow of the catalogue.
func NewFlow(f flowstore.FlowStatus) Flow {
	def := NewDefinition(f.Def)
	def.Table, def.Group = TableName(f.Table), f.Group
	state, cause := FlowState(f)
	since := ""
	if state == Stalled {
		since = FormatTime(f.StalledSince)
	}
	return Flow{
		State: state, Error: cause, Hint: f.StalledHint, StalledSince: since, LeftOut: f.LeftOut, LeftOutRow: f.LeftOutRow,
		Clashes: f.Clashes, ClashRow: f.ClashRow, LateSamples: f.LateSamples, LateWindows: f.LateWindows, Stretches: newStretches(f), MaxGroups: f.Def.MaxGroups, Folded: f.Folds,
		Definition: def,
		Watermark:  FormatTime(f.Watermark), StoredUntil: FormatTime(f.EmittedUntil), NewestSample: FormatTime(f.NewestT),
		Sources: newSources(f),
		Vector:  f.Vector.String(), LagSequences: f.LagSequences, LagSeconds: float64(f.LagMillis) / 1000,
		Dirty: f.Dirty, Jobs: f.Jobs, Bytes: f.TableBytes,
	}
}

// Source is a source of a flow's samples, of those that its watermark goes by.
type Source struct {
	Labels       map[string]string `json:"labels"`
	NewestSample string            `json:"newest_sample"`
	CommittedAt  string            `json:"committed_at"` // when something of it was committed last
	State        string            `json:"state"`        // holds, active or idle, as of the flow's last round
}

// The states of a source.
const (
	SourceHolds  = "holds"  // the watermark does not pass its newest sample
	SourceActive = "active" // it is ahead of the one that holds the watermark
	SourceIdle   = "idle"   // nothing of it was committed of late, so it does not count
)

// newSources shows the sources of a flow as of when its progress was stored last.
func newSources(f flowstore.FlowStatus) []Source {
	w := f.Def.Watermark
	if w == nil {
		return nil
	}
	holder := sources.Holder(f.Sources, f.UpdatedAt, w.Idle)
	out := make([]Source, 0, len(f.Sources))
	for i := range f.Sources {
		one := &f.Sources[i]
		v := Source{Labels: map[string]string{}, NewestSample: FormatTime(one.Newest), CommittedAt: FormatTime(one.CommittedAt), State: SourceActive}
		for j := range min(len(w.Labels), len(one.Values)) {
			v.Labels[w.Labels[j]] = one.Values[j]
		}
		switch {
		case sources.Idle(one, f.UpdatedAt, w.Idle):
			v.State = SourceIdle
		case int32(i) == holder:
			v.State = SourceHolds
		}
		out = append(out, v)
	}
	return out
}

// Text is the source in one line.
func (s Source) Text() string {
	names := slices.Sorted(maps.Keys(s.Labels))
	values := make([]string, len(names))
	for i, name := range names {
		values[i] = s.Labels[name]
	}
	return fmt.Sprintf("%s: %s, newest sample %s", watermark.Text(names, values), s.State, s.NewestSample)
}

// The states of a flow; the view flow_state spells them so, too.
const (
	Stalled   = "stalled"   // it stands still
	Failing   = "failing"   // it goes on, but windows of it cannot be computed
	Refilling = "refilling" // an unfinished refill has still to compute windows
	Empty     = "empty"     // it has seen no samples yet
	OK        = "ok"
)

// FlowState is the state of a flow, and for one that is stalled or failing why.
func FlowState(f flowstore.FlowStatus) (state, cause string) {
	switch {
	case f.Stalled != "":
		return Stalled, f.Stalled
	case f.Error != "":
		return Failing, f.Error
	case f.Clashing():
		return Failing, f.ClashText()
	case f.Jobs > 0:
		return Refilling, ""
	case f.EmittedUntil == sequence.NoTime && f.NewestT == sequence.NoTime:
		return Empty, ""
	default:
		return OK, ""
	}
}

// Metric is a metric that a flow reads, as its senders describe it.
type Metric struct {
	Metric string `json:"metric"`
	Type   string `json:"type"`
	Help   string `json:"help"`
	Unit   string `json:"unit"`
}

// Metrics shows those of the metadata that one flow reads.
func Metrics(f flowstore.FlowStatus, metadata []series.Metadata) (list []Metric) {
	names := MetricNames([]flowstore.FlowStatus{f})
	for _, m := range metadata {
		if slices.Contains(names, m.Metric) {
			list = append(list, Metric(m))
		}
	}
	return list
}

// MetricNames lists the metrics that the flows' selectors name, each once and
// sorted.
func MetricNames(flows []flowstore.FlowStatus) []string {
	var names []string
	for _, f := range flows {
		for _, leaf := range f.Def.Expr.Leaves {
			if leaf.Metric != "" {
				names = append(names, leaf.Metric)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Applied is what `flow apply` did about one flow.
type Applied struct {
	Flow   string `json:"flow"`
	Table  string `json:"table"`
	Action string `json:"action"`
	// What people had made of the table and what went with it; see --cascade.
	Lost []string `json:"lost,omitempty"`
}

// Reloaded is what a reload of the definition files did.
type Reloaded struct {
	Flows []Applied `json:"flows"`
	// Flows that the files do not hold any more, and that go on.
	Left []string `json:"left,omitempty"`
}

// NewReloaded shows what a reload did.
func NewReloaded(results []flowstore.ApplyResult, left []string) Reloaded {
	return Reloaded{Flows: Each(results, NewApplied), Left: left}
}

// NewApplied shows the outcome for one flow.
func NewApplied(r flowstore.ApplyResult) Applied {
	return Applied{Flow: r.Flow, Table: TableName(r.Table), Action: string(r.Action), Lost: r.Lost}
}

var quotedName = regexp.MustCompile(`"([a-z_][a-z0-9_]*)"`)

// TableName spells a table's name without the quotes that it does not need.
func TableName(quoted string) string { return quotedName.ReplaceAllString(quoted, "$1") }
