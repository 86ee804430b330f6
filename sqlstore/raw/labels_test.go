package raw

import (
	"slices"
	"testing"

	"laminar/sequence"
	"laminar/sequence/series"
)

func TestParseLabels(t *testing.T) {
	for doc, want := range map[string][]series.Label{
		`{}`:                               nil,
		`{"b": "2", "__name__": "m"}`:      {{Name: "__name__", Value: "m"}, {Name: "b", Value: "2"}},
		`{"a": ""}`:                        {{Name: "a"}},
		`{"a": "x\"y\\z", "b": "\u00e9"}`:  {{Name: "a", Value: `x"y\z`}, {Name: "b", Value: "é"}},
		`{"a": "}, {", "b": "\": \""}`:     {{Name: "a", Value: "}, {"}, {Name: "b", Value: `": "`}},
		`{"a":"no spaces","b":"as in Go"}`: {{Name: "a", Value: "no spaces"}, {Name: "b", Value: "as in Go"}},
		`{"ключ": "значение, \u2028"}`:     {{Name: "ключ", Value: "значение, \u2028"}},
	} {
		got, err := parseLabels([]byte(doc))
		if err != nil || !slices.Equal(got, want) {
			t.Errorf("%s: %v, %v; want %v", doc, got, err, want)
		}
	}
	for _, doc := range []string{``, `{`, `[]`, `{"a": 1}`, `{"a": "b"`, `{"a": "b"}x`, `{"a": "b",}`} {
		if got, err := parseLabels([]byte(doc)); err == nil {
			t.Errorf("%s was read as %v", doc, got)
		}
	}
}

func TestVectorText(t *testing.T) {
	for text, want := range map[string]string{"{}": `{}`, "{1:42 2:17}": `{"1":42,"2":17}`} {
		v, err := DecodeVector([]byte(want))
		if err != nil || v.String() != text || EncodeVector(v) != want {
			t.Errorf("%s: read %s, written %s, %v", want, v, EncodeVector(v), err)
		}
	}
	if got := EncodeVector(sequence.Vector{2: 0, 1: 3}); got != `{"1":3}` {
		t.Errorf("a region at 0 is written: %s", got)
	}
	for _, doc := range []string{`[]`, `{"x": 1}`, `{"1": 1.5}`, `{"1": "2"}`} {
		if v, err := DecodeVector([]byte(doc)); err == nil {
			t.Errorf("%s was read as %s", doc, v)
		}
	}
}
