// Package pressure ends work that its clients can ask for again when the process takes more
// memory than it may.
//
// It is the last of several bounds: what queries read and what they hold is counted, and
// refused before it is taken. But what the engine makes of samples is not all counted: a
// query over thousands of steps gives each series room for all of them, and labels can be
// made of other labels. So a Valve looks at the memory of the process while work is under way,
// which is what has to stay within bounds in the end.
//
// The package knows nothing of queries; only the Valve's reading of the process is not pure.
package pressure
