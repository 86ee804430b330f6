package results

// Several rules of one record may give the same row. Of those that do in one window that
// of the smallest number stands, and readers see it alone: one sample a time. A marker of
// one rule counts where no rule gives the row.

import (
	"cmp"
	"context"
	"maps"
	"slices"

	"laminar/flownode/read"
	"laminar/sequence"
)

// record is what readers see of the rules of one record, during one round.
type record struct {
	feeds  []*Feed // that whose row stands first
	tables read.Results
	every  int64         // of the rule with the largest step, ms
	before sequence.Time // up to which some rule has closed windows before the round

	// What the round changes, when changes has found it.
	found              bool
	ordered, unordered samples
}

func newRecord(feeds []*Feed, tables read.Results) *record {
	r := &record{feeds: slices.Clone(feeds), tables: tables, before: sequence.NoTime}
	slices.SortStableFunc(r.feeds, func(a, b *Feed) int { return a.rank() - b.rank() })
	for _, f := range feeds {
		r.every, r.before = max(r.every, f.every()), max(r.before, f.before)
	}
	return r
}

// rank is the rule's number among those of its record.
func (f *Feed) rank() int {
	if m := f.flow.Def.Member; m != nil {
		return m.Number
	}
	return 0
}

func (r *record) metric() sequence.MetricID { return r.feeds[0].metric }

// contested reports whether several rules have given the series.
func (r *record) contested(id sequence.SeriesID) bool {
	return len(r.feeds) > 1 && r.feeds[0].records.contested(id)
}

// point is a series at a time.
type point struct {
	id sequence.SeriesID
	t  sequence.Time
}

// changes finds what the round changes for readers. Where several rules give a series,
// what one of them changes is nothing new where the row of another stands.
func (r *record) changes(ctx context.Context) error {
	if r.found {
		return nil
	}
	if len(r.feeds) == 1 {
		r.found, r.ordered, r.unordered = true, r.feeds[0].ordered, r.feeds[0].unordered
		return nil
	}
	// Rows of other rules where one has changed may have no number yet.
	for _, f := range r.feeds {
		for _, span := range near(f.unordered.times, r.every) {
			for _, other := range r.feeds {
				if err := other.Know(ctx, r.tables, span); err != nil {
					return err
				}
			}
		}
	}
	moved := map[point]struct{}{}
	var times []sequence.Time
	for _, f := range r.feeds {
		for _, from := range []struct{ all, alone *samples }{{&f.ordered, &r.ordered}, {&f.unordered, &r.unordered}} {
			for i, id := range from.all.series {
				if t := from.all.times[i]; r.contested(id) {
					moved[point{id, t}], times = struct{}{}, append(times, t)
				} else {
					from.alone.add(id, t, from.all.values[i])
				}
			}
		}
	}
	now := map[point]value{}
	for _, span := range near(times, r.every) {
		err := r.each(ctx, span, func(id sequence.SeriesID, t sequence.Time, v value) error {
			if _, is := moved[point{id, t}]; is {
				now[point{id, t}] = v
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	points := slices.SortedFunc(maps.Keys(moved), func(a, b point) int { return cmp.Or(cmp.Compare(a.id, b.id), cmp.Compare(a.t, b.t)) })
	for _, p := range points {
		v, there := now[p]
		if !there {
			v = stale // what was there is gone
		}
		if p.t > r.before {
			r.ordered.add(p.id, p.t, v)
		} else {
			r.unordered.add(p.id, p.t, v)
		}
	}
	r.found = true
	return nil
}

// each calls use for every sample in the span that readers see, of each series in the
// order of times.
func (r *record) each(ctx context.Context, span sequence.Span, use func(sequence.SeriesID, sequence.Time, value) error) error {
	stands := map[sequence.SeriesID]map[sequence.Time]value{}
	for _, f := range r.feeds {
		err := f.each(ctx, r.tables, span, func(id sequence.SeriesID, t sequence.Time, v value) error {
			if !r.contested(id) {
				return use(id, t, v)
			}
			if v.gone { // the row of another rule, or its marker, may be what stands
				return nil
			}
			if stands[id] == nil {
				stands[id] = map[sequence.Time]value{}
			}
			if old, taken := stands[id][t]; !taken || old.isStale() {
				stands[id][t] = v
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	for _, id := range sorted(stands) {
		for _, t := range sorted(stands[id]) {
			if err := use(id, t, stands[id][t]); err != nil {
				return err
			}
		}
	}
	return nil
}

// near is spans that hold the times. Those that are a few steps apart share one: they
// are read at once.
func near(times []sequence.Time, every int64) sequence.Spans {
	times = slices.Clone(times)
	slices.Sort(times)
	var out sequence.Spans
	for len(times) > 0 {
		n := 1
		for n < len(times) && times[n]-times[n-1] <= 16*every {
			n++
		}
		out, times = append(out, sequence.Between(times[0], times[n-1])), times[n:]
	}
	return out
}
