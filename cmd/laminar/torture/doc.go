// Package torture holds the simulation that holds Laminar's invariants against
// random histories: see docs/testing.md. It is tests only.
//
// A history is a list of operations with all of their data. A seed makes it before
// anything happens, so it can be written down, repeated, and shrunk by leaving
// operations out. A simulation carries it out on one PostgreSQL: ingesters take
// samples in behind proxies that break connections, flownodes keep the flows, and a
// clock follows the history. The invariants are checked against a model that
// remembers every sample with its sequence.
//
// Two drivers let the flownodes work. The stepped one makes their rounds itself, on
// one goroutine, so that a history determines what happens. The running one lets
// them run with all their goroutines, beside deliveries that go on at once. Both
// share histories, model and checks.
package torture
