package flowstore

import (
	"reflect"
	"slices"
	"strings"

	"laminar/flownode/flowdef"
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

// plan is what an apply does.
type plan struct {
	items   []item  // one for each definition, in their order; behind them flows whose table must be made again
	gone    []entry // rules that their file has no more, and flows that are to go
	staying []moved // flows that are not among the definitions
	lost    []loss  // of what results are lost
}

// loss is results that are lost by an apply, without having been asked for by name.
type loss struct {
	of     flowdef.Flow // the definition of the call, or the flow of the catalogue
	title  string
	why    string // "" where the definition has changed
	pruned bool   // a rule that its file has no more
}

// allowed refuses what loses results and was not asked for.
func (p *plan) allowed(opts ApplyOptions) error {
	refused := &ChangedError{}
	for _, l := range p.lost {
		if opts.Replace || opts.Prune && l.pruned {
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

// moved is a flow as it is in the catalogue, and its definition as it is to be.
type moved struct {
	entry
	now flowdef.Flow
}

// item is what becomes of one definition.
type item struct {
	def    flowdef.Flow // with its place in the table
	hash   [32]byte
	old    *entry // the flow of the catalogue that it is, nil for a new one
	twin   int    // the earlier definition that it repeats, -1 for none
	action Applied
}

// planApply decides what becomes of the definitions, and of the flows that are to go.
// schema is that of new tables.
func planApply(known []entry, flows []flowdef.Flow, remove []Removal, schema string) (*plan, error) {
	p := &plan{items: make([]item, len(flows))}
	byRecord := map[string][]*entry{}
	for i := range known {
		record := known[i].def.RecordTitle()
		byRecord[record] = append(byRecord[record], &known[i])
	}
	used := map[int32]bool{}
	for i, f := range flows {
		hash, err := flowdef.Hash(f)
		if err != nil {
			return nil, err
		}
		p.items[i] = item{def: f, hash: hash, twin: -1, action: Created}
		p.items[i].twin = slices.IndexFunc(p.items[:i], func(o item) bool {
			return f.Rule && o.def.Rule && o.twin < 0 && o.hash == hash && o.def.RecordTitle() == f.RecordTitle()
		})
	}
	match := func(fits func(item, *entry) bool) {
		for i := range p.items {
			it := &p.items[i]
			if it.old != nil || it.twin >= 0 {
				continue
			}
			for _, e := range byRecord[it.def.RecordTitle()] {
				if !used[e.id] && fits(*it, e) {
					it.old, used[e.id] = e, true
					break
				}
			}
		}
	}
	match(func(it item, e *entry) bool { return it.hash == e.hash && it.def.Place() == e.place() })
	match(func(it item, e *entry) bool { return it.hash == e.hash })
	match(func(it item, e *entry) bool { return it.def.Place() == e.place() })
	match(func(it item, e *entry) bool { return !it.def.Rule || fileOf(it.def.Place()) == fileOf(e.place()) })
	for i := range p.items {
		if it := &p.items[i]; it.old != nil {
			it.def.Member, it.action = it.old.def.Member, Unchanged // or another of those that stay: see note
			if it.old.hash != it.hash {
				it.action = Replaced
			}
		}
	}
	for _, e := range known {
		if !used[e.id] && slices.ContainsFunc(remove, e.named) {
			used[e.id] = true
			p.gone = append(p.gone, e)
		}
	}
	p.leftOver(byRecord, used)
	p.places(known, schema)
	return p, nil
}

// Places gives flows the places in their tables that they would get in an empty catalogue,
// and leaves out rules that repeat others.
func Places(flows []flowdef.Flow) ([]flowdef.Flow, error) {
	p, err := planApply(nil, flows, nil, "")
	if err != nil {
		return nil, err
	}
	out := make([]flowdef.Flow, 0, len(flows))
	for _, it := range p.items {
		if it.twin < 0 {
			out = append(out, it.def)
		}
	}
	return out, nil
}

// note says what becomes of a definition that is there already, by all but its results.
func (it *item) note() {
	switch {
	case it.old == nil || it.action == Replaced:
	case it.old.def.Executor != it.def.Executor || !reflect.DeepEqual(it.old.def.Alert, it.def.Alert):
		it.action = Retuned
	case it.old.group != it.def.Group || it.old.place() != it.def.Place():
		it.action = Regrouped
	default:
		it.action = Unchanged
	}
}

// fresh is the items that are flows of their own, in their order.
func (p *plan) fresh() []*item {
	out := make([]*item, 0, len(p.items))
	for i := range p.items {
		if p.items[i].twin < 0 {
			out = append(out, &p.items[i])
		}
	}
	return out
}

// moved is the flows that stay and are to be defined otherwise, as the items and staying
// say by now.
func (p *plan) moved() []moved {
	var out []moved
	for _, it := range p.fresh() {
		if it.old != nil && it.action != Replaced && (it.action != Unchanged || !it.def.Member.Same(it.old.def.Member)) {
			out = append(out, moved{*it.old, it.def})
		}
	}
	for _, s := range p.staying {
		if s.group != s.now.Group || s.place() != s.now.Place() || !s.now.Member.Same(s.def.Member) {
			out = append(out, s)
		}
	}
	return out
}

// place is the group that the flow's definition has by its place in a file.
func (e entry) place() string {
	if e.def.Origin != "" {
		return e.def.Origin
	}
	return e.group
}

// leftOver finds the rules that their files have no more.
func (p *plan) leftOver(byRecord map[string][]*entry, used map[int32]bool) {
	files := map[string]bool{} // record and file
	for _, it := range p.items {
		if it.def.Rule {
			files[it.def.RecordTitle()+"\x00"+fileOf(it.def.Place())] = true
		}
	}
	for record, entries := range byRecord {
		for _, e := range entries {
			if !used[e.id] && files[record+"\x00"+fileOf(e.place())] {
				used[e.id] = true
				p.gone = append(p.gone, *e)
				p.lost = append(p.lost, loss{of: e.def, title: e.def.Title(), why: "its file has it no more", pruned: true})
			}
		}
	}
	slices.SortFunc(p.gone, func(a, b entry) int { return int(a.id - b.id) })
}

// entryOf is a copy of an entry to point to.
func entryOf(e entry) *entry { return &e }

// named reports whether the flow is one that is to go.
func (e entry) named(r Removal) bool {
	return r.Group == e.place() && (r.Title == e.def.Title() || r.Title == e.def.RecordTitle())
}

// fileOf is the file of a fence group.
func fileOf(group string) string {
	if end := strings.IndexAny(group, "/ #"); end >= 0 {
		return group[:end]
	}
	return group
}

// places gives the flows of each table that changes their places in it.
func (p *plan) places(known []entry, schema string) {
	leaves := map[int32]bool{}
	for _, e := range p.gone {
		leaves[e.id] = true
	}
	of := map[int32]*item{} // of flows that stay or are replaced
	type table struct{ schema, name string }
	fresh := map[table][]*item{}
	placed := map[int32]moved{} // of flows that are not among the definitions, in tables that change
	var remade []item
	var order []table
	for i := range p.items {
		it := &p.items[i]
		if it.twin >= 0 {
			continue
		}
		if it.old != nil {
			of[it.old.id] = it
			leaves[it.old.id] = it.action == Replaced
		}
		if it.action == Replaced {
			p.lost = append(p.lost, loss{of: it.def, title: it.def.Title()})
		}
		if t := (table{schema, it.def.Table}); it.action == Created || it.action == Replaced {
			if fresh[t] == nil {
				order = append(order, t)
			}
			fresh[t] = append(fresh[t], it)
		}
	}
	for _, t := range order {
		var stay []entry
		var flows []flowdef.Flow
		for _, e := range known {
			if e.schema != t.schema || e.def.Table != t.name || leaves[e.id] {
				continue
			}
			stay, flows = append(stay, e), append(flows, e.def)
			flows[len(flows)-1].Group = e.group
			if it := of[e.id]; it != nil {
				flows[len(flows)-1] = it.def
			}
		}
		for _, it := range fresh[t] {
			flows = append(flows, it.def)
		}
		out, why := flowdef.Membered(flows, len(stay))
		var again []entry
		for i, it := range fresh[t] {
			it.def = out[len(stay)+i]
		}
		for i, e := range stay {
			if why != "" {
				p.lost = append(p.lost, loss{of: e.def, title: e.def.Title(), why: why})
			}
			it := of[e.id]
			switch {
			case it == nil:
				placed[e.id] = moved{e, out[i]}
				if why != "" {
					again = append(again, e)
				}
			default:
				if it.def = out[i]; why != "" {
					it.action = Replaced
				}
			}
		}
		for _, e := range again {
			remade = append(remade, item{def: placed[e.id].now, hash: e.hash, old: entryOf(e), twin: -1, action: Replaced})
			leaves[e.id] = true
		}
	}
	for _, e := range known {
		switch m, has := placed[e.id]; {
		case leaves[e.id] || of[e.id] != nil:
		case has:
			p.staying = append(p.staying, m)
		default:
			now := e.def
			now.Group = e.group
			p.staying = append(p.staying, moved{e, now})
		}
	}
	p.items = append(p.items, remade...)
}
