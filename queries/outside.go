package queries

import _ "embed" // the variables below hold the files' texts

// For commands that look at an installation from outside. result_table stands
// for the result table that is meant.
var (
	//go:embed schema_version.sql
	SchemaVersion string
	//go:embed results_latest.sql
	ResultsLatest string
)
