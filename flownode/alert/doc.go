// Package alert says what becomes of an alerting rule: which of its label sets
// are pending, firing or resolved at a time, since when, and what an Alertmanager is
// to be told of it.
//
// Time is that of the windows of the rule's expression. The state after a window is a
// function of the state before it and of the window's rows (State.Step), so the state
// at any time is a fold over the rule's windows. Neither a clock nor the order in which
// samples came has a part in it, and a window that is computed again gives the state
// that it should have given at first.
//
// Three laws hold, and the tests check them against Prometheus:
//
//	A1  after each window, State is what Prometheus's AlertingRule.Eval leaves behind
//	    when it finds the same rows at the same times
//	A2  Restore of the changes of all windows up to t is the State after the window
//	    ending at t, but for values and annotations, which the rows of t give
//	A3  Correct gives the changes that Step would have given had the rows been right
//	    from the beginning
//
// By A2 the changes are all that has to be stored: no checkpoints, and no look at
// windows before the first that changed.
//
// The package is pure: no SQL, no clock, no goroutines. Package alert/expand makes
// labels and annotations of templates; rows come from the flow's result table.
package alert
