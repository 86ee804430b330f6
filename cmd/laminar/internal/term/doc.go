// Package term writes what a command says: text in which nothing is left that a
// terminal would obey (say.go), tables and JSON (table.go), how far long work is
// (bar.go), sizes and times as people read them (format.go).
//
// It knows no commands, flags or settings. What does not work on a stream that is
// not a terminal, such as a bar that is drawn again in place, it leaves out there.
package term
