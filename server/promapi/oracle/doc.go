// Package oracle compares the API with Prometheus's own handlers, over the same samples.
// It has tests only, and is apart so that nothing else compiles Prometheus's server.
package oracle
