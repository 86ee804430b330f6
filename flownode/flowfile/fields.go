package flowfile

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowfile/yamltext"
	"laminar/flownode/nearest"

	"github.com/prometheus/common/model"
	"go.yaml.in/yaml/v3"
)

// Reading the values of a mapping's keys. Each method takes the mapping (f), what
// it is for use in a message (what, such as "flow errors:ratio"), and the key. A
// missing key gives the default and no problem; needText is for those that must
// be there. A value that is wrong gives a problem at its own line, and the default.

// fields is the keys of one mapping, and their values without aliases.
type fields map[string]*yaml.Node

// fields reads a mapping's keys. Keys that are not among the known ones are
// problems, and so are keys given twice: one of the two would be ignored. It
// returns nil for what is no mapping, so that the caller gives the item up.
func (p *checker) fields(n *yaml.Node, what string, known ...string) fields {
	if n = yamltext.Resolve(n); n.Kind != yaml.MappingNode {
		p.addf(n, "%s: want keys and values", what)
		return nil
	}
	if key := yamltext.BadMerge(n); key != nil {
		p.addf(key, "%s: <<: want a mapping with an anchor, or a list of such", what)
	}
	out := fields{}
	for _, one := range yamltext.Pairs(n) {
		key, value := one.Key, one.Value
		// A known key that is given twice is a fault at the second place.
		switch _, twice := out[key.Value]; {
		case twice:
			p.addf(key, "%s: key %q is given twice", what, key.Value)
		case !slices.Contains(known, key.Value):
			p.addf(key, "%s: unknown key %q%s; known are %s", what, key.Value, didYouMean(key.Value, known), strings.Join(known, ", "))
		default:
			out[key.Value] = value
		}
	}
	return out
}

// line is that of the first of some keys which is there, and otherwise where none is.
func (f fields) line(otherwise int, keys ...string) int {
	for _, key := range keys {
		if n := f[key]; n != nil {
			return n.Line
		}
	}
	return otherwise
}

// checked adds what is wrong with the mapping n, whose keys are f: at the key that the error
// begins with, else at the mapping.
func (p *checker) checked(n *yaml.Node, f fields, what string, err error) {
	word := strings.FieldsFunc(err.Error(), func(r rune) bool { return r == ' ' || r == ':' })[0]
	p.add(f.line(n.Line, word), "%s: %v", what, err)
}

// titled is what with the item's name, where it has one, for messages: the name
// is looked for before the item is checked, as messages of the check need it.
func titled(what string, n *yaml.Node, nameKey string) string {
	for _, one := range yamltext.Pairs(n) {
		if v := one.Value; one.Key.Value == nameKey && v.Kind == yaml.ScalarNode && v.Value != "" {
			return what + " " + v.Value
		}
	}
	return what
}

// text reads a key's scalar; a missing key is "". A key without a value is a
// fault and not a missing key: a value was meant. Zero bytes are refused because
// PostgreSQL cannot store them in a text. Of a number or a boolean it is the
// spelling in the file, whatever YAML takes it for: `every: 1m` and a flow named
// 5m are texts.
func (p *checker) text(f fields, what, key string) string {
	n, ok := f[key]
	switch {
	case !ok:
		return ""
	case n.Kind != yaml.ScalarNode:
		p.addf(n, "%s: %s: want one value", what, key)
		return ""
	case n.Value == "" || n.Tag == "!!null":
		p.addf(n, "%s: %s is empty", what, key)
		return ""
	case !utf8.ValidString(n.Value) || strings.ContainsRune(n.Value, 0):
		p.addf(n, "%s: %s holds a zero byte or is not UTF-8", what, key)
		return ""
	}
	return n.Value
}

// needText is text for a key that must be there. The problem of a missing key is
// at the item, as the key has no line.
func (p *checker) needText(at *yaml.Node, f fields, what, key string) string {
	if _, ok := f[key]; !ok {
		p.addf(at, "%s: %s is missing", what, key)
	}
	return p.text(f, what, key)
}

// duration reads a key as a duration of at least least ms, in Prometheus's
// notation, which combines units from the largest down: 1h30m. Years and weeks
// are among them, and always have 365 and 7 days. A missing key is fallback.
func (p *checker) duration(f fields, what, key string, least, fallback int64) int64 {
	s := p.text(f, what, key)
	if s == "" {
		return fallback
	}
	d, err := model.ParseDuration(s)
	switch ms := time.Duration(d).Milliseconds(); {
	case err != nil:
		p.addf(f[key], "%s: %s: %q is not a duration such as 30s, 5m or 1h30m", what, key, s)
	case ms < least:
		p.addf(f[key], "%s: %s: %s is too short, want at least %s", what, key, s, flowdef.FormatMillis(least))
	default:
		return ms
	}
	return fallback
}

// optional is duration for a key that may be empty or 0, as keys of rule files may:
// both mean what a missing key does.
func (p *checker) optional(f fields, what, key string, fallback int64) int64 {
	if yamltext.Empty(f[key]) {
		return fallback
	}
	if d := p.duration(f, what, key, 0, fallback); d > 0 {
		return d
	}
	return fallback
}

// number reads a key as a whole number of at least least; a missing key is 0.
func (p *checker) number(f fields, what, key string, least int64) int64 {
	s := p.text(f, what, key)
	if s == "" {
		return 0
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < least {
		p.addf(f[key], "%s: %s: want a whole number from %d, not %q", what, key, least, s)
		return 0
	}
	return n
}

// accuracy reads a key as an accuracy of sketches; a missing key is 0.
func (p *checker) accuracy(f fields, what, key string) float64 {
	s := p.text(f, what, key)
	if s == "" {
		return 0
	}
	v, err := strconv.ParseFloat(s, 64)
	if err == nil {
		err = flowdef.CheckAccuracy(v)
	} else {
		err = fmt.Errorf("%q is not a number such as 0.01", s)
	}
	if err != nil {
		p.addf(f[key], "%s: %s: %v", what, key, err)
		return 0
	}
	return v
}

// oneOf reads a key as one of some words; built are those that can be used,
// planned those that have a meaning but are refused for now: saying that a word is
// not built yet tells more than that it is unknown. A missing key is the first of
// built. A wrong word is returned as it is; the flow is not taken then.
func (p *checker) oneOf(f fields, what, key string, built, planned []string) string {
	s := p.text(f, what, key)
	switch {
	case s == "" || slices.Contains(built, s):
	case slices.Contains(planned, s):
		p.addf(f[key], "%s: %s: %s is not built yet; use %s", what, key, s, strings.Join(built, " or "))
	default:
		p.addf(f[key], "%s: %s: want %s, not %q", what, key, strings.Join(built, " or "), s)
	}
	if s == "" {
		return built[0]
	}
	return s
}

// didYouMean is a suggestion as a part of a message, "" where there is none.
func didYouMean(name string, candidates []string) string {
	if near := nearest.Name(name, candidates); near != "" {
		return ", did you mean " + near + "?"
	}
	return ""
}
