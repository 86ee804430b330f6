package torture

import (
	"math"
	"slices"
	"strconv"
	"strings"

	"laminar/flownode/promeval"
	"laminar/flownode/session"
	"laminar/sequence/segment"
)

// sessionsOf is the rows of a flow of sessions over the samples, straight from the
// definition, by end: runs by the gap, cut at the ends of halves, the first two pieces of
// each together. The beginning of a session stands in the key of its row, as
// laminartest.StoredRows has it.
func sessionsOf(f *flow, samples promeval.Samples) map[int64]map[string]float64 {
	type sample struct {
		series int
		t      int64
		v      float64
	}
	rule, leaf := f.def.Session, &f.def.Expr.Leaves[0]
	groups := map[string][]sample{}
	for n, x := range samples {
		if !leaf.Matches(x.Labels.Get) {
			continue
		}
		key := strings.Join(f.layout.Row(leaf.GroupLabels(x.Labels)), "\xff")
		for i, v := range x.Values {
			if !segment.IsStale(v) && rule.When.Holds(v) {
				groups[key] = append(groups[key], sample{n, x.Times[i], v})
			}
		}
	}
	halfOf := func(t int64) int64 { return (t + rule.Max/2 - 1) / (rule.Max / 2) }
	out := map[int64]map[string]float64{}
	for key, list := range groups {
		slices.SortFunc(list, func(a, b sample) int { return int(a.t - b.t) })
		begin, pieces := 0, 1
		for i := 1; i <= len(list); i++ {
			if i < len(list) {
				switch a, b := list[i-1].t, list[i].t; {
				case b-a > rule.Gap:
					pieces = 1
				case halfOf(a) == halfOf(b):
					continue
				default:
					if pieces++; pieces == 2 {
						continue
					}
				}
			}
			of := list[begin:i]
			v := 0.0
			switch last := map[int]float64{}; rule.Value {
			case session.Count:
				v = float64(len(of))
			case session.Increase:
				for _, s := range of {
					if before, ok := last[s.series]; ok {
						if v += s.v - before; s.v < before {
							v += before
						}
					}
					last[s.series] = s.v
				}
			case session.Max:
				v = math.NaN()
				for _, s := range of {
					if s.v > v || math.IsNaN(v) {
						v = s.v
					}
				}
			default: // sum
				for _, s := range of {
					v += s.v
				}
			}
			end := list[i-1].t
			if out[end] == nil {
				out[end] = map[string]float64{}
			}
			out[end][key+"\xff"+strconv.FormatInt(list[begin].t, 10)] = v
			begin = i
		}
	}
	return out
}

// dirtyOf is the ends of windows that may differ, because they are on the dirty list; of
// sessions those that are near an entry.
func (f *flow) dirtyOf(s progressRow, stored map[int64]map[string]float64) map[int64]bool {
	dirty := map[int64]bool{}
	for _, end := range s.dirty {
		if f.def.Session == nil {
			dirty[end] = true
			continue
		}
		near := f.def.Session.Affected(end)
		for _, ends := range []map[int64]map[string]float64{stored, f.expected} {
			for end := range ends {
				dirty[end] = dirty[end] || near.Holds(end)
			}
		}
	}
	return dirty
}
