// Package pane cuts time into panes and windows, in integer milliseconds.
//
// Both are open on the left and closed on the right, as PromQL's ranges are,
// and both are named by their right end:
//
//	pane E of width w    holds the samples with E-w < t <= E
//	window T of a leaf   holds the samples with T-offset-range < t <= T-offset
//
// Ends of panes are multiples of the width (and a phase less than it), ends of windows
// multiples of the step, both counted from the epoch. When the width divides range,
// step, and the offset but for the phase, every window begins and ends on a border
// between panes and is made of exactly range/width of them.
//
// Widths, ranges and steps are positive. Offsets and times may be negative, so
// all divisions round towards minus infinity.
//
// The package is pure: no SQL, no clock, no goroutines.
package pane
