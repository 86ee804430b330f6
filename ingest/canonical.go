package ingest

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"laminar/sequence/series"
)

// The one form of a series' labels, from whatever a sender wrote.
// After: names ascend and differ, no value is empty, all is UTF-8 without U+0000, and
// there is a metric name. Equal label sets then have equal bytes, from which the
// series' identity and region follow (package series).

// canonicalize sorts labels by name, leaves out those with an empty value
// (which means that the series has no such label) and appends the canonical
// bytes of the rest to dst. It returns the metric's name, or the reason why the
// labels are refused: what would poison a region or a flow must not get in.
//
// labels are put in order in place; when they are accepted, those that are left
// out are gone.
func canonicalize(dst []byte, labels []series.RawLabel, l Limits) (canonical, metric []byte, refused Reason) {
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
	labels = slices.DeleteFunc(labels, func(lb series.RawLabel) bool { return len(lb.Value) == 0 })
	return series.CanonicalLabels(dst, labels), metric, ""
}

func byName(a, b series.RawLabel) int { return bytes.Compare(a.Name, b.Name) }

// Spell writes labels the way PromQL does, for texts that people read. It is cut
// off where it gets long.
func Spell(labels []series.RawLabel) string {
	var b strings.Builder
	for _, lb := range labels {
		if string(lb.Name) == series.MetricName {
			b.Write(cut(lb.Value))
			break
		}
	}
	b.WriteByte('{')
	first := true
	for _, lb := range labels {
		if string(lb.Name) == series.MetricName {
			continue
		}
		if !first {
			b.WriteString(", ")
		}
		first = false
		b.Write(cut(lb.Name))
		b.WriteString(`="`)
		b.Write(cut(lb.Value))
		b.WriteByte('"')
		if b.Len() > maxExampleBytes {
			b.WriteString(", ...")
			break
		}
	}
	b.WriteByte('}')
	return b.String()
}

// cut is as much of a text as fits an example.
func cut(text []byte) []byte { return text[:min(len(text), maxExampleBytes)] }
