package flowdef

import (
	"fmt"
	"slices"
	"strings"

	"github.com/prometheus/prometheus/promql/parser"
)

// ExprError says what is wrong with an expression, and where.
type ExprError struct {
	Pos     int    // byte offset in the expression; 0 also for all of it
	Message string // without the place
	reason  error  // nil, or what a caller can ask for with errors.Is
}

// Error is the message alone: the caller knows where the expression stands.
func (e ExprError) Error() string { return e.Message }

// Unwrap returns the reason.
func (e ExprError) Unwrap() error { return e.reason }

// ExprErrors is everything found wrong with an expression, at least one thing.
type ExprErrors []ExprError

// Error joins the messages, for where only one line can be shown.
func (e ExprErrors) Error() string {
	texts := make([]string, len(e))
	for i, one := range e {
		texts[i] = one.Message
	}
	return strings.Join(texts, "; ")
}

// compiler collects leaves and refusals while it rewrites an expression. It
// walks the expression once, to the end, whatever it meets: a refusal does not
// stop it, nor does a reason to evaluate the expression whole, as there may be
// a refusal further on.
type compiler struct {
	lookback int64 // of instant selectors, ms
	native   bool  // leaves are for series that may hold native histograms
	ofNative bool  // some function works on native histograms only
	leaves   []Leaf
	byText   map[string]int // leaves of equal text are one: their number
	errs     ExprErrors

	batch      []string // why the expression cannot be kept incrementally
	selections []Leaf   // its leaves in that case
}

// whole notes a reason to evaluate the expression whole, once.
func (c *compiler) whole(reason string) {
	if !slices.Contains(c.batch, reason) {
		c.batch = append(c.batch, reason)
	}
}

// refuse notes a fault at a node of the expression.
func (c *compiler) refuse(at parser.Node, format string, args ...any) {
	c.errs = append(c.errs, ExprError{Pos: int(at.PositionRange().Start), Message: fmt.Sprintf(format, args...)})
}
