// Package sqltest gives every test a database of its own, on a real server.
//
// The server is the one LAMINAR_TEST_DATABASE_URL points to (a role that may
// create databases), else a private one per test process, started at the first
// New. A database is cloned from a template that has been migrated once; its
// name holds the hash of migrations and views, so it can be kept between runs.
//
// Schemas have fixed names and the invariants are about commits, so neither
// transactions that are rolled back nor a schema per test would do.
//
// It is imported by tests only.
package sqltest
