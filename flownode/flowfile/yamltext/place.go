package yamltext

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Finding a place within a value. The YAML parser says where a value begins, the
// PromQL parser at which byte of the value a fault is, and people want the line of
// the file. In between lie quotes, escapes, folding and indentation:
//
//	promql: >
//	  sum by (job) (
//	    rote(a[5m]))
//
// is the value "sum by (job) (\n  rote(a[5m]))\n", in which rote begins at byte 17.

// Line returns the line of the file, from 1, on which byte pos of a scalar's value
// stands; lines is the file's text. Folding and indentation change the white space of a value only, so
// the place is found by counting what is not white space. A place behind the
// last of it is that last one's.
func Line(lines []string, n *yaml.Node, pos int) int {
	want, last := 0, 0
	for i, r := range n.Value {
		if !unicode.IsSpace(r) {
			if i < pos {
				want++
			}
			last++
		}
	}
	want = min(want, max(last-1, 0))
	// want is now how many characters come before the place, white space aside.
	line := n.Line
	var rest string
	switch {
	case line < 1 || line > len(lines):
		return n.Line
	case n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0:
		if line == len(lines) {
			return n.Line
		}
		line++ // the indicator has a line of its own
		rest = lines[line-1]
	default:
		rest = fromColumn(lines[line-1], n.Column)
	}
	if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 && rest != "" { // the opening quote
		rest = rest[1:]
	}
	for {
		seen, found := skip(rest, want, n.Style)
		if found || line == len(lines) {
			return line
		}
		want -= seen
		line++
		rest = lines[line-1]
	}
}

// skip counts the characters of s that stand for something other than white
// space in a scalar of the style, and reports whether there is one more than
// want of them.
func skip(s string, want int, style yaml.Style) (seen int, found bool) {
	for s != "" {
		r, size := utf8.DecodeRuneInString(s)
		s = s[size:]
		switch {
		case unicode.IsSpace(r):
			continue
		// Two single quotes stand for one.
		case style&yaml.SingleQuotedStyle != 0 && r == '\'' && strings.HasPrefix(s, "'"):
			s = s[1:]
		// A backslash and a letter stand for one character, which is white space
		// or not.
		case style&yaml.DoubleQuotedStyle != 0 && r == '\\' && s != "":
			blank := strings.ContainsRune("nrt ", rune(s[0]))
			s = s[1:]
			if blank {
				continue
			}
		case style&yaml.DoubleQuotedStyle != 0 && r == '\\':
			continue // an escaped line break
		}
		if seen == want {
			return seen, true
		}
		seen++
	}
	return seen, false
}

// fromColumn is the part of a line from a column on, counted in characters
// from 1.
func fromColumn(line string, column int) string {
	for ; column > 1 && line != ""; column-- {
		_, size := utf8.DecodeRuneInString(line)
		line = line[size:]
	}
	return line
}
