// Package migrations carries the schema of Laminar's own tables.
//
// Files are NNNN_title.up.sql and NNNN_title.down.sql. What can be made again
// at any time (views, functions) is not here but in queries/, installed after
// every migration.
package migrations

import "embed"

// FS holds the migration files.
//
//go:embed *.sql
var FS embed.FS
