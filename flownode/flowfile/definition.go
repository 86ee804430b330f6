package flowfile

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowfile/yamltext"

	"go.yaml.in/yaml/v3"
)

// What native flows and rules have in common once their keys are read.

// fenceGroup names the group of flows that share rounds, and so see one
// vector: the flows of one file, or of one rule group of it. A round has one
// trigger, so flows with one of their own are a group of their own. Of a file
// web.yaml the groups are
//
//	web.yaml                 native flows
//	web.yaml/example         the rule group of that name
//	web.yaml samples 1000    native flows with that trigger
//	web.yaml#2/example       a rule group of the file's second YAML document
//
// Which group a flow is in is not part of what its definition means (Hash).
func (p *fileParser) fenceGroup(ruleGroup string, t flowdef.Trigger) string {
	group := filepath.Base(p.file)
	if p.docs > 1 { // documents know nothing of each other's groups
		group += "#" + strconv.Itoa(p.docs)
	}
	if ruleGroup != "" {
		group += "/" + ruleGroup
	}
	// Flows of one file with the same trigger of their own share a group.
	if t != (flowdef.Trigger{Interval: flowdef.DefaultTriggerInterval}) {
		group += " " + t.String()
	}
	return group
}

// finish compiles the flow's expression and takes the flow, unless problems
// were found since the given number of them. The expression is compiled even
// then, for its own problems; expr is nil where there is none to compile. off is
// the labels to be taken off the results, keys what the definition has.
func (p *fileParser) finish(f flowdef.Flow, keys fields, expr *yaml.Node, since int, off ...string) {
	f.Lines = make(map[string]int, len(keys))
	for key, value := range keys {
		f.Lines[key] = value.Line
	}
	if expr != nil {
		f.Lines[flowdef.KeyExpr] = expr.Line
		p.compile(&f, keys, expr, off)
	}
	if len(p.problems) == since {
		p.found.Flows = append(p.found.Flows, f)
	}
}

// compile completes the flow with what is compiled from its expression, or adds
// the expression's faults, each at the line of the file where it is: expressions
// often take many lines.
func (p *fileParser) compile(f *flowdef.Flow, keys fields, expr *yaml.Node, off []string) {
	defined, err := f.Define(expr.Value, off...)
	if err == nil {
		*f = defined
		// Results would be deleted while their window is still open.
		if f.Keep > 0 && f.Keep <= f.CloseDelay() {
			p.add(keys.line(f.Line, "keep"), "flow %s: keep: results are to go after %s, but windows close %s after their end",
				f.Title(), flowdef.FormatMillis(f.Keep), flowdef.FormatMillis(f.CloseDelay()))
		}
		p.lateOf(f, keys)
		for _, key := range aboutNothing(f) {
			p.add(keys.line(f.Line, key), "flow %s: %s: the expression selects no series, so there is nothing that it is about", f.Title(), key)
		}
		if why := cannotFold(f); f.MaxGroups > 0 && why != "" {
			p.add(keys.line(f.Line, "max_groups"), "flow %s: max_groups: %s", f.Title(), why)
		}
		return
	}
	var faults flowdef.ExprErrors // which err nearly always is
	if !errors.As(err, &faults) {
		faults = flowdef.ExprErrors{{Message: err.Error()}}
	}
	for _, fault := range faults {
		p.fault(f, keys, expr, fault)
	}
}

// spelled is the tag of an expression that stands otherwise in the file.
const spelled = "!spelled"

// fault adds a fault of the flow's expression, at its line of the file.
func (p *fileParser) fault(f *flowdef.Flow, keys fields, expr *yaml.Node, fault flowdef.ExprError) {
	var idle *flowdef.KeyError
	line, text := yamltext.Line(p.lines, expr, fault.Pos), describeFault(expr.Value, fault)
	switch {
	case errors.Is(fault, flowdef.ErrNoStep) && keys["every"] != nil:
		return // it is there and has a fault of its own
	case errors.Is(fault, flowdef.ErrNoStep):
		line = f.Line // the expression is right: a key is missing
	case errors.As(fault, &idle):
		line = keys.line(f.Line, idle.Key)
	case expr.Tag == spelled: // its places are not those of the file
		line, text = expr.Line, fault.Message+", in "+expr.Value
	}
	p.add(line, "flow %s: %s", f.Title(), text)
}

// describeFault adds where in the expression a fault is, in line:column as
// Prometheus counts, from 1 and in bytes: the place in the file is given too, but
// a folded value has other lines than the file. A fault at the very beginning, or
// of the whole, needs no place.
func describeFault(text string, fault flowdef.ExprError) string {
	if fault.Pos <= 0 || fault.Pos > len(text) {
		return fault.Message
	}
	before := text[:fault.Pos]
	line := 1 + strings.Count(before, "\n")
	column := fault.Pos - strings.LastIndexByte(before, '\n')
	return fmt.Sprintf("promql %d:%d: %s", line, column, fault.Message)
}
