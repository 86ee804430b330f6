// Package flowplan decides what a round does about a flow.
//
//	Plan        is pane state advanced or built again, and which stretches of
//	            time became dirty
//	DirtyList   which closed windows are computed again, and when
//	Clock       how far the watermark is, and so which windows are closed
//
// Every decision other than advance carries a progress.Reason. One enum gives the
// log field, the metric label, the dirty list's column and the line in tests.
// Who computes partials is not decided here: see package executor.
//
// The package sees metadata only, never samples. It relies on I1: what a vector
// covers is complete. It is pure: no SQL, no clock, no goroutines. Times are
// milliseconds since the epoch; "now" is always the database's clock, as of the
// round's snapshot, so that processes with different clocks decide alike.
package flowplan
