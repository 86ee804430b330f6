package torture

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/jackc/pgx/v5"

	"laminar/cmd/laminar/internal/laminartest"
	"laminar/flownode/flowdef"
	"laminar/flownode/pane"
	"laminar/sequence"
)

// highWater is what of a flow's progress never goes back.
type highWater struct {
	epoch, emitted int64
	vector         sequence.Vector
}

// progressRow is what is stored of a flow's progress.
type progressRow struct {
	highWater
	id                          int64
	begins                      int64 // windows with an end after it are all computed
	watermark, newest, newestAt int64
	err                         string
	stored                      string // changes whenever progress is stored
	dirty                       []int64
}

func (s progressRow) String() string {
	return fmt.Sprintf("at %s, begins after %s, has emitted until %s, its watermark is %s, its newest sample %s since %s, %d windows are dirty %s",
		s.vector, when(s.begins), when(s.emitted), when(s.watermark), when(s.newest), when(s.newestAt), len(s.dirty), s.err)
}

// look is what one snapshot of the database shows.
type look struct {
	*simulation
	tx      pgx.Tx
	regions sequence.Vector
	rows    map[string]progressRow // by flow
}

// look takes a snapshot and lets fn see what it shows. Any goroutine may call it;
// its error is about reading only. In every snapshot, the flushes of a region are 1
// to its last sequence without a gap (I1).
func (sim *simulation) look(ctx context.Context, fn func(*look)) error {
	tx, err := sim.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly})
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(context.WithoutCancel(ctx)) }() // nothing was written
	l := &look{simulation: sim, tx: tx, regions: sequence.Vector{}, rows: map[string]progressRow{}}
	if err := l.readRegions(ctx); err != nil {
		return err
	}
	if err := l.readProgress(ctx); err != nil {
		return err
	}
	fn(l)
	return nil
}

func (l *look) readRegions(ctx context.Context) error {
	rows, err := l.tx.Query(ctx, `select id, last_seq, (select count(*) from flush f where f.region = r.id),
		(select coalesce(max(seq), 0) from flush f where f.region = r.id) from region r`)
	if err != nil {
		return err
	}
	var id sequence.Region
	var last, flushes, newest int64
	_, err = pgx.ForEachRow(rows, []any{&id, &last, &flushes, &newest}, func() error {
		if flushes != last || newest != last {
			l.t.broken("I1", "region %d is at sequence %d but shows %d flushes up to %d", id, last, flushes, newest)
		}
		l.regions[id] = sequence.Seq(last)
		return nil
	})
	return err
}

func (l *look) readProgress(ctx context.Context) error {
	rows, err := l.tx.Query(ctx, `select name, id, epoch, coalesce(emitted_until, -1), coalesce(begins_after, emitted_until, -1),
		coalesce(watermark, -1), coalesce(newest_t, -1), coalesce(newest_at, -1), coalesce(error, ''), vector,
		updated_at::text || epoch, array(select distinct window_end from flow_dirty d where d.flow_id = f.id) from flow f`)
	if err != nil {
		return err
	}
	var name string
	var s progressRow
	var vector map[string]int64
	into := []any{&name, &s.id, &s.epoch, &s.emitted, &s.begins, &s.watermark, &s.newest, &s.newestAt, &s.err, &vector, &s.stored, &s.dirty}
	_, err = pgx.ForEachRow(rows, into, func() error {
		s.vector = sequence.Vector{}
		for region, seq := range vector {
			id, err := strconv.ParseInt(region, 10, 32)
			if err != nil {
				return err
			}
			s.vector[sequence.Region(id)] = sequence.Seq(seq)
		}
		l.rows[name] = s
		vector = nil
		return nil
	})
	return err
}

// progressWatch remembers how far each flow has come, by its id. It is for one
// goroutine.
type progressWatch map[int64]highWater

// check holds the progress of all flows against what was seen before: epoch,
// vector and emitted-until of a flow never go back, and no vector is beyond its
// regions (I4).
func (w progressWatch) check(l *look) {
	for name, s := range l.rows {
		before, known := w[s.id]
		if !known {
			before.emitted = -1
		}
		if s.epoch < before.epoch || s.emitted < before.emitted {
			l.t.broken("I4", "flow %s went back: epoch %d, emitted until %d, before %d and %d", name, s.epoch, s.emitted, before.epoch, before.emitted)
		}
		if !s.vector.Covers(before.vector) {
			l.t.broken("I4", "flow %s went back from %s to %s", name, before.vector, s.vector)
		}
		if !l.regions.Covers(s.vector) {
			l.t.broken("I4", "flow %s is at %s, the regions at %s", name, s.vector, l.regions)
		}
		w[s.id] = s.highWater
	}
}

// checkTables checks the tables of the flows whose progress was stored since the
// last check, at vectors of which the model knows which samples came before them.
func (l *look) checkTables() {
	for _, name := range slices.Sorted(maps.Keys(l.flows)) {
		f, s := l.flows[name], l.rows[name]
		if l.gaveUp {
			l.keep(f)
		}
		if s.stored != f.checked && s.epoch > 0 && l.model.knows(s.vector) {
			l.checkTable(f, s)
			l.checkSources(f, s)
			f.checked = s.stored
		}
	}
	l.gaveUp = false
}

// rebuildable reports whether all samples that a window reads are still there.
func (sim *simulation) rebuildable(f *flow, end int64) bool {
	return readsResults(f.def.Name) || sim.model.earliest == 0 || end-f.def.Expr.MaxReach >= sim.model.earliest-1 && !sim.pinnedGone(f.def)
}

// pinnedGone reports whether retention gave up what every window of the flow
// reads at a fixed time.
func (sim *simulation) pinnedGone(def flowdef.Flow) bool {
	pinned := def.Expr.Pinned()
	return !pinned.Empty() && sim.model.earliest > pinned.After+1
}

// checkTable: the closed windows that are not dirty are what Prometheus's engine
// gives on the samples up to the flow's vector (I3, I4); those that cannot be
// rebuilt are as they were (I6).
func (l *look) checkTable(f *flow, s progressRow) {
	if s.err != "" && !l.pinnedGone(f.def) && (!strings.Contains(s.err, "are native histograms") || !l.model.histogramsFor(f)) {
		l.t.broken("I3", "flow %s: %s", f.def.Name, s.err)
	}
	l.expect(f, s)
	stored := l.stored(f)
	dirty := f.dirtyOf(s, stored)
	redoing := l.redoing(f, s)
	open := f.def.Every // how far behind the closed windows rows may be: the earliest open one is provisional
	if f.def.Emit == flowdef.EmitClose {
		open = 0
	}
	kept := false
	for end, rows := range stored {
		switch {
		case redoing.first <= end && end <= redoing.last:
		case end > max(s.emitted, 0)+open && !f.wasAsked(end) && f.def.Session == nil:
			l.t.broken("I4", "%s: the window ending at %s has rows, the last that is closed ends at %s", f.def.Name, when(end), when(s.emitted))
		case !l.rebuildable(f, end):
			kept = true
			if !maps.EqualFunc(rows, f.kept[end], same) {
				l.t.broken("I6", "%s: the window ending at %s, whose samples are gone, changed from %v to %v", f.def.Name, when(end), f.kept[end], rows)
			}
		case end > s.emitted || dirty[end] || f.late != nil:
		default:
			l.compare(f, s, end, rows, f.expected[end])
		}
	}
	for end, rows := range f.expected {
		if end <= s.emitted && stored[end] == nil && !dirty[end] && l.rebuildable(f, end) && f.late == nil && (end < redoing.first || redoing.last < end) {
			l.compare(f, s, end, nil, rows)
		}
	}
	if f.late != nil {
		l.checkLate(f, s, stored, dirty)
	}
	if len(f.kept) > 0 || kept {
		for end, rows := range f.kept {
			if len(rows) > 0 && stored[end] == nil {
				l.t.broken("I6", "%s: the window ending at %s, whose samples are gone, is gone as well: it held %v", f.def.Name, when(end), rows)
			}
		}
	}
}

// wasAsked reports whether a refill may have written the window.
func (f *flow) wasAsked(end int64) bool {
	return slices.ContainsFunc(f.asked, func(s span) bool { return s.first <= end && end <= s.last })
}

// compare holds one window against the engine. Of windows from before a flow's
// beginning, which are computed only where a sample reaches them later or a
// refill asks for them, what is there must be right.
func (sim *simulation) compare(f *flow, s progressRow, end int64, rows, expected values) {
	sim.t.windows++
	ok, some := true, len(f.after) > 0 && !zero(f.after) && end <= s.begins
	if f.heavy != nil {
		ok = f.heavy.holds(f, rows, expected, some)
	} else {
		for key, v := range rows {
			e, there := expected[key]
			ok = ok && there && f.near(v, e)
		}
		ok = ok && (some || len(rows) == len(expected))
	}
	if !ok {
		sim.t.broken("I3", "%s at %s: the window ending at %s holds %s, the engine says %s", f.def.Name, s.vector, when(end), rows, expected)
	}
}

func zero(vec sequence.Vector) bool {
	for _, seq := range vec {
		if seq > 0 {
			return false
		}
	}
	return true
}

// keep remembers the windows that cannot be rebuilt any more.
func (l *look) keep(f *flow) {
	f.kept = map[int64]map[string]float64{}
	var made bool // its table, by a flownode
	l.must(l.tx.QueryRow(l.t.ctx, "select to_regclass($1) is not null", pgx.Identifier{"flow", f.def.Table}.Sanitize()).Scan(&made))
	if !made {
		return
	}
	for end, rows := range l.stored(f) {
		if !l.rebuildable(f, end) {
			f.kept[end] = rows
		}
	}
}

// stored is all rows of the flow's table, by window end.
func (l *look) stored(f *flow) map[int64]map[string]float64 {
	rows, err := laminartest.StoredRows(l.t.ctx, l.tx, f.def)
	l.must(err)
	return rows
}

// retain lets retention give up samples. The windows that cannot be rebuilt
// afterwards must stay as they are (I6).
func (sim *simulation) retain(o op) {
	const keep = time.Millisecond
	stands, err := sim.store.Retainer.Retention(sim.t.ctx)
	sim.must(err)
	report, err := sim.store.Retainer.GiveUp(sim.t.ctx, keep, origin+o.To)
	sim.must(err)
	// No step goes beyond the newest sample.
	days := pane.Windows{Every: day}
	if want := min(days.Last(origin+o.To), days.Last(max(stands.Newest-keep.Milliseconds(), 0))); report.Earliest < want {
		sim.t.broken("I6", "retention keeps samples from %s on, asked for %s with the newest at %s", when(report.Earliest), when(want), when(stands.Newest))
	}
	sim.model.earliest = max(sim.model.earliest, report.Earliest)
	// A round that began before may still write what it could rebuild.
	sim.gaveUp = true
	if sim.depth == 1 {
		sim.must(sim.look(sim.t.ctx, func(l *look) {
			for _, f := range sim.flows {
				l.keep(f)
			}
		}))
		sim.gaveUp = false
	}
}

// when spells a time as histories do.
func when(t int64) string { return strconv.FormatInt(t-origin, 10) }
