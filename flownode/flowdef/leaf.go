package flowdef

import (
	"slices"
	"strconv"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/schema"

	"laminar/flownode/function"
	"laminar/flownode/session"
	"laminar/sequence"
	"laminar/sequence/relabeling"
)

// A leaf is where time series become numbers of groups. The flownode asks it
// four things: which series it selects (Matches, MaySelect, Names), which group
// each falls into (GroupLabels, Labels), which stretch of time a window reads
// (Bounds, in reach.go), and what is made of the samples there (Func, Agg).

// LeafLabel is the label by which a residual's selectors name their leaf. No
// expression may use it itself.
const LeafLabel = "__laminar_leaf__"

// DefaultLookback is how far back an instant selector looks for a sample where
// neither the flow nor the settings say, ms. It is Prometheus's default, so that
// a rule gives here what it gives there.
const DefaultLookback = int64(5 * time.Minute / time.Millisecond)

// MaxPanes is the largest number of panes of a window that is kept as pane state,
// where panes are narrower than sparsePane. It bounds what a series takes in memory: a
// range of 1h and a step of 7s have no larger common divisor than 1s, so that a window
// would have 3,600 panes of a sample or none each.
const MaxPanes = 1000

// MaxWidePanes is MaxPanes of wider panes. They hold samples, each of which would be read
// again for every window otherwise: 30 days at a step of 30s have 86,400 panes.
const MaxWidePanes = 100_000

// sparsePane is the width, ms, from which on panes hold a sample or more of most series:
// few are scraped less often than every 15 s, and many more often.
const sparsePane = 10_000

// PanesKept is how many panes of a width are kept.
func PanesKept(width int64) int64 {
	if width < sparsePane {
		return MaxPanes
	}
	return MaxWidePanes
}

// Leaf is `aggregate by (...) (function(selector[range] offset o))`, the part
// of an expression that is kept incrementally. In a batch expression it is a
// selector alone, with how far back it reads, subqueries around it included.
//
//	E1  Pane > 0 divides Range, Lead, the flow's step, and Offset but for Phase
//	E2  Panes == Range / Pane
//	E3  Batch == (Panes > PanesKept(Pane), or the expression is a batch expression)
//	E4  in a batch expression Func and Agg are nil; elsewhere Func is not nil,
//	    and Cover, Markers and Pinned are zero
//	E5  where Native, Func.Histograms is true, and Agg is nil but of a sketch (sketch.go)
//	E6  where CountsGroups, Agg is Count or Group, Grouping is among Per, and neither
//	    names metadata; elsewhere Per is nil
//	E7  where Session is set, Func is Instant and results are sessions; E1 and E5 do
//	    not hold (session.go)
type Leaf struct {
	Index int    // its number in Compiled.Leaves
	Text  string // PromQL of the leaf, for people

	// What is computed: Func over each series, then Agg over the series of a
	// group.
	Func     *function.Function    // nil: samples, in a batch expression
	Param    float64               // the function's constant argument; 0 without one
	Agg      *function.Aggregation // nil: every series is a group of its own
	Without  bool                  // Grouping is the labels that do not count
	Grouping []string              // sorted
	Native   bool                  // series may hold native histograms (nativeleaf.go)
	Session  *session.Rule         // what sessions are; nil where results are of windows

	// CountsGroups says that Agg is not of series but of groups of them, those by the
	// labels Per, sorted: a group counts when one of its series has a value (chain.go).
	CountsGroups bool
	Per          []string

	// Which series are read.
	Matchers []*labels.Matcher
	Metric   string // the metric name when a matcher demands exactly one, else ""
	Results  bool   // only results of flows (Flow.Results)

	// Relabel is what the flow makes of the labels of a series that is selected, before the
	// expression sees it; nil for nothing. Matchers go by the labels as they are stored.
	Relabel *relabeling.Relabeler

	Also []string // labels that the flow's sources are told apart by, beside those that the leaf needs

	// Which samples of them: those in (end-Offset-Range, end-Offset].
	Range    int64         // ms; an instant selector's lookback
	Lead     int64         // ms of Range that lie before the range the expression names: the function looks at the newest sample there
	Cover    int64         // samples: Range without lookbacks, ms
	Offset   int64         // ms; a negative one reads beyond the end of the window
	Before   int64         // ms, in Offset and off Range: results of evaluations before (previous.go)
	Markers  bool          // samples: a stale marker alone makes a window that is evaluated
	Pinned   bool          // samples: all windows read as if they ended at PinnedAt (a fixed `@`)
	PinnedAt sequence.Time // ms since the epoch, from 1970 to 9999

	// How that is kept.
	Pane  int64 // ms: width of the panes
	Phase int64 // ms: panes end so much after multiples of their width
	Panes int64 // of a window
	Batch bool  // no pane state: windows are computed from raw samples

	nested bool // samples: within a subquery, so that its range is not the one of the window
}

// LeafSelector is the selector that stands for leaf i in a residual.
func LeafSelector(i int) *parser.VectorSelector {
	return &parser.VectorSelector{
		LabelMatchers: []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, LeafLabel, strconv.Itoa(i))},
	}
}

// LeafOf returns the number of the leaf that the matchers of a residual's
// selector stand for.
func LeafOf(matchers []*labels.Matcher) (int, bool) {
	for _, m := range matchers {
		if m.Name == LeafLabel && m.Type == labels.MatchEqual {
			i, err := strconv.Atoi(m.Value)
			return i, err == nil && i >= 0
		}
	}
	return 0, false
}

// Matches reports whether the leaf selects the series whose label of a name is
// what get returns ("" when it has none). It is asked once per series, never per
// sample: matchers may be regular expressions.
func (l *Leaf) Matches(get func(name string) string) bool {
	for _, m := range l.Matchers {
		if !m.Matches(get(m.Name)) {
			return false
		}
	}
	return true
}

// LeavesOut reports whether relabelling leaves a series out that the matchers select.
func (l *Leaf) LeavesOut(lset labels.Labels) bool {
	_, by := l.Relabel.Labels(lset)
	return by != 0
}

// Seen is the labels that the expression sees of a series which is not left out.
func (l *Leaf) Seen(lset labels.Labels) labels.Labels {
	out, _ := l.Relabel.Labels(lset)
	return out
}

// Apart reports whether series that relabelling makes equal have groups of their own.
func (l *Leaf) Apart() bool {
	return l.Relabel != nil && l.Agg == nil && l.Func == function.Instant
}

// MaySelect reports whether the leaf's matchers let series of a metric through,
// as far as its name tells. Where it is false no series of the metric needs to be
// read; where it is true other labels decide.
func (l *Leaf) MaySelect(metric string) bool {
	return !slices.ContainsFunc(l.Matchers, func(m *labels.Matcher) bool { return m.Name == model.MetricNameLabel && !m.Matches(metric) })
}

// NamesMetric reports whether the leaf says anything about the metric's name. One
// that does not, as {job="a"}, selects series of raw metrics only and no results of
// flows.
func (l *Leaf) NamesMetric() bool {
	return slices.ContainsFunc(l.Matchers, func(m *labels.Matcher) bool { return m.Name == model.MetricNameLabel })
}

// Names lists the metric names the leaf can select, sorted; nil when its
// matchers leave that open, as {job="a"} and {__name__=~"a.*"} do. Of
// {__name__=~"a|b"} it is a and b.
func (l *Leaf) Names() []string {
	if l.Metric != "" {
		return []string{l.Metric}
	}
	for _, m := range l.Matchers {
		if m.Name == model.MetricNameLabel && m.Type == labels.MatchRegexp {
			if set := m.SetMatches(); len(set) > 0 {
				set = slices.Clone(set)
				slices.Sort(set)
				return slices.Compact(set)
			}
		}
	}
	return nil
}

// KeepsName reports whether the metric name is among the labels that the
// aggregation sees: samples have theirs, a function may drop it.
func (l *Leaf) KeepsName() bool { return l.Func == nil || l.Func.KeepsName }

// GroupLabels is the label set of the group that a series falls into, which is
// also the label set of the leaf's sample for it. A function that drops the
// metric name does so before the aggregation looks at labels, as in
// Prometheus. Of samples it is the labels as they are stored: the engine matches them, and
// then sees what is Seen.
func (l *Leaf) GroupLabels(lset labels.Labels) labels.Labels {
	if l.Func != nil {
		lset = l.Seen(lset)
	}
	if !l.KeepsName() {
		lset = lset.DropReserved(schema.IsMetadataLabel) // name, type and unit
	}
	switch {
	case l.Agg == nil:
		return lset
	case l.Without:
		// The engine drops the name here, but neither type nor unit.
		return labels.NewBuilder(lset).Del(l.Grouping...).Del(model.MetricNameLabel).Labels()
	case len(l.Grouping) == 0:
		return labels.EmptyLabels()
	default:
		return labels.NewBuilder(lset).Keep(l.Grouping...).Labels()
	}
}

// Labels lists the labels that decide whether the leaf selects a series and in
// which group it falls, sorted, the metric's name among them; nil when that can
// be any label. The store then sends these labels alone, of which fleets have
// few different sets, instead of every series' own.
func (l *Leaf) Labels() []string {
	if l.Agg == nil || l.Without || l.Relabel != nil {
		return nil
	}
	names := slices.Concat([]string{model.MetricNameLabel}, l.Grouping, l.Per, l.Also)
	for _, m := range l.Matchers {
		names = append(names, m.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Length is how much time one result of the leaf covers, ms: its range, and for
// an instant selector the step, since results of an instant selector stand for
// the time up to the next one, however far it looks back for a sample.
func (l *Leaf) Length(step int64) int64 {
	switch {
	case l.Func == function.Instant, l.Func == nil && l.Cover == 0:
		return step
	case l.Func == nil:
		return l.Cover
	default:
		return l.Range - l.Lead + l.Before
	}
}

// Sketch reports whether the leaf's partials are sketches of floats. It is Native then,
// because its values are histograms.
func (l *Leaf) Sketch() bool { return l.Func == function.HistogramOverTime }

// State names the kind of partial that the leaf is kept as; "no" for samples.
func (l *Leaf) State() string {
	switch {
	case l.Session != nil:
		return "session"
	case l.Native && !l.Sketch():
		return "histogram"
	}
	return l.Func.Partial().Name
}
