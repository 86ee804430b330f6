package flowdef

import (
	"slices"
	"strconv"
	"strings"

	"github.com/prometheus/prometheus/promql/parser"
)

// Compiled is an expression taken apart into leaves and what is left over.
//
//	sum by (job) (rate(a[5m])) / sum by (job) (rate(b[5m]))
//
// has two leaves and the residual leaf_1 / leaf_2. Leaves with equal text are
// one leaf, which the residual may name several times. Compiled is not changed
// after it was made.
type Compiled struct {
	// Leaves is empty where the expression selects nothing: vector(1), time().
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

	// FromNothing says that there can be results where no leaf has a sample. Such a
	// flow has the windows of its fence group; others have those that samples reach.
	FromNothing bool

	// ByGroup says that each result depends on one group of leaf 0 only, and
	// has its labels: then one group can be evaluated, or deleted, alone. With
	// it, a late sample costs its own group; without, all groups of the window.
	ByGroup bool

	// How far from its end a window reads, over the leaves that are not pinned.
	// Retention is compared with MaxReach; windows with a negative MinOffset
	// close later. Without leaves a window is a step long.
	MaxRange  int64 // ms: the largest Range; for an instant selector the step counts
	MaxReach  int64 // ms: the largest Offset + Range, how far back of its end a window reads
	MinOffset int64 // ms: the smallest Offset

	results map[string][]string // Flow.Results
}

// The modes of a flow.
const (
	ModeIncremental = "incremental" // partials are kept and merged
	ModeBatch       = "batch"       // windows that changed are computed from raw samples
)

// Mode is how results are computed: ModeBatch when that is so of the whole
// expression or of a leaf. A leaf alone is computed in batch where its windows
// have more panes than are kept (MaxPanes).
func (c *Compiled) Mode() string {
	if c.Batch || slices.ContainsFunc(c.Leaves, func(l Leaf) bool { return l.Batch }) {
		return ModeBatch
	}
	return ModeIncremental
}

// ResidualText is the expression over the leaves' results, which stand in it as
// leaf_1, leaf_2 and so on, for people: it is not PromQL that could be parsed
// again. "" where the expression is its only leaf or is evaluated whole.
func (c *Compiled) ResidualText() string {
	if c.Residual == nil {
		return ""
	}
	text := c.Residual.String()
	for i := range c.Leaves {
		text = strings.ReplaceAll(text, LeafSelector(i).String(), "leaf_"+strconv.Itoa(i+1))
	}
	return text
}
