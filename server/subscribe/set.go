package subscribe

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"laminar/client/wire"
	"laminar/flownode/changelog"
	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
)

// set is flows that are followed together. It is not changed once it is made: flows of other
// lives are another set.
type set struct {
	flows []flow // by id
	ids   []progress.FlowID
	key   string // equal keys are equal sets
	hello []byte // the message
}

// flow is a flow of a set.
type flow struct {
	id     progress.FlowID
	life   uint32 // as positions spell its incarnation
	def    flowdef.Flow
	layout *flowdef.Layout
	prefix []byte // with which its messages of rows begin
}

// cut is how far each flow of a set was followed, in the set's order.
type cut []changelog.Position

// newSet makes a set of the flows, each of which may come several times.
func newSet(flows []changelog.Flow) (*set, error) {
	flows = slices.Clone(flows)
	slices.SortFunc(flows, func(a, b changelog.Flow) int { return cmp.Compare(a.Flow, b.Flow) })
	flows = slices.CompactFunc(flows, func(a, b changelog.Flow) bool { return a.Flow == b.Flow })
	s := &set{}
	hello := wire.Hello{Type: wire.TypeHello, Protocol: wire.Version, Flows: []wire.Flow{}}
	var key strings.Builder
	for _, f := range flows {
		own := flow{id: f.Flow, life: life(f.Incarnation), def: f.Def, layout: flowdef.NewLayout(f.Def)}
		own.prefix = wire.AppendString([]byte(`{"type":"rows","flow":`), f.Def.Title())
		s.flows, s.ids = append(s.flows, own), append(s.ids, own.id)
		fmt.Fprintf(&key, "%d.%x,", own.id, f.Incarnation)
		static := map[string]string{}
		for _, l := range f.Def.StaticLabels {
			static[l.Name] = l.Value
		}
		hello.Flows = append(hello.Flows, wire.Flow{
			Flow: f.Def.Title(), Columns: append([]string{}, own.layout.Names...), LabelsJSON: !own.layout.PerLabel, Static: static, Every: f.Def.Every,
		})
	}
	s.key = key.String()
	var err error
	s.hello, err = wire.Encode(hello)
	return s, err
}

// life is an incarnation as positions spell it: four bytes tell those of one flow apart.
func life(i changelog.Incarnation) uint32 { return binary.BigEndian.Uint32(i[:4]) }

// arrange puts stands into the set's order. It reports whether all flows are there and in the
// life in which the set knows them.
func (s *set) arrange(stands []changelog.Stand) ([]changelog.Stand, bool) {
	if len(stands) != len(s.flows) {
		return nil, false
	}
	out := make([]changelog.Stand, len(stands))
	for _, st := range stands {
		i, found := slices.BinarySearch(s.ids, st.Flow)
		if !found || life(st.Incarnation) != s.flows[i].life {
			return nil, false
		}
		out[i] = st
	}
	return out, true
}

// resume is the cut of a position. If it cannot be gone on from, reset says why.
func (s *set) resume(p wire.Position, stands []changelog.Stand) (at cut, reset string) {
	if len(p) != len(s.flows) {
		return nil, wire.ResetFlows
	}
	for i, f := range p {
		if f.Flow != int32(s.flows[i].id) {
			return nil, wire.ResetFlows
		}
		at = append(at, changelog.Position(f.Number))
	}
	for i, f := range p {
		switch {
		case f.Incarnation != s.flows[i].life:
			return nil, wire.ResetRebuilt
		case at[i] > stands[i].Position:
			return nil, wire.ResetAhead
		}
	}
	if pruned(at, stands) {
		return nil, wire.ResetRetention
	}
	return at, ""
}

// position is the cut as clients keep it.
func (s *set) position(at cut) wire.Position {
	out := make(wire.Position, len(at))
	for i, f := range s.flows {
		out[i] = wire.FlowPosition{Flow: int32(f.id), Incarnation: f.life, Number: int64(at[i])}
	}
	return out
}

// pruned reports whether changes after the cut are no longer known.
func pruned(at cut, stands []changelog.Stand) bool {
	for i, st := range stands {
		if at[i] < st.Floor {
			return true
		}
	}
	return false
}

// cutAt is the cut at which flows stand.
func cutAt(stands []changelog.Stand) cut {
	out := make(cut, len(stands))
	for i, st := range stands {
		out[i] = st.Position
	}
	return out
}

// reaches reports whether the cut includes all of the other.
func (c cut) reaches(other cut) bool {
	for i := range c {
		if c[i] < other[i] {
			return false
		}
	}
	return true
}

// moved is how many flows stand elsewhere in the other cut.
func (c cut) moved(other cut) (n int) {
	for i := range c {
		if c[i] != other[i] {
			n++
		}
	}
	return n
}

// latest is the later of two cuts, of which one reaches the other: both are of snapshots
// of one database.
func latest(a, b cut) cut {
	if a.reaches(b) {
		return a
	}
	return b
}
