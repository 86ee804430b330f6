package results

// What a rule sees of the evaluation that it belongs to itself: what rules before it in its
// group, and rules elsewhere, have for that time, and nothing of the rules behind it.
//
//	- record: x      of what x is at 12:00, y sees what this rule gives
//	- record: y      reads x
//	- record: x      and not what this one gives, of which it sees 11:59
//
// A series that both rules may give has at 12:00 what the first gives, or the marker where
// that has lost it; without either the newest before counts.

import (
	"context"

	"github.com/prometheus/prometheus/promql"

	"laminar/flownode/read"
	"laminar/sequence"
)

// Early says which series of results a window that ends at end sees only as the evaluation
// before left them: those that behind gives. seen is the other rules that it reads. It is
// nil where behind gives none.
func Early(ctx context.Context, tables read.Results, seen, behind []*Feed, end sequence.Time) (func(sequence.SeriesID) (read.Early, bool), error) {
	if len(behind) == 0 {
		return nil, nil
	}
	has := func(id sequence.SeriesID) bool {
		for _, f := range behind {
			if f.Has(id) {
				return true
			}
		}
		return false
	}
	late, of := map[sequence.MetricID]bool{}, map[sequence.MetricID][]*Feed{}
	for _, f := range behind {
		late[f.metric] = true
	}
	for _, f := range seen {
		if late[f.metric] {
			of[f.metric] = append(of[f.metric], f)
		}
	}
	then := map[sequence.SeriesID]value{}
	for _, m := range sorted(of) {
		err := newRecord(of[m], tables).each(ctx, sequence.Between(end, end), func(id sequence.SeriesID, _ sequence.Time, v value) error {
			if !v.gone && has(id) {
				then[id] = v
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return func(id sequence.SeriesID) (read.Early, bool) {
		if id >= 0 || !has(id) {
			return read.Early{}, false
		}
		out := read.Early{UpTo: end - 1}
		switch v, ok := then[id]; {
		case !ok:
		case v.hist != nil:
			out.Histograms = []promql.HPoint{{T: end, H: v.hist.Float()}}
		default:
			out.Times, out.Values = []int64{end}, []float64{v.float}
		}
		return out, true
	}, nil
}
