package torture

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/prometheus/prometheus/model/labels"

	"laminar/cmd/laminar/internal/laminartest"
	"laminar/flownode/flowdef"
	"laminar/flownode/sideoutput"
	"laminar/sequence"
	"laminar/sequence/segment"
)

// lateWatch is what the tables of a flow must hold whose closed windows can lack samples
// (late: drop, late: side_output, allowed_lateness). When a window was closed is taken
// from what each commit has stored: the vector, how far the flow had emitted, its
// watermark, its dirty list and its refills. What the product notes of late samples is
// only checked.
//
// A commit at a vector of which the model does not know which samples came before it
// leaves windows behind that are not sure: they must stay as they are.
type lateWatch struct {
	seen    []lateCommit // to be taken in, in their order
	last    lateCommit   // taken in
	all     bool         // every commit is seen
	windows map[int64]*closedWindow
	must    map[lateSample]bool // are kept with keep_late
	may     map[lateSample]bool // may be
	least   int64               // so many late samples must be counted
	most    int64               // and no more
}

// lateCommit is what a commit has left in the database.
type lateCommit struct {
	progressRow
	groups map[int64]groups // that are dirty, by window
	jobs   map[int64]lateJob
	rows   map[int64]map[string]float64
	sealed sequence.Vector // samples up to here may be sealed
}

// groups is groups of a window by the key of their row.
type groups struct {
	all  bool
	keys map[string]bool
}

func (g groups) has(key string) bool { return g.all || g.keys[key] }

type lateJob struct{ from, next int64 } // windows with from < end <= next are refilled

// closedWindow is a window that was computed from all samples there were.
type closedWindow struct {
	rows  values
	at    sequence.Vector            // the samples up to there are in it
	keyAt map[string]sequence.Vector // rows that were computed again since
	whole bool                       // all of its groups were computed
	sure  bool                       // rows is what the engine says, and not only what was there
}

type lateSample struct {
	series int
	t      int64
}

func newLateWatch(def flowdef.Flow) *lateWatch {
	if !def.LeavesOutLate() {
		return nil
	}
	return &lateWatch{last: lateCommit{progressRow: progressRow{highWater: highWater{emitted: -1}}}, windows: map[int64]*closedWindow{}, must: map[lateSample]bool{}, may: map[lateSample]bool{}}
}

// keepsValue reports whether a window of the flow keeps its value whatever comes, given how
// far the flow has emitted and its watermark.
func keepsValue(def *flowdef.Flow, end, emitted, watermark int64) bool {
	if def.AllowedLateness > 0 {
		return end <= emitted && end < watermark-def.AllowedLateness
	}
	return end <= emitted
}

// noteCommits takes down what a commit has left of the flows that leave late samples out.
func (sim *simulation) noteCommits() {
	late := false
	for _, f := range sim.flows {
		late = late || f.late != nil
	}
	if !late {
		return
	}
	sim.must(sim.look(sim.t.ctx, func(l *look) {
		for name, f := range l.flows {
			if s := l.rows[name]; f.late != nil && s.epoch > 0 {
				l.noteCommit(f, s)
			}
		}
	}))
}

func (l *look) noteCommit(f *flow, s progressRow) {
	w := f.late
	w.all = true
	c := lateCommit{progressRow: s, groups: l.dirtyGroups(f, s.id), jobs: map[int64]lateJob{}, sealed: l.sealed}
	rows, err := l.tx.Query(l.t.ctx, "select id, from_t, next_t from job where flow_id = $1", s.id)
	l.must(err)
	var id int64
	var job lateJob
	_, err = pgx.ForEachRow(rows, []any{&id, &job.from, &job.next}, func() error { c.jobs[id] = job; return nil })
	l.must(err)
	before := &w.last
	if n := len(w.seen); n > 0 {
		before = &w.seen[n-1]
	}
	if before.stored == c.stored && before.emitted == c.emitted && before.vector.Equal(c.vector) && maps.Equal(before.jobs, c.jobs) {
		return
	}
	var made bool // its table, by a flownode
	l.must(l.tx.QueryRow(l.t.ctx, "select to_regclass($1) is not null", pgx.Identifier{"flow", f.def.Table}.Sanitize()).Scan(&made))
	if made {
		c.rows = l.stored(f)
	}
	w.seen = append(w.seen, c)
}

// dirtyGroups is the flow's dirty list.
func (l *look) dirtyGroups(f *flow, id int64) map[int64]groups {
	rows, err := l.tx.Query(l.t.ctx, "select window_end, group_key from flow_dirty where flow_id = $1", id)
	l.must(err)
	out := map[int64]groups{}
	var end int64
	var key string
	_, err = pgx.ForEachRow(rows, []any{&end, &key}, func() error {
		g := out[end]
		if g.keys == nil {
			g.keys = map[string]bool{}
		}
		if key == "" {
			g.all = true
		} else {
			g.keys[f.rowKey(flowdef.GroupKeyLabels(key))] = true
		}
		out[end] = g
		return nil
	})
	l.must(err)
	return out
}

// rowKey is the key of the row of labels.
func (f *flow) rowKey(ls labels.Labels) string { return strings.Join(f.layout.Row(ls), "\xff") }

// catchUp takes in the commits that were seen, up to a vector.
func (w *lateWatch) catchUp(sim *simulation, f *flow, vec sequence.Vector) {
	for len(w.seen) > 0 && vec.Covers(w.seen[0].vector) {
		c := w.seen[0]
		w.seen = w.seen[1:]
		known := sim.model.knows(c.vector)
		if known {
			f.followTo(sim, c.vector)
		}
		w.close(sim, f, &c, known)
		w.count(sim, f, &c)
		w.last = c
		for end, rows := range c.rows {
			if end <= c.emitted {
				w.requireKept(sim, f, c.vector, end, rows, c.groups)
			}
		}
		for end := range w.windows {
			if c.rows[end] == nil {
				w.requireKept(sim, f, c.vector, end, nil, c.groups)
			}
		}
	}
}

// close says which windows a commit has computed. known says that f.expected is what the
// engine gives at the commit's vector.
func (w *lateWatch) close(sim *simulation, f *flow, c *lateCommit, known bool) {
	p, windows := &w.last, f.def.Windows()
	from := p.emitted
	if from < 0 {
		from = c.begins
	}
	if c.emitted < 0 {
		from = math.MaxInt64 // refills alone have written windows
	}
	ends := map[int64]bool{}
	for end := range w.windows {
		ends[end] = true
	}
	for _, of := range []map[int64]map[string]float64{c.rows, f.expected} {
		for end := range of {
			ends[end] = true
		}
	}
	for end := range ends {
		if end > from {
			continue
		}
		before, dirty := p.groups[end]
		now, still := c.groups[end]
		// The watermark that a round goes by is not always stored.
		kept := keepsValue(&f.def, end, p.emitted, p.watermark)
		perhaps := keepsValue(&f.def, end, p.emitted, max(p.watermark, c.watermark))
		complete := w.windows[end] != nil && w.windows[end].whole
		switch {
		case w.refilled(p, c, end):
			// Where nothing is emitted yet, how far a refill goes is up to the clock.
			if p.emitted >= 0 || len(c.rows[end]) > 0 {
				w.whole(f, c, end, known)
			}
		case dirty && !still && (before.all || complete && !perhaps):
			w.whole(f, c, end, known)
		case dirty && !still:
			w.some(f, c, end, known, before, !kept || f.def.Late == flowdef.LateSideOutput)
		case perhaps:
		case complete && !still:
			w.whole(f, c, end, known)
		case complete && !now.all && known:
			w.others(f, c, end, now)
		case !complete && len(c.rows[end]) > 0:
			// From before the flow's beginning: what was computed must be right.
			w.some(f, c, end, known, groups{}, true)
		}
	}
	for end := windows.Next(from); end <= c.emitted; end += windows.Every {
		w.whole(f, c, end, known)
	}
}

// refilled reports whether the commit has moved a refill over a window.
func (w *lateWatch) refilled(p, c *lateCommit, end int64) bool {
	for id, job := range c.jobs {
		after := job.from
		if before, there := p.jobs[id]; there {
			after = before.next
		}
		if after < end && end <= job.next {
			return true
		}
	}
	return false
}

// whole: the window was computed in the commit.
func (w *lateWatch) whole(f *flow, c *lateCommit, end int64, known bool) {
	if known {
		w.windows[end] = &closedWindow{rows: f.expected[end], at: c.vector, whole: true, sure: true}
		return
	}
	w.windows[end] = &closedWindow{rows: c.rows[end], at: w.last.vector, whole: true}
}

// some: groups of the window were computed in the commit; where others may have been, those
// were that are what the engine says.
func (w *lateWatch) some(f *flow, c *lateCommit, end int64, known bool, of groups, others bool) {
	before := w.windows[end]
	if before == nil {
		before = &closedWindow{at: w.start(f), sure: true}
	}
	next := &closedWindow{rows: values{}, at: before.at, keyAt: map[string]sequence.Vector{}, whole: before.whole, sure: before.sure && known}
	maps.Copy(next.rows, before.rows)
	maps.Copy(next.keyAt, before.keyAt)
	w.windows[end] = next
	if !known {
		next.rows = c.rows[end]
		return
	}
	keys := maps.Clone(next.rows)
	maps.Copy(keys, f.expected[end])
	for key := range keys {
		v, there := f.expected[end][key]
		stored, is := c.rows[end][key]
		switch {
		case of.keys[key]:
			next.keyAt[key] = c.vector
		case others && is == there && f.near(stored, v):
		default:
			continue
		}
		if delete(next.rows, key); there {
			next.rows[key] = v
		}
	}
}

// others: the window's groups that are not dirty are up to date.
func (w *lateWatch) others(f *flow, c *lateCommit, end int64, dirty groups) {
	before := w.windows[end]
	next := &closedWindow{rows: values{}, at: before.at, keyAt: before.keyAt, whole: before.whole, sure: before.sure}
	for key, v := range before.rows {
		if dirty.has(key) {
			next.rows[key] = v
		}
	}
	for key, v := range f.expected[end] {
		if !dirty.has(key) {
			next.rows[key] = v
		}
	}
	w.windows[end] = next
}

// start is where the flow has begun to read.
func (w *lateWatch) start(f *flow) sequence.Vector {
	if f.def.Backfill.All {
		return sequence.Vector{}
	}
	return f.after
}

// since is the vector up to which the samples of a group are in a window; key "" and all are
// of all groups.
func (w *lateWatch) since(f *flow, end int64, key string, all bool) sequence.Vector {
	win := w.windows[end]
	switch {
	case !w.all || win == nil:
		return w.start(f)
	case !all && win.keyAt[key] != nil:
		return win.keyAt[key]
	}
	return win.at
}

// partial reports whether a window may lack samples that came before the flow did.
func (w *lateWatch) partial(f *flow, s progressRow, end int64) bool {
	if zero(f.after) {
		return false
	}
	if win := w.windows[end]; w.all && win != nil {
		return !win.whole
	}
	return end <= s.begins
}

// requireKept: a closed window holds what it held when it was computed.
func (w *lateWatch) requireKept(sim *simulation, f *flow, vec sequence.Vector, end int64, rows values, dirty map[int64]groups) {
	if _, is := dirty[end]; is || !sim.rebuildable(f, end) {
		return
	}
	sim.t.windows++
	var want values
	win := w.windows[end]
	if win != nil {
		want = win.rows
	}
	if !maps.EqualFunc(want, rows, f.near) {
		sim.t.broken("late", "%s at %s: the window ending at %s holds %s, it closed with %s at %v", f.def.Name, vec, when(end), rows, want, w.since(f, end, "", true))
	}
}

// reach calls fn for each window that a sample reaches, with the key of the group; it stops
// where fn says so.
func (f *flow) reach(s modelSeries, t int64, fn func(leaf int, end int64, key string)) {
	for i := range f.def.Expr.Leaves {
		leaf := &f.def.Expr.Leaves[i]
		if !leaf.Matches(s.labels.Get) || leaf.LeavesOut(s.labels) {
			continue
		}
		key := f.rowKey(f.groupOf(leaf, s.labels))
		for end := f.def.Windows().From(t + f.def.Expr.MinOffset); end <= t+f.def.Expr.MaxReach; end += f.def.Every {
			if leaf.Reads(t, end) {
				fn(i, end, key)
			}
		}
	}
}

// count says which samples came too late in a commit, as far as that can be told from
// outside: those that were sealed before the flow read them are not told one by one.
func (w *lateWatch) count(sim *simulation, f *flow, c *lateCommit) {
	p, m, side := &w.last, sim.model, f.def.Late == flowdef.LateSideOutput
	emitted := p.emitted
	if emitted < 0 {
		// The windows before its beginning are not the flow's to compute. A sample may be
		// too late for them before the first one of its own has closed.
		emitted = c.begins
	}
	// A sample that was sealed unread may have come at any time: one that repeats it changes
	// nothing.
	before := p.vector.Clone()
	for region, seq := range c.sealed {
		before[region] = max(before.At(region), min(seq, c.vector.At(region)))
	}
	must, plain := map[lateSample]bool{}, true
	for _, l := range m.log {
		region := m.series[l.series].region
		if l.seq <= p.vector.At(region) || l.seq > c.vector.At(region) {
			continue
		}
		sealed := l.seq <= c.sealed.At(region)
		plain = plain && !sealed
		x := lateSample{l.series, l.t}
		missed, surely := false, false
		f.reach(m.series[l.series], l.t, func(_ int, end int64, key string) {
			missed = missed || keepsValue(&f.def, end, emitted, max(p.watermark, c.watermark))
			win := w.windows[end]
			surely = surely || keepsValue(&f.def, end, p.emitted, p.watermark) && !p.groups[end].has(key) && (win == nil || win.sure) && sim.rebuildable(f, end)
		})
		if !missed {
			continue
		}
		w.may[x] = true
		w.most++
		old, there := m.at(l.series, l.t, before)
		now, _ := m.at(l.series, l.t, c.vector)
		plain = plain && len(m.versions[l.series][l.t]) == 1
		if surely && !sealed && !(there && same(old, now)) && !(side && segment.IsStale(now)) {
			must[x] = true
		}
	}
	// A sample of which it cannot be told what it adds takes others with it.
	if side && (!plain || m.histogramsFor(f)) || !m.knows(c.vector) || !m.knows(p.vector) {
		return
	}
	w.least += int64(len(must))
	maps.Copy(w.must, must)
}

// named is what is said of windows that lack samples: how many, by window and group.
type named map[int64]map[string]int64

const allGroups = "\xffall"

// checkLate: closed windows hold what they held when they were computed, what they lack of
// all samples is named, and nothing else is. Rows and what late samples add to them make
// what the engine gives. dirty windows are left out.
func (l *look) checkLate(f *flow, s progressRow, stored map[int64]map[string]float64, dirty map[int64]bool) {
	w := f.late
	lacks := l.named(f)
	merged := stored
	if f.def.Late == flowdef.LateSideOutput {
		_, view := sideoutput.Views(&f.def)
		var err error
		merged, err = laminartest.RowsOf(l.t.ctx, l.tx, f.def, view, "merged")
		l.must(err)
	}
	ends := map[int64]bool{}
	for _, of := range []map[int64]map[string]float64{stored, merged, f.expected} {
		for end := range of {
			ends[end] = true
		}
	}
	kept := l.dirtyGroups(f, s.id)
	for end := range ends {
		if end > s.emitted || dirty[end] || !l.rebuildable(f, end) {
			continue
		}
		if w.all {
			w.requireKept(l.simulation, f, s.vector, end, stored[end], kept)
		}
		if w.partial(f, s, end) {
			continue
		}
		l.t.windows++
		want := f.expected[end]
		if f.def.Late == flowdef.LateSideOutput {
			if !maps.EqualFunc(want, merged[end], f.near) {
				l.t.broken("late", "%s at %s: the window ending at %s holds %s, with what came late %s, the engine says %s",
					f.def.Name, s.vector, when(end), values(stored[end]), values(merged[end]), values(want))
			}
			continue
		}
		keys := values{}
		maps.Copy(keys, want)
		maps.Copy(keys, stored[end])
		for key := range keys {
			a, inA := want[key]
			b, inB := stored[end][key]
			_, all := lacks[end][allGroups]
			_, one := lacks[end][key]
			if !(inA == inB && f.near(b, a)) && !all && !one {
				l.t.broken("late", "%s at %s: the window ending at %s holds %s, the engine says %s, and nothing says that it lacks samples",
					f.def.Name, s.vector, when(end), values(stored[end]), values(want))
			}
		}
	}
	l.checkNamed(f, s, lacks)
	l.checkLateSamples(f, s)
}

// named reads laminar.late_window.
func (l *look) named(f *flow) named {
	rows, err := l.tx.Query(l.t.ctx, `select (extract(epoch from window_end) * 1000)::bigint, labels::text, samples from late_window where flow = $1`, f.def.Title())
	l.must(err)
	out := named{}
	var end, samples int64
	var group *string
	_, err = pgx.ForEachRow(rows, []any{&end, &group, &samples}, func() error {
		key := allGroups
		if group != nil {
			key = f.rowKey(flowdef.GroupKeyLabels(*group))
		}
		if out[end] == nil {
			out[end] = map[string]int64{}
		}
		out[end][key] += samples
		return nil
	})
	l.must(err)
	return out
}

// checkNamed: only windows that lack samples are named, with no more than they lack.
func (l *look) checkNamed(f *flow, s progressRow, lacks named) {
	if len(lacks) == 0 {
		return
	}
	came := named{} // after the windows were computed
	for _, x := range l.model.log {
		series := l.model.series[x.series]
		if x.seq > s.vector.At(series.region) {
			continue
		}
		f.reach(series, x.t, func(_ int, end int64, key string) {
			if lacks[end] == nil {
				return
			}
			if came[end] == nil {
				came[end] = map[string]int64{}
			}
			if x.seq > f.late.since(f, end, key, false).At(series.region) {
				came[end][key]++
			}
			if x.seq > f.late.since(f, end, "", true).At(series.region) {
				came[end][allGroups]++
			}
		})
	}
	for end, groups := range lacks {
		if !l.rebuildable(f, end) {
			continue // it is forgotten when others are named
		}
		for key, samples := range groups {
			most := came[end][key]
			if most > 0 && !f.late.all {
				most = samples // a delivery that is sent again may land twice, which only counts differ by
			}
			switch {
			case end > s.emitted:
				l.t.broken("late", "%s: the window ending at %s is said to lack samples, the last that is closed ends at %s", f.def.Name, when(end), when(s.emitted))
			case samples == 0 && (l.sealed == nil || key != allGroups), samples > most:
				l.t.broken("late", "%s at %s: the window ending at %s is said to lack %d samples of %s, %d came since it was computed at %v",
					f.def.Name, s.vector, when(end), samples, values{key: 0}, came[end][key], f.late.since(f, end, key, key == allGroups))
			}
		}
	}
}

// checkLateSamples: late samples are counted, and those of flows that keep them are there.
func (l *look) checkLateSamples(f *flow, s progressRow) {
	w := f.late
	var counted int64
	l.must(l.tx.QueryRow(l.t.ctx, "select late_samples from flow where id = $1", s.id).Scan(&counted))
	if w.all && (counted < w.least || counted > w.most) {
		l.t.broken("late", "%s at %s: %d samples are counted as late, from %d to %d were", f.def.Name, s.vector, counted, w.least, w.most)
	}
	rows, err := l.tx.Query(l.t.ctx, `select (labels->>'n')::int, (extract(epoch from ts) * 1000)::bigint, coalesce(value, 'NaN'),
		(extract(epoch from first_window_end) * 1000)::bigint, (extract(epoch from last_window_end) * 1000)::bigint from late_sample where flow = $1`, f.def.Title())
	l.must(err)
	kept := map[lateSample]bool{}
	var x lateSample
	var v float64
	var first, last int64
	_, err = pgx.ForEachRow(rows, []any{&x.series, &x.t, &v, &first, &last}, func() error {
		kept[x] = true
		there := slices.ContainsFunc(l.model.versions[x.series][x.t], func(is version) bool {
			if k, ok := histogramNumber(is.v); ok {
				return v == float64(k)
			}
			return is.v == v || math.IsNaN(is.v) && math.IsNaN(v)
		})
		var reached []int64
		f.reach(l.model.series[x.series], x.t, func(_ int, end int64, _ string) { reached = append(reached, end) })
		if !there || w.all && !w.may[x] || !slices.Contains(reached, first) || !slices.Contains(reached, last) {
			l.t.broken("late", "%s at %s: %s is kept as a late sample of the windows ending at %s to %s", f.def.Name, s.vector, x.String(), when(first), when(last))
		}
		return nil
	})
	l.must(err)
	switch {
	case f.def.KeepLate == 0 && len(kept) > 0:
		l.t.broken("late", "%s keeps late samples", f.def.Name)
	case f.def.KeepLate > 0:
		for x := range w.must {
			if !kept[x] {
				l.t.broken("late", "%s at %s: %s came too late and is not kept", f.def.Name, s.vector, x)
			}
		}
	}
}

func (x lateSample) String() string { return fmt.Sprintf("%d@%s", x.series, when(x.t)) }
