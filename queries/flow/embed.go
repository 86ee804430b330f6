// Package flow holds the statements about flows and their jobs; see package queries
// for what a file tells.
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
	//go:embed flow_named.sql
	FlowNamed string
	//go:embed flow_answering.sql
	FlowAnswering string
	//go:embed flow_definitions.sql
	FlowDefinitions string
	//go:embed flow_dirty.sql
	FlowDirty string
	//go:embed flow_insert.sql
	FlowInsert string
	//go:embed flow_regroup.sql
	FlowRegroup string
	//go:embed flow_delete.sql
	FlowDelete string
	//go:embed flow_begins.sql
	FlowBegins string
	//go:embed flow_commits.sql
	FlowCommits string
)

// Progress.
var (
	//go:embed flow_rules.sql
	FlowRules string
	//go:embed flow_lock.sql
	FlowLock string
	//go:embed clash_list.sql
	ClashList string
	//go:embed clash_remove.sql
	ClashRemove string
	//go:embed clash_add.sql
	ClashAdd string
	//go:embed flow_fence.sql
	FlowFence string
	//go:embed flow_progress.sql
	FlowProgress string
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
	//go:embed flow_keeping.sql
	FlowKeeping string
	//go:embed flow_kept.sql
	FlowKept string
	//go:embed flow_reached.sql
	FlowReached string
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

// RetentionClock tells the time by which what is old is forgotten for good.
//
//go:embed retention_clock.sql
var RetentionClock string
