// Package executor chooses who computes the partials of a leaf: columns are read
// and folded here, or the database aggregates.
//
// The rule (Choose) is pure: it takes what a reading holds and what is known of
// the connection, and estimates what either costs. A Meter learns the connection
// from the time that reads take anyway. A Chooser applies the rule to leaves,
// with the words of definitions and settings before the costs.
//
// Both executors give the same partials, so a wrong choice costs time and nothing
// else. That is why the choice, what it measures and what it remembers are kept
// here: readers ask, and report how long their reads took.
//
// The package reads nothing, and its clock is given to it.
package executor
