// Package late holds the statements about samples that came too late for closed windows;
// see package queries for what a file tells.
package late

import _ "embed" // the variables below hold the files' texts

// What rounds write, in this order, what is read of it, and what forgets it.
var (
	//go:embed late_whole.sql
	LateWhole string
	//go:embed late_add.sql
	LateAdd string
	//go:embed late_rows.sql
	LateRows string
	//go:embed late_count.sql
	LateCount string
	//go:embed late_keep.sql
	LateKeep string
	//go:embed late_prune.sql
	LatePrune string
	//go:embed late_windows.sql
	LateWindows string
	//go:embed late_load.sql
	LateLoad string
	//go:embed late_flows.sql
	LateFlows string
	//go:embed late_lock.sql
	LateLock string
	//go:embed late_forget.sql
	LateForget string
)
