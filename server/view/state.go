package view

import (
	"strconv"

	"github.com/prometheus/prometheus/model/labels"

	"laminar/flownode/flowdef"
	"laminar/flownode/inspect"
	"laminar/flownode/partial"
	"laminar/sequence"
)

// StateSeen is what the flownode that keeps a flow has in memory of it: `flow state`.
type StateSeen struct {
	Flow   string      `json:"flow"`
	Here   bool        `json:"here"`             // the process that answers keeps the flow
	Why    string      `json:"why,omitempty"`    // it does not
	Leader *Node       `json:"leader,omitempty"` // who does; null when nobody leads
	Vector string      `json:"vector"`           // what the flow has read
	Bytes  int64       `json:"bytes"`            // its part of what several flows share
	Leaves []LeafState `json:"leaves"`
}

// LeafState is what is in memory for a leaf.
type LeafState struct {
	Leaf       string   `json:"leaf"`
	Kept       bool     `json:"kept"` // there are panes; without them the leaf is computed from raw samples
	Kind       string   `json:"kind"` // of partials
	Slots      int      `json:"slots"`
	ByGroup    bool     `json:"by_group"` // a slot is a group of the leaf, else a series
	Series     int      `json:"series"`
	Groups     int      `json:"groups"`
	Pane       string   `json:"pane"`   // how long one is
	Vector     string   `json:"vector"` // all samples up to it are in the panes
	From       string   `json:"from"`   // panes with a later end are in memory
	Bytes      int64    `json:"bytes"`
	SharedWith []string `json:"shared_with"` // flows that use the same panes

	Panes        []PaneSeen    `json:"panes"`      // oldest first; a pane without samples is not there
	PanesMore    int           `json:"panes_more"` // that are left out, the oldest
	Partials     []PartialSeen `json:"partials"`
	PartialsMore int64         `json:"partials_more"`
	Window       *MergedWindow `json:"window"` // null where none is looked at
}

// PaneSeen is a pane in memory.
type PaneSeen struct {
	End   string `json:"end"`
	Cells int64  `json:"cells"` // partials with samples
	Bytes int64  `json:"bytes"`
}

// PartialSeen is a partial of one pane.
type PartialSeen struct {
	Pane string `json:"pane"`
	PartialOf
}

// PartialOf is a partial, and whose it is. What it holds depends on its kind; times among
// it end in _t.
type PartialOf struct {
	Slot   int32             `json:"slot"`
	Group  map[string]string `json:"group"`
	Series map[string]string `json:"series,omitempty"` // where a slot is a series whose labels are stored
	Fields map[string]string `json:"fields"`
}

// MergedWindow is what the panes of a window merge to.
type MergedWindow struct {
	Start      string       `json:"start"` // samples after it, and up to the end
	End        string       `json:"end"`
	Whole      bool         `json:"whole"` // all panes of it are in memory
	Merged     []MergedSeen `json:"merged"`
	MergedMore int64        `json:"merged_more"`
}

// MergedSeen is what the panes of a window merge to for one slot.
type MergedSeen struct {
	PartialOf
	Value string `json:"value"` // what the leaf's function makes of it; "-" where it has none
}

// Unkept says that the process that answers does not keep a flow, and who does.
func Unkept(flow, why string, leader *Node) StateSeen {
	return StateSeen{Flow: flow, Why: why, Leader: leader, Leaves: []LeafState{}}
}

// NewState shows what is in memory of a flow. named is the labels of series; sharing is, by
// leaf, the flows that use its panes. At most so many panes of a leaf are listed.
func NewState(st inspect.State, named map[sequence.SeriesID]map[string]string, sharing [][]string, most int) StateSeen {
	v := StateSeen{Flow: st.Title, Here: true, Vector: st.Vector.String(), Bytes: st.Bytes, Leaves: []LeafState{}}
	for i, l := range st.Leaves {
		v.Leaves = append(v.Leaves, newLeafState(l, named, most))
		v.Leaves[i].SharedWith = append([]string{}, sharing[i]...)
	}
	return v
}

func newLeafState(l inspect.Leaf, named map[sequence.SeriesID]map[string]string, most int) LeafState {
	v := LeafState{
		Leaf: l.Text, Kept: l.Kept, Kind: None, Slots: l.Slots, ByGroup: l.ByGroup, Series: l.Series, Groups: l.Groups,
		Pane: None, Vector: None, From: None, Panes: []PaneSeen{}, Partials: []PartialSeen{}, PartialsMore: l.PartialsMore,
	}
	if !l.Kept {
		return v
	}
	v.Kind, v.Pane, v.Vector, v.From, v.Bytes = l.Kind, flowdef.FormatMillis(l.Width), l.Vector.String(), FormatTime(l.From), l.Bytes
	panes := l.Panes
	if v.PanesMore = max(0, len(panes)-most); v.PanesMore > 0 {
		panes = panes[v.PanesMore:]
	}
	for _, p := range panes {
		v.Panes = append(v.Panes, PaneSeen{End: FormatTime(p.End), Cells: p.Cells, Bytes: p.Bytes})
	}
	for _, p := range l.Partials {
		v.Partials = append(v.Partials, PartialSeen{Pane: FormatTime(p.End), PartialOf: newPartialOf(p, named)})
	}
	if l.Span.Empty() {
		return v
	}
	v.Window = &MergedWindow{
		Start: FormatTime(l.Span.After), End: FormatTime(l.Span.UpTo), Whole: l.Span.After >= l.From, Merged: []MergedSeen{}, MergedMore: l.MergedMore,
	}
	for _, p := range l.Merged {
		m := MergedSeen{PartialOf: newPartialOf(p, named), Value: None}
		switch {
		case p.Histogram != nil:
			m.Value = p.Histogram.String()
		case p.Valued:
			m.Value = FormatValue(p.Value)
		}
		v.Window.Merged = append(v.Window.Merged, m)
	}
	return v
}

func newPartialOf(p inspect.Partial, named map[sequence.SeriesID]map[string]string) PartialOf {
	v := PartialOf{Slot: p.Slot, Group: map[string]string{}, Series: named[p.Series], Fields: map[string]string{}}
	p.Group.Range(func(l labels.Label) { v.Group[l.Name] = l.Value })
	for _, f := range p.Fields {
		v.Fields[f.Name] = fieldText(f.Value)
	}
	return v
}

// fieldText spells what a partial holds.
func fieldText(value any) string {
	switch v := value.(type) {
	case partial.At:
		return FormatTime(int64(v))
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		return FormatValue(v)
	case bool:
		return strconv.FormatBool(v)
	case string:
		return v
	}
	return None
}
