package flowfile

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowfile/shorthand"
	"laminar/flownode/flowfile/yamltext"
	"laminar/flownode/flowgraph"
	"laminar/flownode/watermark"
	"laminar/sequence/relabeling"

	"go.yaml.in/yaml/v3"
)

// The native form, with every key that a flow can have:
//
//	flows:
//	  - name: http_requests:rate5m
//	    promql: sum by (job, code) (rate(http_requests_total[5m]))
//	    every: 1m
//	    table: http_requests_rate5m
//	    trigger: {interval: 1s}
//	    watermark: {by: [cluster], idle: 1m}
//	    watermark_delay: 10s
//	    emit: update
//	    late: recompute
//	    allowed_lateness: 0
//	    keep_late: 0
//	    backfill: none
//	    keep: 0
//	    lookback: 5m
//	    executor: auto
//	    limit: 0
//	    session: {gap: 10m, max: 1d, when: "> 0", value: last}
//	    max_groups: 0
//	    relabel:
//	      - {source_labels: [pod], regex: '(.+)-[^-]+-[^-]+', target_label: deployment}
//	    accuracy: 0.01
//	    approximate: 0.01
//
// and the bare list, in which `as` takes the place of `name`:
//
//	- promql: sum by (job) (rate(http_requests_total[5m]))
//	  as: job:rate5m
//
// whose expressions may aggregate range vectors (package shorthand).
//
// docs/definitions.md says what each key means; TestDocs holds that it names all.

// flowKeys is the keys of a native flow beside those that name it.
var flowKeys = []string{
	"every", "table", "trigger", "watermark", "watermark_delay", "emit", "late", "allowed_lateness", "keep_late", "backfill", "keep", "max_groups", "lookback", "executor", "limit", "session", "relabel",
	"accuracy", "approximate",
}

// Keys lists them.
func Keys() []string { return slices.Clone(flowKeys) }

// maxName is the longest flow name, in bytes: names are keys of an index of the
// catalogue, which cannot hold entries of any length.
const maxName = 500

// native reads the form with `flows:` at the top level.
func (p *fileParser) native(root *yaml.Node) {
	top := p.fields(root, "file", "flows")
	list := top["flows"]
	if list == nil || yamltext.Empty(list) {
		return
	}
	if list.Kind != yaml.SequenceNode {
		p.addf(list, "flows: want a list of flows")
		return
	}
	p.flows(list, "name")
}

// bareList reads the form that is a list of expressions and names, the shortest
// way to write flows down. Its items may have the keys of native flows too.
func (p *fileParser) bareList(root *yaml.Node) {
	p.flows(root, "as")
}

// flows reads the items of a list.
func (p *fileParser) flows(list *yaml.Node, nameKey string) {
	first := len(p.found.Flows)
	for _, n := range list.Content {
		p.flow(yamltext.Resolve(n), nameKey)
	}
	flowgraph.SetItself(p.found.Flows[first:])
}

// flow reads one item of the native form or of a bare list, in which nameKey
// holds its name. It reads all keys, whatever is wrong with some.
func (p *fileParser) flow(n *yaml.Node, nameKey string) {
	since := len(p.problems)
	what := titled("flow", n, nameKey)
	if p.countsWindow(n, what) {
		return
	}
	// In a bare list `name` is an unknown key, and in a native flow `as` is.
	f := p.fields(n, what, append([]string{nameKey, "promql"}, flowKeys...)...)
	if f == nil {
		return
	}
	out := flowdef.Flow{File: p.file, Line: n.Line, Name: p.needText(n, f, what, nameKey)}
	if len(out.Name) > maxName {
		p.addf(f[nameKey], "flow name is longer than %d bytes", maxName)
	}
	p.needText(n, f, what, "promql")
	out.Every = p.duration(f, what, "every", 1, 0)
	out.Trigger = p.trigger(f["trigger"], what)
	out.Watermark = p.watermark(f["watermark"], what)
	out.WatermarkDelay = p.duration(f, what, "watermark_delay", 0, flowdef.DefaultWatermarkDelay)
	out.Emit = flowdef.Emit(p.oneOf(f, what, "emit", []string{string(flowdef.EmitUpdate), string(flowdef.EmitClose)}, nil))
	p.late(f, what, &out)
	out.Backfill = p.backfill(f, what)
	out.Keep = p.duration(f, what, "keep", 0, 0)
	out.Lookback = p.duration(f, what, "lookback", 1, p.lookback)
	out.Executor = p.executor(f, what)
	out.Limit = p.number(f, what, "limit", 0)
	out.Session = p.session(f, what)
	out.MaxGroups = p.number(f, what, "max_groups", 0)
	out.Accuracy, out.Approximate = p.accuracy(f, what, "accuracy"), p.accuracy(f, what, "approximate")
	out.Relabel = p.relabel(f["relabel"], what)
	out.Table = p.table(f, what, out.Name)
	out.Group = p.fenceGroup("", out.Trigger)
	expr := scalarOf(f, "promql")
	if nameKey == "as" && expr != nil {
		expr = p.spelledOut(&out, expr)
	}
	p.finish(out, f, expr, since)
}

// spelledOut is the expression of an item of a bare list in PromQL; nil, with a problem, for
// one that cannot be. It settles the step where the expression does.
func (p *fileParser) spelledOut(f *flowdef.Flow, expr *yaml.Node) *yaml.Node {
	text, step, err := shorthand.Expand(expr.Value, f.Name, f.Every)
	var fault *shorthand.Error
	switch {
	case errors.As(err, &fault):
		p.fault(f, nil, expr, flowdef.ExprError{Pos: fault.Pos, Message: fault.Message})
		return nil
	case text == expr.Value:
		return expr
	}
	f.Every = step
	out := *expr
	out.Value, out.Tag = text, spelled
	return &out
}

// scalarOf is a key's value if it is one that text accepts; nil if text has added
// a problem, or would for a missing key.
func scalarOf(f fields, key string) *yaml.Node {
	if n := f[key]; n != nil && n.Kind == yaml.ScalarNode && strings.TrimSpace(n.Value) != "" {
		return n
	}
	return nil
}

// table reads the name of the result table. Without it the name is made from the
// flow's; a name that is given must already be one that would be made.
func (p *fileParser) table(f fields, what, name string) string {
	table := p.text(f, what, "table")
	if table == "" {
		return flowdef.TableName(name)
	}
	if want := flowdef.TableName(table); want != table {
		p.addf(f["table"], "%s: table: %q is not a table name of lower case letters, digits and _; for example %s", what, table, want)
	}
	return table
}

// backfill reads none, all or a duration.
func (p *fileParser) backfill(f fields, what string) flowdef.Backfill {
	switch p.text(f, what, "backfill") {
	case "", "none":
		return flowdef.Backfill{}
	case "all":
		return flowdef.Backfill{All: true}
	default:
		return flowdef.Backfill{Duration: p.duration(f, what, "backfill", 1, 0)}
	}
}

// executor reads the key of that name; without it the setting decides.
func (p *fileParser) executor(f fields, what string) flowdef.Executor {
	if _, ok := f["executor"]; !ok {
		return ""
	}
	words := make([]string, len(flowdef.Executors()))
	for i, e := range flowdef.Executors() {
		words[i] = string(e)
	}
	return flowdef.Executor(p.oneOf(f, what, "executor", words, nil))
}

// countsWindow refuses the key `window`, and steps of a number of samples, and reports whether
// a flow has one. Other systems have both.
func (p *fileParser) countsWindow(n *yaml.Node, what string) bool {
	things := []string{"count", "sample", "samples", "row", "rows", "points", "events"}
	for _, one := range yamltext.Pairs(n) {
		number, unit, _ := strings.Cut(strings.TrimSpace(one.Value.Value), " ")
		_, err := strconv.Atoi(number)
		unit = strings.TrimSpace(unit)
		counts := err == nil && slices.Contains(things, unit)
		if one.Key.Value == "window" {
			ofCount := slices.ContainsFunc(yamltext.Keys(one.Value), func(key string) bool { return slices.Contains(things, key) })
			if counts = counts || ofCount || err == nil && unit == ""; !counts {
				p.addf(one.Key, "%s: window: it is as long as the range in the expression, as in rate(x[5m]); `every` says how far apart windows end", what)
				return true
			}
		}
		if (one.Key.Value == "window" || one.Key.Value == "every") && counts {
			p.addf(one.Key, "%s: %s: windows cannot count samples: a late one would move all later windows (trigger has samples)", what, one.Key.Value)
			return true
		}
	}
	return false
}

// watermark reads the key `watermark`.
func (p *fileParser) watermark(n *yaml.Node, what string) *watermark.By {
	if n == nil {
		return nil
	}
	what += ": watermark"
	f := p.fields(n, what, "by", "idle")
	if f == nil {
		return nil
	}
	since := len(p.problems)
	w := &watermark.By{Idle: p.duration(f, what, "idle", watermark.LeastIdle, watermark.DefaultIdle)}
	if by := f["by"]; by != nil {
		if by.Kind != yaml.SequenceNode {
			p.addf(by, "%s: by: want a list of labels", what)
			return nil
		}
		for _, label := range by.Content {
			w.Labels = append(w.Labels, yamltext.Resolve(label).Value)
		}
	}
	if len(p.problems) > since {
		return nil
	}
	if err := w.Check(); err != nil {
		p.checked(n, f, what, err)
	}
	return w
}

// aboutNothing is the keys that are about series and samples, of a flow that selects none:
// they would do nothing.
func aboutNothing(f *flowdef.Flow) (keys []string) {
	if len(f.Expr.Leaves) > 0 {
		return nil
	}
	for _, key := range []struct {
		name  string
		given bool
	}{{"watermark", f.Watermark != nil}, {"relabel", len(f.Relabel) > 0}, {"late", f.Late == flowdef.LateDrop}, {"allowed_lateness", f.AllowedLateness > 0}} {
		if key.given {
			keys = append(keys, key.name)
		}
	}
	return keys
}

// relabel reads the key `relabel`.
func (p *fileParser) relabel(n *yaml.Node, what string) []relabeling.Rule {
	if n == nil || yamltext.Empty(n) {
		return nil
	}
	rules, problems := relabeling.Read(n)
	for _, one := range problems {
		p.add(one.Line, "%s: relabel: %s", what, one.Text)
	}
	return rules
}

// trigger reads the key `trigger`.
func (p *fileParser) trigger(n *yaml.Node, what string) flowdef.Trigger {
	if n == nil {
		return flowdef.Trigger{Interval: flowdef.DefaultTriggerInterval}
	}
	what += ": trigger"
	f := p.fields(n, what, "interval", "cron", "samples", "per", "sequences")
	if f == nil {
		return flowdef.Trigger{}
	}
	since := len(p.problems)
	t := flowdef.Trigger{
		Interval:  p.duration(f, what, "interval", 1, 0),
		Cron:      p.text(f, what, "cron"),
		Samples:   p.number(f, what, "samples", 1),
		Per:       p.text(f, what, "per"),
		Sequences: p.number(f, what, "sequences", 1),
	}
	if len(p.problems) > since {
		return t
	}
	if err := t.Check(); err != nil {
		p.checked(n, f, what, err)
	}
	return t
}
