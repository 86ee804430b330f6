// Package schema installs Laminar in a database and keeps its schema at what this
// binary works with.
//
// The database's schema has three parts. Tables are made by package migrations, one
// numbered file after the other, and never made again. Views and functions are
// made again whenever their text has changed. The installation, which is how many
// regions there are, is written once and stays: it decides in which region each
// series lives.
//
// Several processes may start at once. One of them migrates, under a lease, and the
// others wait for it. The two schemas and the table of leases are made before that,
// by statements of which the server lets one succeed. A migration and the version that it leads to
// are one transaction, so a process that ends in the middle leaves the version
// before, and nothing for a person to repair.
//
// It relies on package pg for connections and locks, and on package raw's
// statements for the name and the shape of the first generation's table. It makes
// no result tables: package flowstore does, when a flow is taken. It does not go
// back to an older version either: a database that is newer than the binary is
// refused, and MigrateDown is for tests.
package schema
