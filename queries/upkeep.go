package queries

import _ "embed" // the variables below hold the files' texts

// Scheduled work.
var (
	//go:embed clock.sql
	Clock string
	//go:embed upkeep_take.sql
	UpkeepTake string
)
