package sequence

// SeriesID names a series in the database; 0 means not yet stored.
type SeriesID int32

// MetricID names a metric in the database; 0 means not yet stored.
type MetricID int32
