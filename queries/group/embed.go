// Package group holds the statements about which groups of a flow keep a row of their
// own; see package queries for what a file tells.
package group

import _ "embed" // the variables below hold the files' texts

// What rounds write and load, and what becomes of it with another limit.
var (
	//go:embed group_add.sql
	GroupAdd string
	//go:embed group_list.sql
	GroupList string
	//go:embed group_limit.sql
	GroupLimit string
	//go:embed group_refill.sql
	GroupRefill string
)
