package explain

import (
	"slices"

	"laminar/flownode/flowdef"
	"laminar/flownode/keep"
)

// Sharing says for each leaf of the flow def which other flows of its fence group,
// among all, keep their panes together with it: titles, ascending, each once. It goes
// by definitions alone, so flows that are not computed yet are among them. A leaf of
// which there are none, or that keeps no panes, has no names.
func Sharing(def flowdef.Flow, all []flowdef.Flow) [][]string {
	with := map[string][]string{}
	for _, other := range all {
		if other.Group != def.Group || other.Title() == def.Title() {
			continue
		}
		for _, l := range keep.NewLeaves(other) {
			if key := l.ShareKey(); key != "" {
				with[key] = append(with[key], other.Title())
			}
		}
	}
	own := keep.NewLeaves(def)
	out := make([][]string, len(own))
	for i, l := range own {
		names := slices.Clone(with[l.ShareKey()])
		slices.Sort(names)
		out[i] = slices.Compact(names)
	}
	return out
}
