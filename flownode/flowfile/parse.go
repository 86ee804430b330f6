package flowfile

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowfile/yamltext"
	"laminar/flownode/flowgraph"

	"go.yaml.in/yaml/v3"
)

// Reading files: from the text to flows that have been checked one by one
// (Parse), or together as well (Read).

// Source is the text of one definition file. File is its name for messages;
// its base name also names the fence groups of its flows, so a file that is moved
// to another directory defines the same, and two files of one name in different
// directories share their groups.
type Source struct {
	File string
	Data []byte

	Lookback int64 // of flows that state none, ms; 0 is flowdef.DefaultLookback
	Every    int64 // of all rule groups, whatever they state, ms; 0 is what they state

	Emit flowdef.Emit // of recording rules; "" is flowdef.EmitClose
}

// Read reads several files and checks their flows together (flowgraph.Validate). Flows
// that have problems with each other are among the definitions: the caller must not
// use them if there are problems.
func Read(sources []Source) (Definitions, []flowdef.Problem) {
	var all Definitions
	var problems []flowdef.Problem
	for _, s := range sources {
		one, faults := s.read()
		all.Flows = append(all.Flows, one.Flows...)
		problems = append(problems, faults...)
	}
	all.Flows = numbered(all.Flows)
	problems = append(problems, flowgraph.Validate(all.Flows, nil)...)
	if len(problems) > 0 {
		return all, problems
	}
	// A fault of that would be one of an expression, which were compiled before.
	if known, _, err := flowgraph.WithLabels(all.Flows, func(int) bool { return false }); err == nil {
		all.Flows = known
	}
	return all, nil
}

// Parse reads one definition file of whatever name. Each of its YAML documents has
// one of four forms, told apart by their top level:
//
//	flows:                  native flows
//	groups:                 Prometheus's rule files
//	kind: PrometheusRule    the same, as Kubernetes keeps them
//	- promql: ...           a bare list
//	  as: ...
//
// It returns the flows without a problem, in their order, and every problem it
// found. What flows do to each other is for flowgraph.Validate.
func Parse(file string, data []byte) ([]flowdef.Flow, []flowdef.Problem) {
	one, problems := Source{File: file, Data: data}.read()
	return numbered(one.Flows), problems
}

// read reads the file. Problems come out in the order of lines; the definitions in
// theirs.
func (s Source) read() (Definitions, []flowdef.Problem) {
	p := &fileParser{checker: checker{file: s.File}, lines: strings.Split(string(s.Data), "\n"), lookback: s.Lookback, every: s.Every, emit: s.Emit}
	if p.lookback == 0 {
		p.lookback = flowdef.DefaultLookback
	}
	if p.emit == "" {
		p.emit = flowdef.EmitClose
	}
	p.documents(s.Data)
	slices.SortStableFunc(p.problems, func(a, b flowdef.Problem) int { return a.Line - b.Line })
	return p.found, p.problems
}

// documents reads all YAML documents of the file. What follows a fault of YAML
// cannot be read; the documents before it are.
func (p *fileParser) documents(data []byte) {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	for {
		var doc yaml.Node
		err := dec.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return
		}
		if err != nil {
			line, text := yamltext.Fault(data, err)
			p.add(line, "not valid YAML: %s", text)
			return
		}
		p.docs++
		if len(doc.Content) == 1 {
			p.document(yamltext.Resolve(doc.Content[0]))
		}
	}
}

// document reads one document. An empty one defines nothing, which Prometheus takes
// as well.
func (p *fileParser) document(root *yaml.Node) {
	// A document with both flows and groups is native: groups is an unknown key there.
	switch keys := yamltext.Keys(root); {
	case yamltext.Empty(root):
	case root.Kind == yaml.SequenceNode:
		p.bareList(root)
	case slices.Contains(keys, "flows"):
		p.native(root)
	case slices.Contains(keys, "kind"):
		p.manifest(root)
	case slices.Contains(keys, "groups"):
		p.ruleFile(root)
	default:
		p.addf(root, "want `flows:`, `groups:` (a Prometheus rule file), `kind: PrometheusRule` or a list of `- promql:` at the top level")
	}
}
