package importer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowfile"
	"laminar/flownode/flowfile/yamltext"
)

// Options is what a file does not say.
type Options struct {
	// Quantiles are taken of sketches that the file keeps without saying what they are asked
	// for; without any, the sketch is the result.
	Quantiles []float64
}

// reader reads one file.
type reader struct {
	file     string
	opts     Options
	problems []flowdef.Problem
	items    []Item
	names    map[string]bool // of flows
}

func (r *reader) addf(at *yaml.Node, format string, args ...any) {
	r.problems = append(r.problems, flowdef.Problem{File: r.file, Line: at.Line, Message: fmt.Sprintf(format, args...)})
}

// document is the file's one YAML document; nil, with a problem, where there is none or
// several.
func (r *reader) document(data []byte) *yaml.Node {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	err := dec.Decode(&doc)
	if err == nil && len(doc.Content) == 1 {
		if err = dec.Decode(&more); errors.Is(err, io.EOF) {
			return yamltext.Resolve(doc.Content[0])
		}
		if err == nil {
			r.addf(&more, "the file has several YAML documents: import one at a time")
			return nil
		}
	}
	if err == nil || errors.Is(err, io.EOF) {
		r.problems = append(r.problems, flowdef.Problem{File: r.file, Line: 1, Message: "the file is empty"})
		return nil
	}
	line, text := yamltext.Fault(data, err)
	r.problems = append(r.problems, flowdef.Problem{File: r.file, Line: line, Message: "not valid YAML: " + text})
	return nil
}

// fields is the values of a mapping's keys.
type fields map[string]*yaml.Node

// fields reads a mapping. Keys that are unknown or there twice are problems. It returns nil
// for what is no mapping.
func (r *reader) fields(n *yaml.Node, what string, known ...string) fields {
	if n = yamltext.Resolve(n); n.Kind != yaml.MappingNode {
		r.addf(n, "%s: want keys and values", what)
		return nil
	}
	out := fields{}
	for _, one := range yamltext.Pairs(n) {
		_, twice := out[one.Key.Value]
		switch {
		case twice:
			r.addf(one.Key, "%s: key %q is given twice", what, one.Key.Value)
		case !slices.Contains(known, one.Key.Value):
			r.addf(one.Key, "%s: unknown key %q; known are %s", what, one.Key.Value, strings.Join(known, ", "))
		default:
			out[one.Key.Value] = yamltext.Resolve(one.Value)
		}
	}
	return out
}

// text reads a key's scalar; "" for one that is missing or empty.
func (r *reader) text(f fields, what, key string) string {
	n := f[key]
	if n == nil || yamltext.Empty(n) {
		return ""
	}
	if n.Kind != yaml.ScalarNode {
		r.addf(n, "%s: %s: want one value", what, key)
		return ""
	}
	return strings.TrimSpace(n.Value)
}

// list reads a key's list of texts. A key with one value is a list of it where one says so.
func (r *reader) list(f fields, what, key string, one bool) []string {
	n := f[key]
	if n == nil || yamltext.Empty(n) {
		return nil
	}
	if one && n.Kind == yaml.ScalarNode {
		return []string{n.Value}
	}
	if n.Kind != yaml.SequenceNode {
		r.addf(n, "%s: %s: want a list", what, key)
		return nil
	}
	var out []string
	for _, c := range n.Content {
		if c = yamltext.Resolve(c); c.Kind != yaml.ScalarNode {
			r.addf(c, "%s: %s: want a list of texts", what, key)
			continue
		}
		out = append(out, c.Value)
	}
	return out
}

// plain is a value as YAML of its own: without comments, and with what aliases stand for.
func plain(n *yaml.Node) string {
	var v any
	if err := n.Decode(&v); err != nil {
		return fmt.Sprintf("%q", err.Error()) // which is refused when the flow is read
	}
	out, err := yaml.Marshal(v)
	if err != nil {
		return fmt.Sprintf("%q", err.Error())
	}
	if !strings.ContainsFunc(strings.ReplaceAll(string(out), "\n", ""), obeyed) {
		return string(out)
	}
	// JSON is YAML, and all its texts stand between double quotes, where escapes are.
	if out, err = json.Marshal(v); err != nil {
		return fmt.Sprintf("%q", err.Error())
	}
	var b strings.Builder
	for _, c := range string(out) {
		if obeyed(c) {
			fmt.Fprintf(&b, `\U%08x`, c)
		} else {
			b.WriteRune(c)
		}
	}
	return b.String() + "\n"
}

// number reads a key as a whole number; ok is false where it is missing, or a problem.
func (r *reader) number(f fields, what, key string) (v int64, ok bool) {
	s := r.text(f, what, key)
	if s == "" {
		return 0, false
	}
	if _, err := fmt.Sscanf(s, "%d", &v); err != nil || fmt.Sprint(v) != s || v < 0 {
		r.addf(f[key], "%s: %s: want a whole number, not %q", what, key, s)
		return 0, false
	}
	return v, true
}

// yes reads a key that is true or false; false where it is missing.
func (r *reader) yes(f fields, what, key string) bool {
	switch s := r.text(f, what, key); s {
	case "true":
		return true
	case "", "false":
	default:
		r.addf(f[key], "%s: %s: want true or false, not %q", what, key, s)
	}
	return false
}

// refuse adds an item that cannot be had.
func (r *reader) refuse(line int, what, reason string) {
	r.items = append(r.items, Item{Line: line, What: what, Verdict: Refused, Reasons: []string{reason}})
}

// free is a name for a flow that no other has: the one that is asked for, or one with a
// number.
func (r *reader) free(name string) string {
	out := name
	for n := 2; r.names[out]; n++ {
		out = fmt.Sprintf("%s_%d", name, n)
	}
	return out
}

// take adds a flow, if it can be defined. differs is the rules by which its results are
// others; without any it is exact.
func (r *reader) take(line int, what string, f Flow, differs []string) {
	item := Item{Line: line, What: what, Verdict: Exact, Reasons: differs, Flow: &f}
	if len(differs) > 0 {
		item.Verdict = Different
	}
	if _, problems := flowfile.Parse(r.file, []byte("flows:\n"+f.text())); len(problems) > 0 {
		r.refuse(line, what, problems[0].Message)
		return
	}
	r.names[f.Name] = true
	r.items = append(r.items, item)
}

// millis is a duration as definitions have it.
func millis(ms int64) string { return model.Duration(time.Duration(ms) * time.Millisecond).String() }

// distinct is the texts, ascending, each once.
func distinct(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}

// labelList is labels as an expression has them.
func labelList(names []string) string {
	out := make([]string, len(names))
	for i, n := range names {
		if out[i] = n; !model.LegacyValidation.IsValidLabelName(n) {
			out[i] = fmt.Sprintf("%q", n)
		}
	}
	return strings.Join(out, ", ")
}

// quantiles is the expression of some quantiles of a histogram, each with the label
// `quantile`.
func quantiles(phis []float64, of string) string {
	parts := make([]string, len(phis))
	for i, phi := range phis {
		parts[i] = fmt.Sprintf(`label_replace(histogram_quantile(%v, %s), "quantile", "%v", "", "")`, phi, of, phi)
	}
	return strings.Join(parts, " or ")
}
