package series

import (
	"bytes"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzCanonicalLabels: labels as text and as bytes give the same bytes, reading
// those gives the labels back, and two label sets have the same bytes only when
// they are equal.
func FuzzCanonicalLabels(f *testing.F) {
	f.Add("__name__\nup\njob\na", "__name__\nup\njo\nba")
	f.Add("__name__\nup", "__name__\nup\nempty\n")
	f.Add("a\nb", "a\nb\nc\nd")
	f.Fuzz(func(t *testing.T, one, other string) {
		x, y := labelSet(one), labelSet(other)
		canonical := CanonicalLabels(nil, x)
		var raw []RawLabel
		for _, l := range x {
			raw = append(raw, RawLabel{Name: []byte(l.Name), Value: []byte(l.Value)})
		}
		if got := CanonicalLabels(nil, raw); !bytes.Equal(got, canonical) {
			t.Fatalf("%q as bytes is %q, as text %q", x, got, canonical)
		}
		if back := ParseCanonical(string(canonical)); !slices.Equal(back, x) {
			t.Fatalf("%q is read back as %q", x, back)
		}
		if same := bytes.Equal(canonical, CanonicalLabels(nil, y)); same != slices.Equal(x, y) {
			t.Fatalf("%q and %q: the same bytes is %v", x, y, same)
		}
		prefix := []byte("before")
		if got := CanonicalLabels(prefix, x); !bytes.Equal(got, append(slices.Clone(prefix), canonical...)) {
			t.Fatalf("appended to %q it is %q", prefix, got)
		}
	})
}

// labelSet makes a valid label set of lines that are names and values by turns:
// sorted, no name twice, no empty value, UTF-8.
func labelSet(text string) []Label {
	var set []Label
	lines := strings.Split(text, "\n")
	for i := 0; i+1 < len(lines); i += 2 {
		name, value := lines[i], lines[i+1]
		twice := slices.ContainsFunc(set, func(l Label) bool { return l.Name == name })
		if value != "" && !twice && utf8.ValidString(name) && utf8.ValidString(value) {
			set = append(set, Label{Name: name, Value: value})
		}
	}
	slices.SortFunc(set, func(a, b Label) int { return strings.Compare(a.Name, b.Name) })
	return set
}
