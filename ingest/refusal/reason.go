package refusal

import (
	"fmt"

	"laminar/ingest/replica"
)

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
	NameTooLong     Reason = "name_too_long"     // a metric's or a cluster's, more than MaxName
	BadReferences   Reason = "bad_references"    // 2.0: numbers that name no symbol, or not in pairs
	TooManyReplicas Reason = "too_many_replicas" // more than are remembered
	Relabelled      Reason = "relabelled"        // relabelling makes of the labels what is no series
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
	ByDatabase       Reason = "database_refused" // the database refused the content
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
	case NameTooLong:
		return fmt.Sprintf("the name of the metric, or of the pair of senders, is longer than %d bytes", MaxName)
	case BadReferences:
		return "references to symbols do not come in pairs, or name no symbol"
	case TooManyReplicas:
		return fmt.Sprintf("more than %d replicas have written since the start", replica.MaxPairs)
	case Relabelled:
		return "the rules of ingest.relabel leave the series without a name, or give it a label that cannot be stored"
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
	case ByDatabase:
		return "the database refused the content"
	}
	return string(r)
}
