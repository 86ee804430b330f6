package flowgraph

import (
	"maps"
	"slices"

	"laminar/flownode/flowdef"
)

// Labels of flows that read results of others. What a selector of a record finds has the
// labels of the record's rules, so where these are decided, those of the expression above
// are as well:
//
//	r        sum by (a, b) (x)     a, b
//	double   2 * r                 a, b
//	rest     sum without (a) (r)   b

// WithLabels is the flows with what is known of the labels of results that they read, those
// that are fixed but for it: their tables have columns already. stale is the places of
// fixed flows of which a record has more labels by now than it had, or others than are
// known.
func WithLabels(flows []flowdef.Flow, fixed func(i int) bool) (out []flowdef.Flow, stale []int, err error) {
	g := New(flows)
	out = slices.Clone(flows)
	for _, i := range g.order {
		known := g.labelsRead(out, i)
		switch {
		case fixed(i):
			for name, had := range out[i].Results {
				now, ok := known[name]
				if !ok || slices.ContainsFunc(now, func(label string) bool { return !slices.Contains(had, label) }) {
					stale = append(stale, i)
					break
				}
			}
		default:
			if out[i], err = over(out[i], known); err != nil {
				return nil, nil, err
			}
		}
	}
	return out, stale, nil
}

// over is the flow with what is known of results, if that tells anything of its own labels.
func over(f flowdef.Flow, known map[string][]string) (flowdef.Flow, error) {
	plain, err := f.Over(nil)
	if err != nil || known == nil {
		return plain, err
	}
	if f, err = f.Over(known); err != nil {
		return f, err
	}
	without, _ := plain.Labels()
	if with, ok := f.Labels(); ok == plain.Expr.LabelsKnown && slices.Equal(with, without) {
		return plain, nil
	}
	return f, nil
}

// labelsRead is the labels of the records that flow i reads by their names, where all rules
// of a record decide them; nil for none. Those of its own record depend on it.
func (g *Graph) labelsRead(flows []flowdef.Flow, i int) map[string][]string {
	if len(flows[i].Relabel) > 0 {
		return nil // series have the labels that its rules give them
	}
	var out map[string][]string
	open := map[string]bool{flows[i].Name: true}
	for _, p := range g.reads[i] {
		name := flows[p].Name
		names, decided := flows[p].Labels()
		if open[name] = open[name] || !decided; open[name] {
			continue
		}
		if out == nil {
			out = map[string][]string{}
		}
		out[name] = append(out[name], names...)
	}
	named := func(name string) bool {
		return slices.ContainsFunc(flows[i].Expr.Leaves, func(l flowdef.Leaf) bool { return l.Metric == name })
	}
	maps.DeleteFunc(out, func(name string, _ []string) bool { return open[name] || !named(name) })
	for name := range out {
		slices.Sort(out[name])
		out[name] = slices.Compact(out[name])
	}
	if len(out) == 0 {
		return nil
	}
	return out
}
