package flowdef

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Defaults of a definition's keys.
const (
	DefaultTriggerInterval = int64(1000)  // ms
	DefaultWatermarkDelay  = int64(10000) // ms
	DefaultRuleInterval    = int64(60000) // ms; a rule group that states no interval
)

// Source is the text of one definition file. File is its name for messages;
// its base name also names the fence groups of its flows.
type Source struct {
	File string
	Data []byte

	Lookback int64 // of flows that state none, ms; 0 is DefaultLookback
}

// ParseAll reads several files and checks their flows together (Validate).
// Flows that have problems of their own are left out.
func ParseAll(sources []Source) ([]Flow, []Problem) {
	var flows []Flow
	var problems []Problem
	for _, s := range sources {
		f, p := s.parse()
		flows = append(flows, f...)
		problems = append(problems, p...)
	}
	return flows, append(problems, Validate(flows, nil)...)
}

// Parse reads one definition file in any of the three forms, told apart by
// their top level:
//
//	flows:               native flows
//	groups:              Prometheus rule files, recording rules only
//	- promql: ...        a bare list
//	  as: ...
//
// It returns the flows without a problem, in their order, and every problem it
// found. What flows do to each other is for Validate.
func Parse(file string, data []byte) ([]Flow, []Problem) {
	return Source{File: file, Data: data}.parse()
}

func (s Source) parse() ([]Flow, []Problem) {
	p := &fileParser{file: s.File, lines: strings.Split(string(s.Data), "\n"), lookback: s.Lookback}
	if p.lookback == 0 {
		p.lookback = DefaultLookback
	}
	root := p.root(s.Data)
	if root == nil {
		return nil, p.problems
	}
	switch keys := topKeys(root); {
	case root.Kind == yaml.SequenceNode:
		p.bareList(root)
	case slices.Contains(keys, "flows"):
		p.native(root)
	case slices.Contains(keys, "groups"):
		p.ruleFile(root)
	default:
		p.addf(root, "want `flows:`, `groups:` (a Prometheus rule file) or a list of `- promql:` at the top level")
	}
	slices.SortStableFunc(p.problems, func(a, b Problem) int { return a.Line - b.Line })
	return p.flows, p.problems
}

// fileParser reads one file. Everything it finds wrong goes to problems.
type fileParser struct {
	file     string
	lines    []string
	lookback int64 // ms
	flows    []Flow
	problems []Problem
}

func (p *fileParser) addf(at *yaml.Node, format string, args ...any) {
	p.add(at.Line, format, args...)
}

func (p *fileParser) add(line int, format string, args ...any) {
	p.problems = append(p.problems, Problem{File: p.file, Line: line, Message: fmt.Sprintf(format, args...)})
}

// root returns the top node of the only document, or nil and a problem.
func (p *fileParser) root(data []byte) *yaml.Node {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	err := dec.Decode(&doc)
	switch {
	case errors.Is(err, io.EOF):
		p.add(1, "file holds no definitions")
		return nil
	case err != nil:
		line, text := SyntaxFault(data, err)
		p.add(line, "not valid YAML: %s", text)
		return nil
	}
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		p.addf(&more, "more than one YAML document in a file: put all flows into the first")
		return nil
	}
	if len(doc.Content) != 1 {
		p.add(1, "file holds no definitions")
		return nil
	}
	return resolve(doc.Content[0])
}

// resolve follows YAML aliases.
func resolve(n *yaml.Node) *yaml.Node {
	for n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	return n
}

func topKeys(n *yaml.Node) []string {
	var keys []string
	if n.Kind == yaml.MappingNode {
		for i := 0; i < len(n.Content); i += 2 {
			keys = append(keys, n.Content[i].Value)
		}
	}
	return keys
}

// fenceGroup names the group of flows that share rounds, and so see one
// vector: the flows of one file, or of one rule group of it. A round has one
// trigger, so flows with one of their own are a group of their own.
func (p *fileParser) fenceGroup(ruleGroup string, t Trigger) string {
	group := filepath.Base(p.file)
	if ruleGroup != "" {
		group += "/" + ruleGroup
	}
	if t != (Trigger{Interval: DefaultTriggerInterval}) {
		group += " " + t.String()
	}
	return group
}

// finish compiles the flow's expression and takes the flow, unless problems
// were found since the given number of them.
func (p *fileParser) finish(f Flow, expr *yaml.Node, since int) {
	if expr != nil {
		p.compile(&f, expr)
	}
	if len(p.problems) == since {
		p.flows = append(p.flows, f)
	}
}

func (p *fileParser) compile(f *Flow, expr *yaml.Node) {
	c, normal, step, err := compileText(expr.Value, f.Every, f.Lookback)
	if err == nil {
		f.Expr, f.PromQL, f.Every = c, normal, step
		if f.Keep > 0 && f.Keep <= f.CloseDelay() {
			p.add(f.Line, "flow %s: keep: results are to go after %s, but windows close %s after their end",
				f.Title(), formatMillis(f.Keep), formatMillis(f.CloseDelay()))
		}
		return
	}
	var faults ExprErrors
	if !errors.As(err, &faults) {
		faults = ExprErrors{{Message: err.Error()}}
	}
	for _, fault := range faults {
		line := p.lineOf(expr, fault.Pos)
		if errors.Is(fault, errNoStep) {
			line = f.Line // the expression is right: a key is missing
		}
		p.add(line, "flow %s: %s", f.Title(), describeFault(expr.Value, fault))
	}
}

// describeFault adds where in the expression a fault is, in line:column as
// Prometheus counts.
func describeFault(text string, fault ExprError) string {
	if fault.Pos <= 0 || fault.Pos > len(text) {
		return fault.Message
	}
	before := text[:fault.Pos]
	line := 1 + strings.Count(before, "\n")
	column := fault.Pos - strings.LastIndexByte(before, '\n')
	return fmt.Sprintf("promql %d:%d: %s", line, column, fault.Message)
}
