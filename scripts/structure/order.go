package main

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"slices"
)

// exactUpTo is the size of the largest circle of files for which the best order
// is searched exactly: 2^18 sets take some milliseconds.
const exactUpTo = 18

// bestOrder arranges the nodes of a graph so that as few edges as possible run
// back, from a node to one before it: a minimum feedback arc set. refs[a][b]
// says that there is an edge from a to b.
//
// Only edges inside a strongly connected part can be forced to run back, so the
// parts are arranged one by one. A part of up to exactUpTo nodes is arranged
// exactly, a larger one by a search that may miss the minimum and always gives
// the same answer.
func bestOrder(refs [][]bool) []int {
	var order []int
	for _, part := range connectedParts(refs) {
		if len(part) <= exactUpTo {
			part = exactOrder(refs, part)
		} else {
			part = searchOrder(refs, part)
		}
		order = append(order, part...)
	}
	return order
}

// connectedParts divides the graph into its strongly connected parts, so that
// no edge runs back from one part to an earlier one (Tarjan's algorithm).
func connectedParts(refs [][]bool) [][]int {
	var (
		parts   [][]int
		stack   []int
		onStack = make([]bool, len(refs))
		number  = make([]int, len(refs)) // in order of the visit, from 1; 0: not yet
		lowest  = make([]int, len(refs)) // smallest number on the stack that a node reaches
		next    = 1
		visit   func(int)
	)
	visit = func(a int) {
		number[a], lowest[a] = next, next
		next++
		stack, onStack[a] = append(stack, a), true
		for b, edge := range refs[a] {
			switch {
			case !edge:
			case number[b] == 0:
				visit(b)
				lowest[a] = min(lowest[a], lowest[b])
			case onStack[b]:
				lowest[a] = min(lowest[a], number[b])
			}
		}
		if lowest[a] < number[a] {
			return
		}
		from := slices.Index(stack, a)
		part := slices.Clone(stack[from:])
		stack = stack[:from]
		for _, b := range part {
			onStack[b] = false
		}
		slices.Sort(part)
		parts = append(parts, part)
	}
	for a := range refs {
		if number[a] == 0 {
			visit(a)
		}
	}
	slices.Reverse(parts) // a part is complete after all that it reaches
	return parts
}

// exactOrder tries all orders, by the set of nodes that stand first: what the
// best order of a set costs does not depend on what follows it.
func exactOrder(refs [][]bool, part []int) []int {
	out := make([]uint32, len(part)) // the nodes that each has an edge to, as a set
	for i, a := range part {
		for j, b := range part {
			if refs[a][b] && i != j {
				out[i] |= 1 << j
			}
		}
	}
	cost := make([]int, 1<<len(part))
	last := make([]int, 1<<len(part))
	for set := 1; set < len(cost); set++ {
		cost[set] = math.MaxInt
		for i := range part {
			if set&(1<<i) == 0 {
				continue
			}
			before := set &^ (1 << i)
			if c := cost[before] + bits.OnesCount32(out[i]&uint32(before)); c < cost[set] {
				cost[set], last[set] = c, i
			}
		}
	}
	order := make([]int, len(part))
	for set, at := len(cost)-1, len(part)-1; at >= 0; at-- {
		order[at] = part[last[set]]
		set &^= 1 << last[set]
	}
	return order
}

// searchOrder moves single nodes to their best places until no move helps, then
// displaces a few at random and does it again, and keeps the best order seen.
func searchOrder(refs [][]bool, part []int) []int {
	const rounds, displaced = 3000, 4
	random := rand.New(rand.NewPCG(1, uint64(len(part))))
	best := slices.Clone(part)
	improve(refs, best)
	least := backEdges(refs, best)
	for range rounds {
		order := slices.Clone(best)
		for range displaced {
			move(order, random.IntN(len(order)), random.IntN(len(order)))
		}
		improve(refs, order)
		if count := backEdges(refs, order); count <= least {
			best, least = order, count
		}
	}
	return best
}

// improve moves nodes to better places until none has one.
func improve(refs [][]bool, order []int) {
	for better := true; better; {
		better = false
		for from := range order {
			if to := bestPlace(refs, order, from); to != from {
				move(order, from, to)
				better = true
			}
		}
	}
}

// bestPlace says where the node at from has the fewest edges that run back, to
// it and from it, and from itself if nowhere fewer than there.
func bestPlace(refs [][]bool, order []int, from int) int {
	best, fewest := from, 0
	a := order[from]
	for _, step := range []int{-1, 1} {
		change := 0
		for at := from + step; at >= 0 && at < len(order); at += step {
			b := order[at] // a and b change sides
			change += step * (count(refs[a][b]) - count(refs[b][a]))
			if change < fewest {
				best, fewest = at, change
			}
		}
	}
	return best
}

func move(order []int, from, to int) {
	a := order[from]
	if from < to {
		copy(order[from:to], order[from+1:to+1])
	} else {
		copy(order[to+1:from+1], order[to:from])
	}
	order[to] = a
}

func backEdges(refs [][]bool, order []int) int {
	back := 0
	for at, a := range order {
		for _, b := range order[:at] {
			back += count(refs[a][b])
		}
	}
	return back
}

func count(edge bool) int {
	if edge {
		return 1
	}
	return 0
}
