// Package strip counts the windows of a flow by their state, cell by cell of a
// stretch of time. It goes by what is stored about the flow and by the ends of the
// grid, so a cell costs the same whether it has one window or a million; only dirty
// windows are looked at one by one.
//
// The package is pure: no SQL, no clock, no goroutines.
package strip
