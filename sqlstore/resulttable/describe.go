package resulttable

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// shownLabels is how many characters of a row's labels are shown.
const shownLabels = 160

// Describe is the labels of a row, for people; what is long is cut. There is a value for
// each label column.
func (t *Table) Describe(columns []string) string {
	labels := strings.Join(columns, "") // one JSON object
	if t.perLabel {
		words := make([]string, len(columns))
		for i, v := range columns {
			words[i] = fmt.Sprintf("%s=%q", t.columns[i], cut(v, max(12, shownLabels/len(words))))
		}
		labels = "{" + strings.Join(words, ", ") + "}"
	}
	return cut(labels, 2*shownLabels)
}

// cut is at most n bytes of a text, and whole characters.
func cut(text string, n int) string {
	if len(text) <= n {
		return text
	}
	for n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	return text[:n] + "..."
}
