// Package nativehist is how a native histogram is stored.
//
// A histogram sample stands in a segment as two things: its sum, among the
// segment's values like the value of a float sample, and its payload, everything
// else. So a stale marker of a histogram series is found where every stale
// marker is found, and its payload is empty but for the head.
//
// A payload is canonical: equal histograms have equal bytes, so a sample that is
// sent again is recognised without decoding. All integers are varints of the
// shortest form, floats eight bytes, big-endian:
//
//	byte    version, 1
//	byte    flags: 1 the counts are floats, 2 a counter reset comes before it,
//	        4 a gauge histogram, 8 a stale marker (nothing follows)
//	zigzag  schema: -4 to 8 exponential, -53 custom buckets
//	count   of observations: uvarint, or float
//	float   zero threshold, and count of the zero bucket   (exponential only)
//	side    positive buckets
//	side    negative buckets                               (exponential only)
//	bounds  uvarint number, then as many floats            (custom only)
//
// where a side is the number of spans (uvarint), each span's offset (zigzag) and
// length (uvarint), then one count per bucket: zigzag, the difference to the
// count before it, or a float. queries/view/function_histogram_json.sql reads the
// same in SQL.
//
// What a sender says of the sample before ("no counter reset") is not kept: late
// and overwriting samples would make it a lie. That there was a reset, and that
// the histogram is a gauge, is kept.
//
// The package is pure: no SQL, no clock, no goroutines.
package nativehist
