// Package explain says what the next round of a flow has to read, and who would
// compute its partials. It looks at one snapshot, changes nothing, and its clock
// is given to it.
package explain
