// Package view holds the views and functions that people use; see package queries
// for what a file tells. The store uses none of them. They are made again when
// their text has changed.
package view

import _ "embed" // the variables below hold the files' texts

// What a packed segment and a histogram hold.
var (
	//go:embed function_unpack_ints.sql
	FunctionUnpackInts string
	//go:embed function_float8_of_bits.sql
	FunctionFloat8OfBits string
	//go:embed function_unpack_segment.sql
	FunctionUnpackSegment string
	//go:embed function_unpack_columns.sql
	FunctionUnpackColumns string
	//go:embed function_histogram_bound.sql
	FunctionHistogramBound string
	//go:embed function_histogram_json.sql
	FunctionHistogramJSON string
	//go:embed function_histogram_buckets.sql
	FunctionHistogramBuckets string
	//go:embed function_prometheus_json.sql
	FunctionPrometheusJSON string
)

// Sets of values.
var (
	//go:embed function_distinct_plane.sql
	FunctionDistinctPlane string
	//go:embed function_distinct.sql
	FunctionDistinct string
	//go:embed function_distinct_spread.sql
	FunctionDistinctSpread string
	//go:embed function_distinct_larger.sql
	FunctionDistinctLarger string
	//go:embed function_distinct_packed.sql
	FunctionDistinctPacked string
	//go:embed function_distinct_joined.sql
	FunctionDistinctJoined string
	//go:embed function_distinct_add.sql
	FunctionDistinctAdd string
	//go:embed function_distinct_settled.sql
	FunctionDistinctSettled string
	//go:embed function_registers.sql
	FunctionRegisters string
	//go:embed function_distinct_merge.sql
	FunctionDistinctMerge string
)

// What can be asked of a histogram.
var (
	//go:embed function_quantile.sql
	FunctionQuantile string
	//go:embed function_fraction.sql
	FunctionFraction string
	//go:embed function_observations.sql
	FunctionObservations string
	//go:embed function_sum.sql
	FunctionSum string
	//go:embed function_merged.sql
	FunctionMerged string
	//go:embed function_merge.sql
	FunctionMerge string
)

// Raw samples.
var (
	//go:embed function_metric_samples.sql
	FunctionMetricSamples string
	//go:embed view_sample.sql
	ViewSample string
	//go:embed function_metric_histograms.sql
	FunctionMetricHistograms string
	//go:embed view_histogram_sample.sql
	ViewHistogramSample string
	//go:embed view_metric_metadata.sql
	ViewMetricMetadata string
)

// Series.
var (
	//go:embed view_metric_series.sql
	ViewMetricSeries string
	//go:embed view_label_series.sql
	ViewLabelSeries string
	//go:embed view_sender_series.sql
	ViewSenderSeries string
)

// Flows.
var (
	//go:embed function_flow_windows.sql
	FunctionFlowWindows string
	//go:embed view_window_state.sql
	ViewWindowState string
	//go:embed view_flow_state.sql
	ViewFlowState string
	//go:embed view_late_window.sql
	ViewLateWindow string
	//go:embed view_late_sample.sql
	ViewLateSample string
)

// Alerts.
var (
	//go:embed view_alerts.sql
	ViewAlerts string
	//go:embed view_alert_changes.sql
	ViewAlertChanges string
	//go:embed function_alert_series.sql
	FunctionAlertSeries string
)

// Retired drops what is made no more.
//
//go:embed retired.sql
var Retired string

// Installed are the views and functions in the order in which they are made,
// each after what it uses. Every text can be run again: create or replace.
func Installed() []string {
	return []string{
		FunctionUnpackInts, FunctionFloat8OfBits, FunctionUnpackSegment, FunctionUnpackColumns, FunctionMetricSamples, ViewSample, ViewMetricMetadata,
		ViewMetricSeries, ViewLabelSeries, ViewSenderSeries,
		FunctionHistogramBound, FunctionHistogramJSON, FunctionHistogramBuckets, FunctionPrometheusJSON, FunctionMetricHistograms, ViewHistogramSample,
		FunctionDistinctPlane, FunctionDistinct, FunctionDistinctSpread, FunctionDistinctLarger, FunctionDistinctPacked,
		FunctionDistinctJoined, FunctionDistinctAdd, FunctionDistinctSettled, FunctionDistinctMerge, FunctionRegisters,
		FunctionQuantile, FunctionFraction, FunctionObservations, FunctionSum, FunctionMerged, FunctionMerge,
		FunctionFlowWindows, ViewWindowState, ViewFlowState, ViewLateWindow, ViewLateSample,
		ViewAlerts, ViewAlertChanges, FunctionAlertSeries, Retired,
	}
}
