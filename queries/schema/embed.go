// Package schema holds the statements that install Laminar in a database and look
// whether it is installed; see package queries for what a file tells. The tables
// themselves are made by package migrations.
package schema

import _ "embed" // the variables below hold the files' texts

// Whether Laminar is installed, and may be.
var (
	//go:embed schema_rights.sql
	SchemaRights string
	//go:embed role_rights.sql
	RoleRights string
	//go:embed role_exists.sql
	RoleExists string
	//go:embed schema_version.sql
	SchemaVersion string
	//go:embed code_version.sql
	CodeVersion string
)

// Installation.
var (
	//go:embed installation_insert.sql
	InstallationInsert string
	//go:embed installation_regions.sql
	InstallationRegions string
	//go:embed region_insert.sql
	RegionInsert string
	//go:embed code_installed.sql
	CodeInstalled string
)
