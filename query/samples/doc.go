// Package samples is raw samples by series, as Prometheus's query engine reads them.
//
//	Read     the samples of chosen series in a span, from segments
//	Column   those of one series, in time order, each time once
//	Column.Iterator   walks them, and decodes native histograms where they stand
//
// Segments of different regions are taken by different goroutines. A series lies in
// one region, so each column is written by one of them. Of samples at one time the
// one that is read last counts (I3).
//
// Everything that is read is held until the query has ended, so a Meter counts it and
// may refuse. The package knows neither labels nor PromQL.
package samples
