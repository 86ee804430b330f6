// Package partial is the mergeable state of one series over a stretch of time.
//
// A partial is built with Add from samples, one at a time, joined with Merge
// from partials of neighbouring stretches, and asked for what a PromQL
// function says about all samples together. For every kind P, with 0 for its
// zero value and + for Merge:
//
//	L1 identity       0 + a == a == a + 0; Empty() exactly for 0
//	L2 associativity  (a + b) + c == a + (b + c)
//	L3 split          the fold of all samples == the sum of the folds of any
//	                  way to cut them up, in order
//	L4 commutativity  a + b == b + a, unless the kind is Ordered
//	L5 independence   after a += b, a change of one is not seen in the other
//
// Counter, Turns and Pair are ordered: in a + b every sample of b is later than every sample
// of a, and in Add every sample is later than those before. Nobody checks that
// here: only ordered deltas and sorted raw samples are folded (I7), and what
// is unordered is built again from raw.
//
// Distinct is idempotent beside: a + a == a.
//
// On floats these laws hold to rounding, not to the bit, because regrouping
// regroups additions; they are exact for integers below 2^53. None of the
// kinds has an inverse: a sample cannot be taken out again, since +Inf or a big
// reset absorbs what was there before. So windows are merged from panes and
// never kept as running totals.
//
// Comparisons with NaN are false here as in Prometheus's engine, so NaN needs
// no state of its own. Stale markers are not samples: leave them out, but for
// the Last of an instant selector, which ends at one.
//
// Aggregator, the last step, is not a partial: it folds one window's values of
// the series of a group, in their order, as the engine does.
//
// The package is pure: no SQL, no clock, no goroutines.
package partial
