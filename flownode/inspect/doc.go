// Package inspect copies what a flow has in memory, for people: panes, partials, and what
// the panes of a window merge to. It looks at a flow between two rounds, changes nothing,
// and returns nothing that the flow goes on to use.
//
// The package is pure: no SQL, no clock, no goroutines.
package inspect
