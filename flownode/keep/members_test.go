package keep_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowfile"
	"laminar/flownode/keep"
	"laminar/sequence"
	"laminar/sequence/series"
)

// TestGroupsAreThoseOfLabels puts random series into groups, list by list, and compares
// each one's group with what its labels say.
func TestGroupsAreThoseOfLabels(t *testing.T) {
	exprs := []string{
		"sum by (a) (rate(m[1m]))", "sum by (b, a) (rate(m[1m]))", "max by (a, __name__) (last_over_time(m[1m]))", "max by (a, __type__) (rate(m[1m]))",
		"sum(rate(m[1m]))", "sum without (a) (rate(m[1m]))", "rate(m[1m])", `sum by (a) (rate({__name__=~"m|n", b!="2"}[1m]))`, "sum by (a) (sum_over_time(m[1m]))",
		"min by (a, missing) (max_over_time(m{b=~\"1|\"}[1m]))",
	}
	var text strings.Builder
	text.WriteString("flows:\n")
	for i, expr := range exprs {
		fmt.Fprintf(&text, "  - {name: f%d, promql: '%s', every: 1m}\n", i, expr)
	}
	flows, problems := flowfile.Parse("test.yml", []byte(text.String()))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for i := range flows {
		for seed := range uint64(20) {
			sameGroups(t, &flows[i], rand.New(rand.NewPCG(seed, 3)))
		}
	}
}

func sameGroups(t *testing.T, def *flowdef.Flow, rng *rand.Rand) {
	t.Helper()
	m := keep.NewLeaves(*def)[0].Members
	all := map[sequence.SeriesID]labels.Labels{}
	for id := sequence.SeriesID(1); id < 60; {
		list := someSeries(rng, &id, all)
		m.Select(list)
		m.Group(list)
	}
	checkGroups(t, m, all)
}

// someSeries is a list of random series, with numbers from id on; all gets their labels.
func someSeries(rng *rand.Rand, id *sequence.SeriesID, all map[sequence.SeriesID]labels.Labels) (list []series.Series) {
	for range 1 + rng.IntN(20) {
		b := labels.NewBuilder(labels.EmptyLabels())
		metric := rng.IntN(3)
		b.Set("__name__", []string{"m", "n", "o"}[metric])
		for _, name := range []string{"a", "b", "__type__", "c"} {
			if rng.IntN(3) > 0 {
				b.Set(name, fmt.Sprint(rng.IntN(4)))
			}
		}
		var own []series.Label
		b.Labels().Range(func(l labels.Label) { own = append(own, series.Label{Name: l.Name, Value: l.Value}) })
		slices.SortFunc(own, func(a, b series.Label) int { return strings.Compare(a.Name, b.Name) })
		list = append(list, series.Series{ID: *id, Metric: sequence.MetricID(metric + 1), Region: 1, Labels: own})
		all[*id] = b.Labels()
		*id++
	}
	return list
}

// checkGroups compares members with what the labels of all series say.
func checkGroups(t *testing.T, m *keep.Members, all map[sequence.SeriesID]labels.Labels) {
	t.Helper()
	leaf, members := m.Def, 0
	for id, lset := range all {
		slot := m.Index.Get(id)
		if leaf.Matches(lset.Get) != (slot != keep.NoSlot) {
			t.Fatalf("%s: %s is a member or not", leaf.Text, lset)
		}
		if slot == keep.NoSlot {
			continue
		}
		members++
		got, want := m.Groups[m.GroupOf[slot]], leaf.GroupLabels(lset)
		if !labels.Equal(got.Labels, want) || got.Key != flowdef.GroupKey(want) {
			t.Fatalf("%s: %s is in the group %s, want %s", leaf.Text, lset, got.Labels, want)
		}
		if !slices.Contains(m.SlotsOf(m.GroupOf[slot]), slot) {
			t.Fatalf("%s: %s lacks the slot of %s", leaf.Text, got.Labels, lset)
		}
	}
	if members < 5 || members != len(m.Series) {
		t.Fatalf("%s: %d members of %d series, listed are %d", leaf.Text, members, len(all), len(m.Series))
	}
}

// TestSharedGroupings: leaves that select the same and group by the same have one grouping,
// whenever they come and whatever they make of a group; all of them have the groups that
// labels say.
func TestSharedGroupings(t *testing.T) {
	exprs := []string{ // and the number of the grouping
		"0 sum by (a) (rate(m[1m]))", "0 max by (a) (increase(m[2m]))", "1 sum by (b, a) (rate(m[1m]))", "0 avg by (a) (rate(m[1m]))", "2 rate(m[1m])",
		"3 sum without (a) (rate(m[1m]))", "2 increase(m[3m])", "4 max by (a) (last_over_time(m[1m]))", `5 sum by (a) (rate(m{b!="2"}[1m]))`,
		`6 sum by (a) (rate({__name__=~"m|n"}[1m]))`, `6 avg by (a) (rate({__name__=~"m|n"}[5m]))`, "2 rate(m[1m] offset 1m)", "3 count without (a) (rate(m[1m]))",
	}
	var text strings.Builder
	text.WriteString("flows:\n")
	for i, expr := range exprs {
		fmt.Fprintf(&text, "  - {name: f%d, promql: '%s', every: 1m}\n", i, expr[2:])
	}
	flows, problems := flowfile.Parse("test.yml", []byte(text.String()))
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for seed := range uint64(20) {
		rng := rand.New(rand.NewPCG(seed, 4))
		all := map[sequence.SeriesID]labels.Labels{}
		var leaves keep.Leaves
		var kept []series.Series
		order := rng.Perm(len(flows))
		for id := sequence.SeriesID(1); len(order) > 0 || id < 80; {
			n := min(len(order), rng.IntN(5))
			var fresh keep.Leaves
			for _, i := range order[:n] {
				fresh = append(fresh, keep.NewLeaves(flows[i])...)
			}
			order, leaves = order[n:], append(leaves, fresh...)
			keep.ShareMembers(fresh, leaves)
			fresh.AddSeries(kept)
			list := someSeries(rng, &id, all)
			leaves.AddSeries(list)
			kept = append(kept, list...)
		}
		seen := map[*keep.Grouping]string{}
		for _, l := range leaves {
			checkGroups(t, l.Members, all)
			i := slices.IndexFunc(flows, func(f flowdef.Flow) bool { return f.Expr.Leaves[0].Text == l.Def.Text })
			number := exprs[i][:1]
			if other, met := seen[l.Members.Grouping]; met && other != number {
				t.Errorf("%s shares the grouping %s", l.Def.Text, other)
			}
			seen[l.Members.Grouping] = number
		}
		if len(seen) != 7 {
			t.Errorf("seed %d: %d groupings, want 7", seed, len(seen))
		}
	}
}
