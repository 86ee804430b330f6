package flowfile

import (
	"slices"
	"strconv"
	"strings"

	"laminar/flownode/alert"
	"laminar/flownode/alert/expand"
	"laminar/flownode/flowdef"
	"laminar/flownode/flowfile/yamltext"

	"go.yaml.in/yaml/v3"
)

// Alerting rules, as they stand in rule files:
//
//	- alert: HighLatency
//	  expr: job:latency:p99 > 0.5
//	  for: 10m
//	  keep_firing_for: 5m
//	  labels: {severity: page}
//	  annotations: {summary: "{{ $labels.job }} needs {{ $value }} s"}
//
// The expression is a flow, of the same fence group as the recording rules beside it.
// Nobody reads its table but to see what an alert was made of, so the flow is named for
// where the rule stands: alert:GROUP:NAME.

// alert reads an alerting rule.
func (g *ruleGroup) alert(n *yaml.Node) {
	since := len(g.problems)
	what := titled("alert", n, "alert")
	f := g.fields(n, what, "alert", "expr", "for", "keep_firing_for", "labels", "annotations")
	if f == nil {
		return
	}
	rule := &alert.Rule{
		Name: g.needText(n, f, what, "alert"),
		For:  g.optional(f, what, "for", 0), KeepFiringFor: g.optional(f, what, "keep_firing_for", 0),
		Limit: int(g.rule.Limit),
	}
	rule.Labels = g.templates(rule.Name, f["labels"], what+": labels", g.labels)
	rule.Annotations = g.templates(rule.Name, f["annotations"], what+": annotations", nil)
	g.needText(n, f, what, "expr")
	out := g.rule
	out.Line, out.Alert = n.Line, rule
	out.Name = "alert:" + g.name + ":" + rule.Name
	if len(out.Name) > maxName {
		g.addf(f["alert"], "the names of group and alert are longer than %d bytes together", maxName-len("alert::"))
	}
	out.Table = flowdef.TableName(out.Name)
	out.Group = g.fenceGroup(g.name, out.Trigger)
	// The limit is of alerts. A state is made of closed windows only.
	out.Limit, out.Emit, out.Keep = 0, flowdef.EmitClose, keepAlertRows
	g.finish(out, f, scalarOf(f, "expr"), since)
}

// keepAlertRows is how long the rows of an alert's expression are kept, ms: late samples
// within it correct the alert's history.
const keepAlertRows = int64(15 * 24 * 3600 * 1000)

// templates reads labels or annotations, with those of the group that they do not name.
func (g *ruleGroup) templates(rule string, n *yaml.Node, what string, common []flowdef.Label) []alert.Template {
	var out []alert.Template
	for _, l := range mergeLabels(common, g.checker.labels(n, strings.TrimSuffix(what, ": labels"))) {
		if err := expand.Check(rule, l.Value); err != nil {
			g.addf(valueOf(n, l.Name), "%s: %s: %v", what, l.Name, err)
		}
		out = append(out, alert.Template{Name: l.Name, Text: l.Value})
	}
	return out
}

// valueOf is the value of a key of the mapping, or the mapping itself.
func valueOf(n *yaml.Node, key string) *yaml.Node {
	for i := 0; n != nil && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return yamltext.Resolve(n.Content[i+1])
		}
	}
	return n
}

// numbered tells alerting rules of one group and name apart, which are legal: the
// second is alert:GROUP:NAME#2, in the order of the files.
func numbered(flows []flowdef.Flow) []flowdef.Flow {
	seen := map[string]int{}
	out := slices.Clone(flows)
	for i := range out {
		f := &out[i]
		if f.Alert == nil {
			continue
		}
		if seen[f.Name]++; seen[f.Name] > 1 {
			f.Name += "#" + strconv.Itoa(seen[f.Name])
			f.Table = flowdef.TableName(f.Name)
		}
	}
	return out
}
