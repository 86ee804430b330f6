package flowdef

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/schema"

	"laminar/flownode/function"
)

// LeafLabel is the label by which a residual's selectors name their leaf. No
// expression may use it itself.
const LeafLabel = "__laminar_leaf__"

// DefaultLookback is how far back an instant selector looks for a sample where
// neither the flow nor the settings say, ms. It is Prometheus's.
const DefaultLookback = int64(5 * time.Minute / time.Millisecond)

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
// what get returns ("" when it has none).
func (l *Leaf) Matches(get func(name string) string) bool {
	for _, m := range l.Matchers {
		if !m.Matches(get(m.Name)) {
			return false
		}
	}
	return true
}

// MaySelect reports whether the leaf's matchers let series of a metric through,
// as far as its name tells.
func (l *Leaf) MaySelect(metric string) bool {
	return !slices.ContainsFunc(l.Matchers, func(m *labels.Matcher) bool { return m.Name == model.MetricNameLabel && !m.Matches(metric) })
}

// Names lists the metric names the leaf can select, sorted; nil when its
// matchers leave that open.
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
// Prometheus.
func (l *Leaf) GroupLabels(lset labels.Labels) labels.Labels {
	if !l.KeepsName() {
		lset = lset.DropReserved(schema.IsMetadataLabel)
	}
	switch {
	case l.Agg == nil:
		return lset
	case l.Without:
		return labels.NewBuilder(lset).Del(l.Grouping...).Del(model.MetricNameLabel).Labels()
	case len(l.Grouping) == 0:
		return labels.EmptyLabels()
	default:
		return labels.NewBuilder(lset).Keep(l.Grouping...).Labels()
	}
}

// Labels lists the labels that decide whether the leaf selects a series and in
// which group it falls, sorted, the metric's name among them; nil when that can
// be any label.
func (l *Leaf) Labels() []string {
	if l.Agg == nil || l.Without {
		return nil
	}
	names := append([]string{model.MetricNameLabel}, l.Grouping...)
	for _, m := range l.Matchers {
		names = append(names, m.Name)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Span is how much time one result of the leaf covers, ms: its range, and for
// an instant selector the step.
func (l *Leaf) Span(step int64) int64 {
	switch {
	case l.Func == function.Instant, l.Func == nil && l.Cover == 0:
		return step
	case l.Func == nil:
		return l.Cover
	default:
		return l.Range
	}
}

// State names the kind of partial that the leaf is kept as; "no" for samples.
func (l *Leaf) State() string { return l.Func.Partial().Name }

// Describe says in one line how the leaf is kept, for people.
func (l *Leaf) Describe() string {
	how := fmt.Sprintf("kept as %s state in %d panes of %s", l.State(), l.Panes, formatMillis(l.Pane))
	switch {
	case l.Pinned:
		how = fmt.Sprintf("samples of %s up to %s are read for every window", formatMillis(l.Range), formatTime(l.PinnedAt-l.Offset))
	case l.Func == nil:
		how = "samples of " + formatMillis(l.Range) + " are read for each window"
	case l.Batch:
		how = fmt.Sprintf("computed from raw samples for each window, because %d panes of %s are more than %d",
			l.Panes, formatMillis(l.Pane), MaxPanes)
	}
	return l.Text + ": " + how
}

// The modes of a flow.
const (
	ModeIncremental = "incremental" // partials are kept and merged
	ModeBatch       = "batch"       // windows that changed are computed from raw samples
)

// Mode is how results are computed: ModeBatch when that is so of the whole
// expression or of a leaf.
func (c *Compiled) Mode() string {
	if c.Batch || slices.ContainsFunc(c.Leaves, func(l Leaf) bool { return l.Batch }) {
		return ModeBatch
	}
	return ModeIncremental
}

// Describe says in a few lines how the expression is kept, for people: why not
// incrementally, if so, and then each leaf.
func (c *Compiled) Describe() []string {
	var lines []string
	if c.Batch {
		lines = append(lines, "computed whole from raw samples for each window: "+c.Why)
	}
	for i := range c.Leaves {
		lines = append(lines, c.Leaves[i].Describe())
	}
	if ahead := c.Ahead(); ahead > 0 {
		lines = append(lines, "windows close "+formatMillis(ahead)+" later than others: so far beyond its end a negative offset makes each read")
	}
	return lines
}

// ResidualText is the expression over the leaves' results, which stand in it as
// leaf_1, leaf_2 and so on; "" where the expression is its only leaf or is
// evaluated whole.
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

// millis is a duration in milliseconds.
func millis(d time.Duration) int64 { return int64(d / time.Millisecond) }

// formatMillis spells a duration as Prometheus does.
func formatMillis(ms int64) string {
	return model.Duration(time.Duration(ms) * time.Millisecond).String()
}

// formatTime spells a time, ms since the epoch.
func formatTime(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339Nano) }
