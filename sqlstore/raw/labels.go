package raw

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"laminar/sequence/series"
)

// Labels are stored as a JSON object per series. PostgreSQL prints jsonb in one
// way: "name": "value", parted by ", ", and everything that JSON must escape with
// a backslash. Texts of exactly that form are read here without a decoder; all
// others, of which there are few, by the general one.

// parseLabels reads a series' labels from their JSON object, sorted by name.
// Loading a flow's members reads every series once, so texts without escapes,
// which is nearly all, are cut out without a general JSON decoder (about eight
// times faster).
func parseLabels(doc []byte) ([]series.Label, error) {
	out, ok := parsePlainLabels(doc)
	if !ok {
		var m map[string]string
		if err := json.Unmarshal(doc, &m); err != nil {
			return nil, fmt.Errorf("read labels %q: %w", doc, err)
		}
		out = make([]series.Label, 0, len(m))
		for name, value := range m {
			out = append(out, series.Label{Name: name, Value: value})
		}
	}
	slices.SortFunc(out, func(a, b series.Label) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

// parsePlainLabels reads {"name": "value", ...} as PostgreSQL prints jsonb; it
// gives up (false) on anything with a backslash or of another form.
func parsePlainLabels(doc []byte) ([]series.Label, bool) {
	if bytes.IndexByte(doc, '\\') >= 0 {
		return nil, false
	}
	// Names and values are slices of it, so a label set holds one text and no more.
	rest := string(doc) // one copy, which all names and values share
	rest, ok := strings.CutPrefix(rest, "{")
	if !ok {
		return nil, false
	}
	if rest == "}" {
		return nil, true
	}
	out := make([]series.Label, 0, strings.Count(rest, `": "`))
	for {
		var l series.Label
		if l.Name, rest, ok = cutQuoted(rest); !ok {
			return nil, false
		}
		if rest, ok = strings.CutPrefix(rest, ": "); !ok {
			return nil, false
		}
		if l.Value, rest, ok = cutQuoted(rest); !ok {
			return nil, false
		}
		out = append(out, l)
		if rest == "}" {
			return out, true
		}
		if rest, ok = strings.CutPrefix(rest, ", "); !ok {
			return nil, false
		}
	}
}

// cutQuoted cuts a quoted text off the front of s, which must hold no escapes: the
// first quote after the opening one ends it. text and rest share the memory of s.
func cutQuoted(s string) (text, rest string, ok bool) {
	if s, ok = strings.CutPrefix(s, `"`); !ok {
		return "", "", false
	}
	return strings.Cut(s, `"`)
}
