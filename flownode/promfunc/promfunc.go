package promfunc

import (
	"fmt"
	"slices"

	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/promql/parser/posrange"

	"laminar/flownode/native"
)

// added is one function.
type added struct {
	parser.Function
	call promql.FunctionCall

	// before says that the function looks at the newest sample before its range, too.
	before bool
}

// table is all of them.
var table = []added{
	{
		Function: parser.Function{
			Name: "increase_pure", ArgTypes: []parser.ValueType{parser.ValueTypeMatrix}, ReturnType: parser.ValueTypeVector,
		},
		call: increasePure, before: true,
	},
	{
		Function: parser.Function{
			Name: "distinct_over_time", ArgTypes: []parser.ValueType{parser.ValueTypeMatrix}, ReturnType: parser.ValueTypeVector,
		},
		call: distinctOverTime,
	},
	{
		Function: parser.Function{
			Name: "values_over_time", ArgTypes: []parser.ValueType{parser.ValueTypeMatrix}, ReturnType: parser.ValueTypeVector,
		},
		call: valuesOverTime,
	},
	{
		Function: parser.Function{
			Name: "count_distinct", ArgTypes: []parser.ValueType{parser.ValueTypeVector}, ReturnType: parser.ValueTypeVector,
		},
		call: countDistinct,
	},
	{
		// Its second argument, which can be left out, is the accuracy.
		Function: parser.Function{
			Name: "histogram_over_time", ArgTypes: []parser.ValueType{parser.ValueTypeMatrix, parser.ValueTypeScalar}, Variadic: 1, ReturnType: parser.ValueTypeVector,
		},
		call: histogramOverTime,
	},
}

var byName = register()

// register makes the functions known to Prometheus's parser and engine.
func register() map[string]*added {
	m := make(map[string]*added, len(table))
	promql.FunctionCalls[native.Limit.Name] = limitSketches
	for i := range table {
		f := &table[i]
		m[f.Name] = f
		promql.FunctionCalls[f.Name] = f.call
		parser.Functions[f.Name] = &f.Function
		if f.before {
			promql.AnchoredSafeFunctions[f.Name] = struct{}{}
		}
	}
	return m
}

// Names lists the functions.
func Names() []string {
	names := make([]string, len(table))
	for i := range table {
		names[i] = table[i].Name
	}
	return names
}

// ReadsBefore reports whether a function, which need not be one of this package, looks
// before its range. What it says depends on the lookback of the evaluation then.
func ReadsBefore(name string) bool {
	f := byName[name]
	return f != nil && f.before
}

// Parser is the parser of an engine, such that functions which look before their range
// are given the sample there, and histogram_over_time has the limit of buckets that is kept
// of it. Expressions that it returns are for evaluating: their text is another one.
func Parser(of parser.Parser) parser.Parser { return engineParser{of} }

type engineParser struct{ parser.Parser }

// ParseExpr parses an expression, marks the selectors that are read from before their
// range, and limits sketches. The engine has such selectors for Prometheus's own `anchored`.
// Subqueries in their place are refused: nothing is before their range, so each would begin
// at 0.
func (p engineParser) ParseExpr(input string) (parser.Expr, error) {
	expr, err := p.Parser.ParseExpr(input)
	if err != nil {
		return expr, err
	}
	var faults parser.ParseErrors
	parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
		if call, ok := n.(*parser.Call); ok && ReadsBefore(call.Func.Name) {
			if s := Selector(call); s != nil {
				s.VectorSelector.(*parser.VectorSelector).Anchored = true
			} else {
				faults = append(faults, parser.ParseErr{
					PositionRange: call.Args[0].PositionRange(), Query: input,
					Err: fmt.Errorf("%s is for selectors, as there is nothing before the range of a subquery", call.Func.Name),
				})
			}
		}
		return nil
	})
	if len(faults) > 0 {
		return expr, faults
	}
	if native.HasSketch(expr) {
		expr = native.Limited(expr)
	}
	return expr, nil
}

// LooksBefore reports whether the selector with these ancestors, the outermost first, is
// read from before its range.
func LooksBefore(path []parser.Node) bool {
	for i := len(path) - 2; i >= 0; i-- { // above the range selector
		switch n := path[i].(type) {
		case *parser.ParenExpr, *parser.StepInvariantExpr:
		case *parser.Call:
			return ReadsBefore(n.Func.Name)
		default:
			return false
		}
	}
	return false
}

// BareRanges is the places of range vectors that stand directly under an aggregation, in
// the order of the text: the parser refuses them, and returns what it has built beside its
// error. expr is nil after a fault of syntax.
func BareRanges(expr parser.Expr) []posrange.PositionRange {
	var places []posrange.PositionRange
	if expr == nil {
		return nil
	}
	parser.Inspect(expr, func(n parser.Node, _ []parser.Node) error {
		if agg, ok := n.(*parser.AggregateExpr); ok && agg.Expr != nil {
			if m := rangeSelector(agg.Expr); m != nil {
				places = append(places, m.PositionRange())
			}
		}
		return nil
	})
	slices.SortFunc(places, func(a, b posrange.PositionRange) int { return int(a.Start - b.Start) })
	return places
}

// Selector is the range selector that a function of this package is applied to; nil where
// that is a subquery, which has no samples before its range.
func Selector(call *parser.Call) *parser.MatrixSelector { return rangeSelector(call.Args[0]) }

// rangeSelector is the range selector that an expression is, parentheses aside.
func rangeSelector(e parser.Expr) *parser.MatrixSelector {
	for {
		switch n := e.(type) {
		case *parser.ParenExpr:
			e = n.Expr
		case *parser.StepInvariantExpr:
			e = n.Expr
		case *parser.MatrixSelector:
			return n
		default:
			return nil
		}
	}
}
