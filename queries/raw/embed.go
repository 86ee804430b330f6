// Package raw holds the statements about raw samples; see package queries for what
// a file tells.
//
// In reads, hot_template stands for the hot table or tables that are meant. It
// exists and is empty, so a statement can be tried in psql as it is.
package raw

import _ "embed" // the variables below hold the files' texts

// Flushes.
var (
	//go:embed flush_begin.sql
	FlushBegin string
	//go:embed hot_copy.sql
	HotCopy string
	//go:embed flush_insert.sql
	FlushInsert string
	//go:embed histogram_metrics.sql
	HistogramMetrics string
	//go:embed flush_took.sql
	FlushTook string
	//go:embed region_lock.sql
	RegionLock string
	//go:embed series_find.sql
	SeriesFind string
	//go:embed series_insert.sql
	SeriesInsert string
	//go:embed series_remove.sql
	SeriesRemove string
	//go:embed sender_created.sql
	SenderCreated string
	//go:embed removed_count.sql
	RemovedCount string
	//go:embed series_there.sql
	SeriesThere string
	//go:embed metric_find.sql
	MetricFind string
	//go:embed metric_insert.sql
	MetricInsert string
	//go:embed missed_generations.sql
	MissedGenerations string
	//go:embed missed_flushes.sql
	MissedFlushes string
	//go:embed missed_newest.sql
	MissedNewest string
	//go:embed missed_hot.sql
	MissedHot string
	//go:embed missed_floors.sql
	MissedFloors string
)

// What senders say of metrics, and which of two senders is listened to.
var (
	//go:embed metadata_save.sql
	MetadataSave string
	//go:embed metadata_find.sql
	MetadataFind string
	//go:embed metadata_all.sql
	MetadataAll string
	//go:embed ha_elections.sql
	HAElections string
	//go:embed ha_elect.sql
	HAElect string
)

// Snapshots and what is read in them.
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
	//go:embed metrics_stored.sql
	MetricsStored string
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

// Where the raw data stands, and how much there is.
var (
	//go:embed region_positions.sql
	RegionPositions string
	//go:embed status_regions.sql
	StatusRegions string
	//go:embed status_storage.sql
	StatusStorage string
	//go:embed metric_sizes.sql
	MetricSizes string
	//go:embed histogram_names.sql
	HistogramNames string
)

// Freezing and sealing.
var (
	//go:embed generation_insert.sql
	GenerationInsert string
	//go:embed generation_current.sql
	GenerationCurrent string
	//go:embed generation_frozen.sql
	GenerationFrozen string
	//go:embed hot_table_create.sql
	HotTableCreate string
	//go:embed hot_any.sql
	HotAny string
	//go:embed freeze_regions.sql
	FreezeRegions string
	//go:embed generation_freeze.sql
	GenerationFreeze string
	//go:embed region_move.sql
	RegionMove string
	//go:embed seal_behind.sql
	SealBehind string
	//go:embed seal_units.sql
	SealUnits string
	//go:embed seal_lock.sql
	SealLock string
	//go:embed seal_read.sql
	SealRead string
	//go:embed seal_series.sql
	SealSeries string
	//go:embed sealed_copy.sql
	SealedCopy string
	//go:embed seal_floors.sql
	SealFloors string
	//go:embed generation_seal.sql
	GenerationSeal string
	//go:embed sealed_partitions.sql
	SealedPartitions string
	//go:embed partition_create.sql
	PartitionCreate string
)

// Retention, and dropping what is unused.
var (
	//go:embed retention_earliest.sql
	RetentionEarliest string
	//go:embed retention_dropped.sql
	RetentionDropped string
	//go:embed retention_due.sql
	RetentionDue string
	//go:embed retention_state.sql
	RetentionState string
	//go:embed retention_step.sql
	RetentionStep string
	//go:embed retention_loses.sql
	RetentionLoses string
	//go:embed retention_restore.sql
	RetentionRestore string
	//go:embed retention_drop.sql
	RetentionDrop string
	//go:embed retention_keep.sql
	RetentionKeep string
	//go:embed unused_add.sql
	UnusedAdd string
	//go:embed unused_readers.sql
	UnusedReaders string
	//go:embed unused_due.sql
	UnusedDue string
	//go:embed unused_keep.sql
	UnusedKeep string
	//go:embed unused_remove.sql
	UnusedRemove string
	//go:embed generation_drop.sql
	GenerationDrop string
	//go:embed flush_prune.sql
	FlushPrune string
)
