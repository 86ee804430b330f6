// Package e2e holds the tests that run the built binary as its users do: with
// stock senders, several processes on one database, and crashes in between. It is
// tests only.
package e2e
