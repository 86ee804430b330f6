// Package segmentrow is how a segment stands in a row of PostgreSQL, in the binary
// form of its protocol: Hot and Sealed write rows for COPY, Decode reads one that a
// query gives.
//
// Segments are most of what goes over the connection, in both directions. So they
// are encoded while they are sent and decoded into buffers that are used again: a
// warm writer or reader allocates nothing, but for the payloads of histograms.
//
// The rows rely on the order of columns in the statements of queries/raw: hot_copy
// and sealed_copy, and those that give segments (read_delta, read_raw_hot,
// read_raw_sealed, missed_hot, seal_read), which all have the same columns. What
// is packed is packed and unpacked by package segment; the layout is documented in
// docs/storage.md, and the SQL functions that undo it are in queries/view.
//
// Decode believes nothing: what does not look like a segment is an error and never
// a panic, whatever bytes a row holds. It does not look at the samples themselves.
package segmentrow
