package relabeling

import (
	"fmt"
	"strconv"
	"strings"
)

// Rule is one relabel config as it was written: of a field that is left out, or stands
// there with its default, the pointer is nil. So rules that mean the same by their
// defaults have one stored form.
type Rule struct {
	Action       string   `json:"action,omitempty"` // in lower case; "" is replace
	SourceLabels []string `json:"source_labels,omitempty"`
	Separator    *string  `json:"separator,omitempty"` // nil is ";"
	Regex        *string  `json:"regex,omitempty"`     // nil is (.*)
	Modulus      uint64   `json:"modulus,omitempty"`
	TargetLabel  string   `json:"target_label,omitempty"`
	Replacement  *string  `json:"replacement,omitempty"` // nil is $1
}

// What fields are that are left out.
const (
	defaultAction      = "replace"
	defaultSeparator   = ";"
	defaultRegex       = "(.*)"
	defaultReplacement = "$1"
)

// action is what the rule does, by name.
func (r Rule) action() string { return orDefault(r.Action, defaultAction) }

// tidy is the rule with nothing in it that is a default.
func (r Rule) tidy() Rule {
	if r.Action = strings.ToLower(r.Action); r.Action == defaultAction {
		r.Action = ""
	}
	for _, f := range []struct {
		field **string
		is    string
	}{{&r.Separator, defaultSeparator}, {&r.Regex, defaultRegex}, {&r.Replacement, defaultReplacement}} {
		if *f.field != nil && **f.field == f.is {
			*f.field = nil
		}
	}
	if len(r.SourceLabels) == 0 {
		r.SourceLabels = nil
	}
	return r
}

// String is the rule in one line of YAML, without defaults.
func (r Rule) String() string {
	parts := []string{"action: " + r.action()}
	text := func(name, value string) { parts = append(parts, name+": "+strconv.Quote(value)) }
	if len(r.SourceLabels) > 0 {
		quoted := make([]string, len(r.SourceLabels))
		for i, name := range r.SourceLabels {
			quoted[i] = strconv.Quote(name)
		}
		parts = append(parts, "source_labels: ["+strings.Join(quoted, ", ")+"]")
	}
	if r.Separator != nil {
		text("separator", *r.Separator)
	}
	if r.Regex != nil {
		text("regex", *r.Regex)
	}
	if r.Modulus != 0 {
		parts = append(parts, fmt.Sprintf("modulus: %d", r.Modulus))
	}
	if r.TargetLabel != "" {
		text("target_label", r.TargetLabel)
	}
	if r.Replacement != nil {
		text("replacement", *r.Replacement)
	}
	return "{" + strings.Join(parts, ", ") + "}"
}

// given is the value of a field, or what it is where it is left out.
func given(field *string, otherwise string) string {
	if field == nil {
		return otherwise
	}
	return *field
}

func orDefault(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}
