// Package flow holds the statements about flows, their jobs and their results; see
// package queries for what a file tells.
//
// In statements about result tables, result_table stands for the table that is
// meant and label_columns for its label columns, of which there may be any
// number:
//
//	, n.label_columns                           the columns, each after a comma
//	, unnest($6::text[])::text as label_columns their values, each an array parameter
//	and r.label_columns = $8::text              the flow's static labels, by which its
//	                                            rows are told from other flows' rows
//
// result_create.sql as it stands makes a table with one label column, on which
// these statements can be tried in psql as they are.
package flow

import _ "embed" // the variables below hold the files' texts

// The catalogue.
var (
	//go:embed flow_heads.sql
	FlowHeads string
	//go:embed flow_catalogue.sql
	FlowCatalogue string
	//go:embed flow_take.sql
	FlowTake string
	//go:embed flow_stored.sql
	FlowStored string
	//go:embed flow_dirty.sql
	FlowDirty string
	//go:embed flow_insert.sql
	FlowInsert string
	//go:embed flow_regroup.sql
	FlowRegroup string
	//go:embed flow_delete.sql
	FlowDelete string
)

// Progress.
var (
	//go:embed flow_fence.sql
	FlowFence string
	//go:embed flow_progress.sql
	FlowProgress string
	//go:embed lock_holders.sql
	LockHolders string
	//go:embed flow_left_out.sql
	FlowLeftOut string
	//go:embed stall_add.sql
	StallAdd string
	//go:embed stall_remove.sql
	StallRemove string
	//go:embed dirty_add.sql
	DirtyAdd string
	//go:embed dirty_remove.sql
	DirtyRemove string
	//go:embed flow_waits.sql
	FlowWaits string
	//go:embed status_flows.sql
	StatusFlows string
)

// Jobs and scheduled work.
var (
	//go:embed job_insert.sql
	JobInsert string
	//go:embed job_next.sql
	JobNext string
	//go:embed job_step.sql
	JobStep string
	//go:embed job_pending.sql
	JobPending string
	//go:embed job_list.sql
	JobList string
	//go:embed job_cancel.sql
	JobCancel string
	//go:embed upkeep_take.sql
	UpkeepTake string
	//go:embed clock.sql
	Clock string
)

// Flownodes.
var (
	//go:embed flownode_seen.sql
	FlownodeSeen string
	//go:embed flownode_leave.sql
	FlownodeLeave string
	//go:embed flownode_prune.sql
	FlownodePrune string
	//go:embed flownode_list.sql
	FlownodeList string
)

// RetentionKept tells how long the serving processes keep raw samples.
//
//go:embed retention_kept.sql
var RetentionKept string

// Result tables.
var (
	//go:embed result_table.sql
	ResultTable string
	//go:embed result_create.sql
	ResultCreate string
	//go:embed result_belongings.sql
	ResultBelongings string
	//go:embed result_grantees.sql
	ResultGrantees string
	//go:embed result_clear.sql
	ResultClear string
	//go:embed result_oldest.sql
	ResultOldest string
	//go:embed result_read.sql
	ResultRead string
	//go:embed results_latest.sql
	ResultsLatest string
)

// Writing results.
var (
	//go:embed result_whole.sql
	ResultWhole string
	//go:embed result_many.sql
	ResultMany string
	//go:embed result_few.sql
	ResultFew string
	//go:embed result_new.sql
	ResultNew string
	//go:embed result_copy.sql
	ResultCopy string
)
