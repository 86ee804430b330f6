// Package sequence names positions in the raw sample table, and in time.
//
// Raw samples are sharded into regions, and each region counts its own
// commits: one flush is one commit is one sequence, starting at 1. A Vector
// holds one sequence per region and so names a position in the whole table;
// the zero Vector is the position before anything was written.
//
// Two facts make vectors usable as read bounds. The store keeps them when it
// appends, everything else relies on them:
//
//   - Visibility: a snapshot that sees sequence n of a region sees all of 1..n.
//   - Finality: the samples of a sequence never change. Sealing may forget
//     which sequence a sample had, never the sample.
//
// A Range is open below and closed above, After < seq <= UpTo, so adjacent
// ranges share an endpoint and neither overlap nor leave a gap. A Span is the
// same of time, and all arithmetic of stretches of time is here: Span's own, and
// that of disjoint ones in order (Spans, Finder).
//
// Two moments are described by a position and what was known at it: Flush is
// where a writer stands once it has locked its region, Position where a reader's
// snapshot stands. They are here, and not with the samples, because they are
// made of vectors, flush ids and the database's clock only. So are the numbers
// by which stored samples refer to series and metrics (SeriesID, MetricID);
// package series says what these are.
//
// The package is pure: no SQL, no clock, no goroutines.
package sequence
