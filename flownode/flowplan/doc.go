// Package flowplan decides what a round does about a flow: advance, repair or
// rebuild pane state, which closed windows become dirty and when they are
// recomputed, how far the watermark is.
//
// Every decision other than advance carries a Reason. One enum gives the log
// field, the metric label, the dirty list's column and the line in tests.
//
// The package decides on metadata alone and is pure: no SQL, no clock, no
// goroutines; times are milliseconds since the epoch.
package flowplan
