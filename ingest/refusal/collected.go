package refusal

import (
	"fmt"
	"strings"
)

// How much of what was refused is told to the sender and the log.
const (
	maxExamples     = 10
	maxExampleBytes = 300
)

// Collected is what of one request, or of one region's part of it, was refused:
// counts of everything, and a few examples. A request may have tens of thousands of
// bad samples, and its sender needs one line to find the fault.
type Collected struct {
	Count    map[Reason]int // samples by reason
	examples []Example
}

// Example is one of the samples that were refused, for the answer and the log.
type Example struct {
	Series string // as Spell writes it
	Detail string // more than the reason says, or nothing

	T    int64 // of the sample, milliseconds since the epoch
	HasT bool

	reason Reason
}

// Add counts n samples refused for one reason. describe is called only while
// an example is still wanted: one per reason first, maxExamples in all.
func (r *Collected) Add(reason Reason, n int, describe func() Example) {
	if r.Count == nil {
		r.Count = make(map[Reason]int)
	}
	seen := r.Count[reason] > 0
	r.Count[reason] += n
	if seen && len(r.examples) >= maxExamples/2 || len(r.examples) >= maxExamples {
		return
	}
	ex := describe()
	ex.reason = reason
	ex.Series = shorten(ex.Series)
	ex.Detail = shorten(ex.Detail)
	r.examples = append(r.examples, ex)
}

// Merge adds what other collected.
func (r *Collected) Merge(other *Collected) {
	for reason, n := range other.Count {
		if r.Count == nil {
			r.Count = make(map[Reason]int)
		}
		r.Count[reason] += n
	}
	room := max(0, maxExamples-len(r.examples))
	r.examples = append(r.examples, other.examples[:min(room, len(other.examples))]...)
}

// Total is the number of samples refused.
func (r *Collected) Total() int {
	n := 0
	for _, c := range r.Count {
		n += c
	}
	return n
}

// Text says how many samples were refused and gives examples, in a few
// kilobytes at most. Its first line holds a reason and a series: it is all that
// Prometheus logs.
func (r *Collected) Text(l Limits) string {
	var b strings.Builder
	samples := "samples"
	if r.Total() == 1 {
		samples = "sample"
	}
	fmt.Fprintf(&b, "refused %d %s", r.Total(), samples)
	for i, ex := range r.examples {
		sep := "\n"
		if i == 0 {
			sep = ": "
		}
		b.WriteString(sep + ex.text(l))
		if i == 0 {
			b.WriteString("; everything else was stored")
		}
	}
	return b.String()
}

// ExampleOf is an example of what was refused for a reason, in words; ok is false where none
// was kept.
func (r *Collected) ExampleOf(reason Reason, l Limits) (text string, ok bool) {
	for i := range r.examples {
		if r.examples[i].reason == reason {
			return r.examples[i].text(l), true
		}
	}
	return "", false
}

// text says why the sample was refused, and which it is.
func (e *Example) text(l Limits) string {
	text := e.reason.explain(l) + ": " + e.Series
	if e.HasT {
		text += fmt.Sprintf(" (timestamp %d)", e.T)
	}
	if e.Detail != "" {
		text += ": " + e.Detail
	}
	return text
}

func shorten(s string) string {
	if len(s) > maxExampleBytes {
		s = s[:maxExampleBytes] + "..."
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
