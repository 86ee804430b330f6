// Package torture holds the simulation that holds Laminar's invariants against
// random histories: see docs/testing.md. It is tests only.
//
// A history is a list of operations with all of their data, made by a seed
// before anything happens, so it can be written down, repeated, and shrunk by
// leaving operations out. World carries it out, one operation after the other,
// by one goroutine: doors that take samples in, flownodes that are driven round
// by round on a clock that only operations move, and one PostgreSQL. After each
// operation the invariants are checked against a model that remembers every
// sample with its sequence.
package torture
