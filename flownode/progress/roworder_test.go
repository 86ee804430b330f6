package progress_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"laminar/flownode/progress"
)

// TestRowOrder holds the order of groups that come in several steps to a sort of them all.
func TestRowOrder(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var (
			order  progress.RowOrder
			groups [][]string
		)
		for range 1 + rng.IntN(6) {
			for range rng.IntN(40) {
				// Few different ones, so that some groups share a row.
				groups = append(groups, []string{fmt.Sprint(rng.IntN(8)), fmt.Sprint(rng.IntN(12))})
			}
			known := order.Groups()
			order.Extend(len(groups), func(g int) []string {
				if g < known {
					t.Fatalf("seed %d: group %d of %d known ones is asked for again", seed, g, known)
				}
				return groups[g]
			})
			rows := slices.Clone(groups)
			slices.SortFunc(rows, slices.Compare[[]string])
			rows = slices.CompactFunc(rows, slices.Equal[[]string])
			if order.Len() != len(rows) {
				t.Fatalf("seed %d: there are %d rows, want %d", seed, order.Len(), len(rows))
			}
			for i, row := range rows {
				if got := order.Row(int32(i)); !slices.Equal(got, row) {
					t.Fatalf("seed %d: row %d is %v, want %v", seed, i, got, row)
				}
			}
			for g, columns := range groups {
				if got := order.Row(order.Rank(int32(g))); !slices.Equal(got, columns) {
					t.Fatalf("seed %d: the row of group %d is %v, want %v", seed, g, got, columns)
				}
			}
		}
	}
}
