package sessionround

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"

	"laminar/flownode/flowdef"
	"laminar/flownode/keep"
	"laminar/flownode/progress"
	"laminar/flownode/read"
	"laminar/flownode/session"
	"laminar/sequence"
)

// Rows is what is stored of sessions of a flow that are not closed. The zero Rows knows
// nothing.
type Rows struct {
	of    *keep.Sessions      // the state that they were found in; nil for none
	open  [][]session.Session // by group; some that are closed by now may be among them
	order progress.RowOrder   // of the groups' rows
}

// openOf is what is stored of sessions of a group.
func (r *Rows) openOf(group int32) []session.Session {
	if int(group) < len(r.open) {
		return r.open[group]
	}
	return nil
}

// Work is what one round changes of a flow's rows.
type Work struct {
	Rows   *Rows
	Leaf   *keep.Leaf
	Layout *flowdef.Layout
	Update bool // open sessions have rows, too

	// Floor is the earliest time after which sessions end that can be found: raw samples
	// of earlier ones are gone, or their rows are not kept any more. What is stored up to
	// there stays (I6).
	Floor sequence.Time

	// MaxBytes is about how much memory runs of samples may take that are read from raw
	// samples: those of more groups are read part by part. 0 for no bound.
	MaxBytes int64

	// Stored lists the rows that are stored of sessions that end in a span.
	Stored func(ctx context.Context, ends sequence.Span) ([]progress.Window, error)

	changes []change
	several bool  // some changes may be there twice
	seen    int64 // sessions that were found in stretches of time
}

// change is a row that is to be there, or to go.
type change struct {
	session.Session
	columns []string
	gone    bool
}

// Count is how many rows change.
func (w *Work) Count() int { return len(w.changes) }

// Found is how many sessions Replace has found so far.
func (w *Work) Found() int64 { return w.seen }

// Wanted is the groups that are looked at: all, or those with the keys
// (flowdef.GroupKey).
type Wanted struct {
	All  bool
	Keys map[string]struct{}
}

// Add adds a group.
func (w *Wanted) Add(key string) {
	if w.Keys == nil {
		w.Keys = map[string]struct{}{}
	}
	w.Keys[key] = struct{}{}
}

// Empty reports whether no group is wanted.
func (w *Wanted) Empty() bool { return !w.All && len(w.Keys) == 0 }

// state is the leaf's state, nil for none.
func (w *Work) state() *keep.Sessions { return keep.SessionsOf(w.Leaf) }

// order is the order of the groups' rows.
func (w *Work) order() *progress.RowOrder {
	groups := w.Leaf.Members.Groups
	w.Rows.order.Extend(len(groups), func(g int) []string { return w.Layout.Row(groups[g].Labels) })
	return &w.Rows.order
}

// columnsOf is the label columns of a group's rows.
func (w *Work) columnsOf(group int32) []string {
	order := w.order()
	return order.Row(order.Rank(group))
}

// groupsOf is the groups of slots, each once, in the order of their rows.
func (w *Work) groupsOf(slots []int32) []int32 {
	order := w.order()
	ranked := make([]uint64, 0, len(slots)) // the rank, then the group
	for _, slot := range slots {
		if g := w.Leaf.Members.GroupOf[slot]; g >= 0 {
			ranked = append(ranked, uint64(order.Rank(g))<<32|uint64(g))
		}
	}
	slices.Sort(ranked)
	ranked = slices.Compact(ranked)
	groups := make([]int32, len(ranked))
	for i, r := range ranked {
		groups[i] = int32(r & 0xffffffff)
	}
	return groups
}

// Advance brings the rows of sessions up to date that were open, and closes those that
// end up to closed. emitted is up to when they are closed so far. The state must hold all
// samples of the round and reach back to what sessions need that end after emitted.
func (w *Work) Advance(ctx context.Context, emitted, closed sequence.Time) error {
	var (
		state = w.state()
		slots = state.TakeTouched()
		ends  = sequence.Span{After: max(emitted, w.Floor), UpTo: sequence.EndOfTime}
	)
	if w.Rows.of != state {
		// It was built in this round: what is stored is not known.
		w.Rows.open = nil
		stored, err := w.stored(ctx, ends, Wanted{All: true})
		if err != nil {
			return err
		}
		w.compare(state, keep.EveryGroup(), ends, closed, stored)
		w.remove(stored)
		w.Rows.of = state
		return nil
	}
	if !w.Update {
		// Nothing is stored of a session before it is closed.
		slots = slots[:0]
		state.EndIn(sequence.Span{After: ends.After, UpTo: closed}, func(slot int32) { slots = append(slots, slot) })
	}
	groups := w.groupsOf(slots)
	w.changes = slices.Grow(w.changes, 2*len(groups))
	var found []session.Session
	for _, group := range groups {
		found = w.found(state, group, ends, closed, found[:0])
		w.diff(w.columnsOf(group), session.After(w.Rows.openOf(group), ends.After), found)
		w.keep(group, found, closed)
	}
	return nil
}

// found appends the sessions of a group that are to be stored, of those that end in the
// span.
func (w *Work) found(from *keep.Sessions, group int32, ends sequence.Span, closed sequence.Time, out []session.Session) []session.Session {
	if !w.Update {
		ends.UpTo = min(ends.UpTo, closed)
	}
	return from.Find(w.Leaf.Members, group, ends, out)
}

// keep notes what is stored of sessions of a group that are open.
func (w *Work) keep(group int32, found []session.Session, closed sequence.Time) {
	open := session.After(found, closed)
	if n := len(w.Leaf.Members.Groups); len(w.Rows.open) < n {
		w.Rows.open = append(w.Rows.open, make([][]session.Session, n-len(w.Rows.open))...)
	}
	if len(open) > 0 {
		w.Rows.open[group] = append(w.Rows.open[group][:0], open...)
	} else {
		w.Rows.open[group] = nil
	}
}

// diff notes the differences of what is stored of a group from what was found.
func (w *Work) diff(columns []string, stored, found []session.Session) {
	session.Diff(stored, found,
		func(s session.Session) { w.changes = append(w.changes, change{Session: s, columns: columns}) },
		func(s session.Session) {
			w.changes = append(w.changes, change{Session: s, columns: columns, gone: true})
		})
}

// Late brings closed sessions of groups up to date that late samples are in, by what they
// were before.
func (w *Work) Late(before *keep.Before) {
	state := w.state()
	_, from := state.Position()
	ends := sequence.Span{After: max(before.Ends.After, w.Leaf.Def.Session.Settled(from), w.Floor), UpTo: before.Ends.UpTo}
	var found []session.Session
	for _, group := range slices.Sorted(maps.Keys(before.ByGroup)) {
		was := before.ByGroup[group]
		found = state.Find(w.Leaf.Members, group, ends, found[:0])
		w.diff(w.columnsOf(group), session.After(was, ends.After), found)
	}
	w.several = w.several || len(before.ByGroup) > 0
}

// Replace finds sessions of groups that end in the span, all of them closed by now, and
// makes the stored rows agree with them: from the state where that reaches back far
// enough, else, or where fresh, from raw samples.
func (w *Work) Replace(ctx context.Context, r *read.Reader, ends sequence.Span, want Wanted, fresh bool) error {
	ends.After = max(ends.After, w.Floor)
	if ends.Empty() {
		return nil
	}
	stored, err := w.stored(ctx, ends, want)
	if err != nil {
		return err
	}
	groups := w.groups(want)
	w.several = true
	if from := w.state(); from != nil && !fresh && w.Leaf.ReachesBack(w.Leaf.Def.Session.Needs(ends).After) {
		w.compare(from, groups, ends, ends.UpTo, stored)
	} else if err := w.compareRaw(ctx, r, groups, ends, stored); err != nil {
		return fmt.Errorf("find sessions that end in %s: %w", ends, err)
	}
	w.remove(stored)
	return nil
}

// compareRaw is compare from raw samples, of as many groups at a time as may be in memory.
func (w *Work) compareRaw(ctx context.Context, r *read.Reader, groups keep.GroupSet, ends sequence.Span, stored map[string]*storedRows) error {
	var (
		l     = w.Leaf
		needs = l.Def.Session.Needs(ends)
		// Whole panes are read: the borders of what is folded are theirs.
		span  = sequence.Span{After: needs.After, UpTo: l.Def.Session.Grid().End(needs.UpTo)}
		n     = int32(len(l.Members.Groups))
		parts = int32(1)
	)
	if slots := int64(len(l.Members.GroupOf)); slots > 0 && w.MaxBytes > 0 {
		bytes := l.StateBytes((span.UpTo-span.After)/l.Def.Pane) / slots * int64(len(l.Members.SeriesOf(groups)))
		parts = int32(min(1+bytes/w.MaxBytes, int64(max(n, 1))))
	}
	for part := range parts {
		some := groups
		if parts > 1 {
			some = keep.GroupSet{Set: map[int32]struct{}{}}
			for g := part; g < n; g += parts {
				if groups.Has(g) {
					some.Set[g] = struct{}{}
				}
			}
		}
		series := l.Members.SeriesOf(some)
		raw := l.NewState(needs.After, r.Pos.Vector)
		if err := r.Fold(ctx, l, raw, series, sequence.Spans{span}, nil); err != nil {
			return err
		}
		if groups.All {
			l.Learn(raw, len(series))
		}
		if from, ok := raw.(*keep.Sessions); ok {
			w.compare(from, some, ends, ends.UpTo, stored)
		}
	}
	return nil
}

// Forget takes back rows of sessions that end after closed: there is no state any more
// that says what becomes of them.
func (w *Work) Forget(closed sequence.Time) {
	for group, open := range w.Rows.open {
		if open = session.After(open, closed); len(open) > 0 {
			w.diff(w.columnsOf(int32(group)), open, nil)
		}
	}
	w.Rows.of, w.Rows.open = nil, nil
}

// groups is the groups that are wanted.
func (w *Work) groups(want Wanted) keep.GroupSet {
	if want.All {
		return keep.EveryGroup()
	}
	return w.Leaf.Members.Resolve(want.Keys)
}

// storedRows is what is stored of a group, oldest first.
type storedRows struct {
	columns  []string
	sessions []session.Session
}

// stored is the wanted groups' rows of sessions that end in a span, by progress.RowKey.
func (w *Work) stored(ctx context.Context, ends sequence.Span, want Wanted) (map[string]*storedRows, error) {
	windows, err := w.Stored(ctx, ends)
	if err != nil {
		return nil, err
	}
	keys := make(map[string]struct{}, len(want.Keys)) // of rows
	for key := range want.Keys {
		keys[progress.RowKey(w.Layout.Row(flowdef.GroupKeyLabels(key)))] = struct{}{}
	}
	byKey := map[string]*storedRows{}
	for _, win := range windows { // oldest first
		for _, row := range win.Rows {
			key := progress.RowKey(row.Columns)
			if _, wanted := keys[key]; !want.All && !wanted {
				continue
			}
			s := byKey[key]
			if s == nil {
				s = &storedRows{columns: row.Columns}
				byKey[key] = s
			}
			s.sessions = append(s.sessions, session.Session{First: row.Start, Last: win.End, Value: row.Value})
		}
	}
	return byKey, nil
}

// compare notes the differences of stored rows from the sessions of groups that are found
// in a state, and takes these groups' rows out of stored.
func (w *Work) compare(from *keep.Sessions, groups keep.GroupSet, ends sequence.Span, closed sequence.Time, stored map[string]*storedRows) {
	var found []session.Session
	for group := range int32(len(w.Leaf.Members.Groups)) {
		if !groups.Has(group) {
			continue
		}
		found = w.found(from, group, ends, closed, found[:0])
		w.seen += int64(len(found))
		columns := w.columnsOf(group)
		key := progress.RowKey(columns)
		var was []session.Session
		if s := stored[key]; s != nil {
			was = s.sessions
			delete(stored, key)
		}
		w.diff(columns, was, found)
		if from == w.state() && ends.UpTo == sequence.EndOfTime {
			w.keep(group, found, closed)
		}
	}
}

// remove removes rows of groups of which no sample is there any more.
func (w *Work) remove(stored map[string]*storedRows) {
	for _, key := range slices.Sorted(maps.Keys(stored)) {
		w.diff(stored[key].columns, stored[key].sessions, nil)
	}
}

// Windows is the changes as they are stored: for each end, oldest first, the rows that are
// to be there, and those that are not. Where a row is in several changes, these agree,
// because all of them go by the same samples.
func (w *Work) Windows() []progress.Window {
	var (
		place = map[sequence.Time]int{} // of ends in out
		of    = make([]int32, len(w.changes))
		out   []progress.Window
		count []struct{ rows, gone int }
	)
	for i := range w.changes {
		c := &w.changes[i]
		at, known := place[c.Last]
		if !known {
			at = len(out)
			place[c.Last] = at
			out = append(out, progress.Window{Start: c.Last, End: c.Last})
			count = append(count, struct{ rows, gone int }{})
		}
		of[i] = int32(at)
		if c.gone {
			count[at].gone++
		} else {
			count[at].rows++
		}
	}
	for i, n := range count {
		if n.rows > 0 {
			out[i].Rows = make([]progress.Row, 0, n.rows)
		}
		if n.gone > 0 {
			out[i].Gone = make([][]string, 0, n.gone)
		}
	}
	var seen []map[string]struct{} // by window, where rows may be there twice
	if w.several {
		seen = make([]map[string]struct{}, len(out))
		for i := range seen {
			seen[i] = map[string]struct{}{}
		}
	}
	for i := range w.changes {
		c := &w.changes[i]
		if w.several {
			key := progress.RowKey(c.columns)
			if _, twice := seen[of[i]][key]; twice {
				continue
			}
			seen[of[i]][key] = struct{}{}
		}
		if win := &out[of[i]]; c.gone {
			win.Gone = append(win.Gone, c.columns)
		} else {
			win.Rows = append(win.Rows, progress.Row{Columns: c.columns, Start: c.First, Value: c.Value})
		}
	}
	slices.SortFunc(out, func(a, b progress.Window) int { return cmp.Compare(a.End, b.End) })
	return out
}
