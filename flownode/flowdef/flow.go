package flowdef

import (
	"strings"

	"laminar/flownode/alert"
	"laminar/flownode/session"
	"laminar/flownode/watermark"
	"laminar/sequence/relabeling"
)

// Emit says when a window's result is written. It decides what a reader of the
// table sees of the newest window, and nothing about closed ones.
type Emit string

// The ways to emit.
const (
	EmitUpdate Emit = "update" // closed windows, and the earliest open one as provisional
	EmitClose  Emit = "close"  // closed windows only
)

// Known reports whether e is one of them.
func (e Emit) Known() bool { return e == EmitUpdate || e == EmitClose }

// Late says what happens to samples that reach a closed window.
type Late string

// The ways.
const (
	// LateRecompute computes the window again from raw samples: the table ends up as
	// if the sample had come in time.
	LateRecompute Late = "recompute"
	// LateDrop leaves the window as it was when it closed. The sample is stored, and
	// counted, and a refill takes it in.
	LateDrop Late = "drop"
	// LateSideOutput leaves the window as it was, too, and keeps what the sample adds to
	// each row in a row beside it.
	LateSideOutput Late = "side_output"
)

// OtherGroups is the value of each label of the group that stands for all groups beyond
// a flow's MaxGroups.
const OtherGroups = "__other__"

// Backfill says which windows of the time before a flow's creation are computed
// from samples that landed before it. The zero Backfill computes none of them: a
// window is computed whole once a sample reaches it that lands after the
// creation, however old that sample's own time is.
type Backfill struct {
	All      bool  // all that raw samples are left of
	Duration int64 // ms before the creation; 0 with !All means none
}

// Label is a static label of a flow: every row of its results has it.
type Label struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Flow is a definition that has passed validation. All durations are
// milliseconds. It is a value: it is not changed after it was made, and may be
// read by several goroutines at once.
type Flow struct {
	// Name and StaticLabels are the flow's identity, and where several rules have the
	// same, their numbers as well (Member). Rules with one name are different flows,
	// which share a table.
	Name         string
	StaticLabels []Label // sorted by name; from a rule's labels

	// Member is the flow's place among the rules of its table; nil where static labels
	// tell its rows from others', or there are no others. A flow that was read from a
	// file has none yet: the catalogue gives it.
	Member *Membership

	// Rule reports whether the definition is a rule, which may have the name of another.
	// A flow out of the catalogue does not know.
	Rule bool

	// PromQL is the expression in the parser's own spelling, so that white space
	// and comments in a file do not change a definition.
	PromQL string

	// Every is the step between window ends, which are its multiples since the
	// epoch. It is never 0, also where the definition leaves it out.
	Every int64

	Table string // name of the result table, without its schema
	Group string // fence group: flows of one group see one vector

	// Origin is the group that the definition's place in a file gives it, where flows that
	// read each other have brought it into another; else "".
	Origin string

	Trigger        Trigger       // when a round of the group begins
	Watermark      *watermark.By // by which sources; nil for all samples together
	WatermarkDelay int64         // how long after its end a window waits for samples that come in order
	Emit           Emit
	Late           Late
	Backfill       Backfill
	Relabel        []relabeling.Rule // of the series that are selected, before they are grouped

	// AllowedLateness bounds LateRecompute: a window keeps its value once the watermark is
	// this far past its end, ms; 0 for no bound. KeepLate is how long samples that stay out
	// of closed windows are kept beside the raw ones, for people, ms; 0: not at all.
	AllowedLateness int64
	KeepLate        int64
	Keep            int64    // how long results are kept; 0 for no limit
	Lookback        int64    // how far back instant selectors look for a sample
	Executor        Executor // "": as the setting says; changes no result
	Limit           int64    // a window with more results has none, and the flow an error; 0 for no limit
	MaxGroups       int64    // so many groups keep a row, the earliest; all others are one, OtherGroups; 0 for no limit

	// Accuracy is that of sketches without one of their own, and Approximate has quantiles
	// over time computed from sketches of that accuracy; 0 for neither. PromQL has both
	// written into it (sketch.go), so Accuracy says nothing more: the catalogue keeps
	// Approximate alone, by which people see that results are not what was asked for.
	Accuracy    float64
	Approximate float64

	// Alert makes the flow the expression of an alerting rule; nil for others. Its
	// labels and annotations are on alerts, and not on the rows of the result table.
	Alert *alert.Rule

	// File and Line are where the definition stands, for messages. A flow out of
	// the catalogue has none.
	File string
	Line int // from 1

	// Lines is where the values of its keys stand, if they do; the expression is KeyExpr,
	// whatever it is called there. A flow out of the catalogue has none.
	Lines map[string]int

	// Previous is the titles, without numbers, of flows that it reads and that stand after
	// it in its rule group: as in Prometheus it sees of them what evaluations before have
	// written.
	Previous []string

	// Behind is, by those of these titles of which it reads rules before it in its group,
	// too, the expressions of the rules behind it: of the others of the title it sees the
	// newest. Of a title that is not here it sees all rules as they were before.
	Behind map[string][]string

	// Beside says that a selector may find results of them and of others at once.
	Beside bool

	// Itself says that it reads its own results, those of evaluations before.
	Itself bool

	// Results is the labels that results can have which it reads, sorted, by record: of
	// records of which all rules decide them. A selector of such a record selects results
	// alone: raw samples of the name, should the record go, may have other labels. It is
	// what was known when the flow's table was made; nil for nothing.
	Results map[string][]string

	// Session makes results sessions, with its rule; nil for other flows. Every is
	// SessionStep then.
	Session *session.Rule

	Expr Compiled // compiled from PromQL, Every and Lookback
}

// Title is the flow's identity for people: its name, its number where it has one, and
// its static labels where it has some, as in `latency:p99{quantile="0.99"}` and
// `requests:increase1h#2`. Two flows of the catalogue have one title exactly if they have
// one identity.
func (f Flow) Title() string {
	if f.Member == nil {
		return f.RecordTitle()
	}
	return f.title(f.Name + f.Member.Tag())
}

// Place is the group that the definition's place in a file gives the flow.
func (f Flow) Place() string {
	if f.Origin != "" {
		return f.Origin
	}
	return f.Group
}

// RecordTitle is the title without the number: what several rules of one table have in
// common.
func (f Flow) RecordTitle() string { return f.title(f.Name) }

// Named reports whether people mean the flow by a name that is no title: that of its
// record, with static labels or without, or with its number.
func (f Flow) Named(name string) bool {
	return f.Name == name || f.RecordTitle() == name || f.Member != nil && f.Name+f.Member.Tag() == name
}

// title is a name with the static labels behind it.
func (f Flow) title(name string) string {
	if len(f.StaticLabels) == 0 {
		return name
	}
	var b strings.Builder
	b.WriteString(name)
	for i, l := range f.StaticLabels {
		b.WriteByte("{,"[min(i, 1)])
		b.WriteString(l.Name + "=" + quote(l.Value))
	}
	b.WriteByte('}')
	return b.String()
}

// Defaults of a definition's keys. Those that are not here are zero values: no
// backfill, no limit to how long results are kept.
const (
	DefaultTriggerInterval = int64(1000)  // ms
	DefaultWatermarkDelay  = int64(10000) // ms
	DefaultRuleInterval    = int64(60000) // ms; a rule group that states no interval
)
