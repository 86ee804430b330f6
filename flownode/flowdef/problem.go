package flowdef

import "fmt"

// Problem is one fault of a definition, at its place. Checking collects problems
// and does not stop at the first, so they are values and not errors on the way;
// a command that can report only one returns it as an error.
type Problem struct {
	File    string
	Line    int // from 1; 0 when it is about no line in particular
	Message string
}

// String spells the problem "file:line: message", as compilers do. File and
// line are left out where they are not known.
func (p Problem) String() string {
	switch {
	case p.File == "":
		return p.Message
	case p.Line == 0:
		return fmt.Sprintf("%s: %s", p.File, p.Message)
	default:
		return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Message)
	}
}

// Error makes a Problem an error with the text of String.
func (p Problem) Error() string { return p.String() }

// KeyExpr is the key of a flow's expression in Flow.Lines.
const KeyExpr = "promql"

// ProblemAt makes a problem of a flow at the value of one of its keys, or where the flow
// stands if it does not have the key there. The message begins with the flow, since one file
// defines many.
func ProblemAt(f *Flow, key, format string, args ...any) Problem {
	line, ok := f.Lines[key]
	if !ok {
		line = f.Line
	}
	return Problem{File: f.File, Line: line, Message: "flow " + f.Title() + ": " + fmt.Sprintf(format, args...)}
}
