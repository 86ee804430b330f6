package flowdef

import (
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"

	"laminar/flownode/function"
)

// Emit says when a window's result is written.
type Emit string

// The ways to emit.
const (
	EmitUpdate Emit = "update" // closed windows, and the earliest open one as provisional
	EmitClose  Emit = "close"  // closed windows only
)

// Late says what happens to samples that reach a closed window.
type Late string

// LateRecompute computes the window again from raw samples.
const LateRecompute Late = "recompute"

// Backfill says which windows of the time before a flow's creation are
// computed.
type Backfill struct {
	All      bool
	Duration int64 // ms; 0 with !All means none
}

// Trigger says when a flow's group starts a round. Exactly one field is set;
// the zero Trigger is not valid (parsing sets the default, Interval 1000).
type Trigger struct {
	Interval  int64  `json:"interval,omitempty"`  // ms between rounds at least, when something changed
	Cron      string `json:"cron,omitempty"`      // standard five fields
	Samples   int64  `json:"samples,omitempty"`   // a round when so many samples are pending
	Sequences int64  `json:"sequences,omitempty"` // a round when so many flushes are pending
}

// Label is a name and value.
type Label struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Flow is a definition that has passed validation. All durations are
// milliseconds. It is a value: it is not changed after it was made.
type Flow struct {
	Name           string
	StaticLabels   []Label // sorted by name; from a rule's labels
	PromQL         string
	Every          int64 // step between window ends
	Table          string
	Group          string // fence group: flows of one group see one vector
	Trigger        Trigger
	WatermarkDelay int64
	Emit           Emit
	Late           Late
	Backfill       Backfill
	Keep           int64    // 0: for ever
	Lookback       int64    // how far back instant selectors look for a sample
	Executor       Executor // "": as the setting says; changes no result

	File string // where it stands; "" when it came out of the catalogue
	Line int

	Expr Compiled // compiled from PromQL
}

// Title is the flow's identity for people: its name, and its static labels
// where it has some.
func (f Flow) Title() string {
	if len(f.StaticLabels) == 0 {
		return f.Name
	}
	var b strings.Builder
	b.WriteString(f.Name)
	for i, l := range f.StaticLabels {
		b.WriteByte("{,"[min(i, 1)])
		b.WriteString(l.Name + "=" + quote(l.Value))
	}
	b.WriteByte('}')
	return b.String()
}

// Leaf is `aggregate by (...) (function(selector[range] offset o))`, the part
// of an expression that is kept incrementally. In a batch expression it is a
// selector alone, with how far back it reads, subqueries around it included.
type Leaf struct {
	Index    int                // its number in Compiled.Leaves
	Func     *function.Function // nil: samples, in a batch expression
	Param    float64            // the function's constant argument; 0 without one
	Range    int64              // ms; an instant selector's lookback
	Cover    int64              // samples: Range without lookbacks, ms
	Markers  bool               // samples: a stale marker alone makes a window that is evaluated
	Offset   int64              // ms; a negative one reads beyond the end of the window
	Pinned   bool               // samples: all windows read as if they ended at PinnedAt (a fixed `@`)
	PinnedAt int64              // ms since the epoch, from 1970 to 9999
	Pane     int64              // ms: width of the panes, divides Range, Offset and the step
	Panes    int64              // Range / Pane; over MaxPanes the window is computed in batch
	Batch    bool               // no pane state, windows are computed from raw: Panes > MaxPanes or Compiled.Batch
	Matchers []*labels.Matcher
	Metric   string                // the metric name when a matcher demands exactly one, else ""
	Agg      *function.Aggregation // nil: every series is a group of its own
	Without  bool
	Grouping []string // sorted
	Text     string   // PromQL of the leaf, for people

	nested bool // samples: within a subquery, so that its range is not the one of the window
}

// MaxPanes is the largest number of panes of a window that is kept as pane
// state.
const MaxPanes = 1000

// Compiled is an expression taken apart into leaves and what is left over.
type Compiled struct {
	Leaves []Leaf

	// Batch says that something in the expression has no mergeable partial, so
	// that it is evaluated whole, over raw samples, for every window. Leaves
	// then only say what it selects, and Residual is nil.
	Batch bool
	Why   string // what that is, for people

	// Residual is the expression over the leaves' vectors, each leaf replaced
	// by the selector LeafSelector(i); nil when the expression is leaf 0.
	Residual parser.Expr

	// LabelsKnown says that the expression decides which labels a result can
	// have; they are ResultLabels, sorted. Otherwise results are stored with
	// one labels column.
	LabelsKnown  bool
	ResultLabels []string

	// KeepName says that results may differ in nothing but __name__, so that a
	// labels column has to hold it. Otherwise the flow's name stands in its
	// place and it is not stored. Where LabelsKnown, ResultLabels decides.
	KeepName bool

	// ByGroup says that each result depends on one group of leaf 0 only, and
	// has its labels: then one group can be evaluated, or deleted, alone.
	ByGroup bool

	// Of the leaves that are not pinned:
	MaxRange  int64 // ms: the largest Range; for an instant selector the step counts
	MaxReach  int64 // ms: the largest Offset + Range, how far back of its end a window reads
	MinOffset int64 // ms: the smallest Offset
}
