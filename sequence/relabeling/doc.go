// Package relabeling changes the labels of series by Prometheus's relabel configs, or
// leaves series out.
//
// Samples that come in are relabelled by the rules of a setting, and the series that a
// flow selects by the rules of its definition. Both have the same text, the same faults
// and the same effect, and all of it is here. What a rule does to a label set is said by
// Prometheus's own code alone; the package reads rules, says which of them cannot be
// meant, and tells which rule left a series out.
//
// A Rule is what was written, in a form that can be stored and compared. A Relabeler is
// rules that were found good, ready for use.
//
// The package is pure: no SQL, no clock, no goroutines.
package relabeling
