package queries

import _ "embed" // the variables below hold the files' texts

// What senders say of metrics.
var (
	//go:embed metadata_save.sql
	MetadataSave string
	//go:embed metadata_find.sql
	MetadataFind string
	//go:embed view_metric_metadata.sql
	ViewMetricMetadata string
)
