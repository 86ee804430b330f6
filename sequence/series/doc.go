// Package series says what a series is and where it lives: its labels, the
// canonical bytes that its identity and its region are computed from, and what
// is known of its newest sample.
//
// Two contracts are kept here because they can never change once data is
// stored. The canonical bytes of a label set (CanonicalLabels) decide which
// series are the same: their SHA-256 (Identity) is a series' unique key in the
// database. The hash of the same bytes (RegionOf) decides which region a series
// lives in, so every process that writes or reads it agrees without asking.
//
// The numbers that stand for series and metrics in stored samples are
// sequence.SeriesID and sequence.MetricID: segments and positions hold those and
// need no labels.
//
// The package is pure: no SQL, no clock, no goroutines.
package series
