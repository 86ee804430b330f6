// Package pg holds what a session of the database is made with; see package
// queries for what a file tells.
package pg

import _ "embed" // the variables below hold the files' texts

// Sessions, and messages between them.
var (
	//go:embed session_settings.sql
	SessionSettings string
	//go:embed server_info.sql
	ServerInfo string
	//go:embed notify.sql
	Notify string
)
