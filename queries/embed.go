// Package queries holds the SQL that Laminar runs, one statement per file, and
// the views and functions that people use.
//
// Every file begins with what it is for, its parameters, the index it relies on
// and the invariant it keeps. Names are unqualified: sessions have search_path
// set to the schema of Laminar's own tables. In reads, hot_template stands for
// the hot table or tables that are meant; as it exists and is empty, a query
// can be tried in psql as it is.
package queries

import _ "embed" // the variables below hold the files' texts

// Sessions, installation, views.
var (
	//go:embed session_settings.sql
	SessionSettings string
	//go:embed server_info.sql
	ServerInfo string
	//go:embed schema_rights.sql
	SchemaRights string
	//go:embed code_version.sql
	CodeVersion string
	//go:embed code_installed.sql
	CodeInstalled string
	//go:embed installation_insert.sql
	InstallationInsert string
	//go:embed installation_regions.sql
	InstallationRegions string
	//go:embed region_insert.sql
	RegionInsert string
	//go:embed generation_insert.sql
	GenerationInsert string
	//go:embed hot_table_create.sql
	HotTableCreate string
)

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

// Freezing and sealing.
var (
	//go:embed generation_current.sql
	GenerationCurrent string
	//go:embed generation_frozen.sql
	GenerationFrozen string
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
	//go:embed retention_raise.sql
	RetentionRaise string
	//go:embed unused_add.sql
	UnusedAdd string
	//go:embed unused_readers.sql
	UnusedReaders string
	//go:embed unused_due.sql
	UnusedDue string
	//go:embed unused_remove.sql
	UnusedRemove string
	//go:embed generation_drop.sql
	GenerationDrop string
	//go:embed flush_prune.sql
	FlushPrune string
)

// Views and functions, for people. They are made again when their text changed.
var (
	//go:embed function_unpack_ints.sql
	FunctionUnpackInts string
	//go:embed function_float8_of_bits.sql
	FunctionFloat8OfBits string
	//go:embed function_unpack_segment.sql
	FunctionUnpackSegment string
	//go:embed function_unpack_columns.sql
	FunctionUnpackColumns string
	//go:embed function_metric_samples.sql
	FunctionMetricSamples string
	//go:embed view_sample.sql
	ViewSample string
	//go:embed function_histogram_bound.sql
	FunctionHistogramBound string
	//go:embed function_histogram_json.sql
	FunctionHistogramJSON string
	//go:embed function_metric_histograms.sql
	FunctionMetricHistograms string
	//go:embed view_histogram_sample.sql
	ViewHistogramSample string
)

// Installed are the views and functions in the order in which they are made,
// each after what it uses. Every text can be run again: create or replace.
func Installed() []string {
	return append([]string{
		FunctionUnpackInts, FunctionFloat8OfBits, FunctionUnpackSegment, FunctionUnpackColumns, FunctionMetricSamples, ViewSample, ViewMetricMetadata,
		FunctionHistogramBound, FunctionHistogramJSON, FunctionMetricHistograms, ViewHistogramSample,
	}, installedFlow...)
}
