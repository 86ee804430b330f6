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
	leaf := m.Def
	all := map[sequence.SeriesID]labels.Labels{}
	for id := sequence.SeriesID(1); id < 60; {
		var list []series.Series
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
			list = append(list, series.Series{ID: id, Metric: sequence.MetricID(metric + 1), Region: 1, Labels: own})
			all[id] = b.Labels()
			id++
		}
		m.Select(list)
		m.Group(list)
	}
	members := 0
	for id, lset := range all {
		slot := m.Index.Get(id)
		if leaf.Matches(lset.Get) != (slot != keep.NoSlot) {
			t.Fatalf("%s: %s is a member or not", def.PromQL, lset)
		}
		if slot == keep.NoSlot {
			continue
		}
		members++
		if got, want := m.Groups[m.GroupOf[slot]], leaf.GroupLabels(lset); !labels.Equal(got.Labels, want) || got.Key != flowdef.GroupKey(want) {
			t.Fatalf("%s: %s is in the group %s, want %s", def.PromQL, lset, got.Labels, want)
		}
	}
	if members < 5 || members != len(m.Series) {
		t.Fatalf("%s: %d members of %d series, listed are %d", def.PromQL, members, len(all), len(m.Series))
	}
}
