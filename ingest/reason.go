package ingest

import (
	"fmt"
	"strings"

	"laminar/ingest/replica"
)

// Refusals: which samples are left out of a request, and what its sender is told.
//
// A refusal does not fail a request. The rest of it is stored, and its sender is told
// what was refused and not to send it again. Failures that sending again can cure are
// errors instead (errors.go).

// Reason is why samples are refused for good: sending them again cannot help.
// It is the metric label, the log field and part of the answer's text.
type Reason string

// The reasons.
const (
	NoName          Reason = "no_name"           // no __name__, or an empty one
	EmptyLabelName  Reason = "empty_label_name"  // a label with a value and no name
	DuplicateLabel  Reason = "duplicate_label"   // one label name twice
	InvalidUTF8     Reason = "invalid_utf8"      // in a label name or value
	ZeroByte        Reason = "zero_byte"         // U+0000, which PostgreSQL cannot store
	TooManyLabels   Reason = "too_many_labels"   // more than Limits.Labels
	LabelsTooLong   Reason = "labels_too_long"   // more than Limits.LabelBytes
	BadReferences   Reason = "bad_references"    // 2.0: numbers that name no symbol, or not in pairs
	TooManyReplicas Reason = "too_many_replicas" // more than are remembered
	// New series beyond a limit; known ones go on.
	TooManySeries   Reason = "too_many_series"           // more than Limits.Series or SeriesBytes
	TooManyOfMetric Reason = "too_many_series_of_metric" // more than Limits.SeriesOfMetric
	TooManyNew      Reason = "too_many_new_series"       // more than Limits.NewSeries in this minute

	// InvalidHistogram is one that Prometheus refuses too.
	InvalidHistogram Reason = "invalid_histogram"
	TimeRange        Reason = "time_range"       // before 1970 or after 9999
	TooOld           Reason = "too_old"          // before what retention has given up
	TooFarBehind     Reason = "too_far_behind"   // more than Limits.Age behind the database's clock
	TooFarAhead      Reason = "too_far_ahead"    // more than Limits.Ahead before the database's clock
	Refused          Reason = "database_refused" // the database refused the content
)

// explain says for people what a reason means.
func (r Reason) explain(l Limits) string {
	switch r {
	case NoName:
		return "series has no metric name"
	case EmptyLabelName:
		return "a label has a value but no name"
	case DuplicateLabel:
		return "a label name stands twice"
	case InvalidUTF8:
		return "labels are not valid UTF-8"
	case ZeroByte:
		return "labels hold the character U+0000"
	case TooManyLabels:
		return fmt.Sprintf("series has more than %d labels", l.Labels)
	case LabelsTooLong:
		return fmt.Sprintf("labels are longer than %d bytes together", l.LabelBytes)
	case BadReferences:
		return "references to symbols do not come in pairs, or name no symbol"
	case TooManyReplicas:
		return fmt.Sprintf("more than %d replicas have written since the start", replica.MaxPairs)
	case TooManySeries:
		if l.Series > 0 && l.SeriesBytes > 0 {
			return fmt.Sprintf("series is new, and %d series or %d bytes of series are remembered, the most that are allowed", l.Series, l.SeriesBytes)
		} else if l.Series > 0 {
			return fmt.Sprintf("series is new, and %d are remembered, the most that are allowed", l.Series)
		}
		return fmt.Sprintf("series is new, and those that are remembered take %d bytes, the most that are allowed", l.SeriesBytes)
	case TooManyOfMetric:
		return fmt.Sprintf("series is new, and its metric has %d, the most that are allowed", l.SeriesOfMetric)
	case TooManyNew:
		return fmt.Sprintf("series is new, and %d were created in this minute, the most that are allowed", l.NewSeries)
	case InvalidHistogram:
		return "native histogram is not valid"
	case TimeRange:
		return "timestamp is outside the years 1970 to 9999"
	case TooOld:
		return "timestamp is before what retention keeps"
	case TooFarBehind:
		return fmt.Sprintf("timestamp is more than %s behind the database's clock", l.Age)
	case TooFarAhead:
		return fmt.Sprintf("timestamp is more than %s ahead of the database's clock", l.Ahead)
	case Refused:
		return "the database refused the content"
	}
	return string(r)
}

// How much of what was refused is told to the sender and the log.
const (
	maxExamples     = 10
	maxExampleBytes = 300
)

// refusals collects what one request, or one region's part of it, had refused:
// counts of everything, and a few examples. A request may have tens of thousands of
// bad samples, and its sender needs one line to find the fault.
type refusals struct {
	count    map[Reason]int // samples by reason
	examples []Example
}

// Example is one of the samples that were refused, for the answer and the log.
type Example struct {
	Series string // as Spell writes it
	Detail string // more than the reason says, or nothing

	t      int64 // milliseconds since the epoch
	hasT   bool
	reason Reason
}

// add counts n samples refused for one reason. describe is called only while
// an example is still wanted: one per reason first, maxExamples in all.
func (r *refusals) add(reason Reason, n int, describe func() Example) {
	if r.count == nil {
		r.count = make(map[Reason]int)
	}
	seen := r.count[reason] > 0
	r.count[reason] += n
	if seen && len(r.examples) >= maxExamples/2 || len(r.examples) >= maxExamples {
		return
	}
	ex := describe()
	ex.reason = reason
	ex.Series = shorten(ex.Series)
	ex.Detail = shorten(ex.Detail)
	r.examples = append(r.examples, ex)
}

// merge adds what other collected.
func (r *refusals) merge(other *refusals) {
	for reason, n := range other.count {
		if r.count == nil {
			r.count = make(map[Reason]int)
		}
		r.count[reason] += n
	}
	room := max(0, maxExamples-len(r.examples))
	r.examples = append(r.examples, other.examples[:min(room, len(other.examples))]...)
}

// total is the number of samples refused.
func (r *refusals) total() int {
	n := 0
	for _, c := range r.count {
		n += c
	}
	return n
}

// text says how many samples were refused and gives examples, in a few
// kilobytes at most. Its first line holds a reason and a series: it is all that
// Prometheus logs.
func (r *refusals) text(l Limits) string {
	var b strings.Builder
	samples := "samples"
	if r.total() == 1 {
		samples = "sample"
	}
	fmt.Fprintf(&b, "refused %d %s", r.total(), samples)
	for i, ex := range r.examples {
		sep := "\n"
		if i == 0 {
			sep = ": "
		}
		fmt.Fprintf(&b, "%s%s: %s", sep, ex.reason.explain(l), ex.Series)
		if ex.hasT {
			fmt.Fprintf(&b, " (timestamp %d)", ex.t)
		}
		if ex.Detail != "" {
			fmt.Fprintf(&b, ": %s", ex.Detail)
		}
		if i == 0 {
			b.WriteString("; everything else was stored")
		}
	}
	return b.String()
}

func shorten(s string) string {
	if len(s) > maxExampleBytes {
		s = s[:maxExampleBytes] + "..."
	}
	return strings.ToValidUTF8(s, "\uFFFD")
}
