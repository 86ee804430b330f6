package series

import (
	"crypto/sha256"
	"strings"
)

// MetricName is the label that holds a series' metric name.
const MetricName = "__name__"

// LabelOf is one name and value of a series, as text that is kept or as bytes of
// a message.
type LabelOf[T string | []byte] struct{ Name, Value T }

type (
	// Label is a label that is kept.
	Label = LabelOf[string]

	// RawLabel is a label that shares memory with the message it was read from.
	RawLabel = LabelOf[[]byte]
)

// CanonicalLabels appends the canonical bytes of a label set to dst: name,
// 0xff, value, 0xff for each label, sorted by name. The byte 0xff occurs in no
// UTF-8 text, so two sets have the same bytes only when they are equal.
//
// labels must be sorted by name, hold no name twice and no empty value: a series
// does not have a label whose value is empty. Nothing else writes these bytes;
// ParseCanonical reads them.
func CanonicalLabels[T string | []byte](dst []byte, labels []LabelOf[T]) []byte {
	for _, l := range labels {
		dst = append(dst, l.Name...)
		dst = append(dst, 0xff)
		dst = append(dst, l.Value...)
		dst = append(dst, 0xff)
	}
	return dst
}

// ParseCanonical is the label set that has these canonical bytes. The labels
// share memory with the argument.
func ParseCanonical(canonical string) []Label {
	labels := make([]Label, 0, strings.Count(canonical, "\xff")/2)
	for canonical != "" {
		name, rest, _ := strings.Cut(canonical, "\xff")
		value, rest, _ := strings.Cut(rest, "\xff")
		labels = append(labels, Label{Name: name, Value: value})
		canonical = rest
	}
	return labels
}

// Identity is a series' unique key in the database: SHA-256 of its canonical
// labels.
func Identity(canonical []byte) [32]byte { return sha256.Sum256(canonical) }
