// Package faults holds the tests that break something under the built binary at
// a named point, and hold it to what it acknowledged: see docs/testing.md. It is
// tests only.
package faults
