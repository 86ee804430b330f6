package flownode

import (
	"fmt"
	"time"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowplan"
	"laminar/flownode/pane"
	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/sequence/series"
)

// flowRun is a flow this flownode owns: what is stored of it, and its caches.
// It belongs to the worker of its group.
//
//	F1  flow.Progress is what is stored, as of the last commit at flow.Epoch
//	F2  every leaf's state, where it exists, stands at flow.Vector between rounds
//	F3  all windows with an end <= EmittedUntil are closed
type flowRun struct {
	flow      progress.Flow
	hash      [32]byte // of the definition, as the catalogue's head had it
	layout    *flowdef.Layout
	leaves    []*Leaf
	dirty     *flowplan.DirtyList
	clock     flowplan.Clock
	open      openWindow
	groupRows groupRows
	errs      string    // error text as stored
	takeAfter time.Time // when a flow that could not be taken over is tried again
	broken    bool      // its last round was not committed: load it again

	membersAt sequence.Vector // every leaf's members are complete up to here; nil before the first reading
	stored    sequence.Vector // the vector as stored; flow.Vector may be ahead while nothing but it moved
	storedAt  time.Time       // when it was stored
	notBefore time.Time       // when a costly provisional window may be computed again
	postponed bool            // it was not, and something has changed

	pinnedGone bool // no window can be computed any more: what all of them read is given up
}

// Leaf is one leaf of a flow: its members and pane state.
type Leaf struct {
	Def      *flowdef.Leaf
	Step     int64
	Executor Executor // what the flow says; "" for nothing
	builder  builder
	Members  *Members
	State    State // nil when not in memory

	grid     pane.Grid // of panes
	stepGrid pane.Grid // of window ends

	ColumnarUntil time.Time // the database could not aggregate its samples: not tried again before

	// Within one round:
	plan      flowplan.Leaf
	closed    int64   // samples up to this time reach closed windows
	pushed    bool    // the ordered delta is aggregated by the database
	late      Touches // ordered samples of the delta that reach closed windows
	unordered Touches // unordered ones
	repair    Touches // unordered samples that fall in panes in memory, by slot
}

func newFlowRun(f progress.Flow) (*flowRun, error) {
	run := &flowRun{
		flow: f, layout: flowdef.NewLayout(f.Def),
		leaves: NewLeaves(f.Def),
		dirty:  flowplan.NewDirtyList(),
		clock:  flowplan.Clock{Newest: f.NewestT, NewestAt: f.NewestAt},
		errs:   f.Error,
		stored: f.Vector,
	}
	run.open.reset(progress.Unset)
	for _, d := range f.Dirty {
		reason, err := flowplan.ParseReason(d.Reason)
		if err != nil {
			return nil, fmt.Errorf("flow %s: dirty window %d: %w", f.Def.Name, d.WindowEnd, err)
		}
		run.dirty.Restore(d.WindowEnd, d.Group, reason, d.Since, d.FirstAt, d.LastAt)
	}
	return run, nil
}

// NewLeaves is the leaves of a definition, without members.
func NewLeaves(def flowdef.Flow) []*Leaf {
	out := make([]*Leaf, 0, len(def.Expr.Leaves))
	for i := range def.Expr.Leaves {
		leaf := &def.Expr.Leaves[i]
		out = append(out, &Leaf{
			Def: leaf, Step: def.Every, Executor: def.Executor, builder: builderOf(leaf, def.Every), Members: NewMembers(leaf),
			grid: pane.Grid{Width: leaf.Pane}, stepGrid: pane.Grid{Width: def.Every},
		})
	}
	return out
}

// dropState forgets all pane state; it is built again when needed (I7).
func (f *flowRun) dropState() {
	for _, l := range f.leaves {
		l.State = nil
	}
}

// stateBytes is about how much memory the pane state takes.
func (f *flowRun) stateBytes() int64 {
	var n int64
	for _, l := range f.leaves {
		if l.State != nil {
			n += l.State.Bytes()
		}
	}
	return n
}

// addSeries extends the members of all leaves.
func (f *flowRun) addSeries(list []series.Series) {
	for i := range list {
		for _, l := range f.leaves {
			l.Members.Add(&list[i])
		}
	}
}

// rebuildable reports whether no raw sample of the window is gone (I6).
func (f *flowRun) rebuildable(end, earliest int64) bool {
	return f.flow.Def.Expr.Rebuildable(end, earliest)
}

// ClosedT is the newest sample time that reaches a window with an end up to
// emitted: t + offset <= emitted.
func (l *Leaf) ClosedT(emitted int64) int64 {
	if emitted == progress.Unset {
		return -1
	}
	_, upTo := l.Span(emitted)
	return upTo
}

// Span is the stretch of sample time the window with this end reads:
// after < t <= upTo.
func (l *Leaf) Span(end int64) (after, upTo int64) { return l.Def.Bounds(end) }

// WindowsOf is the first and last window end that a sample at t reaches; last
// is before first when there is none. Windows end from 1970 on. It is not for
// pinned leaves, of which a sample reaches all windows or none.
func (l *Leaf) WindowsOf(t int64) (first, last int64) {
	return max(0, pane.FirstEnd(t, l.Def.Offset, l.Step)), pane.LastEnd(t, l.Def.Range, l.Def.Offset, l.Step)
}

// Touches is a set of (pane, group), or of (pane, slot).
type Touches struct {
	ByPane map[int64][]uint64 // pane end -> bit set of groups
	end    int64              // the pane last touched,
	bits   []uint64           // and its bits
}

func (s *Touches) Add(end int64, g int32) {
	if s.ByPane == nil {
		s.ByPane = map[int64][]uint64{}
		s.end = -1
	}
	if end != s.end || int(g)/64 >= len(s.bits) {
		s.end, s.bits = end, s.ByPane[end]
		for int(g)/64 >= len(s.bits) {
			s.bits = append(s.bits, 0)
		}
		s.ByPane[end] = s.bits
	}
	s.bits[g/64] |= 1 << (g % 64)
}

func (s *Touches) Has(end int64, g int32) bool {
	bits := s.ByPane[end]
	return int(g)/64 < len(bits) && bits[g/64]&(1<<(g%64)) != 0
}

func (s *Touches) Reset() { *s = Touches{} }

func (s *Touches) Empty() bool { return len(s.ByPane) == 0 }

// EachGroup calls fn for every group of a pane's bit set.
func EachGroup(bits []uint64, fn func(g int32)) {
	for i, word := range bits {
		for b := 0; word != 0; b++ {
			if word&1 != 0 {
				fn(int32(i*64 + b))
			}
			word >>= 1
		}
	}
}

// openWindow is the provisional result of the earliest open window as it was
// last written, so that only what changed is written again.
type openWindow struct {
	end   int64
	rows  []progress.Row // ascending by columns
	known bool           // rows is what was written
}

func (o *openWindow) reset(end int64) { *o = openWindow{end: end} }
