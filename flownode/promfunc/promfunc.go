package promfunc

import (
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
)

// added is one function.
type added struct {
	parser.Function
	call promql.FunctionCall
}

// table is all of them.
var table = []added{
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
}

var byName = register()

// register makes the functions known to Prometheus's parser and engine.
func register() map[string]*added {
	m := make(map[string]*added, len(table))
	for i := range table {
		f := &table[i]
		m[f.Name] = f
		parser.Functions[f.Name] = &f.Function
		promql.FunctionCalls[f.Name] = f.call
	}
	return m
}
