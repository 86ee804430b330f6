package round

// Flows that share the reading of a delta.
// Before: nothing of the delta is read.
// After: pane state stands at the round's vector (package advance).

import (
	"context"
	"maps"

	"laminar/flownode/advance"
	"laminar/sequence"
)

// cohort is the flows of a round that stand at one vector, taken by the same
// flushes: they share the reading of the delta. Nearly always all flows of a fence
// group are one cohort. A new flow, or one that was loaded again, catches up in a
// cohort of its own and joins the others in the next round.
//
// The cohort's delta is (after, Pos.Vector], region by region.
type cohort struct {
	after   sequence.Vector
	changed bool // what they have read is not in the history any more; after is zero
	flows   []*flowRound
}

// holds reports whether a flow stands where the cohort's others do. Flushes are
// compared too: after a restore from a backup the same numbers can name other
// commits.
func (c *cohort) holds(f *Flow) bool {
	first := c.flows[0]
	return first.Vector.Equal(f.Vector) && first.seen == f.seen && maps.Equal(first.Flushes, f.Flushes)
}

// read advances all leaves of the cohort over its delta.
func (c *cohort) read(ctx context.Context, r *round) error {
	var leaves []*advance.Leaf
	for _, f := range c.flows {
		leaves = append(leaves, f.deltas...)
	}
	d := advance.Delta{Reader: r.Reader, After: c.after, MaxStateBytes: r.MaxStateBytes, Refills: r.Refills, Log: r.Log}
	return d.Read(ctx, leaves)
}
