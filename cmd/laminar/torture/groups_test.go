package torture

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"laminar/flownode/flowdef"
	"laminar/flownode/promeval"
	"laminar/sequence"
	"laminar/sqlstore/applyplan"
	"laminar/sqlstore/flowstore"
)

// folding is what the model knows of a flow of which some groups keep a row (max_groups).
type folding struct {
	chosen []string        // keys of the groups that keep a row, in the order of their choice
	was    sequence.Vector // at which these were seen
	// stands is where the flow stood when it got its limit. Groups are chosen in the
	// first round after that, which is seen by its vector.
	stands sequence.Vector
	redone bool // the limit was changed: windows are being computed again
}

// apart is a label that tells series of one group apart.
const apart = "torture_series"

// fold is samples with the labels by which the engine groups them as the flow does: all
// groups that were not chosen are one.
func (f *flow) fold(all promeval.Samples) promeval.Samples {
	if f.def.MaxGroups == 0 {
		return all
	}
	leaf := &f.def.Expr.Leaves[0]
	out := slices.Clone(all)
	for i := range out {
		if slices.Contains(f.folded.chosen, flowdef.GroupKey(leaf.GroupLabels(out[i].Labels))) {
			continue
		}
		b := labels.NewBuilder(out[i].Labels).Set(apart, fmt.Sprint(i))
		for _, name := range leaf.Grouping {
			b.Set(name, flowdef.OtherGroups)
		}
		out[i].Labels = b.Labels()
	}
	return out
}

// groupOf is the labels of the row that a series counts in.
func (f *flow) groupOf(leaf *flowdef.Leaf, lset labels.Labels) labels.Labels {
	group := leaf.GroupLabels(lset)
	if f.def.MaxGroups == 0 || slices.Contains(f.folded.chosen, flowdef.GroupKey(group)) {
		return group
	}
	b := labels.NewBuilder(labels.EmptyLabels())
	for _, name := range leaf.Grouping {
		b.Set(name, flowdef.OtherGroups)
	}
	return b.Labels()
}

// forget makes the engine be asked anew for all windows.
func (f *flow) forget() {
	f.at, f.read, f.expected = sequence.Vector{}, 0, map[int64]map[string]float64{}
}

// storedSeries is a series as the database has it, with the flush that created it.
type storedSeries struct {
	id     int64
	region sequence.Region
	seq    sequence.Seq
}

// groupsOf is the series of each group that the flow selects and that are there at a
// vector, by the group's key.
func (l *look) groupsOf(f *flow, vec sequence.Vector) map[string][]storedSeries {
	rows, err := l.tx.Query(l.t.ctx, "select id, region, seq, labels from series")
	l.must(err)
	defer rows.Close()
	leaf, out := &f.def.Expr.Leaves[0], map[string][]storedSeries{}
	for rows.Next() {
		var s storedSeries
		var text []byte
		l.must(rows.Scan(&s.id, &s.region, &s.seq, &text))
		var set map[string]string
		l.must(json.Unmarshal(text, &set))
		lset := labels.FromMap(set)
		if s.seq <= vec.At(s.region) && leaf.Matches(lset.Get) {
			key := flowdef.GroupKey(leaf.GroupLabels(lset))
			out[key] = append(out[key], s)
		}
	}
	l.must(rows.Err())
	return out
}

// checkGroups: the choice of groups goes on from what it was, whatever ended and began
// again meanwhile. No group is left out while there is room, and none is preferred to one
// whose series were created before.
func (l *look) checkGroups(f *flow, s progressRow) {
	var chosen []string
	var folds bool
	l.must(l.tx.QueryRow(l.t.ctx, `select groups_folded, array(select group_key from flow_group g where g.flow_id = f.id order by place)
		from flow f where id = $1`, s.id).Scan(&folds, &chosen))
	most, before := int(f.def.MaxGroups), f.folded.chosen
	broken := func(format string, args ...any) {
		l.t.broken("groups", "%s at %s, which keeps the rows of %v and kept those of %v: %s", f.def.Name, s.vector, chosen, before, fmt.Sprintf(format, args...))
	}
	if n := min(len(before), most); len(chosen) < n || !slices.Equal(chosen[:n], before[:n]) {
		broken("groups that were chosen stay so")
	}
	if len(chosen) > most || folds && len(chosen) < most {
		broken("it may keep those of %d; others are folded: %v", most, folds)
	}
	if !slices.Equal(chosen, before) {
		f.folded.chosen = chosen
		f.forget()
	}
	if s.vector.Equal(f.folded.stands) {
		return
	}
	f.folded.stands = nil
	was := f.folded.was
	f.folded.was = s.vector.Clone()
	groups := l.groupsOf(f, s.vector)
	for key, left := range groups {
		if slices.Contains(chosen, key) {
			continue
		}
		l.t.folded++
		if len(chosen) < most || !folds {
			broken("there is %s, too; others are folded: %v", key, folds)
		}
		for _, c := range chosen[min(len(before), len(chosen)):] {
			taken := groups[c]
			if len(taken) > 0 && slices.ContainsFunc(left, func(u storedSeries) bool {
				return !slices.ContainsFunc(taken, func(t storedSeries) bool {
					sooner := u.seq <= was.At(u.region) || u.region == t.region && u.seq <= t.seq
					return t.id < u.id || !sooner
				})
			}) {
				broken("%s has older series than %s: %v and %v", key, c, left, taken)
			}
		}
	}
}

// redoing is the windows of a flow that are being computed again because its limit of
// groups was changed: they may be by the old one.
func (l *look) redoing(f *flow, s progressRow) span {
	out := span{first: 0, last: -1}
	if f.folded.redone {
		l.must(l.tx.QueryRow(l.t.ctx, `select coalesce(min(from_t), 0) + 1, coalesce(max(to_t), -1) from job
			where flow_id = $1 and state in ('queued', 'running')`, s.id).Scan(&out.first, &out.last))
	}
	return out
}

// limit changes how many groups of a flow keep a row, while it goes on.
func (sim *simulation) limit(o op) {
	f := sim.flows[o.Flow]
	if f == nil || f.def.MaxGroups == o.Groups {
		return
	}
	def := f.def
	def.MaxGroups = o.Groups
	sim.driver.join()
	sim.release()
	sim.catalogue.Lock()
	defer sim.catalogue.Unlock()
	results, err := sim.store.Catalogue.Apply(sim.t.ctx, []flowdef.Flow{def}, flowstore.ApplyOptions{})
	sim.must(err)
	if results[0].Action != applyplan.Retuned {
		sim.t.Fatalf("another limit of groups of %s: %v, not %v", o.Flow, results[0].Action, applyplan.Retuned)
	}
	sim.limited(f, def)
}

// limited notes that a flow has another limit of groups, and which refill goes with it.
func (sim *simulation) limited(f *flow, def flowdef.Flow) {
	f.def = def
	f.folded.redone = true
	f.forget()
	if def.MaxGroups == 0 {
		f.folded.chosen = nil
	}
	sim.must(sim.look(sim.t.ctx, func(l *look) { f.folded.stands = l.rows[def.Name].vector }))
	rows, err := sim.pool.Query(sim.t.ctx, `select j.id from job j join flow f on f.id = j.flow_id
		where f.name = $1 and j.state in ('queued', 'running')`, def.Name)
	sim.must(err)
	defer rows.Close()
	for rows.Next() {
		var id int64
		sim.must(rows.Scan(&id))
		sim.redone = append(sim.redone, id)
	}
	sim.must(rows.Err())
}

// countedAs is the key under which a flow with a count trigger counts the samples of a
// series.
func (f *flow) countedAs(s modelSeries) string {
	if f.def.Trigger.Per == "" {
		return ""
	}
	key := flowdef.GroupKey(f.def.Expr.Leaves[0].GroupLabels(s.labels))
	if n := len(f.folded.chosen); n > 0 && n == int(f.def.MaxGroups) && !slices.Contains(f.folded.chosen, key) {
		return flowdef.OtherGroups
	}
	return key
}
