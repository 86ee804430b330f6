package alert

import (
	"github.com/prometheus/prometheus/model/labels"

	"laminar/sequence"
)

// Notice is what Alertmanagers are to be told of a change: that an alert fires, or
// that it is over.
type Notice struct {
	At          sequence.Time // end of the window that brought it
	Phase       Phase         // Firing or Resolved
	Labels      labels.Labels
	Annotations labels.Labels
	Value       float64
	StartsAt    sequence.Time // when it began to fire
	EndsAt      sequence.Time // when it was resolved; sequence.NoTime while it fires
	Corrected   bool          // it comes of windows that were computed again
}

// NoticesOf is what is to be told of changes. Pending alerts are nobody's business,
// and one that goes on firing is told of again by Resend.
func NoticesOf(changes []Change) []Notice {
	var out []Notice
	for i := range changes {
		c := &changes[i]
		if c.Phase == Resolved || c.Phase == Firing && c.Reason == Held {
			out = append(out, c.Notice(c.At, c.Corrected))
		}
	}
	return out
}

// Notice is what is to be told of an alert that fires or is resolved.
func (i *Instance) Notice(at sequence.Time, corrected bool) Notice {
	n := Notice{
		At: at, Phase: i.Phase, Labels: i.Labels, Annotations: i.Annotations, Value: i.Value,
		StartsAt: i.FiredAt, EndsAt: sequence.NoTime, Corrected: corrected,
	}
	if i.Phase == Resolved {
		n.EndsAt = i.ResolvedAt
	}
	return n
}

// NoticesBetween is what is to be told when a correction of past windows has changed
// the state after the window ending at t from was to now. It says how things stand, and
// nothing of alerts that began and ended before t: nobody is paged for the past.
//
// An alert that fired by wrong samples and by the right ones did not is over at t.
func NoticesBetween(was, now *State, t sequence.Time) []Notice {
	var out []Notice
	for _, i := range was.Instances() {
		if i.Phase != Firing {
			continue
		}
		n := now.Get(i.Labels)
		switch {
		case n != nil && n.Phase == Firing:
		case n != nil && n.Phase == Resolved:
			out = append(out, n.Notice(t, true))
		default:
			gone := *i
			gone.Phase, gone.ResolvedAt = Resolved, t
			out = append(out, gone.Notice(t, true))
		}
	}
	for _, i := range now.Instances() {
		if w := was.Get(i.Labels); i.Phase == Firing && (w == nil || w.Phase != Firing) {
			out = append(out, i.Notice(t, true))
		}
	}
	return out
}

// Resend reports whether Alertmanagers are to be told again of an alert of which they
// were last told at sent, as Prometheus does: an alert that they hear nothing of is
// over to them. Both times are of one clock.
func (i *Instance) Resend(sent, now sequence.Time, delay int64) bool {
	return (i.Phase == Firing || i.Phase == Resolved) && sent+delay < now
}

// ValidUntil is until when Alertmanagers take a firing alert for firing when they hear
// nothing more: two evaluations or sendings may fail.
func ValidUntil(sent sequence.Time, every, delay int64) sequence.Time {
	return sent + 4*max(every, delay)
}
