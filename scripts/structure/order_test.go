package main

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// TestExactOrder holds the exact order of small random graphs against all
// orders there are.
func TestExactOrder(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for trial := range 200 {
		refs := randomGraph(random, 2+random.IntN(6))
		want := len(refs) * len(refs)
		permute(nodes(len(refs)), 0, func(order []int) { want = min(want, backEdges(refs, order)) })
		order := bestOrder(refs)
		if got := backEdges(refs, order); got != want || !slices.Equal(slices.Sorted(slices.Values(order)), nodes(len(refs))) {
			t.Fatalf("graph %d %v: order %v has %d edges back, want %d", trial, refs, order, got, want)
		}
	}
}

// TestSearchOrder holds the search for large graphs against the exact order of
// graphs that both can do.
func TestSearchOrder(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	for trial := range 20 {
		refs := randomGraph(random, 13)
		want := backEdges(refs, exactOrder(refs, nodes(len(refs))))
		if got := backEdges(refs, searchOrder(refs, nodes(len(refs)))); got != want {
			t.Errorf("graph %d %v: %d edges back, want %d", trial, refs, got, want)
		}
	}
}

// TestNoCircle holds that a large graph without a circle has no edge back.
func TestNoCircle(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	refs := randomGraph(random, 60)
	names := random.Perm(len(refs))
	for a := range refs {
		for b := range refs {
			refs[a][b] = refs[a][b] && names[a] < names[b]
		}
	}
	if back := backEdges(refs, bestOrder(refs)); back != 0 {
		t.Errorf("%d edges back, want none", back)
	}
}

// randomGraph has an edge between about a third of all pairs.
func randomGraph(random *rand.Rand, size int) [][]bool {
	refs := make([][]bool, size)
	for a := range refs {
		refs[a] = make([]bool, size)
		for b := range refs {
			refs[a][b] = a != b && random.IntN(3) == 0
		}
	}
	return refs
}

func nodes(n int) []int {
	all := make([]int, n)
	for i := range all {
		all[i] = i
	}
	return all
}

func permute(order []int, from int, visit func([]int)) {
	if from == len(order) {
		visit(order)
	}
	for i := from; i < len(order); i++ {
		order[from], order[i] = order[i], order[from]
		permute(order, from+1, visit)
		order[from], order[i] = order[i], order[from]
	}
}
