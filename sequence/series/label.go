package series

import "crypto/sha256"

// MetricName is the label that holds a series' metric name.
const MetricName = "__name__"

// Label is one name and value of a series.
type Label struct{ Name, Value string }

// CanonicalLabels appends the canonical bytes of a label set to dst: name,
// 0xff, value, 0xff for each label, sorted by name. The byte 0xff occurs in no
// UTF-8 text, so two sets have the same bytes only when they are equal.
// labels must be sorted by name and hold no name twice.
func CanonicalLabels(dst []byte, labels []Label) []byte {
	for _, l := range labels {
		dst = append(dst, l.Name...)
		dst = append(dst, 0xff)
		dst = append(dst, l.Value...)
		dst = append(dst, 0xff)
	}
	return dst
}

// Identity is a series' unique key in the database: SHA-256 of its canonical
// labels.
func Identity(canonical []byte) [32]byte { return sha256.Sum256(canonical) }
