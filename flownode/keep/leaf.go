package keep

// A leaf, and the leaves of a flow.
//
//	Def       what the expression says       never changes
//	Members   which series that selects      only grow
//	State     partials by pane and slot      comes and goes
//
// Def outlives the others: a flow whose history changed gets new members, and state
// is dropped whenever it cannot be trusted.

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"laminar/flownode/flowdef"
	"laminar/flownode/pane"
	"laminar/sequence"
	"laminar/sequence/series"
)

// Leaf is one leaf of a flow as a process keeps it: its definition, the series
// it selects and its pane state. All of it is a cache (I7) and belongs to one
// goroutine. What one round finds out about a leaf is not here: a round makes
// that anew.
type Leaf struct {
	Def      *flowdef.Leaf
	Windows  pane.Windows     // what each reads, where the leaf is not pinned
	Executor flowdef.Executor // what the flow's definition says; "" for nothing
	Members  *Members
	State    State // nil when not in memory

	// ColumnarUntil is until when the leaf is read in columns because the
	// database could not aggregate its samples. The choice of an executor sets
	// and reads it.
	ColumnarUntil time.Time

	grid      pane.Grid // of panes
	touchGrid pane.Grid // what touches of closed windows are counted by
	builder   builder
	cellBytes int64    // that a slot takes in a pane, about
	key       string   // ShareKey
	names     []string // of metrics, as the definition lists them
	labels    []string // that members depend on
}

// NewLeaf is a leaf without members and without pane state. step is the distance
// of window ends, ms; executor is what the flow's definition says, "" for nothing. once
// is that a window is computed when it has closed, and seldom again.
func NewLeaf(def *flowdef.Leaf, step int64, executor flowdef.Executor, once bool) *Leaf {
	l := &Leaf{
		Def: def, Windows: pane.Windows{Every: step, Range: def.Range, Offset: def.Offset}, Executor: executor, builder: builderOf(def, step, once), Members: NewMembers(def),
		grid: gridOf(def), touchGrid: gridOf(def),
	}
	if def.Batch {
		l.touchGrid = pane.Grid{Width: step}
	}
	l.cellBytes, l.key, l.names, l.labels = l.builder.CellBytes, l.shareKey(), def.Names(), l.Members.Labels()
	return l
}

// gridOf is the panes that a leaf is kept in.
func gridOf(def *flowdef.Leaf) pane.Grid { return pane.Grid{Width: def.Pane, Phase: def.Phase} }

// FoldBy makes the leaf, which has no members yet, tell apart no more groups than that.
// It then shares nothing with other leaves: their groups are others.
func (l *Leaf) FoldBy(f *Fold) { l.Members.fold, l.key = f, "" }

// ShareKey is equal for leaves of a fence group that may use the same panes; "" for a
// leaf that cannot share.
func (l *Leaf) ShareKey() string { return l.key }

// shareKey is what a leaf must have in common with others to use the same panes: ""
// where it cannot.
//
// Where a slot is a group, slots depend on the grouping: only the very same leaf has
// them. Executors are part of the key, because a definition that names one is to be
// computed by it.
func (l *Leaf) shareKey() string {
	if l.Def.Batch || l.Def.Pinned || l.Def.Func == nil || l.Def.Session != nil {
		return ""
	}
	over := l.Def.Text + l.Def.Relabel.Key()
	if !l.Members.ByGroup {
		over = selectionKey(l)
	}
	return fmt.Sprintf("%s %t %t %d+%d %s %s", l.builder.Name, l.builder.markers, l.Def.Results, l.Def.Pane, l.Def.Phase, l.Executor, over)
}

// selectionKey is equal for leaves that select the same series, each in a slot of its
// own.
func selectionKey(l *Leaf) string {
	texts := make([]string, len(l.Def.Matchers))
	for i, m := range l.Def.Matchers {
		texts[i] = m.String()
	}
	slices.Sort(texts)
	if l.Def.Results {
		texts = append(texts, "of results")
	}
	return "{" + strings.Join(slices.Compact(texts), ",") + "}" + l.Def.Relabel.Key()
}

// NewState is pane state without samples that stands at the position at and begins
// at from, ms, a border of the leaf's panes. The caller must fold all samples after
// from and up to at before the state is used (C1).
func (l *Leaf) NewState(from sequence.Time, at sequence.Vector) State {
	return l.builder.panes(from, at)
}

// RawWindows computes windows straight from raw samples.
func (l *Leaf) RawWindows(raw *Columns) WindowSource { return l.builder.raw(raw) }

// FoldsLate reports whether a sample can be added to a partial that holds later
// ones.
func (l *Leaf) FoldsLate() bool { return l.builder.FoldsLate }

// KindName is the name of the kind of partial that the leaf is kept as, for people.
func (l *Leaf) KindName() string { return l.builder.Name }

// StateBytes is about how many bytes so many panes of all slots take, merged arrays
// not counted. It is an estimate for decisions; State.Bytes measures.
func (l *Leaf) StateBytes(panes int64) int64 {
	return panes * int64(len(l.Members.GroupOf)) * l.cellBytes
}

// Learn has StateBytes go by what a state of the leaf takes that holds samples of so many
// slots: as many runs of samples can be in a pane as samples.
func (l *Leaf) Learn(of State, slots int) {
	if s, ok := of.(*Sessions); ok {
		l.cellBytes = max(l.builder.CellBytes, s.slotBytes(slots))
	}
}

// PanesIn is how many panes of all slots take about so many bytes, the reverse
// of StateBytes.
func (l *Leaf) PanesIn(bytes int64) int64 { return bytes / max(1, l.StateBytes(1)) }

// From is where the pane state begins, ms: panes with a later end are in memory. It
// must not be called for a leaf without state.
func (l *Leaf) From() sequence.Time {
	_, from := l.State.Position()
	return from
}

// ReachesBack reports whether pane state is in memory for all samples after a
// time: windows that begin there or later can be computed from it.
func (l *Leaf) ReachesBack(after sequence.Time) bool { return l.State != nil && l.From() <= after }

// Span is the stretch of sample time the window with this end reads. A pinned
// leaf reads the same for every end.
func (l *Leaf) Span(end sequence.Time) sequence.Span { return l.Def.Bounds(end) }

// ClosedT is the newest sample time that reaches a window with an end up to
// emitted: t + offset <= emitted. It is below any sample's when emitted is
// sequence.NoTime.
func (l *Leaf) ClosedT(emitted sequence.Time) sequence.Time {
	if emitted == sequence.NoTime {
		return -1
	}
	return l.Span(emitted).UpTo
}

// Pins reports whether a sample at t, which is not after ClosedT, really reaches
// closed windows. For a pinned leaf that is so only after the beginning of its one
// stretch of time; for other leaves always.
func (l *Leaf) Pins(t sequence.Time) bool {
	if !l.Def.Pinned {
		return true
	}
	return t > l.Span(0).After
}

// PaneOf is the end of the pane that a time falls in.
func (l *Leaf) PaneOf(t sequence.Time) sequence.Time { return l.grid.End(t) }

// PaneSpan is what the pane with this end holds.
func (l *Leaf) PaneSpan(end sequence.Time) sequence.Span { return l.grid.Span(end) }

// TouchEnd names the stretch of time that a sample at t touches, by its end: the
// pane, or for a batch leaf, whose windows have too many panes, the step.
func (l *Leaf) TouchEnd(t sequence.Time) sequence.Time { return l.touchGrid.End(t) }

// TouchSpan is the stretch that TouchEnd names so.
func (l *Leaf) TouchSpan(end sequence.Time) sequence.Span { return l.touchGrid.Span(end) }

// Leaves is the leaves of a flow's expression, in its order.
type Leaves []*Leaf

// NewLeaves is the leaves of a definition, without members.
func NewLeaves(def flowdef.Flow) Leaves {
	out := make(Leaves, 0, len(def.Expr.Leaves))
	for i := range def.Expr.Leaves {
		out = append(out, NewLeaf(&def.Expr.Leaves[i], def.Every, def.Executor, def.Emit == flowdef.EmitClose))
	}
	return out
}

// AddSeries extends the members of all leaves. With several goroutines the caller
// does it in two steps instead (Selections, Members.Group).
func (ls Leaves) AddSeries(list []series.Series) {
	for _, m := range ls.Selections() {
		m.Select(list)
	}
	for _, m := range ls.Groupings() {
		m.Group(list)
	}
}

// Groupings is the members of which each groups for all that share its grouping.
func (ls Leaves) Groupings() []*Members {
	var out []*Members
	seen := make(map[*Grouping]struct{}, len(ls))
	for _, l := range ls {
		if _, ok := seen[l.Members.Grouping]; !ok {
			seen[l.Members.Grouping] = struct{}{}
			out = append(out, l.Members)
		}
	}
	return out
}

// Selections is the members of which each selects for all that share its selection.
func (ls Leaves) Selections() []*Members {
	var out []*Members
	seen := map[*Selection]struct{}{}
	for _, l := range ls {
		if _, ok := seen[l.Members.Selection]; !ok {
			seen[l.Members.Selection] = struct{}{}
			out = append(out, l.Members)
		}
	}
	return out
}

// DropState forgets all pane state; it is built again when it is needed (I7).
func (ls Leaves) DropState() {
	for _, l := range ls {
		l.State = nil
	}
}

// Bytes is about how much memory the pane state takes.
func (ls Leaves) Bytes() int64 {
	var n int64
	for _, l := range ls {
		if l.State != nil {
			n += l.State.Bytes()
		}
	}
	return n
}

// MetricNames is the names of the metrics that leaves can select, ascending; nil
// for any metric.
func (ls Leaves) MetricNames() []string {
	return namesOf(ls, func(l *Leaf) []string { return l.names })
}

// LabelNames is the labels that the members of leaves depend on; nil for all.
func (ls Leaves) LabelNames() []string {
	return namesOf(ls, func(l *Leaf) []string { return l.labels })
}

// namesOf joins the leaves' names, ascending and each once. If one leaf has nil, the
// result is nil: it needs every name there is.
func namesOf(ls Leaves, of func(*Leaf) []string) []string {
	var names, last []string
	for _, l := range ls {
		own := of(l)
		if own == nil {
			return nil
		}
		if !slices.Equal(own, last) { // many leaves have the same ones
			names, last = append(names, own...), own
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// Metrics is the metrics of the leaves' members, ascending.
func (ls Leaves) Metrics() []sequence.MetricID {
	var out []sequence.MetricID
	for _, l := range ls {
		out = append(out, l.Members.Metrics...)
	}
	slices.Sort(out)
	return slices.Compact(out)
}
