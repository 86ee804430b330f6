// Package reload keeps the catalogue at what definition files say while a process
// serves: it applies them at the start, and again when the process gets SIGHUP or is
// asked over HTTP.
//
// A reload is all or nothing: with one fault in one file everything goes on as it
// was, and the answer names file and line. Flows that are as they were are not
// touched. What would lose results takes a word: to build a flow again whose
// definition has changed (replace), and to drop one that is in the files no more
// (prune). Only flows that this process has found in the files can go that way; those
// of the catalogue that came otherwise are not its business.
//
// Reading files is the caller's, what a change does to the catalogue is
// sqlstore/flowstore's.
package reload
