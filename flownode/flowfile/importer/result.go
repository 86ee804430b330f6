package importer

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

// Format is whose file it is.
type Format string

// The formats.
const (
	FormatDefinitions Format = "definitions" // rule files of Prometheus and Laminar's own: nothing is to be done
	FormatVictoria    Format = "stream aggregation of VictoriaMetrics"
	FormatASAP        Format = "streaming configuration of ASAPQuery"
)

// Verdict is what a flow is to what it was made of.
type Verdict string

// The verdicts.
const (
	Exact     Verdict = "exact"     // the same results of the same samples
	Different Verdict = "different" // others, by the rules that Item.Reasons names
	Refused   Verdict = "refused"   // there is no flow
)

// Flow is a definition.
type Flow struct {
	Name     string `json:"name"`
	PromQL   string `json:"promql"`
	Every    string `json:"every"`
	Lookback string `json:"lookback,omitempty"`
	Relabel  string `json:"relabel,omitempty"` // a list of relabel configs, as YAML
}

// Item is what became of one output of the file.
type Item struct {
	Line    int      `json:"line"`
	What    string   `json:"what"` // such as "output sum_samples of http_requests_total"
	Verdict Verdict  `json:"verdict"`
	Reasons []string `json:"reasons,omitempty"` // what differs, or why it is refused
	Flow    *Flow    `json:"flow,omitempty"`
}

// Result is what became of a file.
type Result struct {
	File   string `json:"file"`
	Format Format `json:"format"`
	Items  []Item `json:"items"`
}

// Count is how many items have the verdict.
func (r *Result) Count(v Verdict) int {
	n := 0
	for i := range r.Items {
		if r.Items[i].Verdict == v {
			n++
		}
	}
	return n
}

// Summary is the result for programs; Definitions is left out where nothing is to be done.
type Summary struct {
	*Result
	Exact       int    `json:"exact"`
	Different   int    `json:"different"`
	Refused     int    `json:"refused"`
	Definitions string `json:"definitions,omitempty"`
}

// Summary is the result with its counts.
func (r *Result) Summary() Summary {
	out := Summary{Result: r, Exact: r.Count(Exact), Different: r.Count(Different), Refused: r.Count(Refused)}
	if r.Format != FormatDefinitions {
		out.Definitions = r.Definitions()
	}
	return out
}

// Report is what became of each part of the file, for people.
func (r *Result) Report() string {
	var b strings.Builder
	for i := range r.Items {
		it := &r.Items[i]
		fmt.Fprintf(&b, "line %d, %s: %s", it.Line, oneLine(it.What), it.Verdict)
		if it.Flow != nil {
			fmt.Fprintf(&b, ", flow %s", oneLine(it.Flow.Name))
		}
		b.WriteByte('\n')
		for _, reason := range it.Reasons {
			fmt.Fprintf(&b, "  - %s\n", oneLine(reason))
		}
	}
	fmt.Fprintf(&b, "%s\n", r.Counts())
	return b.String()
}

// Definitions is the flows as a file of native definitions, with what is said of each.
func (r *Result) Definitions() string {
	var b strings.Builder
	fmt.Fprintf(&b, "# Flows of %s, a %s: %s.\n", oneLine(r.File), r.Format, r.Counts())
	for _, s := range r.general() {
		fmt.Fprintf(&b, "# %s\n", s)
	}
	b.WriteString("flows:\n")
	any := false
	for i := range r.Items {
		it := &r.Items[i]
		fmt.Fprintf(&b, "\n  # Line %d, %s: %s.\n", it.Line, oneLine(it.What), it.Verdict)
		for _, reason := range it.Reasons {
			fmt.Fprintf(&b, "  #   - %s\n", oneLine(reason))
		}
		if it.Flow != nil {
			b.WriteString(it.Flow.text())
			any = true
		}
	}
	if !any {
		return strings.Replace(b.String(), "flows:\n", "flows: []\n", 1)
	}
	return b.String()
}

// Counts is how many items have which verdict, in words.
func (r *Result) Counts() string {
	return fmt.Sprintf("%d exact, %d different, %d refused", r.Count(Exact), r.Count(Different), r.Count(Refused))
}

// general is what differs in all flows of a format, and is no difference of results.
func (r *Result) general() []string {
	switch r.Format {
	case FormatVictoria:
		return []string{
			"A sample counts in the window of its own time, whenever it arrives; VictoriaMetrics takes the time of",
			"arrival, or drops it (ignore_old_samples). Exact means: the same of samples that come in time and in order.",
		}
	case FormatASAP:
		return []string{
			"Windows are [start, end), as there. A late sample corrects its window; ASAPQuery drops it or appends another",
			"result. Exact means: the same of samples that come in time.",
		}
	default:
		return nil
	}
}

// text is the flow as an item of a native file.
func (f *Flow) text() string {
	var b strings.Builder
	fmt.Fprintf(&b, "  - name: %s\n    promql: %s\n    every: %s\n", scalar(f.Name), scalar(f.PromQL), f.Every)
	if f.Lookback != "" {
		fmt.Fprintf(&b, "    lookback: %s\n", f.Lookback)
	}
	if f.Relabel != "" {
		b.WriteString("    relabel:\n")
		for line := range strings.Lines(f.Relabel) {
			b.WriteString("      " + line)
		}
	}
	return b.String()
}

// scalar is a text as a scalar of YAML, on one line. What a terminal would obey is spelled
// out, in escapes that Go and YAML have in common.
func scalar(s string) string {
	out, err := yaml.Marshal(&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: s})
	if err != nil || strings.ContainsFunc(s, obeyed) {
		return strconv.Quote(s)
	}
	return strings.TrimSpace(string(out))
}

// oneLine is a text that cannot end a comment, nor move a cursor.
func oneLine(s string) string {
	return strings.Map(func(r rune) rune {
		if obeyed(r) {
			return ' '
		}
		return r
	}, s)
}

// obeyed reports whether a rune is an instruction for a terminal rather than text: line
// breaks, control characters, and those that turn the direction of writing.
func obeyed(r rune) bool {
	return unicode.IsControl(r) || unicode.In(r, unicode.Zl, unicode.Zp, unicode.Cf)
}
