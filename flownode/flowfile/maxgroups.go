package flowfile

import "laminar/flownode/flowdef"

// cannotFold says why the tail of the flow's groups cannot be one group whose value is
// exact; "" where it can. What joins the series of a group must join those of the tail as
// well, and nothing may be computed of single groups before or after that.
func cannotFold(f *flowdef.Flow) string {
	expr := &f.Expr
	switch {
	case expr.Batch:
		return "it is computed whole, in batch: " + expr.Why
	case len(expr.Leaves) != 1 || expr.Residual != nil:
		return "more is computed than one aggregation of one function"
	case len(f.Relabel) > 0:
		return "relabelling can make series equal, which is an error in a group and would be none among all others"
	case expr.Leaves[0].CountsGroups || expr.Leaves[0].Func.Of != "":
		return "what is counted in a group would be counted anew in all of them together"
	case expr.Leaves[0].Agg == nil:
		return "nothing is aggregated, so there are no groups"
	case expr.Leaves[0].Without || len(expr.Leaves[0].Grouping) == 0:
		return "groups must be by (...) some labels: others have no labels of their own to be named by"
	}
	return ""
}
