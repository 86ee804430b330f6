package progress

import "fmt"

// Reason says why something was computed again instead of advanced.
type Reason string

// The reasons.
const (
	// PrecisionLost: samples of the delta are sealed already, their exact
	// sequences are gone.
	PrecisionLost Reason = "precision_lost"
	// Unordered: samples are late within their series, repeated or overwriting.
	Unordered Reason = "unordered"
	// LateOrdered: samples are in order within their series but reach windows
	// that are closed.
	LateOrdered Reason = "late"
	// NoState: the panes are not in memory.
	NoState Reason = "no_state"
	// BeyondHorizon: the panes are older than what is kept in memory, or a
	// window has too many of them.
	BeyondHorizon Reason = "beyond_horizon"
	// HistoryChanged: commits that were seen are gone or are others now.
	HistoryChanged Reason = "history_changed"
	// ReaderDisagrees: a delta did not continue where the state stands.
	ReaderDisagrees Reason = "reader_disagrees"
	// Histogram: a metric of the flow turned out to hold native histograms, of
	// which no partial is kept: windows are computed whole, over raw samples.
	Histogram Reason = "histogram"
	// Upstream: results that the flow reads have changed.
	Upstream Reason = "upstream"
	// Requested: a person or a schedule asked for a refill.
	Requested Reason = "requested"
)

// Reasons lists all reasons, for metrics that want every label from the start.
func Reasons() []Reason {
	return []Reason{PrecisionLost, Unordered, LateOrdered, NoState, BeyondHorizon, HistoryChanged, ReaderDisagrees, Histogram, Upstream, Requested}
}

// String is the reason as it is stored and shown.
func (r Reason) String() string { return string(r) }

// ParseReason reads a reason as it is stored in the dirty list.
func ParseReason(s string) (Reason, error) {
	for _, r := range Reasons() {
		if string(r) == s {
			return r, nil
		}
	}
	return "", fmt.Errorf("unknown reason %q", s)
}
