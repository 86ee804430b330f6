// Package promfunc is the functions that Laminar adds to PromQL. Prometheus's parser
// and engine know functions by two tables, which a program may add to: whoever imports
// this package can write the functions, and every engine of the program computes them.
//
// A function of the table is one of PromQL's in every respect: a function of samples in
// a bounded stretch of time, the same at every evaluation. What is kept of it is for
// package function; the engine's own call, which is here, is what that is held to.
//
// Some functions look at the newest sample before their range as well, no further back
// than an instant selector looks for one. An engine gives it to them only where it
// parses expressions with Parser.
//
// The package is pure: no SQL, no clock, no goroutines. The tables of Prometheus are
// added to once, before main begins, and never changed again.
package promfunc
