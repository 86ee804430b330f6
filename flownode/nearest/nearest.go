// Package nearest finds what was perhaps meant by a name that is misspelt.
package nearest

import "strings"

// Name returns the candidate that was perhaps meant by a name that is none
// of them, "" when none is near: the first of those with the fewest letters to
// insert, delete, replace or swap with their neighbour: one of a short name, two of
// others, a quarter of a long one. Upper and lower case are the same.
func Name(name string, candidates []string) string {
	most := max(2, len(name)/4) // more than that is another word
	if len(name) < 5 {
		most = 1
	}
	near, best := "", most+1
	for _, c := range candidates {
		if d := distance(strings.ToLower(name), strings.ToLower(c)); d < best && d < len(name) {
			near, best = c, d
		}
	}
	return near
}

// distance is the number of bytes to insert, delete, replace or swap to make b
// of a.
func distance(a, b string) int {
	// row[j] is the distance from a[:i] to b[:j], before[j] that from a[:i-1]:
	// three rows of the table are enough, as a swap reaches two letters back.
	before, row := make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		next := make([]int, len(b)+1)
		next[0] = i + 1
		for j := range len(b) {
			cost := row[j]
			if a[i] != b[j] {
				cost = 1 + min(row[j], row[j+1], next[j])
			}
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				cost = min(cost, 1+before[j-1])
			}
			next[j+1] = cost
		}
		before, row = row, next
	}
	return row[len(b)]
}
