// Package changes holds the statements about the change log of results; see package
// queries for what a file tells.
package changes

import _ "embed" // the variables below hold the files' texts

// Writing the log, in the transaction that writes results.
var (
	//go:embed change_add.sql
	ChangeAdd string
	//go:embed change_position.sql
	ChangePosition string
	//go:embed change_reborn.sql
	ChangeReborn string
)

// Reading it.
var (
	//go:embed change_flows.sql
	ChangeFlows string
	//go:embed change_definition.sql
	ChangeDefinition string
	//go:embed change_there.sql
	ChangeThere string
	//go:embed change_closed.sql
	ChangeClosed string
	//go:embed change_list.sql
	ChangeList string
	//go:embed change_window.sql
	ChangeWindow string
)

// Pruning it.
var (
	//go:embed change_logs.sql
	ChangeLogs string
	//go:embed change_floor.sql
	ChangeFloor string
	//go:embed change_drop.sql
	ChangeDrop string
	//go:embed change_part.sql
	ChangePart string
	//go:embed change_merge.sql
	ChangeMerge string
)
