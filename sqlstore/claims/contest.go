package claims

import (
	"context"
	"slices"

	"github.com/jackc/pgx/v5"

	"laminar/flownode/progress"
	"laminar/sqlstore/resulttable"
)

// A round of a flow whose table has rows of other rules, too. What the rules give for one
// window and label set is a set of claims; the table has the one of the smallest number,
// and flow_clash the others. So what is stored depends on the claims alone, and not on
// which rule came first, and when one is withdrawn the next takes its place.
//
//	before              the round of rule 1          after
//	table  flow_clash                                table  flow_clash
//	2: 17               gives 20                     1: 20  2: 17
//	1: 20  2: 17        gives nothing                2: 17
//	1: 20  2: 17        gives 21                     1: 21  2: 17
//
// Nearly all rows have one claim, and are written as in any other table. The round asks
// first which have more.
//
// Before: all flows of the table are locked. After CarryOut: table and flow_clash are as the
// claims say, those of the round in the place of the flow's former ones.

// Contest is the rows of one round that other rules give as well. It belongs to one
// goroutine and to the transaction that it was made in.
type Contest struct {
	flow    progress.FlowID     // whose round it is
	rules   Rules               // all that write to the table
	table   *resulttable.Shared // as it is now
	windows []progress.Window   // of the round, without the rows that are settled here

	settle, unsettle []resulttable.Placed
	forget, note     []clash
	touched          []Touched
}

// Touched is a row of a flow that is to be settled: it changes, appears or goes.
type Touched struct {
	Flow    progress.FlowID
	End     int64
	Columns []string
}

// claims is what is known of one window and label set.
type claims struct {
	resulttable.Placed                     // End and Columns; the rest is the flow's new row, where fresh
	window             int                 // of the round
	fresh              bool                // the round gives a row
	stands             *resulttable.Placed // what the table has; nil for none
	kept               []clash             // what flow_clash has, by number
}

// placeKey is a window and label set.
type placeKey struct {
	end    int64
	labels string // progress.RowKey
}

// Contested looks which rows of the windows, which a round of the flow gives, other rules
// of its table give, too; nil for none. All flows of the rules must be locked.
func Contested(ctx context.Context, tx pgx.Tx, target *resulttable.Target, rules Rules, flow progress.FlowID, windows []progress.Window) (*Contest, error) {
	table, err := target.Ruling(ctx, tx)
	if err != nil {
		return nil, err
	}
	c := &Contest{flow: flow, rules: rules, table: table, windows: windows}
	ends := make([]int64, len(windows))
	at := make(map[int64]int, len(windows))
	for i := range windows {
		ends[i], at[windows[i].End] = windows[i].End, i
	}
	kept, err := readClashes(ctx, tx, table, rules.IDs(), ends, always)
	if err != nil {
		return nil, err
	}
	others, err := table.Others(ctx, tx, ends)
	if err != nil || len(kept) == 0 && len(others) == 0 {
		return nil, err
	}
	places, err := c.look(ctx, tx, kept, others, at)
	if err != nil || len(places) == 0 {
		return nil, err
	}
	c.windows = slices.Clone(windows)
	c.decide(places)
	return c, nil
}

// look gathers what is known of the windows and label sets that have more than one claim.
// at is which window of the round ends when.
func (c *Contest) look(ctx context.Context, tx pgx.Tx, kept []clash, others []int64, at map[int64]int) (map[placeKey]*claims, error) {
	table := c.table
	// The round's rows where other rules have some; behind them what is kept, of which
	// the table's row is asked for whosever it is.
	var probe []resulttable.Placed
	for _, end := range others {
		for _, r := range c.windows[at[end]].Rows {
			probe = append(probe, resulttable.Placed{Start: c.windows[at[end]].Start, End: end, Row: r, Rule: table.Number()})
		}
	}
	n := len(probe)
	places := map[placeKey]*claims{}
	wanted := map[int64]bool{}
	for _, k := range kept {
		key := placeKey{k.End, progress.RowKey(k.Columns)}
		if places[key] == nil {
			places[key] = &claims{Placed: k.Placed, window: at[k.End]}
			probe = append(probe, k.Placed)
			wanted[k.End] = true
		}
		places[key].kept = append(places[key].kept, k)
	}
	found, which, err := table.Taken(ctx, tx, probe, n)
	if err != nil {
		return nil, err
	}
	for i := range found {
		f := &found[i]
		key := placeKey{f.End, progress.RowKey(f.Columns)}
		p := places[key]
		if p == nil {
			p = &claims{window: at[f.End]}
			places[key] = p
		}
		p.stands = f
		if which[i] < n {
			p.Placed, p.fresh = probe[which[i]], true
		}
	}
	// The round's rows of places that were found by what is kept.
	for end := range wanted {
		w := &c.windows[at[end]]
		for _, r := range w.Rows {
			if p := places[placeKey{end, progress.RowKey(r.Columns)}]; p != nil && !p.fresh {
				p.Placed, p.fresh = resulttable.Placed{Start: w.Start, End: end, Row: r, Rule: table.Number()}, true
			}
		}
	}
	return places, nil
}

// decide says of each place whose row stands, and takes those out of the windows that
// are not simply the flow's own.
func (c *Contest) decide(places map[placeKey]*claims) {
	out := map[int]map[string]bool{} // rows that leave a window
	for key, p := range places {
		if c.place(p) {
			continue
		}
		if out[p.window] == nil {
			out[p.window] = map[string]bool{}
		}
		out[p.window][key.labels] = true
	}
	for i, keys := range out {
		w := &c.windows[i]
		w.Rows = slices.DeleteFunc(slices.Clone(w.Rows), func(r progress.Row) bool { return keys[progress.RowKey(r.Columns)] })
		w.Gone = slices.DeleteFunc(slices.Clone(w.Gone), func(columns []string) bool { return keys[progress.RowKey(columns)] })
	}
}

// place decides of one place. It reports whether the flow's row stands there, did so
// before, and is in the round, which then writes it like any other.
func (c *Contest) place(p *claims) (ordinary bool) {
	me, mine := c.flow, c.table.Number()
	var all []clash
	for _, k := range p.kept {
		if k.flow != me {
			all = append(all, k)
		}
	}
	if p.stands != nil && p.stands.Rule != mine {
		all = append(all, clash{Placed: *p.stands, flow: c.rules.flowOf(p.stands.Rule)})
	}
	if row, ok := c.own(p); ok {
		all = append(all, clash{Placed: row, flow: me})
	}
	slices.SortFunc(all, func(a, b clash) int { return a.Rule - b.Rule })
	key, err := resulttable.KeyOf(c.table.Table, p.Columns)
	if err != nil { // strings have a JSON form
		panic(err)
	}
	if len(all) == 0 {
		c.unsettle = append(c.unsettle, p.Placed)
		c.touch(p, 0)
	} else {
		stands := all[0]
		ordinary = stands.flow == me && p.fresh && p.stands != nil && p.stands.Rule == mine
		if !ordinary && (p.stands == nil || p.stands.Rule != stands.Rule || p.stands.Start != stands.Start || !progress.SameResult(p.stands.Row, stands.Row)) {
			c.settle = append(c.settle, stands.Placed)
			c.touch(p, stands.Rule)
		}
		for i := 1; i < len(all); i++ {
			all[i].key, all[i].stands, all[i].differs = key, stands.flow, !progress.SameResult(all[i].Row, stands.Row)
		}
		all = all[1:]
	}
	// What is kept is rewritten only where it changes: a clash can last for ever.
	same := func(a, b clash) bool {
		return a.flow == b.flow && a.Start == b.Start && progress.SameResult(a.Row, b.Row) && a.stands == b.stands && a.differs == b.differs
	}
	if !slices.EqualFunc(all, p.kept, same) {
		c.forget = append(c.forget, clash{Placed: p.Placed, key: key})
		c.note = append(c.note, all...)
	}
	return ordinary
}

// touch notes whose rows change when the place has the row of a rule from now on; 0 for none.
func (c *Contest) touch(p *claims, rule int) {
	if p.stands != nil && p.stands.Rule != rule {
		c.touched = append(c.touched, Touched{c.rules.flowOf(p.stands.Rule), p.End, p.Columns})
	}
	if rule > 0 {
		c.touched = append(c.touched, Touched{c.rules.flowOf(rule), p.End, p.Columns})
	}
}

// own is the flow's claim after the round; false for none. A window in part says nothing
// of the rows that it does not name.
func (c *Contest) own(p *claims) (resulttable.Placed, bool) {
	if p.fresh {
		return p.Placed, true
	}
	w := &c.windows[p.window]
	if w.Complete || slices.ContainsFunc(w.Gone, func(columns []string) bool { return slices.Equal(columns, p.Columns) }) {
		return resulttable.Placed{}, false
	}
	if p.stands != nil && p.stands.Rule == c.table.Number() {
		return *p.stands, true
	}
	for _, k := range p.kept {
		if k.flow == c.flow {
			return k.Placed, true
		}
	}
	return resulttable.Placed{}, false
}

// Windows is those of the round without the rows that CarryOut writes.
func (c *Contest) Windows() []progress.Window { return c.windows }

// Clashes counts the rows that do not stand from now on, and differ from those that do.
func (c *Contest) Clashes() (n int64) {
	for _, k := range c.note {
		if k.differs {
			n++
		}
	}
	return n
}

// Touched is the rows that CarryOut changes, whosever they are; some of them the round's
// statements have changed before.
func (c *Contest) Touched() []Touched { return c.touched }

// CarryOut writes what was decided, after the other rows of the round, and gives the number
// of rows of the table that were inserted, changed or deleted.
func (c *Contest) CarryOut(ctx context.Context, tx pgx.Tx) (int64, error) {
	gone, err := c.table.Unsettle(ctx, tx, c.unsettle)
	if err != nil {
		return 0, err
	}
	settled, err := c.table.Settle(ctx, tx, c.settle)
	if err != nil {
		return 0, err
	}
	if err := forgetClashes(ctx, tx, c.rules.IDs(), c.forget); err != nil {
		return 0, err
	}
	return gone + settled, noteClashes(ctx, tx, c.note)
}
