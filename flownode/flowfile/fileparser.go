package flowfile

import (
	"fmt"

	"go.yaml.in/yaml/v3"

	"laminar/flownode/flowdef"
)

// Reading a file works on YAML nodes and not on structs that a decoder fills: nodes
// have lines, which messages need, and an unknown key is a fault here that a
// decoder would report without saying which keys are known.

// checker reads keys and values, and collects what is wrong with them. Its methods
// return a usable value also where they have added a problem, so that reading goes on.
type checker struct {
	file     string            // its name, for messages and fence groups
	problems []flowdef.Problem // in the order in which they were found
}

// fileParser reads one file. Whether a flow is taken is decided at its end, by whether
// problems were added since its beginning (finish).
type fileParser struct {
	checker
	lines    []string     // its text, to find places within values
	lookback int64        // of flows that state none, ms
	every    int64        // of rule groups, whatever they state, ms; 0 is what they state
	emit     flowdef.Emit // of recording rules
	docs     int          // YAML documents so far, with the one that is read
	found    Definitions  // without a problem, in their order
}

// addf adds a problem at a node.
func (p *checker) addf(at *yaml.Node, format string, args ...any) {
	p.add(at.Line, format, args...)
}

// add adds a problem at a line.
func (p *checker) add(line int, format string, args ...any) {
	p.problems = append(p.problems, flowdef.Problem{File: p.file, Line: line, Message: fmt.Sprintf(format, args...)})
}
