// Package results shows results of flows as series that other flows can read.
//
//	Walk      rows, window by window, become samples and stale markers
//	Records   the results that flows of one fence group read of each other: the
//	          numbers of their series, between rounds
//	Feed      the results of one flow: what a round changes, over what is stored
//	Source    raw samples and results as one read.Source
//
// # A result as a series
//
//	table job:requests:rate5m                     series
//	12:00  job=api  5      job:requests:rate5m{job="api"}   5 @ 12:00
//	12:01  job=api  7                                       7 @ 12:01
//	12:02  (no row)                                         stale marker @ 12:02
//
// The name is the flow's, the labels are the columns, samples stand at window ends.
// Where a group had a row and has none at the next end, a stale marker stands, which
// is what Prometheus's rule evaluation writes. Two markers in a row say what one
// says, so where one is not needed it may stand all the same.
//
// Only windows that are closed count: rows of an open window are provisional.
//
// # Region
//
// Results are a region of their own (Region), whose commits are counted by the
// rounds of this process. Position, members and pane state then hold for results as
// for raw samples. The region is in no stored vector: flows that read each other
// are committed together, so they stand at one raw vector, and a flow that was
// loaded begins with what is stored.
//
// Everything here belongs to the goroutine of a fence group. Nothing is written.
package results
