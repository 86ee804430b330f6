// Package registry knows the series that a process has heard of: which label bytes,
// as a protocol writes them, stand for which series, and what the region's flusher has
// learnt of each. It keeps the limits on new series.
//
//	every spelling in a table leads to a series that Forget has not removed, or to none,
//	because relabelling leaves its series out
//	series[id].Metric is metrics[region-1][name] while the series is remembered
//	metric.series == its series that were created and not removed, and is > 0
//	size          == SeriesBytes len(series) + apart + the bytes of all tables
//	outside       == the bytes in tables of spellings whose series are left out
//
// Looking up needs no lock, so it may find a series that is being forgotten. That is
// found out under the mutex of its buffer, when samples are added, and Revive mends it.
// A lock for each look-up would be simpler, and would be taken for each sample sent.
//
// Where several locks are needed, the buffer's comes before the registry's.
//
// The package is a cache and has no database: who flushes gives a series its id and
// its newest sample, and says when it is to be forgotten. Series says field by field
// who may touch what. Samples, drafts and commits are not known here.
package registry
