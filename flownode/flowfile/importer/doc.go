// Package importer makes definitions of flows of the files of other programs: stream
// aggregation of VictoriaMetrics, and the streaming configuration of ASAPQuery. It says of
// each flow whether it gives what the other program gives, what differs and by which rule,
// and of what cannot be had, why.
//
//	text -> Result     Import: which format, then victoria or asap
//	Result -> text     Result.Definitions, which flowfile reads again
//
// Every flow that it makes has been read by flowfile before it is returned, so that no
// definition is written which cannot be applied. What a file says and no flow can, is
// refused with its line; a key that is not known is a fault of the file.
//
// The package is pure: no SQL, no clock, no goroutines. It opens no files.
package importer
