package sequence

// Position is where a snapshot stands. Everything read in the snapshot sees
// exactly the flushes up to Vector.
type Position struct {
	Vector   Vector
	Flushes  map[Region]FlushID // the flush that took Vector.At(r)
	Now      Time               // the database's clock
	Earliest Time               // raw samples before this time have been given up; 0 when none were

	// Removed counts the series that have ever been removed because no sample of them
	// was stored any more.
	Removed int64

	// Histograms is the metrics that hold native histograms, or once did,
	// ascending. It must not be changed.
	Histograms []MetricID
}
