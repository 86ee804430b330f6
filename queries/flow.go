package queries

import _ "embed" // the variables below hold the files' texts

// Snapshots and what is read in them. In these, hot_template stands for the
// hot tables of the generations that the snapshot shows as unsealed.
var (
	//go:embed snapshot_generations.sql
	SnapshotGenerations string
	//go:embed snapshot_position.sql
	SnapshotPosition string
	//go:embed snapshot_flushes.sql
	SnapshotFlushes string
	//go:embed series_after.sql
	SeriesAfter string
	//go:embed series_labels.sql
	SeriesLabels string
	//go:embed segment_infos.sql
	SegmentInfos string
	//go:embed segment_spans.sql
	SegmentSpans string
	//go:embed segment_extent.sql
	SegmentExtent string
	//go:embed read_delta.sql
	ReadDelta string
	//go:embed read_raw_sealed.sql
	ReadRawSealed string
	//go:embed read_raw_hot.sql
	ReadRawHot string
	//go:embed simple_delta.sql
	SimpleDelta string
	//go:embed simple_raw.sql
	SimpleRaw string
)

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
	//go:embed result_table.sql
	ResultTable string
)

// Progress and jobs.
var (
	//go:embed flow_fence.sql
	FlowFence string
	//go:embed flow_progress.sql
	FlowProgress string
	//go:embed dirty_add.sql
	DirtyAdd string
	//go:embed dirty_remove.sql
	DirtyRemove string
	//go:embed job_step.sql
	JobStep string
	//go:embed job_insert.sql
	JobInsert string
	//go:embed job_next.sql
	JobNext string
	//go:embed job_pending.sql
	JobPending string
	//go:embed job_list.sql
	JobList string
	//go:embed job_cancel.sql
	JobCancel string
	//go:embed retention_earliest.sql
	RetentionEarliest string
)

// What people look at and wait for.
var (
	//go:embed region_positions.sql
	RegionPositions string
	//go:embed flow_waits.sql
	FlowWaits string
	//go:embed status_flows.sql
	StatusFlows string
	//go:embed histogram_names.sql
	HistogramNames string
	//go:embed status_regions.sql
	StatusRegions string
	//go:embed status_storage.sql
	StatusStorage string
	//go:embed notify.sql
	Notify string
)
