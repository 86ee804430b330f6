package inspect

import (
	"math"
	"slices"

	"github.com/prometheus/prometheus/model/labels"

	"laminar/flownode/keep"
	"laminar/flownode/progress"
	"laminar/flownode/round"
	"laminar/sequence"
)

// Options says what is looked at.
type Options struct {
	Window sequence.Time // the window with this end, and its panes; sequence.NoTime for all panes
	Group  labels.Labels // groups that have these labels; all with none
	Most   int           // partials that are listed of each leaf, and merged ones
}

// State is what a flow has in memory.
type State struct {
	Title  string
	ID     progress.FlowID
	Vector sequence.Vector
	Bytes  int64 // its part of what several flows share
	Leaves []Leaf
}

// Leaf is what a leaf of the flow has in memory.
type Leaf struct {
	Text    string
	Native  bool // its series may hold native histograms
	ByGroup bool // a slot is a group; else it is a series
	Series  int
	Slots   int
	Groups  int

	Kept   bool // there is pane state; the rest is about it
	Kind   string
	Width  int64 // of panes, ms
	Vector sequence.Vector
	From   sequence.Time // panes with a later end are in memory, where there are samples
	Bytes  int64

	Panes        []Pane
	Partials     []Partial // of these panes, oldest first, slots ascending
	PartialsMore int64     // that are left out
	Span         sequence.Span
	Merged       []Partial // what the panes in Span merge to, where a window is looked at
	MergedMore   int64
}

// Pane is a pane in memory.
type Pane = keep.PaneLook

// Partial is one partial, and whose it is.
type Partial struct {
	keep.PartialLook
	Group  labels.Labels
	Series sequence.SeriesID // where a slot is a series; else 0
}

// Of copies what a flow has in memory.
func Of(f *round.Flow, opts Options) State {
	out := State{Title: f.Def.Title(), ID: f.ID, Vector: f.Vector.Clone(), Bytes: f.Leaves.Bytes()}
	for _, l := range f.Leaves {
		out.Leaves = append(out.Leaves, leafOf(l, opts))
	}
	return out
}

func leafOf(l *keep.Leaf, opts Options) Leaf {
	m := l.Members
	out := Leaf{
		Text: l.Def.Text, Native: l.Def.Native, ByGroup: m.ByGroup, Series: len(m.Series), Slots: len(m.GroupOf), Groups: len(m.Groups),
		Width: l.Def.Pane,
	}
	if l.State == nil {
		return out
	}
	at, from := l.State.Position()
	out.Kept, out.Kind, out.Vector, out.From, out.Bytes = true, l.KindName(), at.Clone(), from, l.State.Bytes()
	look := keep.Look{Slots: slotsOf(m, opts.Group), Most: opts.Most}
	ends := sequence.Span{After: math.MinInt64, UpTo: math.MaxInt64}
	if opts.Window != sequence.NoTime {
		out.Span = l.Span(opts.Window)
		ends = out.Span
	}
	panes, partials, more := l.State.Look(ends, look)
	out.Panes, out.PartialsMore = panes, more
	out.Partials = placed(m, partials)
	if opts.Window != sequence.NoTime {
		merged, more := l.State.LookMerged(out.Span, out.Slots, look)
		out.Merged, out.MergedMore = placed(m, merged), more
	}
	return out
}

// slotsOf is the slots of the groups that have the labels, ascending; nil for all slots.
func slotsOf(m *keep.Members, of labels.Labels) []int32 {
	if of.IsEmpty() {
		return nil
	}
	slots := []int32{}
	for g := range m.Groups {
		has := true
		of.Range(func(l labels.Label) { has = has && m.Groups[g].Labels.Get(l.Name) == l.Value })
		if has {
			slots = append(slots, m.SlotsOf(int32(g))...)
		}
	}
	slices.Sort(slots)
	return slots
}

// placed says of partials whose they are.
func placed(m *keep.Members, list []keep.PartialLook) []Partial {
	series := map[int32]sequence.SeriesID{}
	if !m.ByGroup {
		for _, p := range list {
			series[p.Slot] = 0
		}
		for i, slot := range m.Slots {
			if _, wanted := series[slot]; wanted {
				series[slot] = m.Series[i]
			}
		}
	}
	out := make([]Partial, len(list))
	for i, p := range list {
		out[i] = Partial{PartialLook: p, Series: series[p.Slot]}
		if g := m.GroupOf[p.Slot]; g >= 0 {
			out[i].Group = m.Groups[g].Labels
		}
	}
	return out
}
