package read

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/prometheus/prometheus/model/labels"

	"laminar/flownode/promeval"
	"laminar/sequence"
)

// TestOrderOfSeries: however a process has numbered series of results, the engine sees
// all series in one order.
func TestOrderOfSeries(t *testing.T) {
	const results, raw = 20, 5
	rng := rand.New(rand.NewPCG(1, 2))
	var want []string
	for range 10 {
		var list []selected
		for i, n := range rng.Perm(results) {
			list = append(list, selected{sequence.SeriesID(-1 - n), promeval.Series{Labels: labels.FromStrings("i", fmt.Sprint(i))}})
		}
		for i := range raw {
			list = append(list, selected{sequence.SeriesID(i + 1), promeval.Series{Labels: labels.FromStrings("i", fmt.Sprint("raw", raw-i))}})
		}
		rng.Shuffle(len(list), func(i, j int) { list[i], list[j] = list[j], list[i] })
		slices.SortFunc(list, byOrder)
		var got []string
		for _, s := range list {
			got = append(got, s.Labels.Get("i"))
		}
		if want == nil {
			want = got
		}
		if !slices.Equal(got, want) || got[results] != "raw5" {
			t.Fatalf("the order is %v, with other numbers it was %v", got, want)
		}
	}
}
