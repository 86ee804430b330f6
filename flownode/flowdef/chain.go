package flowdef

import (
	"slices"

	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/schema"

	"laminar/flownode/function"
	"laminar/flownode/native"
	"laminar/flownode/promexpr"
)

// Counting groups. How many users each job has is in PromQL an aggregation of an
// aggregation:
//
//	count by (job) (count by (job, user) (present_over_time(x[1h])))
//
// Of the inner one only matters which groups have a value, and that is which groups have a
// series with a value, whatever aggregation it is. So all of it is one leaf that counts
// each (job, user) once, from a number that each series has: no vector of users is made
// for a window, which would be as long as there are users, with labels and all.
//
// Of a function that has a value wherever there is a sample, as present_over_time and
// sum_over_time have, no more is kept than that: a byte for each user and pane
// (function.Seen). Of others, such as rate, the state of each series is needed.

// countGroups makes the leaf, which ends in an aggregation of e, count groups of series,
// where e is an aggregation itself and the leaf's own does not look at values. It returns
// what the innermost aggregation is of, or nil.
func (l *Leaf) countGroups(e parser.Expr) parser.Expr {
	if l.Agg != function.Count && l.Agg != function.Group || l.Without {
		return nil
	}
	var per []string
	for levels := 0; ; levels++ {
		agg, ok := promexpr.WithoutParens(e).(*parser.AggregateExpr)
		if !ok {
			if levels == 0 {
				return nil
			}
			break
		}
		// By type or unit, or by the name, groups depend on what a function drops.
		if agg.Without || function.AggregationNamed(agg.Op.String()) == nil || slices.ContainsFunc(agg.Grouping, schema.IsMetadataLabel) {
			return nil
		}
		// Groups of groups: a label that the inner ones have not is in none of them.
		if levels == 0 {
			per = slices.Clone(agg.Grouping)
		} else {
			per = among(per, agg.Grouping)
		}
		e = agg.Expr
	}
	if native.SketchCall(e) != nil {
		return nil // some aggregations leave histograms out
	}
	slices.Sort(per)
	l.CountsGroups, l.Per = true, slices.Compact(per)
	l.Grouping = among(l.Grouping, l.Per)
	return promexpr.WithoutParens(e)
}

// among is the names that are in a list, too.
func among(names, list []string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(name string) bool { return !slices.Contains(list, name) })
}
