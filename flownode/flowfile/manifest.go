package flowfile

import (
	"slices"
	"strings"

	"laminar/flownode/flowfile/yamltext"

	"go.yaml.in/yaml/v3"
)

// Rule files as Kubernetes keeps them, for the operator of Prometheus:
//
//	apiVersion: monitoring.coreos.com/v1
//	kind: PrometheusRule
//	metadata: {name: node, labels: {role: alert-rules}}
//	spec:
//	  groups: ...
//
// and lists of such, as kubectl prints them. What the spec holds is a rule file.
// Metadata says which Prometheus is to load it, and is not looked at: here the person
// who names the file has decided that.

// lists is the kinds whose items are manifests.
var lists = []string{"List", "PrometheusRuleList"}

// manifest reads a document with a kind. Other kinds are refused by name: what they
// hold would be left out.
func (p *fileParser) manifest(root *yaml.Node) {
	what := titled("manifest", root, "kind")
	switch kind := kindOf(root); {
	case slices.Contains(lists, kind):
		p.manifests(root, what)
	case kind == "PrometheusRule":
		f := p.fields(root, what, "apiVersion", "kind", "metadata", "spec", "status")
		if spec := f["spec"]; spec != nil && !yamltext.Empty(spec) {
			p.ruleFile(spec)
		}
	default:
		p.addf(root, "%s: holds no rules; only PrometheusRule does, or a %s of them", what, strings.Join(lists, " or "))
	}
}

// manifests reads the items of a list.
func (p *fileParser) manifests(root *yaml.Node, what string) {
	items := p.fields(root, what, "apiVersion", "kind", "metadata", "items")["items"]
	if items == nil || yamltext.Empty(items) {
		return
	}
	if items.Kind != yaml.SequenceNode {
		p.addf(items, "%s: items: want a list of manifests", what)
		return
	}
	for i, item := range items.Content {
		if i > 0 {
			p.docs++ // its groups may have the names of other items' groups
		}
		switch item = yamltext.Resolve(item); {
		case kindOf(item) == "":
			p.addf(item, "%s: items: want manifests, each with its kind", what)
		case slices.Contains(lists, kindOf(item)):
			p.addf(item, "%s: items: %s is a list in a list", what, kindOf(item))
		default:
			p.manifest(item)
		}
	}
}

// kindOf is a manifest's kind, "" of what has none.
func kindOf(n *yaml.Node) string {
	for _, one := range yamltext.Pairs(n) {
		if one.Key.Value == "kind" && one.Value.Kind == yaml.ScalarNode && !yamltext.Empty(one.Value) {
			return one.Value.Value
		}
	}
	return ""
}
