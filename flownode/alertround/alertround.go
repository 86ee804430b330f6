// Package alertround says what a round makes of alerting rules. A rule's expression is a
// flow, and a round has computed some of its windows: the rows become labels and
// annotations (alert/expand), and the state is folded over them (alert).
//
// It runs between the computing of a round and its commit, with the round's snapshot
// closed, and what it makes commits together with the results (I4). So the alerts that
// are stored are always those of the rows that are stored, and after any failure the
// next owner goes on from there.
//
//	windows that close       the state goes on from where it stands, in memory
//	windows computed again   the state before them comes from the stored changes, rows
//	                         from the result table with those of the round over them
//
// It relies on the flow having one owner: rows and changes that it reads are nobody
// else's to write, and if they are, the commit is fenced.
package alertround

import (
	"context"
	"fmt"
	"log/slog"
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"laminar/flownode/alert"
	"laminar/flownode/alert/expand"
	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	"laminar/sequence"
)

// Stored is what is stored about alerts.
type Stored interface {
	// Alerts is the alerts of a rule after its last closed window.
	Alerts(ctx context.Context, flow progress.FlowID) ([]alert.Change, error)

	// Changes is the last change of each label set up to the window ending at t,
	// and all changes after it, both by window.
	Changes(ctx context.Context, flow progress.FlowID, t sequence.Time) (before, after []alert.Change, err error)
}

// Rows is the results of flows.
type Rows interface {
	// Rows is the flow's rows of windows that end in the span, oldest first.
	Rows(ctx context.Context, flow progress.FlowID, ends sequence.Span) ([]progress.Window, error)
}

// Machine evaluates alerting rules. It holds settings only and may be used by several
// goroutines at once.
type Machine struct {
	Stored Stored
	Rows   Rows
	Expand *expand.Expander
	Tell   bool // there is somebody to be told of alerts
	Past   bool // tell Alertmanagers of alerts that corrections find in the past, too
	Log    *slog.Logger
}

// Rule is an alerting rule between rounds: what it is, and its alerts as they are stored.
// It belongs to the goroutine of its flow.
type Rule struct {
	id     progress.FlowID
	rule   *alert.Rule
	every  int64
	layout *flowdef.Layout
	state  alert.State
	known  bool // state is that after the last closed window; else it is to be loaded
}

// NewRule is the rule of a flow as it was loaded, nil for a flow that is none.
func NewRule(f *progress.Flow) *Rule {
	if f.Def.Alert == nil {
		return nil
	}
	return &Rule{id: f.ID, rule: f.Def.Alert, every: f.Def.Every, layout: flowdef.NewLayout(f.Def)}
}

// Outcome is what a round makes of a rule. It is not true before the round is committed.
type Outcome struct {
	Update *alert.Update
	state  alert.State
}

// Committed says that the round with the outcome is stored.
func (r *Rule) Committed(o *Outcome) { r.state, r.known = o.state, true }

// reachBack is how many windows before the first that is computed again are read, for
// the values of the alerts there: those that could not be evaluated have no rows.
const reachBack = 16

// Round folds the rule over a round's windows. emitted is where the flow's windows were
// closed up to before the round. The rule itself stays as it is until Committed.
func (m *Machine) Round(ctx context.Context, r *Rule, round *progress.Round, emitted sequence.Time) (*Outcome, error) {
	if !r.known {
		stored, err := m.Stored.Alerts(ctx, r.id)
		if err != nil {
			return nil, err
		}
		r.state, r.known = alert.Restore(stored, sequence.NoTime), true
	}
	out := &Outcome{Update: &alert.Update{}, state: r.state.Clone()}
	past, fresh := divide(round.Windows, emitted)
	if len(past) > 0 {
		if err := m.correct(ctx, r, out, past, emitted); err != nil {
			return nil, err
		}
	}
	w := m.windows(ctx, r, fresh)
	if emitted == sequence.NoTime && len(w.List) > 0 {
		emitted = w.List[0].End - r.every
	}
	changes, err := out.state.Fold(r.rule, w, sequence.Span{After: emitted, UpTo: round.To.EmittedUntil})
	m.tell(r, err)
	out.Update.Changes = append(out.Update.Changes, changes...)
	out.Update.Notices = append(out.Update.Notices, alert.NoticesOf(changes)...)
	if !m.Tell {
		out.Update.Notices = nil
	}
	out.Update.Differ(&r.state, &out.state)
	return out, nil
}

// divide separates windows that were closed before from those that close now.
func divide(windows []progress.Window, emitted sequence.Time) (past, fresh []progress.Window) {
	sorted := slices.Clone(windows)
	slices.SortFunc(sorted, func(a, b progress.Window) int { return int(min(max(a.End-b.End, -1), 1)) })
	at, _ := slices.BinarySearchFunc(sorted, emitted+1, func(w progress.Window, t sequence.Time) int { return int(min(max(w.End-t, -1), 1)) })
	return sorted[:at], sorted[at:]
}

// correct folds closed windows again, some of which have other rows now.
func (m *Machine) correct(ctx context.Context, r *Rule, out *Outcome, past []progress.Window, emitted sequence.Time) error {
	after, touched := past[0].End-r.every, past[len(past)-1].End
	before, later, err := m.Stored.Changes(ctx, r.id, after)
	if err != nil {
		return err
	}
	stored, err := m.Rows.Rows(ctx, r.id, sequence.Span{After: after - (reachBack+1)*r.every, UpTo: emitted})
	if err != nil {
		return fmt.Errorf("read rows of the alerting rule %s: %w", r.rule.Name, err)
	}
	w := m.windows(ctx, r, overlay(stored, past))
	start := alert.Restore(before, after)
	start.Refresh(w, after)
	was := out.state.Clone()
	c := alert.Correct(r.rule, start, later, out.state, w, sequence.Span{After: after, UpTo: emitted}, touched)
	m.tell(r, c.Err)
	out.state = c.State
	out.Update.Changes = c.Added
	for i := range c.Withdrawn {
		out.Update.Withdrawn = append(out.Update.Withdrawn, c.Withdrawn[i].ID)
	}
	if m.Past {
		out.Update.Notices = alert.NoticesOf(c.Added)
	}
	if !c.Same {
		out.Update.Notices = add(out.Update.Notices, alert.NoticesBetween(&was, &c.State, emitted))
	}
	return nil
}

// add adds notices of how things stand to those of how they came to be, but for those
// that say what the last one of the alert says.
func add(past, present []alert.Notice) []alert.Notice {
	out := past
	for _, n := range present {
		told := false
		for _, p := range past {
			if labels.Equal(p.Labels, n.Labels) {
				told = p.Phase == n.Phase
			}
		}
		if !told {
			out = append(out, n)
		}
	}
	return out
}

// overlay is stored windows with those of a round over them, by their ends: what the
// result table will hold. Both ascend.
func overlay(stored, round []progress.Window) []progress.Window {
	out := make([]progress.Window, 0, len(stored)+len(round))
	for _, w := range round {
		for len(stored) > 0 && stored[0].End < w.End {
			out, stored = append(out, stored[0]), stored[1:]
		}
		if len(stored) > 0 && stored[0].End == w.End {
			if !w.Complete {
				w = amend(stored[0], w)
			}
			stored = stored[1:]
		}
		out = append(out, w)
	}
	return append(out, stored...)
}

// amend is a stored window with what a round says of some of its rows.
func amend(stored, w progress.Window) progress.Window {
	named := map[string]bool{}
	for _, row := range w.Rows {
		named[progress.RowKey(row.Columns)] = true
	}
	for _, columns := range w.Gone {
		named[progress.RowKey(columns)] = true
	}
	rows := slices.Clone(w.Rows)
	for _, row := range stored.Rows {
		if !named[progress.RowKey(row.Columns)] {
			rows = append(rows, row)
		}
	}
	w.Rows = rows
	return w
}

// windows makes alerts of rows.
func (m *Machine) windows(ctx context.Context, r *Rule, list []progress.Window) alert.Windows {
	out := alert.Windows{Every: r.every}
	for i := range list {
		w := &list[i]
		if len(w.Rows) == 0 && w.Failed == "" {
			continue
		}
		rows := make([]expand.Row, len(w.Rows))
		for j, row := range w.Rows {
			rows[j] = expand.Row{Labels: r.layout.Labels(row.Columns), Value: row.Value}
			if row.Histogram != nil { // to Prometheus, the value of such an alert is 0
				rows[j].Value, rows[j].Histogram = 0, row.Histogram.Float()
			}
		}
		out.List = append(out.List, alert.Window{End: w.End, Found: m.Expand.Found(ctx, r.rule, w.End, rows), Failed: w.Failed != ""})
	}
	return out
}

// tell logs why a rule fails in a window.
func (m *Machine) tell(r *Rule, err error) {
	if err != nil {
		m.Log.Warn("alerting rule cannot be evaluated", "alert", r.rule.Name, "flow", int64(r.id), "err", err)
	}
}
