// Package sideoutput is what is beside the table of a flow with `late: side_output`: how
// what late samples add to a row joins the row, and the views that show it.
//
// The package is pure: no SQL, no clock, no goroutines.
package sideoutput

import (
	"laminar/flownode/flowdef"
	"laminar/flownode/function"
)

// Join is how what late samples add to a row joins the value of the row, of a flow with
// flowdef.LateSideOutput; why is what stands against it, "" for nothing.
func Join(f *flowdef.Flow) (join function.Join, why string) {
	expr := &f.Expr
	switch {
	case len(expr.Leaves) != 1 || expr.Residual != nil || expr.Batch || expr.Leaves[0].Func == nil:
		return "", "what a sample adds to a row can be told only of one function over a range, or one aggregation of it: keep each of them as a flow with side_output, and compute the rest where they are read"
	case len(f.Relabel) > 0:
		return "", "relabelling can make series equal, and a window has no row of these"
	case f.MaxGroups > 0:
		return "", "with max_groups it would be of groups that may be folded later"
	}
	return expr.Leaves[0].Func.Joins(expr.Leaves[0].Agg)
}

// Views names the views beside the flow's table, of a flow with flowdef.LateSideOutput: what
// late samples add to its rows, and these joined with the rows.
func Views(f *flowdef.Flow) (late, merged string) {
	return flowdef.TableName(f.Table + "_late"), flowdef.TableName(f.Table + "_merged")
}

// Clashes refuses tables that have the name of a view beside another flow's. flows are the
// ones that there are to be, fresh and others.
func Clashes(flows []flowdef.Flow) []flowdef.Problem {
	var problems []flowdef.Problem
	views := map[string]string{} // the titles of their flows
	for i := range flows {
		if f := &flows[i]; f.Late == flowdef.LateSideOutput {
			late, merged := Views(f)
			views[late], views[merged] = f.Title(), f.Title()
		}
	}
	for _, f := range flows {
		if of, taken := views[f.Table]; taken {
			problems = append(problems, flowdef.ProblemAt(&f, "table", "its table %s has the name of a view of late samples of flow %s", f.Table, of))
		}
	}
	return problems
}
