// Package roundtest drives rounds in tests: a World of random samples over a store
// in memory, with Prometheus's engine as the oracle.
//
// Store keeps the promises of the store on PostgreSQL and is as simple as
// possible. World is one owner of all flows: it takes snapshots, computes rounds
// with round.Machine, commits them and knows every sample that was ever committed.
package roundtest
