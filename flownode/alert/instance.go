package alert

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"laminar/sequence"
)

// Phase is what an alert of one label set is at a time. The words are those of tables,
// of commands and of the series ALERTS.
type Phase string

// The phases. A label set that was never there has none.
const (
	Pending  Phase = "pending"  // there, for less than Rule.For
	Firing   Phase = "firing"   // there for long enough, or kept firing after it went
	Resolved Phase = "resolved" // fired and is gone
	Inactive Phase = "inactive" // gone before it fired: a change only, no State holds it
)

// ParsePhase reads a phase as it is stored.
func ParsePhase(s string) (Phase, error) {
	if p := Phase(s); slices.Contains([]Phase{Pending, Firing, Resolved, Inactive}, p) {
		return p, nil
	}
	return "", fmt.Errorf("unknown phase of an alert %q", s)
}

// Reason says why an alert changed.
type Reason string

// The reasons.
const (
	Appeared Reason = "appeared" // the expression has the label set, and had not before
	Held     Reason = "held"     // it has had it for Rule.For
	Gone     Reason = "gone"     // it has it no more
	Kept     Reason = "kept"     // it has it no more, and Rule.KeepFiringFor has begun
	Returned Reason = "returned" // it has it again, within Rule.KeepFiringFor
	Waits    Reason = "waits"    // Rule.For was raised since it fired
	Limited  Reason = "limited"  // the rule has more label sets than Rule.Limit
)

// ParseReason reads a reason as it is stored.
func ParseReason(s string) (Reason, error) {
	if r := Reason(s); slices.Contains([]Reason{Appeared, Held, Gone, Kept, Returned, Waits, Limited}, r) {
		return r, nil
	}
	return "", fmt.Errorf("unknown reason of a change of an alert %q", s)
}

// Instance is the alert of one label set. Times are ends of windows, or
// sequence.NoTime:
//
//	Pending   ActiveAt only
//	Firing    ActiveAt + Rule.For <= FiredAt; KeptSince from the first window without a row
//	Resolved  FiredAt < ResolvedAt
type Instance struct {
	Labels      labels.Labels // with alertname; the identity
	Annotations labels.Labels // of the last window that had a row
	Value       float64       // of the same
	Phase       Phase
	ActiveAt    sequence.Time
	FiredAt     sequence.Time
	ResolvedAt  sequence.Time
	KeptSince   sequence.Time

	rowAt sequence.Time // end of the last window that had a row, where this fold has seen it
}

// samePhase reports whether two instances stand alike, values and annotations aside.
func (i *Instance) samePhase(o *Instance) bool {
	return i.Phase == o.Phase && i.ActiveAt == o.ActiveAt && i.FiredAt == o.FiredAt &&
		i.ResolvedAt == o.ResolvedAt && i.KeptSince == o.KeptSince
}

// Same reports whether two instances are equal in all that is stored of them.
func (i *Instance) Same(o *Instance) bool {
	return i.samePhase(o) && sameValue(i.Value, o.Value) && labels.Equal(i.Labels, o.Labels) && labels.Equal(i.Annotations, o.Annotations)
}

// sameValue is equality bit by bit: NaN is NaN.
func sameValue(a, b float64) bool { return math.Float64bits(a) == math.Float64bits(b) }

// Change is what a window made of an alert: the instance as the window leaves it.
type Change struct {
	ID        int64         // of the stored change, 0 for a new one
	At        sequence.Time // end of the window
	Reason    Reason
	Corrected bool // the window was computed again since it closed, and its first state was another
	Instance
}

// Found is a label set that the expression has in a window, after templates.
type Found struct {
	Labels      labels.Labels
	Annotations labels.Labels
	Value       float64
}

// ErrDuplicate says that two rows of a window have one label set after the rule's
// labels are on them. As in Prometheus, such a window leaves the state alone.
var ErrDuplicate = errors.New("two results have the same labels after the rule's labels are applied")

// LimitError says that a window gave more label sets than the rule's limit. As in
// Prometheus, the rule forgets all of them.
type LimitError struct{ Limit, Alerts int }

func (e *LimitError) Error() string {
	return fmt.Sprintf("the rule has %d alerts, more than its limit of %d", e.Alerts, e.Limit)
}
