// Package queries holds the SQL that Laminar runs, one statement per file, and
// the views and functions that people use.
//
// Every file begins with what it is for, its parameters, the index it relies on
// and the invariant it keeps. Names are unqualified: sessions have search_path
// set to the schema of Laminar's own tables. In reads, hot_template stands for
// the hot table or tables that are meant; as it exists and is empty, a query
// can be tried in psql as it is.
package queries

import _ "embed" // the variables below hold the files' texts

// Sessions, installation, views.
var (
	//go:embed session_settings.sql
	SessionSettings string
	//go:embed server_info.sql
	ServerInfo string
	//go:embed schema_rights.sql
	SchemaRights string
	//go:embed code_version.sql
	CodeVersion string
	//go:embed code_installed.sql
	CodeInstalled string
	//go:embed installation_insert.sql
	InstallationInsert string
	//go:embed installation_regions.sql
	InstallationRegions string
	//go:embed region_insert.sql
	RegionInsert string
	//go:embed generation_insert.sql
	GenerationInsert string
	//go:embed hot_table_create.sql
	HotTableCreate string
)

// Views and functions, for people. They are made again when their text changed.
var (
	//go:embed function_metric_samples.sql
	FunctionMetricSamples string
	//go:embed view_sample.sql
	ViewSample string
)

// Installed are the views and functions in the order in which they are made,
// each after what it uses. Every text can be run again: create or replace.
func Installed() []string {
	return append([]string{FunctionMetricSamples, ViewSample}, installedFlow...)
}
