package flowfile

import (
	"fmt"
	"slices"
	"strings"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowfile/yamltext"
	"laminar/flownode/flowgraph"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"
)

// Prometheus rule files, read as they are:
//
//	groups:
//	  - name: example
//	    interval: 30s
//	    labels: {team: web}
//	    rules:
//	      - record: job:http_requests:rate5m
//	        expr: sum by (job) (rate(http_requests_total[5m]))
//	        labels: {severity: info}
//
// A recording rule is a flow whose step is the group's interval, and whose fence
// group is the rule group: its rules see one vector, as Prometheus evaluates them
// at one time. An alerting rule is one as well (alert). Keys that would change results
// and are not built are refused.

// ruleFile reads the groups of a Prometheus rule file. Mimir's tools write a
// namespace beside them, which is part of where they put the rules.
func (p *fileParser) ruleFile(root *yaml.Node) {
	top := p.fields(root, "rule file", "groups", "namespace")
	groups := top["groups"]
	if groups == nil || yamltext.Empty(groups) {
		return
	}
	if groups.Kind != yaml.SequenceNode {
		p.addf(groups, "groups: want a list of rule groups")
		return
	}
	seen := map[string]bool{}
	for _, n := range groups.Content {
		p.ruleGroup(yamltext.Resolve(n), seen)
	}
}

// ruleGroup is the reading of one group: what its rules have in common.
type ruleGroup struct {
	*fileParser
	name   string
	rule   flowdef.Flow    // with what the group says of its rules
	labels []flowdef.Label // of all its rules
}

// groupKeys is the keys of a group that Prometheus has.
var groupKeys = []string{"name", "interval", "limit", "query_offset", "labels", "rules"}

// ruleGroup reads one group. seen is the names of the groups before it. If the
// group itself is at fault, its rules are read for their own problems only.
func (p *fileParser) ruleGroup(n *yaml.Node, seen map[string]bool) {
	what := titled("group", n, "name")
	f := p.fields(n, what, slices.Concat(groupKeys, foreignKeys())...)
	if f == nil {
		return
	}
	since := len(p.problems)
	g := ruleGroup{fileParser: p, name: p.needText(n, f, what, "name")}
	if seen[g.name] {
		p.addf(n, "%s is there twice", what)
		since = len(p.problems)
	}
	seen[g.name] = true // a second group of the name would share its fence
	g.settings(f, what)
	p.foreign(f, what)
	g.labels = p.labels(f["labels"], what)
	// Problems of the rules, which follow, do not count against the group.
	groupOK := len(p.problems) == since
	rules := f["rules"]
	if rules == nil || yamltext.Empty(rules) {
		return
	}
	if rules.Kind != yaml.SequenceNode {
		p.addf(n, "%s: rules: want a list of rules", what)
		return
	}
	first := len(p.found.Flows)
	defer func() { flowgraph.SetPrevious(p.found.Flows[min(first, len(p.found.Flows)):]) }()
	for _, r := range rules.Content {
		kept := p.found
		g.read(yamltext.Resolve(r))
		if !groupOK {
			p.found = kept // the rule was read for its own problems only
		}
	}
}

// settings reads how the group's rules are evaluated. A rule file has no key for
// what else a flow has; native flows do.
func (g *ruleGroup) settings(f fields, what string) {
	g.rule = flowdef.Flow{
		File: g.file, Trigger: flowdef.Trigger{Interval: flowdef.DefaultTriggerInterval},
		Emit: g.emit, Late: flowdef.LateRecompute, Lookback: g.lookback,
		// Prometheus would take its global evaluation interval, which no rule file
		// knows; its default is the one taken here.
		Every: g.optional(f, what, "interval", flowdef.DefaultRuleInterval),
		// Prometheus evaluates at the window's end, an offset after that time has
		// come, and its samples stand at the end. So an offset is how long it waits.
		WatermarkDelay: g.optional(f, what, "query_offset", flowdef.DefaultWatermarkDelay),
	}
	if g.every > 0 {
		g.rule.Every = g.every
	}
	for _, older := range []string{"evaluation_delay", "eval_delay"} {
		if d := g.optional(f, what, older, 0); d > 0 {
			g.rule.WatermarkDelay = d
		}
	}
	if !yamltext.Empty(f["limit"]) {
		g.rule.Limit = g.number(f, what, "limit", 0)
	}
}

// read reads one rule of the group.
func (g *ruleGroup) read(n *yaml.Node) {
	if slices.Contains(yamltext.Keys(n), "alert") {
		g.alert(n)
		return
	}
	since := len(g.problems)
	what := titled("rule", n, "record")
	f := g.fields(n, what, "record", "expr", "labels")
	if f == nil {
		return
	}
	out := g.rule
	out.Rule, out.Line, out.Name = true, n.Line, g.needText(n, f, what, "record")
	if len(out.Name) > maxName {
		g.addf(f["record"], "rule name is longer than %d bytes", maxName)
	}
	g.needText(n, f, what, "expr")
	static, off := takenOff(mergeLabels(g.labels, g.checker.labels(f["labels"], what)))
	out.StaticLabels = static
	out.Table = flowdef.TableName(out.Name)
	out.Group = g.fenceGroup(g.name, out.Trigger)
	g.finish(out, f, scalarOf(f, "expr"), since, off...)
}

// labels reads static labels, of which null is one without a value, sorted by name, so that their order in a file does
// not change a definition.
func (p *checker) labels(n *yaml.Node, what string) []flowdef.Label {
	if n == nil || yamltext.Empty(n) {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		p.addf(n, "%s: labels: want names and values", what)
		return nil
	}
	// Any key is a label: yamltext.Keys makes all of them known, but for repeated ones.
	f := p.fields(n, what+": labels", yamltext.Keys(n)...)
	var out []flowdef.Label
	for name, value := range f {
		text := value.Value
		if yamltext.Empty(value) {
			text = ""
		}
		if value.Kind != yaml.ScalarNode {
			p.addf(value, "%s: labels: %s: want one value", what, name)
		} else if err := checkLabel(name, text); err != nil {
			p.addf(value, "%s: labels: %v", what, err)
		}
		out = append(out, flowdef.Label{Name: name, Value: text})
	}
	slices.SortFunc(out, func(a, b flowdef.Label) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// checkLabel says what is wrong with a static label. An empty value takes the label
// off the results.
func checkLabel(name, value string) error {
	switch {
	case !model.UTF8Validation.IsValidLabelName(name) || name == model.MetricNameLabel || strings.ContainsRune(name, 0):
		return fmt.Errorf("%q cannot be the name of a static label", name)
	case strings.ContainsRune(value, 0):
		return fmt.Errorf("%s: value holds a zero byte", name)
	}
	return nil
}

// mergeLabels adds the labels of a rule to those of its group; the rule's win, as
// in Prometheus. The result is sorted by name.
func mergeLabels(group, rule []flowdef.Label) []flowdef.Label {
	out := slices.Clone(rule)
	for _, l := range group {
		if !slices.ContainsFunc(rule, func(r flowdef.Label) bool { return r.Name == l.Name }) {
			out = append(out, l)
		}
	}
	slices.SortFunc(out, func(a, b flowdef.Label) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// takenOff splits static labels into those with a value and the names of those
// without one.
func takenOff(labels []flowdef.Label) (kept []flowdef.Label, off []string) {
	for _, l := range labels {
		if l.Value == "" {
			off = append(off, l.Name)
		} else {
			kept = append(kept, l)
		}
	}
	return kept, off
}
