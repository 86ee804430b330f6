package sequence

// Position is where a snapshot stands. Everything read in the snapshot sees
// exactly the flushes up to Vector.
type Position struct {
	Vector   Vector
	Flushes  map[Region]FlushID // the flush that took Vector.At(r)
	Now      int64              // the database's clock, ms since the epoch
	Earliest int64              // raw samples before this time (ms) have been given up; 0 when none were

	// Histograms is the metrics that hold native histograms, or once did,
	// ascending. It must not be changed.
	Histograms []MetricID
}
