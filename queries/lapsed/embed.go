// Package lapsed holds the statements that find and remove series and metrics without
// samples; see package queries for what a file tells.
package lapsed

import _ "embed" // the variables below hold the files' texts

// What is due, and what still has samples.
var (
	//go:embed lapse_due.sql
	Due string
	//go:embed lapse_done.sql
	Done string
	//go:embed lapse_sealed.sql
	Sealed string
	//go:embed lapse_position.sql
	Position string
)

// What has none.
var (
	//go:embed lapse_series.sql
	Series string
	//go:embed sender_prune.sql
	SenderPrune string
	//go:embed metadata_prune.sql
	MetadataPrune string
	//go:embed lapse_metrics.sql
	Metrics string
	//go:embed lapse_regions.sql
	Regions string
	//go:embed metric_remove.sql
	MetricRemove string
)
