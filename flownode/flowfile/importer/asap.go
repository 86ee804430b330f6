package importer

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"laminar/flownode/flowfile/yamltext"
)

// ASAPQuery's streaming configuration: aggregations of windows of samples.
//
//	aggregations:
//	- aggregationId: 1
//	  aggregationType: MultipleSum
//	  aggregationSubType: sum
//	  labels: {grouping: [job], aggregated: [instance], rollup: [pod]}
//	  metric: http_requests_total
//	  parameters: {}
//	  windowSize: 60
//	  spatialFilter: 'env="prod"'
//
// `grouping` is the rows and `aggregated` the keys within one accumulator: a flow has a row
// for each of both. `rollup` is summed away.

var asapKeys = []string{
	"aggregationId", "aggregationType", "aggregationSubType", "labels", "parameters", "metric", "table_name", "value_column",
	"windowSize", "windowSizeMs", "tumblingWindowSize", "slideInterval", "slideIntervalMs", "windowType", "spatialFilter",
}

// The parameters of sketches, in all spellings: a planner and an engine of ASAPQuery have
// different ones.
var (
	asapSizes      = []string{"K", "k", "lgK", "precision", "row_num", "col_num", "depth", "width", "heapsize", "heap_size"}
	asapAccuracies = []string{"relativeAccuracy", "relative_accuracy"}
	asapParameters = slices.Concat(asapSizes, []string{"count_events"}, asapAccuracies)
)

// asapWrapped is the types of which the sub type says what is kept, and what that is.
var asapWrapped = map[string]map[string]string{
	"SingleSubpopulation": {
		"sum": "Sum", "count": "Sum", "min": "MinMax", "max": "MinMax", "increase": "Increase", "kll": "DatasketchesKLL", "datasketcheskll": "DatasketchesKLL",
	},
	"MultipleSubpopulation": {
		"sum": "Sum", "count": "Sum", "min": "MinMax", "max": "MinMax", "increase": "Increase", "kll": "DatasketchesKLL", "datasketcheskll": "DatasketchesKLL",
		"countminsketch": "CountMinSketch", "cms": "CountMinSketch", "hydrakll": "HydraKLL",
	},
}

// asapSubs is the sub types that the other types have, beside none and their own names. What
// the smallest and largest value are asked for is said where these are made.
var asapSubs = map[string][]string{
	"Sum":                    {"count"},
	"CountMinSketch":         {"sum", "count", "cms"},
	"CountMinSketchWithHeap": {"topk", "sum", "count"},
	"Increase":               {"rate"},
	"DatasketchesKLL":        {"kll", "quantile"},
	"KLL":                    {"datasketcheskll", "quantile"},
	"HydraKLL":               {"kll", "quantile"},
	"DDSketch":               {"quantile"},
	"SetAggregator":          {},
	"DeltaSetAggregator":     {},
	"HLL":                    {},
}

// aggregation is one of the file.
type aggregation struct {
	kind, sub      string
	labels         []string // of results
	grouping, keys []string // of the rows, and of what is within one accumulator
	selector       string
	metric         string
	size, slide    int64 // ms
	heap           int64 // how many keys are kept; 0 where that is not said
	events         bool  // occurrences are counted, not values summed
}

func (r *reader) asap(root *yaml.Node) {
	top := r.fields(root, "file", "aggregations", "metrics", "tables")
	list := top["aggregations"]
	if yamltext.Empty(list) {
		return
	}
	if list.Kind != yaml.SequenceNode {
		r.addf(list, "aggregations: want a list")
		return
	}
	metrics := r.asapMetrics(top["metrics"])
	ids := map[int64]bool{}
	for i, n := range list.Content {
		r.asapAggregation(yamltext.Resolve(n), i+1, metrics, ids)
	}
}

// asapMetrics reads the labels that each metric has; nil where the file does not say.
func (r *reader) asapMetrics(n *yaml.Node) map[string][]string {
	if n == nil || yamltext.Empty(n) {
		return nil
	}
	f := r.fields(n, "metrics", yamltext.Keys(n)...)
	out := map[string][]string{}
	for name := range f {
		out[name] = r.list(f, "metrics", name, false)
	}
	return out
}

// asapAggregation reads one aggregation.
func (r *reader) asapAggregation(n *yaml.Node, number int, metrics map[string][]string, ids map[int64]bool) {
	what := fmt.Sprintf("aggregation %d of the list", number)
	f := r.fields(n, what, asapKeys...)
	if f == nil {
		return
	}
	since := len(r.problems)
	id, ok := r.number(f, what, "aggregationId")
	switch {
	case !ok && f["aggregationId"] == nil:
		r.addf(n, "%s: aggregationId is missing", what)
	case ok && ids[id]:
		r.addf(f["aggregationId"], "%s: aggregationId %d is there twice", what, id)
	case ok:
		what = fmt.Sprintf("aggregation %d", id)
	}
	ids[id] = true
	var a aggregation
	if a.kind = r.text(f, what, "aggregationType"); a.kind == "" {
		r.addf(n, "%s: aggregationType is missing", what)
	}
	a.sub = strings.ToLower(r.text(f, what, "aggregationSubType"))
	a.metric = r.text(f, what, "metric")
	a.size = r.asapTime(f, what, "windowSize", "tumblingWindowSize")
	a.slide = r.asapTime(f, what, "slideInterval", "")
	if a.size == 0 {
		r.addf(n, "%s: windowSize is missing, or 0", what)
	}
	switch kind := r.text(f, what, "windowType"); kind {
	case "", "tumbling":
		a.slide = a.size
	case "sliding":
		if a.slide == 0 {
			a.slide = a.size
		}
	default:
		r.addf(f["windowType"], "%s: windowType: want tumbling or sliding, not %q", what, kind)
	}
	rollup := r.asapLabels(n, f, what, &a)
	r.asapParameters(n, f, what, &a)
	var reason string
	if len(r.problems) > since {
		return
	}
	if a.selector, reason = selectorWith(a.metric, r.text(f, what, "spatialFilter")); a.metric == "" {
		if reason = "it has neither metric nor table_name"; given(f, "table_name") {
			reason = "it reads a column of a table, and flows read series"
		}
	}
	if known, listed := metrics[a.metric]; listed && reason == "" {
		for _, l := range slices.Concat(a.labels, rollup) {
			if !slices.Contains(known, l) {
				reason = fmt.Sprintf("the label %s is not among those that the file lists for %s", l, a.metric)
			}
		}
	}
	if what += ", " + a.kind; a.sub != "" {
		what += " " + a.sub
	}
	if reason != "" {
		r.refuse(n.Line, what, reason)
		return
	}
	r.asapFlow(n.Line, what+" of "+a.metric, a)
}

// asapTime reads a time that is in seconds, or in milliseconds under a name that says so; 0
// where it is missing. older is a name that it once had.
func (r *reader) asapTime(f fields, what, key, older string) int64 {
	if ms, ok := r.number(f, what, key+"Ms"); ok {
		return ms
	}
	if s, ok := r.number(f, what, key); ok {
		return 1000 * s
	}
	if older != "" {
		if s, ok := r.number(f, what, older); ok {
			return 1000 * s
		}
	}
	return 0
}

// asapLabels reads the three lists of labels.
func (r *reader) asapLabels(n *yaml.Node, f fields, what string, a *aggregation) (rollup []string) {
	if f["labels"] == nil {
		r.addf(n, "%s: labels is missing", what)
		return nil
	}
	what += ": labels"
	l := r.fields(f["labels"], what, "grouping", "aggregated", "rollup")
	if l == nil {
		return nil
	}
	for _, key := range []string{"grouping", "aggregated", "rollup"} {
		if l[key] == nil {
			r.addf(f["labels"], "%s: %s is missing; it may be an empty list", what, key)
		}
	}
	a.grouping, a.keys = distinct(r.list(l, what, "grouping", false)), distinct(r.list(l, what, "aggregated", false))
	a.labels = distinct(slices.Concat(a.grouping, a.keys))
	return r.list(l, what, "rollup", false)
}

// asapParameters reads what an aggregation is asked for beside its kind. Sizes of sketches
// that are not built here change nothing, but must be sizes.
func (r *reader) asapParameters(n *yaml.Node, f fields, what string, a *aggregation) {
	if f["parameters"] == nil {
		r.addf(n, "%s: parameters is missing; it may be empty", what)
		return
	}
	if yamltext.Empty(f["parameters"]) {
		return
	}
	what += ": parameters"
	p := r.fields(f["parameters"], what, asapParameters...)
	if p == nil {
		return
	}
	for _, key := range asapSizes {
		switch size, ok := r.number(p, what, key); {
		case !ok && p[key] != nil && yamltext.Empty(p[key]), ok && (size < 1 || size > math.MaxInt32):
			r.addf(p[key], "%s: %s: want a size from 1 to %d, not %q", what, key, math.MaxInt32, p[key].Value)
		case ok && strings.HasPrefix(key, "heap"):
			a.heap = size
		}
	}
	for _, key := range asapAccuracies {
		if s := r.text(p, what, key); p[key] != nil {
			if v, err := strconv.ParseFloat(s, 64); err != nil || !(v > 0 && v < 1) {
				r.addf(p[key], "%s: %s: want a number above 0 and below 1, not %q", what, key, s)
			}
		}
	}
	a.events = r.yes(p, what, "count_events")
}

// selectorWith is a metric's selector with matchers, which may stand in braces, or be a
// selector themselves.
func selectorWith(metric, filter string) (selector, reason string) {
	if filter == "" {
		return selectorOf(metric, nil), ""
	}
	text := filter
	if !strings.Contains(filter, "{") {
		text = "{" + filter + "}"
	}
	if strings.HasPrefix(text, "{") {
		text = metric + text
	}
	ms, err := promParser.ParseMetricSelector(text)
	if err != nil {
		return "", fmt.Sprintf("spatialFilter %s is no matchers of PromQL: %v", filter, err)
	}
	metrics, rest := namesOf(ms)
	if !slices.Equal(metrics, []string{metric}) {
		return "", fmt.Sprintf("spatialFilter %s is about another metric than %s", filter, metric)
	}
	return selectorOf(metric, rest), ""
}

// over is a function over a window: [start, end), in whole milliseconds.
func (a *aggregation) over(function string) string {
	return fmt.Sprintf("%s(%s[%s] offset 1ms)", function, a.selector, millis(a.size))
}

// by is an aggregation with a grouping.
func by(op string, labels []string, inner string) string {
	if len(labels) > 0 {
		op += " by (" + labelList(labels) + ") "
	}
	return op + "(" + inner + ")"
}

// asapFlow makes the flow of an aggregation.
func (r *reader) asapFlow(line int, what string, a aggregation) {
	name := fmt.Sprintf("%s:%s", a.metric, millis(a.size))
	if len(a.labels) > 0 {
		name += "_by_" + strings.Join(a.labels, "_")
	}
	kind, sub := a.kind, strings.ReplaceAll(a.sub, "_", "")
	// The older names say how many keys there are, and the rest in the sub type.
	if of, wrapped := asapWrapped[kind]; wrapped {
		if kind = of[sub]; kind == "" {
			r.refuse(line, what, fmt.Sprintf("the sub type %q of %s is not known; ASAPQuery takes such for a sum", a.sub, a.kind))
			return
		}
	}
	kind = strings.TrimPrefix(kind, "Multiple")
	if subs := asapSubs[kind]; sub != "" && sub != strings.ToLower(kind) && subs != nil && !slices.Contains(subs, sub) {
		r.refuse(line, what, fmt.Sprintf("the sub type %q of %s is not known, and ASAPQuery does not look at it", a.sub, a.kind))
		return
	}
	flow := Flow{Every: millis(a.slide)}
	var differs []string
	switch kind {
	case "Sum", "CountMinSketch", "CountMinSketchWithHeap":
		function := "sum_over_time"
		if sub == "count" || a.events {
			function = "count_over_time"
		}
		flow.PromQL = by("sum", a.labels, a.over(function))
		if kind == "Sum" {
			break
		}
		differs = append(differs, "it is exact; there it is an estimate that is never too low")
		if kind == "CountMinSketch" {
			break
		}
		if a.heap == 0 {
			r.refuse(line, what, "parameters: heapsize is missing: it says how many keys are kept")
			return
		}
		top := "topk"
		if len(a.grouping) > 0 {
			top += " by (" + labelList(a.grouping) + ") "
		}
		flow.PromQL = fmt.Sprintf("%s(%d, %s)", top, a.heap, flow.PromQL)
	case "MinMax":
		if sub != "min" && sub != "max" {
			r.refuse(line, what, "aggregationSubType: want min or max")
			return
		}
		flow.PromQL = by(sub, a.labels, a.over(sub+"_over_time"))
	case "Increase":
		flow.PromQL = by("sum", a.labels, a.over("increase"))
		differs = append(differs, "each series increases by itself, and increase() extrapolates to the borders of the window; there it is the last value less the first of all series with the same labels")
	case "DatasketchesKLL", "KLL", "HydraKLL", "DDSketch":
		sketch := by("sum", a.labels, a.over("histogram_over_time"))
		bound := "a value of a given rank is within 1 % here; there a rank is off by some %, and values by whatever lies there"
		if kind == "DDSketch" {
			bound = "the relative error is 1 %, and buckets are Prometheus's"
		}
		if differs = append(differs, bound); len(r.opts.Quantiles) > 0 {
			flow.PromQL = quantiles(r.opts.Quantiles, sketch)
		} else {
			flow.PromQL = sketch
			differs = append(differs, "the result is the native histogram, of which SQL and PromQL take any quantile: the file does not say which are asked for (--quantiles)")
		}
	case "SetAggregator", "DeltaSetAggregator":
		flow.PromQL = by("group", a.labels, a.over("present_over_time"))
		if kind == "DeltaSetAggregator" {
			differs = append(differs, "each window has its whole set; there it has what came and went since the one before")
		}
	case "HLL":
		flow.PromQL = by("count", a.grouping, by("group", a.labels, a.over("present_over_time")))
		differs = append(differs, "it is exact; there it is an estimate")
	default:
		r.refuse(line, what, fmt.Sprintf("the type %s is not known; ASAPQuery takes such for a Sum", a.kind))
		return
	}
	suffix := strings.ToLower(kind)
	if sub != "" && sub != suffix && kind != "CountMinSketchWithHeap" {
		suffix = sub
	}
	flow.Name = r.free(name + "_" + suffix)
	if a.slide > a.size {
		differs = append(differs, "windows are as far apart as there, and samples between them are in none")
	}
	r.take(line, what, flow, differs)
}
