// Package applyplan decides what becomes of the flows of the catalogue when definitions
// are applied, from both alone: which definition is which flow, which rules are gone, and
// which places the flows have in their tables; and which refills of flows are refused. It is
// pure; flowstore does what it says.
package applyplan

import (
	"reflect"
	"slices"
	"strings"

	"laminar/flownode/defjson"
	"laminar/flownode/flowdef"
	"laminar/flownode/flowgraph"
)

// What an apply is to do, decided from the catalogue and the definitions alone.
//
// A definition is matched with a flow of the catalogue by its record, which is its name
// and its static labels. Where several rules have one record, an equal definition is the
// same rule, wherever it stands; of the others those of one rule group are matched in their
// order, then those of one file. A rule that is left over is a new one. A rule of the
// catalogue that is left over is gone if the file that it came from gives others of its
// record: rules of one record in a file are given together, because none of them has a
// name of its own.
//
//	catalogue, of web.yml    web.yml now    what becomes of it
//	x = a                    x = a          unchanged
//	x = b                    x = c          c in the place of b
//	x = d                                   d is gone
//
// Rules of other files with the same record are left alone: both give results.

// Entry is a flow as it stands in the catalogue.
type Entry struct {
	ID     int32
	Schema string // of the result table: the configured one when it was applied
	Group  string // the fence group
	Def    flowdef.Flow

	Hash [32]byte // of the definition, by which a new one is compared
}

// Removal names what is to go: the flows of a record, or one flow, that came from a
// fence group.
type Removal struct{ Title, Group string }

// Applied is what Apply did about a flow.
type Applied string

// What can become of a definition.
const (
	Created   Applied = "created"
	Unchanged Applied = "unchanged"
	Regrouped Applied = "regrouped" // only its fence group changed
	Retuned   Applied = "retuned"   // only how it is kept changed (retuned), and perhaps its group
	Replaced  Applied = "replaced"
	Removed   Applied = "removed" // it was to go, or its file has the rule no more, but others of its record
	Left      Applied = "left"    // it is not among the definitions and goes on; only where that was asked for
)

// ChangedError says that flows are in the catalogue with another definition.
// Nothing was applied.
type ChangedError struct {
	Flows    []string          // titles, with a reason where the definition is the same
	Problems []flowdef.Problem // the same with their places, where they are definitions of the call
}

func (e *ChangedError) Error() string {
	return "changed since they were applied: " + strings.Join(e.Flows, ", ")
}

// Hint tells the user what to type instead.
func (e *ChangedError) Hint() string {
	return "--replace, which drops the results of these flows and computes them anew: as far back as backfill says, or without one from now on, with laminar refill for what was before"
}

// Plan is what an apply does.
type Plan struct {
	Items   []Item  // one for each definition, in their order; behind them flows whose table must be made again
	Gone    []Entry // rules that their file has no more, and flows that are to go
	Staying []Moved // flows that are not among the definitions
	lost    []loss  // of what results are lost
}

// loss is results that are lost by an apply, without having been asked for by name.
type loss struct {
	of     flowdef.Flow // the definition of the call, or the flow of the catalogue
	title  string
	why    string // "" where the definition has changed
	pruned bool   // a rule that its file has no more
}

// Allowed refuses what loses results and was not asked for.
func (p *Plan) Allowed(replace, prune bool) error {
	refused := &ChangedError{}
	for _, l := range p.lost {
		if replace || prune && l.pruned {
			continue
		}
		text, said := l.title, "has changed since it was applied"
		if l.why != "" {
			text, said = text+" ("+l.why+")", l.why
		}
		refused.Flows = append(refused.Flows, text)
		refused.Problems = append(refused.Problems, flowdef.Problem{File: l.of.File, Line: l.of.Line, Message: "flow " + l.title + ": " + said})
	}
	if len(refused.Flows) == 0 {
		return nil
	}
	return refused
}

// Moved is a flow as it is in the catalogue, and its definition as it is to be.
type Moved struct {
	Entry
	Now flowdef.Flow
}

// Item is what becomes of one definition.
type Item struct {
	Def    flowdef.Flow // with its place in the table
	Hash   [32]byte
	Old    *Entry // the flow of the catalogue that it is, nil for a new one
	Twin   int    // the earlier definition that it repeats, -1 for none
	Action Applied
	why    string // it is replaced though its definition has not changed
}

// New decides what becomes of the definitions, and of the flows that are to go.
// schema is that of new tables.
func New(known []Entry, flows []flowdef.Flow, remove []Removal, schema string) (*Plan, error) {
	p := &Plan{Items: make([]Item, len(flows))}
	byRecord := map[string][]*Entry{}
	for i := range known {
		record := known[i].Def.RecordTitle()
		byRecord[record] = append(byRecord[record], &known[i])
	}
	used := map[int32]bool{}
	for i, f := range flows {
		hash, err := defjson.Hash(f)
		if err != nil {
			return nil, err
		}
		p.Items[i] = Item{Def: f, Hash: hash, Twin: -1, Action: Created}
		p.Items[i].Twin = slices.IndexFunc(p.Items[:i], func(o Item) bool {
			return f.Rule && o.Def.Rule && o.Twin < 0 && o.Hash == hash && o.Def.RecordTitle() == f.RecordTitle()
		})
	}
	match := func(fits func(Item, *Entry) bool) {
		for i := range p.Items {
			it := &p.Items[i]
			if it.Old != nil || it.Twin >= 0 {
				continue
			}
			for _, e := range byRecord[it.Def.RecordTitle()] {
				if !used[e.ID] && fits(*it, e) {
					it.Old, used[e.ID] = e, true
					break
				}
			}
		}
	}
	match(func(it Item, e *Entry) bool { return it.Hash == e.Hash && it.Def.Place() == e.place() })
	match(func(it Item, e *Entry) bool { return it.Hash == e.Hash })
	match(func(it Item, e *Entry) bool { return it.Def.Place() == e.place() })
	match(func(it Item, e *Entry) bool { return !it.Def.Rule || fileOf(it.Def.Place()) == fileOf(e.place()) })
	for i := range p.Items {
		if it := &p.Items[i]; it.Old != nil {
			it.Def.Member, it.Action = it.Old.Def.Member, Unchanged // or another of those that stay: see note
			same, err := it.computesSame()
			if err != nil {
				return nil, err
			}
			if !same {
				it.Action = Replaced
			}
		}
	}
	for _, e := range known {
		if !used[e.ID] && slices.ContainsFunc(remove, e.Named) {
			used[e.ID] = true
			p.Gone = append(p.Gone, e)
		}
	}
	p.leftOver(byRecord, used)
	if err := p.labels(known, used); err != nil {
		return nil, err
	}
	p.places(known, schema)
	return p, nil
}

// Places gives flows the places in their tables that they would get in an empty catalogue,
// and leaves out rules that repeat others.
func Places(flows []flowdef.Flow) ([]flowdef.Flow, error) {
	p, err := New(nil, flows, nil, "")
	if err != nil {
		return nil, err
	}
	out := make([]flowdef.Flow, 0, len(flows))
	for _, it := range p.Items {
		if it.Twin < 0 {
			out = append(out, it.Def)
		}
	}
	return out, nil
}

// computesSame reports whether the results so far can stay: the definition is the same, or
// other in nothing but how many groups keep a row, of which the windows are computed again.
func (it *Item) computesSame() (bool, error) {
	def := it.Def
	def.MaxGroups = it.Old.Def.MaxGroups
	hash, err := defjson.Hash(def)
	return hash == it.Old.Hash, err
}

// Note says what becomes of a definition that is there already, by all but its results.
func (it *Item) Note() {
	switch {
	case it.Old == nil || it.Action == Replaced:
	case retuned(&it.Old.Def, &it.Def):
		it.Action = Retuned
	case it.Old.Group != it.Def.Group || it.Old.place() != it.Def.Place():
		it.Action = Regrouped
	default:
		it.Action = Unchanged
	}
}

// retuned reports whether a definition that computes the same is another in what the flow's
// owner goes by.
func retuned(old, now *flowdef.Flow) bool {
	return old.Executor != now.Executor || old.Emit != now.Emit || old.Beside != now.Beside || old.MaxGroups != now.MaxGroups ||
		!reflect.DeepEqual(old.Behind, now.Behind) || !reflect.DeepEqual(old.Alert, now.Alert)
}

// Fresh is the items that are flows of their own, in their order.
func (p *Plan) Fresh() []*Item {
	out := make([]*Item, 0, len(p.Items))
	for i := range p.Items {
		if p.Items[i].Twin < 0 {
			out = append(out, &p.Items[i])
		}
	}
	return out
}

// Moved is the flows that stay and are to be defined otherwise, as the items and staying
// say by now.
func (p *Plan) Moved() []Moved {
	var out []Moved
	for _, it := range p.Fresh() {
		if it.Old != nil && it.Action != Replaced && (it.Action != Unchanged || !it.Def.Member.Same(it.Old.Def.Member)) {
			out = append(out, Moved{*it.Old, it.Def})
		}
	}
	for _, s := range p.Staying {
		if s.Group != s.Now.Group || s.place() != s.Now.Place() || !s.Now.Member.Same(s.Def.Member) {
			out = append(out, s)
		}
	}
	return out
}

// place is the group that the flow's definition has by its place in a file.
func (e Entry) place() string {
	if e.Def.Origin != "" {
		return e.Def.Origin
	}
	return e.Group
}

// leftOver finds the rules that their files have no more.
func (p *Plan) leftOver(byRecord map[string][]*Entry, used map[int32]bool) {
	files := map[string]bool{} // record and file
	for _, it := range p.Items {
		if it.Def.Rule {
			files[it.Def.RecordTitle()+"\x00"+fileOf(it.Def.Place())] = true
		}
	}
	for record, entries := range byRecord {
		for _, e := range entries {
			if !used[e.ID] && files[record+"\x00"+fileOf(e.place())] {
				used[e.ID] = true
				p.Gone = append(p.Gone, *e)
				p.lost = append(p.lost, loss{of: e.Def, title: e.Def.Title(), why: "its file has it no more", pruned: true})
			}
		}
	}
	slices.SortFunc(p.Gone, func(a, b Entry) int { return int(a.ID - b.ID) })
}

// entryOf is a copy of an entry to point to.
func entryOf(e Entry) *Entry { return &e }

// Named reports whether the flow is one that is to go.
func (e Entry) Named(r Removal) bool {
	return r.Group == e.place() && (r.Title == e.Def.Title() || r.Title == e.Def.RecordTitle())
}

// fileOf is the file of a fence group.
func fileOf(group string) string {
	if end := strings.IndexAny(group, "/ #"); end >= 0 {
		return group[:end]
	}
	return group
}

// labels finds what labels results have that flows read, for flows that are new. Those that
// stay have tables with columns already, and keep what these were made by; where a record
// has more labels by now, the flow over it must be made again.
func (p *Plan) labels(known []Entry, used map[int32]bool) error {
	var fresh []int // places of items
	for i := range p.Items {
		it := &p.Items[i]
		if it.Twin >= 0 {
			continue
		}
		fresh = append(fresh, i)
		if it.Old != nil && it.Action != Replaced {
			var err error
			if it.Def, err = it.Def.Over(it.Old.Def.Results); err != nil {
				return err
			}
		}
	}
	for {
		n, defs := len(fresh), make([]flowdef.Flow, 0, len(fresh)+len(known))
		for _, i := range fresh {
			defs = append(defs, p.Items[i].Def)
		}
		var staying []*Entry
		for i := range known {
			if !used[known[i].ID] {
				staying, defs = append(staying, &known[i]), append(defs, known[i].Def)
			}
		}
		out, stale, err := flowgraph.WithLabels(defs, func(k int) bool {
			return k >= n || p.Items[fresh[k]].Old != nil && p.Items[fresh[k]].Action != Replaced
		})
		if err != nil {
			return err
		}
		for k, i := range fresh {
			p.Items[i].Def = out[k]
		}
		const why = "a record that it reads has other labels now"
		for _, k := range stale {
			if k < n {
				p.Items[fresh[k]].Action, p.Items[fresh[k]].why = Replaced, why
				continue
			}
			e := staying[k-n]
			used[e.ID], fresh = true, append(fresh, len(p.Items))
			def := e.Def
			def.Group = e.Group
			p.Items = append(p.Items, Item{Def: def, Hash: e.Hash, Old: entryOf(*e), Twin: -1, Action: Replaced, why: why})
		}
		if len(stale) == 0 {
			return nil
		}
	}
}

// places gives the flows of each table that changes their places in it.
func (p *Plan) places(known []Entry, schema string) {
	leaves := map[int32]bool{}
	for _, e := range p.Gone {
		leaves[e.ID] = true
	}
	of := map[int32]*Item{} // of flows that stay or are replaced
	type table struct{ schema, name string }
	fresh := map[table][]*Item{}
	placed := map[int32]Moved{} // of flows that are not among the definitions, in tables that change
	var remade []Item
	var order []table
	for i := range p.Items {
		it := &p.Items[i]
		if it.Twin >= 0 {
			continue
		}
		if it.Old != nil {
			of[it.Old.ID] = it
			leaves[it.Old.ID] = it.Action == Replaced
		}
		if it.Action == Replaced {
			p.lost = append(p.lost, loss{of: it.Def, title: it.Def.Title(), why: it.why})
		}
		if t := (table{schema, it.Def.Table}); it.Action == Created || it.Action == Replaced {
			if fresh[t] == nil {
				order = append(order, t)
			}
			fresh[t] = append(fresh[t], it)
		}
	}
	for _, t := range order {
		var stay []Entry
		var flows []flowdef.Flow
		for _, e := range known {
			if e.Schema != t.schema || e.Def.Table != t.name || leaves[e.ID] {
				continue
			}
			stay, flows = append(stay, e), append(flows, e.Def)
			flows[len(flows)-1].Group = e.Group
			if it := of[e.ID]; it != nil {
				flows[len(flows)-1] = it.Def
			}
		}
		for _, it := range fresh[t] {
			flows = append(flows, it.Def)
		}
		out, why := flowdef.Membered(flows, len(stay))
		var again []Entry
		for i, it := range fresh[t] {
			it.Def = out[len(stay)+i]
		}
		for i, e := range stay {
			if why != "" {
				p.lost = append(p.lost, loss{of: e.Def, title: e.Def.Title(), why: why})
			}
			it := of[e.ID]
			if it == nil {
				placed[e.ID] = Moved{e, out[i]}
				if why != "" {
					again = append(again, e)
				}
			} else if it.Def = out[i]; why != "" {
				it.Action = Replaced
			}
		}
		for _, e := range again {
			remade = append(remade, Item{Def: placed[e.ID].Now, Hash: e.Hash, Old: entryOf(e), Twin: -1, Action: Replaced})
			leaves[e.ID] = true
		}
	}
	for _, e := range known {
		switch m, has := placed[e.ID]; {
		case leaves[e.ID] || of[e.ID] != nil:
		case has:
			p.Staying = append(p.Staying, m)
		default:
			now := e.Def
			now.Group = e.Group
			p.Staying = append(p.Staying, Moved{e, now})
		}
	}
	p.Items = append(p.Items, remade...)
}
