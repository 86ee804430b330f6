package flowfile

import (
	"fmt"
	"slices"
	"strings"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowfile/yamltext"

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
// at one time. Keys that would change results and are not built are refused, and so
// are alerting rules.

// ruleFile reads the recording rules of a Prometheus rule file.
func (p *fileParser) ruleFile(root *yaml.Node) {
	top := p.fields(root, "rule file", "groups")
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

// ruleGroup reads one group. seen is the names of the groups before it. If the
// group itself is at fault, its rules are read for their own problems only.
func (p *fileParser) ruleGroup(n *yaml.Node, seen map[string]bool) {
	what := titled("group", n, "name")
	f := p.fields(n, what, "name", "interval", "limit", "query_offset", "labels", "rules")
	if f == nil {
		return
	}
	name := p.needText(n, f, what, "name")
	if seen[name] {
		p.addf(n, "%s is there twice", what)
	}
	seen[name] = true // a second group of the name would share its fence
	since := len(p.problems)
	// Prometheus would take its global evaluation interval, which no rule file
	// knows; its default is the one taken here.
	every := flowdef.DefaultRuleInterval
	if !yamltext.Empty(f["interval"]) {
		if every = p.duration(f, what, "interval", 0, flowdef.DefaultRuleInterval); every == 0 {
			every = flowdef.DefaultRuleInterval // to Prometheus, none is given
		}
	}
	p.onlyZero(f, what, "limit", "it would throw away all results of a rule")
	p.onlyZero(f, what, "query_offset", "use an offset in the expression, or watermark_delay in a native flow")
	common := p.labels(f["labels"], what)
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
	for _, r := range rules.Content {
		kept := len(p.flows)
		p.rule(yamltext.Resolve(r), name, every, common)
		if !groupOK {
			p.flows = p.flows[:kept] // the rule was read for its own problems only
		}
	}
}

// rule reads one rule of a group with the step every, ms, and the labels common
// to its rules.
func (p *fileParser) rule(n *yaml.Node, group string, every int64, common []flowdef.Label) {
	since := len(p.problems)
	what := titled("rule", n, "record")
	// Before the keys are checked: every one of an alerting rule would be unknown.
	if keys := yamltext.Keys(n); slices.Contains(keys, "alert") {
		p.addf(n, "group %s: alerting rules are not built yet: keep them in a file of their own", group)
		return
	}
	f := p.fields(n, what, "record", "expr", "labels")
	if f == nil {
		return
	}
	// A rule file has no key for what follows; native flows do.
	out := flowdef.Flow{
		File: p.file, Line: n.Line, Name: p.needText(n, f, what, "record"),
		Every: every, Trigger: flowdef.Trigger{Interval: flowdef.DefaultTriggerInterval}, WatermarkDelay: flowdef.DefaultWatermarkDelay,
		Emit: flowdef.EmitUpdate, Late: flowdef.LateRecompute, Lookback: p.lookback,
	}
	if len(out.Name) > maxName {
		p.addf(f["record"], "rule name is longer than %d bytes", maxName)
	}
	p.needText(n, f, what, "expr")
	static, off := takenOff(mergeLabels(common, p.labels(f["labels"], what)))
	out.StaticLabels = static
	out.Table = flowdef.TableName(out.Name)
	out.Group = p.fenceGroup(group, out.Trigger)
	p.finish(out, scalarOf(f, "expr"), since, off...)
}

// labels reads static labels, of which null is one without a value, sorted by name, so that their order in a file does
// not change a definition.
func (p *fileParser) labels(n *yaml.Node, what string) []flowdef.Label {
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
