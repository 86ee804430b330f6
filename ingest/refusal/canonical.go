package refusal

import (
	"bytes"
	"slices"
	"unicode/utf8"

	"laminar/sequence/series"
)

// The one form of a series' labels, from whatever a sender wrote.
// After: names ascend and differ, no value is empty, all is UTF-8 without U+0000, and
// there is a metric name. Equal label sets then have equal bytes, from which the
// series' identity and region follow (package series).

// MaxName is how many bytes a name may have that the database keeps in an index, where an
// entry has room for 2,704: it would refuse whatever is stored together with a longer one.
const MaxName = 2000

// Canonical sorts labels by name, leaves out those with an empty value
// (which means that the series has no such label) and appends the canonical
// bytes of the rest to dst. It returns the metric's name, or the reason why the
// labels are refused: what would poison a region or a flow must not get in.
//
// labels are put in order in place; when they are accepted, those that are left
// out are gone.
func Canonical(dst []byte, labels []series.RawLabel, l Limits) (canonical, metric []byte, refused Reason) {
	if len(labels) > l.Labels {
		return dst, nil, TooManyLabels
	}
	size := 0
	for _, lb := range labels {
		size += len(lb.Name) + len(lb.Value)
	}
	if size > l.LabelBytes {
		return dst, nil, LabelsTooLong
	}
	if !slices.IsSortedFunc(labels, byName) {
		slices.SortFunc(labels, byName)
	}
	for i, lb := range labels {
		switch {
		case i > 0 && bytes.Equal(lb.Name, labels[i-1].Name):
			return dst, nil, DuplicateLabel
		case !utf8.Valid(lb.Name) || !utf8.Valid(lb.Value):
			return dst, nil, InvalidUTF8
		case bytes.IndexByte(lb.Name, 0) >= 0 || bytes.IndexByte(lb.Value, 0) >= 0:
			return dst, nil, ZeroByte
		case len(lb.Value) == 0:
		case len(lb.Name) == 0:
			return dst, nil, EmptyLabelName
		case string(lb.Name) == series.MetricName:
			metric = lb.Value
		}
	}
	if metric == nil {
		return dst, nil, NoName
	}
	if len(metric) > MaxName {
		return dst, nil, NameTooLong
	}
	labels = slices.DeleteFunc(labels, func(lb series.RawLabel) bool { return len(lb.Value) == 0 })
	return series.CanonicalLabels(dst, labels), metric, ""
}

func byName(a, b series.RawLabel) int { return bytes.Compare(a.Name, b.Name) }
