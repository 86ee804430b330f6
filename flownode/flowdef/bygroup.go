package flowdef

import (
	"slices"

	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/schema"

	"laminar/flownode/promexpr"
)

// The proof of D3. A late sample changes one group of a leaf. If every result
// depends on one group, the flownode evaluates the residual for that group alone;
// if a result may look across groups, as scalar(), topk or a join do, it needs the
// leaf's whole vector. The proof is by form and errs on the side of the whole
// vector: what is not recognised here looks across groups.

// elementwise is the functions that turn each sample of their first argument
// into at most one, with the same labels but for the metric name.
var elementwise = map[string]bool{
	"abs": true, "ceil": true, "floor": true, "round": true, "sgn": true,
	"clamp": true, "clamp_min": true, "clamp_max": true,
	"exp": true, "ln": true, "log2": true, "log10": true, "sqrt": true,
	"sin": true, "cos": true, "tan": true, "asin": true, "acos": true, "atan": true,
	"sinh": true, "cosh": true, "tanh": true, "asinh": true, "acosh": true, "atanh": true,
	"deg": true, "rad": true,
	"minute": true, "hour": true, "day_of_week": true, "day_of_month": true,
	"day_of_year": true, "days_in_month": true, "month": true, "year": true,
	"sort": true, "sort_desc": true,
	"count_distinct": true,
}

// ofHistogram is the functions that turn each native histogram of their last argument
// into a number.
var ofHistogram = map[string]bool{
	"histogram_quantile": true, "histogram_fraction": true, "histogram_avg": true, "histogram_count": true, "histogram_sum": true,
	"histogram_stddev": true, "histogram_stdvar": true,
}

// byGroup proves D3 of an expression with its leaves replaced, or returns
// false: there is one leaf, used once, everything above it looks at one sample
// at a time, and no label is taken off on the way.
func (c *Compiled) byGroup(e parser.Expr) bool {
	ok, drops := c.perSample(e)
	return ok && (!drops || !c.Leaves[0].mayCarryMetadata())
}

// mayCarryMetadata reports whether GroupLabels can hold the metric's name,
// type or unit, which most operations take off: then two groups could become one
// result, or a result's labels no longer be its group's.
func (l *Leaf) mayCarryMetadata() bool {
	if !l.KeepsName() {
		return false
	}
	return l.Agg == nil || l.Without || slices.ContainsFunc(l.Grouping, schema.IsMetadataLabel)
}

// perSample reports whether e has one leaf and is a vector that holds, for each
// sample of it, nothing or one sample that depends on it and on the time only;
// and whether metric name, type and unit are dropped.
func (c *Compiled) perSample(e parser.Expr) (ok, drops bool) {
	if _, leaf := leafAt(e); leaf {
		return true, false
	}
	switch n := e.(type) {
	case *parser.ParenExpr:
		return c.perSample(n.Expr)
	case *parser.UnaryExpr:
		ok, drops = c.perSample(n.Expr)
		return ok, drops || n.Op == parser.SUB
	case *parser.BinaryExpr:
		switch { // with a vector on both sides samples are matched: neither case
		case promexpr.Constant(n.LHS):
			ok, drops = c.perSample(n.RHS)
		case promexpr.Constant(n.RHS):
			ok, drops = c.perSample(n.LHS)
		}
		return ok, drops || promexpr.DropsName(n)
	case *parser.Call:
		if ofHistogram[n.Func.Name] {
			last := len(n.Args) - 1
			if len(c.Leaves) == 0 || !c.Leaves[0].Sketch() || slices.ContainsFunc(n.Args[:last], promexpr.NotConstant) {
				return false, false // of classic histograms several samples are one result
			}
			ok, _ = c.perSample(n.Args[last])
			return ok, true
		}
		if !elementwise[n.Func.Name] || len(n.Args) == 0 || slices.ContainsFunc(n.Args[1:], promexpr.NotConstant) {
			return false, false
		}
		// sort and sort_desc return the very samples.
		ok, drops = c.perSample(n.Args[0])
		return ok, drops || n.Func.Name != "sort" && n.Func.Name != "sort_desc"
	default:
		return false, false
	}
}

// leafAt returns the number of the leaf that e is, parentheses aside.
func leafAt(e parser.Expr) (int, bool) {
	if sel, ok := promexpr.WithoutParens(e).(*parser.VectorSelector); ok {
		return LeafOf(sel.LabelMatchers)
	}
	return 0, false
}
