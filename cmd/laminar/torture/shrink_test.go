package torture

import (
	"slices"
	"sync"
	"testing"
	"time"
)

// shrinkFor is how long a failing history is shrunk unless the environment says
// otherwise.
const shrinkFor = 75 * time.Second

// shrink looks for the smallest history that still breaks the same invariant:
// it leaves out operations, first many at once, then one by one, also those
// that happen within another, and then samples. It ends after the limit.
func shrink(t *testing.T, history []op, fail *failure, limit time.Duration) (small []op, last *failure, tries int) {
	t.Helper()
	s := &shrinker{until: time.Now().Add(limit), kind: fail.kind, small: history, last: fail, try: func(ops []op) *failure {
		_, fail := try(t, ops, newStepped)
		return fail
	}}
	s.run()
	return s.small, s.last, s.tries
}

type shrinker struct {
	try   func([]op) *failure
	until time.Time
	kind  string
	small []op // the smallest so far
	last  *failure
	tries int
}

func (s *shrinker) run() {
	s.small = s.small[:min(len(s.small), s.last.at+1)]
	for before := -1; before != size(s.small) && s.left(); {
		before = size(s.small)
		s.drop(func() int { return len(s.small) }, func(i, n int) []op {
			return slices.Delete(slices.Clone(s.small), i, i+n)
		})
		for at := range s.small {
			s.drop(func() int { return len(s.small[at].Then) }, func(i, n int) []op {
				return s.with(at, func(o *op) { o.Then = slices.Delete(slices.Clone(o.Then), i, i+n) })
			})
		}
		for at := range s.small {
			s.drop(func() int { return len(s.small[at].Samples) }, func(i, n int) []op {
				return s.with(at, func(o *op) { o.Samples = slices.Delete(slices.Clone(o.Samples), i, i+n) })
			})
		}
	}
}

func (s *shrinker) left() bool { return time.Now().Before(s.until) }

// with is the smallest history with one operation changed.
func (s *shrinker) with(at int, change func(*op)) []op {
	ops := slices.Clone(s.small)
	change(&ops[at])
	return ops
}

// drop leaves out stretches of a list, halving their length, as long as what is
// left fails. length is the list's; without is the history less elements. Two
// stretches are tried beside each other.
func (s *shrinker) drop(length func() int, without func(i, n int) []op) {
	for n := max(1, length()/2); n > 0; n /= 2 {
		for i := length() - n; i >= 0 && s.left(); i = min(i, length()) - n { // the end matters least
			candidates := [][]op{without(i, n)}
			if i >= n {
				i -= n
				candidates = append(candidates, without(i, n))
			}
			fails := make([]*failure, len(candidates))
			var tries sync.WaitGroup
			for j, ops := range candidates {
				tries.Go(func() { fails[j] = s.try(ops) })
			}
			tries.Wait()
			s.tries += len(candidates)
			for j, fail := range fails {
				if fail != nil && fail.kind == s.kind {
					s.small, s.last = candidates[j], fail
					break
				}
			}
		}
	}
}

// count is the number of operations of a history.
func count(ops []op) int {
	n := len(ops)
	for _, o := range ops {
		n += count(o.Then)
	}
	return n
}

// size is what shrinking makes smaller.
func size(ops []op) int {
	n := len(ops)
	for _, o := range ops {
		n += len(o.Samples) + size(o.Then)
	}
	return n
}
