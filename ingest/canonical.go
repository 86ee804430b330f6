package ingest

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"laminar/sequence/series"
)

// canonicalize sorts labels by name, leaves out those with an empty value
// (which means that the series has no such label) and appends the canonical
// bytes of the rest to dst (series.CanonicalLabels). It returns the metric's
// name, or the reason why the labels are refused: what would poison a region
// or a flow for ever must not get in.
func canonicalize(dst []byte, labels []rawLabel, l Limits) (canonical, metric []byte, refused Reason) {
	if len(labels) > l.Labels {
		return dst, nil, TooManyLabels
	}
	size := 0
	for _, lb := range labels {
		size += len(lb.name) + len(lb.value)
	}
	if size > l.LabelBytes {
		return dst, nil, LabelsTooLong
	}
	if !slices.IsSortedFunc(labels, byName) {
		slices.SortFunc(labels, byName)
	}
	for i, lb := range labels {
		switch {
		case i > 0 && bytes.Equal(lb.name, labels[i-1].name):
			return dst, nil, DuplicateLabel
		case !utf8.Valid(lb.name) || !utf8.Valid(lb.value):
			return dst, nil, InvalidUTF8
		case bytes.IndexByte(lb.name, 0) >= 0 || bytes.IndexByte(lb.value, 0) >= 0:
			return dst, nil, ZeroByte
		case len(lb.value) == 0:
			continue
		case len(lb.name) == 0:
			return dst, nil, EmptyLabelName
		case string(lb.name) == series.MetricName:
			metric = lb.value
		}
		dst = append(dst, lb.name...)
		dst = append(dst, 0xff)
		dst = append(dst, lb.value...)
		dst = append(dst, 0xff)
	}
	if metric == nil {
		return dst, nil, NoName
	}
	return dst, metric, ""
}

func byName(a, b rawLabel) int { return bytes.Compare(a.name, b.name) }

// labelsOf is the label set that has these canonical bytes. The labels share
// memory with the argument.
func labelsOf(canonical string) []series.Label {
	labels := make([]series.Label, 0, strings.Count(canonical, "\xff")/2)
	for canonical != "" {
		name, rest, _ := strings.Cut(canonical, "\xff")
		value, rest, _ := strings.Cut(rest, "\xff")
		labels = append(labels, series.Label{Name: name, Value: value})
		canonical = rest
	}
	return labels
}

// spell writes labels the way PromQL does, for texts people read.
func spell(labels []rawLabel) string {
	var b strings.Builder
	for _, lb := range labels {
		if string(lb.name) == series.MetricName {
			b.Write(lb.value)
			break
		}
	}
	b.WriteByte('{')
	first := true
	for _, lb := range labels {
		if string(lb.name) == series.MetricName {
			continue
		}
		if !first {
			b.WriteString(", ")
		}
		first = false
		b.Write(lb.name)
		b.WriteString(`="`)
		b.Write(lb.value)
		b.WriteByte('"')
		if b.Len() > maxExampleBytes {
			b.WriteString(", ...")
			break
		}
	}
	b.WriteByte('}')
	return b.String()
}
