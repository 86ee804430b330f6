// Package verify compares result tables with what Prometheus's engine computes
// from the raw samples.
//
// It shares the reading of raw samples with the rounds, and nothing that computes:
// no pane state, no partial and no residual, so a fault in one of these shows as a
// difference. What both share, reading and grouping raw samples, the tests hold
// against samples that they committed themselves.
//
// For each stored window of a flow the engine evaluates the definition's own
// expression at the window's end, over the raw samples that its selectors read. A
// stored value may differ by the rounding that another order of additions leaves
// (function.Rounding). Windows that the table may rightly lack or hold in another
// state at this moment are counted by reason and left out; see Skip.
//
// A pass reads results, progress and raw samples in one snapshot, closes it, and
// only then computes. Between passes the flow goes on: windows that became dirty
// meanwhile are left out, and a flow that was replaced ends the comparison.
//
// The package writes nothing, and its clock is given to it.
package verify
