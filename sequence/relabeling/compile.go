package relabeling

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/relabel"

	"laminar/sequence/series"
)

// RuleError says which rule of a list cannot be meant, and which field of it.
type RuleError struct {
	Rule  int    // from 1
	Field string // "" where it is the rule as a whole
	Err   error
}

func (e *RuleError) Error() string {
	if e.Field == "" {
		return fmt.Sprintf("rule %d: %v", e.Rule, e.Err)
	}
	return fmt.Sprintf("rule %d: %s: %v", e.Rule, e.Field, e.Err)
}

func (e *RuleError) Unwrap() error { return e.Err }

// Relabeler is rules that are good. It never changes, and may be used by several
// goroutines at once.
type Relabeler struct {
	configs []*relabel.Config
	key     string
}

// New makes rules ready for use. The error is a *RuleError, of the first that is wrong.
// Label names may be any UTF-8, as everywhere in Laminar.
func New(rules []Rule) (*Relabeler, error) {
	r := &Relabeler{configs: make([]*relabel.Config, len(rules))}
	for i, rule := range rules {
		cfg, field, err := rule.compile()
		if err != nil {
			return nil, &RuleError{Rule: i + 1, Field: field, Err: err}
		}
		r.configs[i] = cfg
		r.key += "\n" + rule.tidy().String()
	}
	return r, nil
}

// Len is the number of rules; 0 of none.
func (r *Relabeler) Len() int {
	if r == nil {
		return 0
	}
	return len(r.configs)
}

// Key is equal for lists of rules that do the same, rule by rule; "" of none.
func (r *Relabeler) Key() string {
	if r == nil {
		return ""
	}
	return r.key
}

// Renames reports whether the rules may give series of one metric different names.
func (r *Relabeler) Renames() bool {
	return r != nil && slices.ContainsFunc(r.configs, func(cfg *relabel.Config) bool {
		to := cfg.TargetLabel
		if cfg.Action == relabel.LabelMap {
			to = cfg.Replacement
		}
		return to == model.MetricNameLabel || strings.Contains(to, "$")
	})
}

// Apply is what the rules make of a label set, which is sorted by name, or the number
// from 1 of the rule that leaves the series out. The result is sorted, and is the
// caller's; it may lack a metric name.
func (r *Relabeler) Apply(in []series.Label) (out []series.Label, leftOutBy int) {
	set := make([]labels.Label, len(in))
	for i, l := range in {
		set[i] = labels.Label{Name: l.Name, Value: l.Value}
	}
	b := labels.NewBuilder(labels.New(set...))
	if n := r.build(b); n != 0 {
		return nil, n
	}
	b.Labels().Range(func(l labels.Label) { out = append(out, series.Label{Name: l.Name, Value: l.Value}) })
	return out, 0
}

// Labels is Apply for a label set in Prometheus's own form. Without rules, of nil, it is the
// set itself.
func (r *Relabeler) Labels(in labels.Labels) (out labels.Labels, leftOutBy int) {
	if r == nil {
		return in, 0
	}
	b := labels.NewBuilder(in)
	if n := r.build(b); n != 0 {
		return labels.EmptyLabels(), n
	}
	return b.Labels(), 0
}

// build applies the rules one by one, as Prometheus does, so that it is known which one
// left the series out.
func (r *Relabeler) build(b *labels.Builder) (leftOutBy int) {
	for i, cfg := range r.configs {
		if !relabel.ProcessBuilder(b, cfg) {
			return i + 1
		}
		if cfg.Action == relabel.LabelMap { // a name that comes out empty is none
			b.Del("")
		}
	}
	return 0
}

// actions are all that Prometheus knows.
var actions = []relabel.Action{
	relabel.Replace, relabel.Keep, relabel.Drop, relabel.KeepEqual, relabel.DropEqual, relabel.HashMod,
	relabel.LabelMap, relabel.LabelDrop, relabel.LabelKeep, relabel.Lowercase, relabel.Uppercase,
}

// compile makes a config of the rule, or says which field is wrong. What Prometheus
// refuses is refused; its own check, which names no field, has the last word.
func (r Rule) compile() (cfg *relabel.Config, field string, err error) {
	action := relabel.Action(r.action())
	if !slices.Contains(actions, action) {
		names := make([]string, len(actions))
		for i, a := range actions {
			names[i] = string(a)
		}
		return nil, "action", fmt.Errorf("%q is none of %s", r.Action, strings.Join(names, ", "))
	}
	if field, err := r.misplaced(action); err != nil {
		return nil, field, err
	}
	cfg = new(relabel.DefaultRelabelConfig)
	cfg.Action = action
	cfg.Separator = given(r.Separator, defaultSeparator)
	cfg.Modulus, cfg.TargetLabel = r.Modulus, r.TargetLabel
	cfg.Replacement = given(r.Replacement, defaultReplacement)
	for _, name := range r.SourceLabels {
		cfg.SourceLabels = append(cfg.SourceLabels, model.LabelName(name))
	}
	if r.Regex != nil {
		if cfg.Regex, err = relabel.NewRegexp(*r.Regex); err != nil {
			return nil, "regex", err
		}
	}
	if err := cfg.Validate(model.UTF8Validation); err != nil {
		return nil, "", err
	}
	return cfg, "", nil
}

// misplaced names a field that an action cannot do without, or that it does not take.
func (r Rule) misplaced(action relabel.Action) (field string, err error) {
	for _, f := range []struct{ name, text string }{
		{"separator", given(r.Separator, "")}, {"target_label", r.TargetLabel}, {"replacement", given(r.Replacement, "")},
	} {
		if strings.ContainsRune(f.text, 0) {
			return f.name, errors.New("holds a zero byte, which PostgreSQL cannot store")
		}
	}
	for i, name := range r.SourceLabels {
		if !model.UTF8Validation.IsValidLabelName(name) {
			return "source_labels", fmt.Errorf("the %s is not a label name: %q", ordinal(i+1), name)
		}
	}
	takesNone := func(fields ...string) (string, error) {
		for _, name := range fields {
			if r.has(name) {
				return name, fmt.Errorf("the action %s does not take it", action)
			}
		}
		return "", nil
	}
	needsTarget := false
	switch action {
	case relabel.Replace:
		needsTarget = true
	case relabel.HashMod:
		if needsTarget = true; r.Modulus == 0 {
			return "modulus", errors.New("the action hashmod needs one above 0")
		}
	case relabel.Lowercase, relabel.Uppercase:
		needsTarget = true
		field, err = takesNone("replacement")
	case relabel.KeepEqual, relabel.DropEqual:
		needsTarget = true
		field, err = takesNone("separator", "regex", "modulus", "replacement")
	case relabel.LabelDrop, relabel.LabelKeep:
		field, err = takesNone("source_labels", "separator", "modulus", "target_label", "replacement")
	case relabel.LabelMap:
		if to := given(r.Replacement, defaultReplacement); !model.UTF8Validation.IsValidLabelName(to) {
			return "replacement", fmt.Errorf("is not a label name: %q", to)
		}
	}
	switch {
	case err != nil:
		return field, err
	case needsTarget && r.TargetLabel == "":
		return "target_label", fmt.Errorf("the action %s needs one", action)
	case needsTarget && !model.UTF8Validation.IsValidLabelName(r.TargetLabel):
		return "target_label", fmt.Errorf("is not a label name: %q", r.TargetLabel)
	}
	return "", nil
}

// has reports whether a field is given and is not its default.
func (r Rule) has(field string) bool {
	switch field {
	case "source_labels":
		return len(r.SourceLabels) > 0
	case "separator":
		return r.Separator != nil
	case "regex":
		return r.Regex != nil
	case "modulus":
		return r.Modulus != 0
	case "target_label":
		return r.TargetLabel != ""
	case "replacement":
		return r.Replacement != nil
	}
	return false
}

func ordinal(n int) string {
	switch n {
	case 1:
		return "1st"
	case 2:
		return "2nd"
	case 3:
		return "3rd"
	}
	return fmt.Sprintf("%dth", n)
}
