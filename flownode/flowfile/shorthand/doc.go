// Package shorthand spells out what bare lists may write and PromQL may not: a range
// vector directly under an aggregation.
//
//	sum by (stack, le) (m{service="x"}[2m])
//
// is the sum over all samples of the window [start, end), of whatever series, and
//
//	sum by (stack, le) (sum_over_time(m{service="x"}[2m] offset 1ms))
//
// says the same in PromQL, whose windows are (start, end]: times are whole milliseconds.
// What is spelled out is the flow's expression, which everything else sees.
//
// The package is pure: no SQL, no clock, no goroutines.
package shorthand
