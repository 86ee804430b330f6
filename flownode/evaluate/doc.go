// Package evaluate computes the value of a flow's expression in one window, and
// what of it is to be written.
//
// An Evaluator has a flow's leaves and the layout of its table. It gets pane state
// or raw samples for some windows at once (Sources), merges each leaf's partials over
// a window, evaluates the residual with Prometheus's engine (Evaluate) and makes rows
// of the result. Which windows are computed, and when, others decide: package round.
//
// Whatever a window is computed from, the result is the same (I3): pane state, panes
// folded now, raw columns and the engine over raw samples all hold what the snapshot
// holds of the leaf. An expression that cannot be evaluated is an *EvalError; every
// other error is one of reading.
//
// The package has no clock and starts no goroutine but those of a fold, which end
// before it returns.
package evaluate
