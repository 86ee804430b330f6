package flowfile

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"strings"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowfile/yamltext"

	"go.yaml.in/yaml/v3"
)

// Reading files: from the text to flows that have been checked one by one
// (Parse), or together as well (ParseAll).

// Source is the text of one definition file. File is its name for messages;
// its base name also names the fence groups of its flows, so a file that is moved
// to another directory defines the same, and two files of one name in different
// directories share their groups.
type Source struct {
	File string
	Data []byte

	Lookback int64 // of flows that state none, ms; 0 is flowdef.DefaultLookback
}

// ParseAll reads several files and checks their flows together (Validate).
// Flows that have problems of their own are left out. Flows that have problems
// with each other are not: the caller must not use flows if there are problems.
func ParseAll(sources []Source) ([]flowdef.Flow, []flowdef.Problem) {
	var flows []flowdef.Flow
	var problems []flowdef.Problem
	for _, s := range sources {
		f, p := s.parse()
		flows = append(flows, f...)
		problems = append(problems, p...)
	}
	return flows, append(problems, flowdef.Validate(flows, nil)...)
}

// Parse reads one definition file of whatever name in any of the three forms, told apart by
// their top level:
//
//	flows:               native flows
//	groups:              Prometheus rule files, recording rules only
//	- promql: ...        a bare list
//	  as: ...
//
// It returns the flows without a problem, in their order, and every problem it
// found. What flows do to each other is for Validate.
func Parse(file string, data []byte) ([]flowdef.Flow, []flowdef.Problem) {
	return Source{File: file, Data: data}.parse()
}

// parse reads the file. Problems come out in the order of lines; the flows in
// theirs.
func (s Source) parse() ([]flowdef.Flow, []flowdef.Problem) {
	p := &fileParser{file: s.File, lines: strings.Split(string(s.Data), "\n"), lookback: s.Lookback}
	if p.lookback == 0 {
		p.lookback = flowdef.DefaultLookback
	}
	root := p.root(s.Data)
	if root == nil || yamltext.Empty(root) {
		return nil, p.problems // a file without definitions, which Prometheus takes as well
	}
	// A file with both flows and groups is native: groups is an unknown key there.
	switch keys := yamltext.Keys(root); {
	case root.Kind == yaml.SequenceNode:
		p.bareList(root)
	case slices.Contains(keys, "flows"):
		p.native(root)
	case slices.Contains(keys, "groups"):
		p.ruleFile(root)
	default:
		p.addf(root, "want `flows:`, `groups:` (a Prometheus rule file) or a list of `- promql:` at the top level")
	}
	slices.SortStableFunc(p.problems, func(a, b flowdef.Problem) int { return a.Line - b.Line })
	return p.flows, p.problems
}

// root returns the top node of the only document, or nil: of a file without one,
// and with a problem.
func (p *fileParser) root(data []byte) *yaml.Node {
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	err := dec.Decode(&doc)
	switch {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		line, text := yamltext.Fault(data, err)
		p.add(line, "not valid YAML: %s", text)
		return nil
	}
	// Anything but the end of the file is a second document, which would be
	// ignored, also where it is no YAML.
	if err := dec.Decode(&more); !errors.Is(err, io.EOF) {
		p.addf(&more, "more than one YAML document in a file: put all flows into the first")
		return nil
	}
	if len(doc.Content) != 1 {
		return nil
	}
	return yamltext.Resolve(doc.Content[0])
}
