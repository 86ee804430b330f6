package flowfile

import (
	"fmt"

	"go.yaml.in/yaml/v3"

	"laminar/flownode/flowdef"
)

// Reading a file works on YAML nodes and not on structs that a decoder fills: nodes
// have lines, which messages need, and an unknown key is a fault here that a
// decoder would report without saying which keys are known.

// fileParser reads one file. Everything it finds wrong goes to problems. Its
// methods return a usable value also where they have added a problem, so that
// reading goes on; whether a flow is taken is decided at its end, by whether
// problems were added since its beginning (finish).
type fileParser struct {
	file     string            // its name, for messages and fence groups
	lines    []string          // its text, to find places within values
	lookback int64             // of flows that state none, ms
	flows    []flowdef.Flow    // without a problem, in their order
	problems []flowdef.Problem // in the order in which they were found
}

// addf adds a problem at a node.
func (p *fileParser) addf(at *yaml.Node, format string, args ...any) {
	p.add(at.Line, format, args...)
}

// add adds a problem at a line.
func (p *fileParser) add(line int, format string, args ...any) {
	p.problems = append(p.problems, flowdef.Problem{File: p.file, Line: line, Message: fmt.Sprintf(format, args...)})
}
