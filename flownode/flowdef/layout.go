package flowdef

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
)

// From label sets to columns of a row. A row's label columns are its key in the
// result table, beside the window's end, so two results of a window have different
// ones: label sets that differ do, but for the metric name (KeepName). The result
// {job="api", code="500"} of a flow with the static label team="web" is
//
//	code   job   team           PerLabel: a column for each label
//	500    api   web
//
//	labels                      otherwise
//	{"code":"500","job":"api","team":"web"}

// Layout is how a flow's results become rows of its table. Static labels are
// columns, or keys of the one column, like other labels. A Layout is not changed
// after NewLayout and may be used by several goroutines at once.
type Layout struct {
	Names    []string // label columns in the order of the table
	PerLabel bool     // a text column per label; else one jsonb column, LabelsColumn

	labels   []string // PerLabel: the label of each column
	static   map[string]string
	keepName bool
}

// NewLayout is the layout of a flow's result table.
func NewLayout(f Flow) *Layout {
	l := &Layout{static: make(map[string]string, len(f.StaticLabels)), keepName: f.Expr.KeepName}
	for _, s := range f.StaticLabels {
		l.static[s.Name] = s.Value
	}
	if l.labels, l.PerLabel = resultLabelNames(f); f.Member != nil {
		l.labels, l.PerLabel = f.Member.Labels, !f.Member.One // with those of the others
	}
	if l.PerLabel {
		l.Names = columnNames(l.labels)
	} else {
		l.labels, l.Names = nil, []string{LabelsColumn}
	}
	return l
}

// Row is the label columns of the result with the label set: what
// progress.Row.Columns and progress.Window.Gone hold. Static labels win over
// labels of the result, as in Prometheus; a label that is missing is "", which in
// Prometheus is the same. The rows of a leaf's groups are made once and kept.
func (l *Layout) Row(lset labels.Labels) []string {
	if !l.PerLabel {
		return []string{GroupKey(l.stored(lset))}
	}
	out := make([]string, len(l.labels))
	for i, name := range l.labels {
		if v, ok := l.static[name]; ok {
			out[i] = v
		} else {
			out[i] = lset.Get(name)
		}
	}
	return out
}

// Labels is the label set of a row with these columns, without the metric's name:
// the reverse of Row.
func (l *Layout) Labels(columns []string) labels.Labels {
	if !l.PerLabel {
		return GroupKeyLabels(columns[0]).DropReserved(func(name string) bool { return name == model.MetricNameLabel })
	}
	b := labels.NewScratchBuilder(len(l.labels))
	for i, name := range l.labels {
		if columns[i] != "" && name != model.MetricNameLabel {
			b.Add(name, columns[i])
		}
	}
	b.Sort()
	return b.Labels()
}

// Column is the column of a label; false where it has none of its own, because rows have
// all labels in one column, or none has this label.
func (l *Layout) Column(label string) (string, bool) {
	if i := slices.Index(l.labels, label); i >= 0 {
		return l.Names[i], true
	}
	return "", false
}

// stored is the label set that the one column holds: that of the result, with the
// static labels over it, and without a name that the flow's own takes the place of.
func (l *Layout) stored(lset labels.Labels) labels.Labels {
	if l.keepName && len(l.static) == 0 {
		return lset
	}
	b := labels.NewBuilder(lset)
	if !l.keepName {
		b.Del(model.MetricNameLabel)
	}
	for name, value := range l.static {
		b.Set(name, value)
	}
	return b.Labels()
}

// Static is the columns that hold the flow's static labels, and their values,
// in the order of Names: rows of the table with these values are the flow's,
// and no other flow's. It is empty where labels have one column; there
// StaticJSON is what the flow's rows contain.
func (l *Layout) Static() (names, values []string) {
	for i, label := range l.labels {
		if v, ok := l.static[label]; ok {
			names = append(names, l.Names[i])
			values = append(values, v)
		}
	}
	return names, values
}

// StaticJSON is the static labels as a JSON object; "{}" when there are none. In
// the one column, rows that contain it are the flow's (jsonb's @>).
func (l *Layout) StaticJSON() string { return GroupKey(labels.FromMap(l.static)) }

// GroupKey is a label set as a JSON object text with sorted keys and no white
// space: equal texts are equal sets. The empty set is "{}".
func GroupKey(lset labels.Labels) string {
	buf := make([]byte, 1, 128)
	buf[0] = '{'
	lset.Range(func(l labels.Label) {
		if len(buf) > 1 {
			buf = append(buf, ',')
		}
		buf = appendJSON(buf, l.Name)
		buf = append(buf, ':')
		buf = appendJSON(buf, l.Value)
	})
	return string(append(buf, '}'))
}

// GroupKeyLabels is the label set whose GroupKey the text is, for showing keys of
// the dirty list to people. A text that is none, such as progress.AllGroups, is
// the empty set.
func GroupKeyLabels(key string) labels.Labels {
	var m map[string]string
	if err := json.Unmarshal([]byte(key), &m); err != nil {
		return labels.EmptyLabels()
	}
	return labels.FromMap(m)
}

// appendJSON appends s as a JSON string. Nearly all labels need nothing escaped,
// and a key is made for every series, so those are copied. What may need it goes
// through encoding/json, whose spelling of a string is the one that is stored.
func appendJSON(buf []byte, s string) []byte {
	plain := !strings.ContainsFunc(s, func(r rune) bool {
		return r < 0x20 || r == '"' || r == '\\' || r == utf8.RuneError || r == '\u2028' || r == '\u2029'
	})
	if plain {
		buf = append(buf, '"')
		buf = append(buf, s...)
		return append(buf, '"')
	}
	text, err := json.Marshal(s)
	if err != nil { // strings always have a JSON form
		panic(fmt.Sprintf("json of string %q: %v", s, err))
	}
	return append(buf, text...)
}

// sameLayout reports whether two flows' tables would be the same: the same
// columns, of the same labels.
func sameLayout(a, b *Layout) bool {
	return a.PerLabel == b.PerLabel && slices.Equal(a.Names, b.Names) && slices.Equal(a.labels, b.labels)
}
