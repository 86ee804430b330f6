package flowdef

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"unicode/utf8"
)

// Names of tables and columns: from names of flows and labels, which may be any
// UTF-8, to identifiers of PostgreSQL. The same name must come out of the same
// definition in every process and release, since the table is found by it. People
// write these names in queries, so they stay as readable as PostgreSQL allows.

// MaxIdentifier is the longest name that PostgreSQL keeps, in bytes. It cuts a
// longer one without an error.
const MaxIdentifier = 63

// maxLabelColumns is how many label columns a result table can have: its
// primary key holds them and window_end, and PostgreSQL allows 32 columns in a
// key.
const maxLabelColumns = 31

// LabelsColumn is the name of the one column that holds all labels, where
// there is not one column for each.
const LabelsColumn = "labels"

// HistogramColumn is the name of the column of results that are native histograms,
// which a table has once there was one.
const HistogramColumn = "histogram"

// takenColumns is the columns every result table has, of ours and of
// PostgreSQL's.
var takenColumns = map[string]bool{
	"window_start": true, "window_end": true, "value": true, HistogramColumn: true, LabelsColumn: true,
	"xmin": true, "ctid": true, "tableoid": true, "cmin": true, "cmax": true, "xmax": true,
}

// TableName is the result table of a flow: its name in lower case with
// everything outside [a-z0-9_] turned into _. What PostgreSQL would cut is cut
// here, and ends in _ and 8 hex digits of the name's SHA-256.
func TableName(flow string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(flow) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '_' {
			b.WriteRune(r)
		} else {
			b.WriteByte('_')
		}
	}
	return cutIdentifier(b.String(), flow)
}

// cutIdentifier shortens a name that is too long for PostgreSQL; the hash of
// what it stands for keeps it apart from others with the same beginning.
func cutIdentifier(name, of string) string {
	if len(name) <= MaxIdentifier {
		return name
	}
	hash := sha256.Sum256([]byte(of))
	end := MaxIdentifier - 9 // room for _ and 8 hex digits
	for !utf8.RuneStart(name[end]) {
		end--
	}
	return name[:end] + "_" + hex.EncodeToString(hash[:4])
}

// columnNames gives each label a column, in the order of the labels. Labels
// whose names are taken get `label_` in front, repeated until the name is
// free; labels that need no prefix choose first. So of the labels value and
// label_value the second keeps its name, and the first is label_label_value.
func columnNames(labels []string) []string {
	names := make([]string, len(labels))
	used := map[string]bool{}
	for i, l := range labels {
		if name := cutIdentifier(l, l); !takenColumns[name] {
			names[i] = name
			used[name] = true
		}
	}
	for i, l := range labels {
		name := l
		for names[i] == "" {
			name = "label_" + name
			if cut := cutIdentifier(name, name); !used[cut] {
				names[i] = cut
				used[cut] = true
			}
		}
	}
	return names
}

// resultLabelNames is every label of a flow's results, static ones included,
// sorted; ok is false when the expression leaves them open or they are too
// many for columns. The order is that of the table's primary key, and does not
// depend on where a label comes from.
func resultLabelNames(f Flow) (names []string, ok bool) {
	if !f.Expr.LabelsKnown {
		return nil, false
	}
	names = slices.Clone(f.Expr.ResultLabels)
	for _, l := range f.StaticLabels {
		names = append(names, l.Name)
	}
	slices.Sort(names)
	names = slices.Compact(names)
	return names, len(names) <= maxLabelColumns
}
