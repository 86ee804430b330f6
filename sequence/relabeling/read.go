package relabeling

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Problem is a fault in a list of rules, at its line.
type Problem struct {
	Line int
	Text string // begins with the number of the rule, and the field where there is one
}

// fields are the keys of a rule, in the order in which Prometheus documents them.
var fields = []string{"source_labels", "separator", "target_label", "regex", "modulus", "replacement", "action"}

// Read reads the rules of a YAML list and finds everything that is wrong with them. With
// a problem there are no rules.
func Read(n *yaml.Node) ([]Rule, []Problem) {
	n = resolved(n)
	if n.Kind != yaml.SequenceNode {
		return nil, []Problem{{n.Line, "want a list of rules, each with keys of " + strings.Join(fields, ", ")}}
	}
	rules := make([]Rule, len(n.Content))
	var problems []Problem
	for i, item := range n.Content {
		one := reading{number: i + 1}
		rules[i] = one.rule(resolved(item))
		problems = append(problems, one.problems...)
	}
	if len(problems) > 0 {
		return nil, problems
	}
	return rules, nil
}

// resolved is what an alias stands for.
func resolved(n *yaml.Node) *yaml.Node {
	if n.Kind == yaml.AliasNode {
		return n.Alias
	}
	return n
}

// reading is one rule being read.
type reading struct {
	number   int // from 1
	problems []Problem
}

func (r *reading) fault(n *yaml.Node, field, format string, args ...any) {
	if field != "" {
		field += ": "
	}
	r.problems = append(r.problems, Problem{n.Line, fmt.Sprintf("rule %d: %s%s", r.number, field, fmt.Sprintf(format, args...))})
}

// rule reads one rule, whose place among the others says its number. A field at fault is
// named with its line; faults of the whole are looked for only in a rule that can be read.
func (r *reading) rule(n *yaml.Node) Rule {
	var rule Rule
	if n.Kind != yaml.MappingNode {
		r.fault(n, "", "want keys of %s", strings.Join(fields, ", "))
		return rule
	}
	at := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], resolved(n.Content[i+1])
		switch {
		case !slices.Contains(fields, key.Value):
			r.fault(key, "", "%s is none of %s", key.Value, strings.Join(fields, ", "))
		case at[key.Value] != nil:
			r.fault(key, key.Value, "stands twice")
		default:
			at[key.Value] = n.Content[i+1]
			r.field(&rule, key.Value, value)
		}
	}
	if len(r.problems) > 0 {
		return rule
	}
	rule = rule.tidy()
	if _, field, err := rule.compile(); err != nil {
		where := n
		if at[field] != nil {
			where = at[field]
		}
		r.fault(where, field, "%v", err)
	}
	return rule
}

// field reads the value of one field into the rule.
func (r *reading) field(rule *Rule, name string, n *yaml.Node) {
	if name == "source_labels" {
		if n.Kind != yaml.SequenceNode {
			r.fault(n, name, "want a list of label names")
			return
		}
		for _, label := range n.Content {
			if label = resolved(label); label.Kind != yaml.ScalarNode {
				r.fault(label, name, "want a list of label names")
				return
			}
			rule.SourceLabels = append(rule.SourceLabels, label.Value)
		}
		return
	}
	switch {
	case n.Kind != yaml.ScalarNode:
		r.fault(n, name, "want one value")
		return
	case n.Tag == "!!null":
		r.fault(n, name, `has no value; write "" for an empty one`)
		return
	}
	text := n.Value
	switch name {
	case "separator":
		rule.Separator = &text
	case "regex":
		rule.Regex = &text
	case "replacement":
		rule.Replacement = &text
	case "target_label":
		rule.TargetLabel = text
	case "action":
		rule.Action = text
	case "modulus":
		m, err := strconv.ParseUint(text, 10, 64)
		if err != nil {
			r.fault(n, name, "%q is not a whole number of 64 bits", text)
		}
		rule.Modulus = m
	}
}
