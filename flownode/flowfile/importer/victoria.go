package importer

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
	"go.yaml.in/yaml/v3"

	"laminar/flownode/flowfile/shorthand"
	"laminar/flownode/flowfile/yamltext"
)

// Stream aggregation of VictoriaMetrics, as of 1.150: a list of rules.
//
//	- match: http_requests_total
//	  interval: 1m
//	  by: [job]
//	  outputs: [sum_samples, increase]
//
// Each output is a flow, for each metric: results keep the metric's name there, as the
// beginning of their own.

// victoriaKeys is the keys of a rule.
var victoriaKeys = []string{
	"name", "match", "interval", "no_align_flush_to_interval", "flush_on_shutdown", "dedup_interval", "staleness_interval",
	"ignore_first_sample_interval", "outputs", "keep_metric_names", "ignore_old_samples", "ignore_first_intervals", "by", "without",
	"drop_input_labels", "input_relabel_configs", "output_relabel_configs", "enable_windows",
}

var promParser = parser.NewParser(parser.Options{EnableExperimentalFunctions: true})

// rule is one rule for one metric.
type rule struct {
	filters  []string // selectors; a series counts if one of them selects it
	metric   string
	interval int64  // ms
	spelled  string // the interval as the file has it
	stale    int64  // ms
	by       []string
	without  []string
	differs  []string // by what all outputs differ
	relabel  string   // the rules for its series before they are grouped, as YAML; "" for none
}

func (r *reader) victoria(root *yaml.Node) {
	for i, n := range root.Content {
		r.victoriaRule(yamltext.Resolve(n), i+1)
	}
}

// victoriaRule reads one rule.
func (r *reader) victoriaRule(n *yaml.Node, number int) {
	what := fmt.Sprintf("rule %d", number)
	f := r.fields(n, what, victoriaKeys...)
	if f == nil {
		return
	}
	since := len(r.problems)
	if name := r.text(f, what, "name"); name != "" {
		what += " (" + name + ")"
	}
	out := rule{by: r.list(f, what, "by", false), without: r.list(f, what, "without", false)}
	outputs := r.list(f, what, "outputs", false)
	if len(outputs) == 0 && !given(f, "outputs") {
		r.addf(n, "%s: outputs is missing: it lists what is computed", what)
	}
	if out.spelled = r.text(f, what, "interval"); out.spelled == "" {
		r.addf(n, "%s: interval is missing", what)
	}
	if len(out.by) > 0 && len(out.without) > 0 {
		r.addf(f["without"], "%s: has both by and without", what)
	}
	out.interval = r.victoriaDuration(f, what, "interval", 0)
	out.stale = r.victoriaDuration(f, what, "staleness_interval", out.interval)
	dedup := r.victoriaDuration(f, what, "dedup_interval", 0)
	r.victoriaDuration(f, what, "ignore_first_sample_interval", 0)
	first, _ := r.number(f, what, "ignore_first_intervals")
	noAlign, keepNames := r.yes(f, what, "no_align_flush_to_interval"), r.yes(f, what, "keep_metric_names")
	for _, key := range []string{"flush_on_shutdown", "ignore_old_samples", "enable_windows"} {
		r.yes(f, what, key) // nothing of it is a difference of results
	}
	dropped := r.list(f, what, "drop_input_labels", false)
	matches := r.list(f, what, "match", true)
	if len(r.problems) > since {
		return
	}
	out.by, out.without = names(out.by), names(out.without)
	if noAlign {
		out.differs = append(out.differs, "windows end at multiples of the interval; there they begin when the process does (no_align_flush_to_interval)")
	}
	if dedup > 0 {
		out.differs = append(out.differs, fmt.Sprintf("all samples count; there only the last of each series in %s does (dedup_interval)", millis(dedup)))
	}
	if first > 0 {
		out.differs = append(out.differs, "windows after a start are there as well (ignore_first_intervals)")
	}
	if keepNames {
		out.differs = append(out.differs, "the flow has a name of its own: under the metric's own name (keep_metric_names) it would take its place")
	}
	why := ""
	switch {
	case given(f, "output_relabel_configs"):
		why = "output_relabel_configs: results keep the labels that they are grouped by; rename them with label_replace in the definition"
	case len(dropped) > 0 && !out.ignores(dropped):
		why = "drop_input_labels: results would have the labels " + labelList(dropped) + ", and series that differ only in them are one series there"
	}
	if given(f, "input_relabel_configs") {
		out.relabel = plain(f["input_relabel_configs"])
		out.differs = append(out.differs, "where the relabel configs make two series equal, a window in which both have samples has no results; there they are one series")
	}
	rules, reason := out.forMetrics(matches)
	if why == "" {
		why = reason
	}
	for i, output := range outputs {
		line := f["outputs"].Content[i].Line
		if why != "" {
			r.refuse(line, what+", output "+output, why)
			continue
		}
		for _, one := range rules {
			r.victoriaOutput(line, what, one, output)
		}
	}
}

// names is labels without the metric's name, which results keep in any case.
func names(list []string) []string {
	return slices.DeleteFunc(distinct(list), func(s string) bool { return s == model.MetricNameLabel })
}

// given reports whether a key has a value that says something.
func given(f fields, key string) bool {
	n := f[key]
	return n != nil && !yamltext.Empty(n) && (n.Kind == yaml.ScalarNode || len(n.Content) > 0)
}

// ignores reports whether results have none of some labels.
func (o *rule) ignores(list []string) bool {
	for _, l := range list {
		if slices.Contains(o.by, l) || len(o.by) == 0 && !slices.Contains(o.without, l) {
			return false
		}
	}
	return true
}

// victoriaDuration reads a duration, ms, which is written as Go has it there.
func (r *reader) victoriaDuration(f fields, what, key string, fallback int64) int64 {
	s := r.text(f, what, key)
	if s == "" {
		return fallback
	}
	d, err := time.ParseDuration(s)
	if err != nil || d <= 0 || d%time.Millisecond != 0 {
		r.addf(f[key], "%s: %s: %q is not a duration such as 30s or 1m", what, key, s)
		return fallback
	}
	return d.Milliseconds()
}

// forMetrics is the rule for each metric that its filters select; reason says why they
// cannot be told apart.
func (o *rule) forMetrics(matches []string) (rules []rule, reason string) {
	if len(matches) == 0 {
		return nil, "it has no match, so it is for all metrics: write a rule for each metric that is meant"
	}
	byName := map[string]*rule{}
	for _, text := range matches {
		ms, err := promParser.ParseMetricSelector(text)
		if err != nil {
			return nil, fmt.Sprintf("match %s is no selector of PromQL (%v): filters that are joined by `or` can be listed instead", text, err)
		}
		metrics, rest := namesOf(ms)
		if len(metrics) == 0 {
			return nil, fmt.Sprintf("match %s leaves open which metrics it selects, and results keep the metric's name: write a rule for each metric that is meant", text)
		}
		for _, m := range metrics {
			if byName[m] == nil {
				one := *o
				one.metric = m
				byName[m] = &one
			}
			byName[m].filters = append(byName[m].filters, selectorOf(m, rest))
		}
	}
	for _, m := range slices.Sorted(maps.Keys(byName)) {
		byName[m].filters = distinct(byName[m].filters)
		rules = append(rules, *byName[m])
	}
	return rules, ""
}

// namesOf is the metrics that matchers let through, where these are few and named, and the
// other matchers.
func namesOf(ms []*labels.Matcher) (metrics []string, rest []*labels.Matcher) {
	for _, m := range ms {
		switch {
		case m.Name != model.MetricNameLabel:
			rest = append(rest, m)
		case m.Type == labels.MatchEqual && metrics == nil:
			metrics = []string{m.Value}
		case m.Type == labels.MatchRegexp && metrics == nil:
			metrics = m.SetMatches()
		default:
			return nil, nil
		}
	}
	return distinct(metrics), rest
}

// selectorOf is the selector of a metric's series.
func selectorOf(metric string, ms []*labels.Matcher) string {
	sel := &parser.VectorSelector{Name: metric, LabelMatchers: ms}
	if !model.LegacyValidation.IsValidMetricName(metric) {
		sel.Name, sel.LabelMatchers = "", append([]*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, model.MetricNameLabel, metric)}, ms...)
	}
	return sel.String()
}

// byTime reports whether the rule gives results for each series.
func (o *rule) byTime() bool { return len(o.by)+len(o.without) == 0 }

// over is a function over the samples of an interval. Where several filters select series
// of the metric, each series is there once.
func (o *rule) over(function string) string {
	calls := make([]string, len(o.filters))
	for i, f := range o.filters {
		calls[i] = fmt.Sprintf("%s(%s[%s])", function, f, millis(o.interval))
	}
	return strings.Join(calls, " or ")
}

// operand is over as an operand.
func (o *rule) operand(function string) string {
	if len(o.filters) == 1 {
		return o.over(function)
	}
	return "(" + o.over(function) + ")"
}

// grouped is an aggregation with the rule's grouping.
func (o *rule) grouped(op string) string {
	switch {
	case len(o.by) > 0:
		return op + " by (" + labelList(o.by) + ") "
	case len(o.without) > 0:
		return op + " without (" + labelList(o.without) + ") "
	default:
		return op + " "
	}
}

// agg aggregates an expression over series; where results are for each series, it is the
// expression.
func (o *rule) agg(op, inner string) string {
	if o.byTime() {
		return inner
	}
	return o.grouped(op) + "(" + inner + ")"
}

// name is the name of the results there, of which each flow has the part that is of its
// metric.
func (o *rule) name(output string) string {
	name := o.metric + ":" + o.spelled
	if len(o.by) > 0 {
		name += "_by_" + strings.Join(o.by, "_")
	}
	if len(o.without) > 0 {
		name += "_without_" + strings.Join(o.without, "_")
	}
	return name + "_" + output
}

// Rules by which counters differ.
const (
	differsStart = "a series that was there when it starts has what it grew since its last sample before; there its first sample after a start counts for nothing"
	differsStale = "a series counts from 0 if no sample of it came in %s before a window began; there, if none came in that time before its next one arrives"
	differsFold  = "the total goes on over restarts; there it begins again at 0, also where it reaches 2^53"
)

// victoriaOutput makes the flow of an output.
func (r *reader) victoriaOutput(line int, what string, o rule, output string) {
	what += ", output " + output + " of " + o.metric
	base, args, _ := strings.Cut(output, "(")
	flow := Flow{Name: r.free(o.name(base)), Every: millis(o.interval), Relabel: o.relabel}
	differs := slices.Clone(o.differs)
	if flow.Name != o.name(base) {
		differs = append(differs, "it has a number in its name, as another rule gives that name, too")
	}
	counter := func() {
		flow.Lookback = millis(o.stale)
		differs = append(differs, fmt.Sprintf(differsStale, millis(o.stale)), differsStart)
	}
	if o.relabel != "" && strings.Contains(output, "total") {
		r.refuse(line, what, "input_relabel_configs: a running total reads its own results, which would be relabelled again; relabel where samples are taken in (ingest.relabel), and import the rule without")
		return
	}
	total := func(inner string) string {
		sum := o.grouped("sum")
		if len(o.by) == 0 {
			sum = shorthand.WithoutMark
		}
		return shorthand.Total(flow.Name, o.interval, sum, inner)
	}
	switch output {
	case "sum_samples":
		flow.PromQL = o.agg("sum", o.over("sum_over_time"))
	case "count_samples":
		flow.PromQL = o.agg("sum", o.over("count_over_time"))
	case "count_series":
		flow.PromQL = o.agg("count", o.over("present_over_time"))
	case "min":
		flow.PromQL = o.agg("min", o.over("min_over_time"))
	case "max":
		flow.PromQL = o.agg("max", o.over("max_over_time"))
	case "avg":
		if flow.PromQL = o.over("avg_over_time"); !o.byTime() {
			flow.PromQL = o.agg("sum", o.over("sum_over_time")) + " / " + o.agg("sum", o.over("count_over_time"))
		}
	case "last":
		if !o.byTime() {
			r.refuse(line, what, "the newest sample of a group of series has no form in PromQL: leave by and without out, or take max or avg")
			return
		}
		flow.PromQL = o.over("last_over_time")
	case "stdvar", "stddev":
		if flow.PromQL = o.over(output + "_over_time"); !o.byTime() {
			flow.PromQL = o.pooled(output)
			differs = append(differs, "it is computed of means and deviations of series, and loses digits where samples deviate little from a large mean")
		}
	case "increase":
		counter()
		flow.PromQL = o.agg("sum", o.over("increase_pure"))
	case "increase_prometheus":
		flow.PromQL = o.agg("sum", o.over("increase"))
		differs = append(differs, "increase() looks at the samples of a window alone and extrapolates to its borders; there a window begins at the last sample before, and nothing is extrapolated")
	case "rate_sum", "rate_avg":
		flow.PromQL = o.agg(strings.TrimPrefix(output, "rate_"), o.over("rate"))
		differs = append(differs, "rate() looks at the samples of a window alone and extrapolates to its borders; there a window begins at the last sample before, and the increase is divided by the time between samples")
	case "total", "total_prometheus":
		counter()
		flow.PromQL = total(o.agg("sum", o.over("increase_pure")))
		if differs = append(differs, differsFold); output == "total_prometheus" {
			differs = append(differs, "a new series counts from 0; there its first sample counts for nothing (rates of the two differ only in the window of that sample)")
		}
	case "sum_samples_total":
		flow.PromQL = total(o.agg("sum", o.over("sum_over_time")))
		differs = append(differs, differsFold)
	case "histogram_bucket":
		flow.PromQL = o.agg("sum", o.over("histogram_over_time"))
		differs = append(differs, "the result is one native histogram with Prometheus's buckets, and no series by vmrange")
	case "unique_samples":
		if flow.PromQL = o.over("distinct_over_time"); !o.byTime() {
			flow.PromQL = "count_distinct(" + o.agg("sum", o.over("values_over_time")) + ")"
		}
		differs = append(differs, "it is an estimate where values are many (HyperLogLog); there every value is kept")
	default:
		if base != "quantiles" {
			r.refuse(line, what, "VictoriaMetrics 1.150 has no such output")
			return
		}
		phis, ok := phisOf(args)
		if !ok {
			r.refuse(line, what, "want quantiles(phi1, ..., phiN) with numbers from 0 to 1")
			return
		}
		flow.PromQL = quantiles(phis, o.agg("sum", o.over("histogram_over_time")))
		differs = append(differs, "each quantile is within 1 % of the value of its rank; there it is taken of a part of the samples, chosen at random where they are many")
	}
	r.take(line, what, flow, differs)
}

// pooled is the deviation of all samples of a group, of those of its series.
func (o *rule) pooled(output string) string {
	n, sum := o.agg("sum", o.over("count_over_time")), o.agg("sum", o.over("sum_over_time"))
	squares := o.agg("sum", fmt.Sprintf("%s * (%s + %s ^ 2)", o.operand("count_over_time"), o.operand("stdvar_over_time"), o.operand("avg_over_time")))
	v := fmt.Sprintf("clamp_min(%s / %s - (%s / %s) ^ 2, 0)", squares, n, sum, n)
	if output == "stddev" {
		return "sqrt(" + v + ")"
	}
	return v
}

// phisOf reads the arguments of quantiles(...), behind the parenthesis.
func phisOf(args string) ([]float64, bool) {
	list, closed := strings.CutSuffix(args, ")")
	var out []float64
	for s := range strings.SplitSeq(list, ",") {
		phi, err := strconv.ParseFloat(strings.TrimSpace(s), 64)
		if err != nil || math.IsNaN(phi) || phi < 0 || phi > 1 {
			return nil, false
		}
		out = append(out, phi)
	}
	return out, closed
}
