package explain

import (
	"context"
	"fmt"
	"slices"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowgraph"
	"laminar/sequence"
)

// Upstream says for each leaf of the flow def whose results it may select, of the flows
// among all: titles, ascending, each once. It goes by definitions alone.
func Upstream(def flowdef.Flow, all []flowdef.Flow) [][]string {
	all = append([]flowdef.Flow{def}, slices.DeleteFunc(slices.Clone(all), func(f flowdef.Flow) bool { return f.Title() == def.Title() })...)
	reads := flowgraph.New(all).Reads(0)
	out := make([][]string, len(def.Expr.Leaves))
	for i := range def.Expr.Leaves {
		for _, p := range reads {
			if maySelect(&def.Expr.Leaves[i], &all[p]) {
				out[i] = append(out[i], all[p].Title())
			}
		}
		slices.Sort(out[i])
		out[i] = slices.Compact(out[i])
	}
	return out
}

// maySelect reports whether the leaf may select results of the flow.
func maySelect(l *flowdef.Leaf, parent *flowdef.Flow) bool {
	return l.NamesMetric() && l.MaySelect(parent.Name)
}

// results counts, for each leaf, the rows of the newest closed windows of the flows that
// it reads.
func (x *explaining) results(ctx context.Context, snap Snapshot, out *Explanation) error {
	parents, err := snap.Upstream(ctx, x.flow.ID)
	if err != nil {
		return fmt.Errorf("load the flows that it reads: %w", err)
	}
	for p := range parents {
		parent := &parents[p]
		if parent.EmittedUntil == sequence.NoTime {
			continue
		}
		windows, err := snap.StoredResults(ctx, parent, sequence.Between(parent.EmittedUntil, parent.EmittedUntil))
		if err != nil {
			return fmt.Errorf("read results of %s: %w", parent.Def.Title(), err)
		}
		for i := range out.Leaves {
			for _, w := range windows {
				if maySelect(&x.flow.Def.Expr.Leaves[i], &parent.Def) {
					out.Leaves[i].Results += len(w.Rows)
				}
			}
		}
	}
	return nil
}
