package torture

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"laminar/flownode/flowdef"
	"laminar/flownode/pane"
	"laminar/sequence"
)

// took is what of a flow's progress never goes back.
type took struct {
	epoch, emitted int64
	vector         sequence.Vector
}

// stand is where a flow is.
type stand struct {
	took
	begins                      int64 // windows with an end after it are all computed
	watermark, newest, newestAt int64
	err                         string
	stored                      string // changes whenever progress is stored
	dirty                       []int64
}

func (s stand) String() string {
	return fmt.Sprintf("at %s, begins after %s, has emitted until %s, its watermark is %s, its newest sample %s since %s, %d windows are dirty %s",
		s.vector, when(s.begins), when(s.emitted), when(s.watermark), when(s.newest), when(s.newestAt), len(s.dirty), s.err)
}

// check holds the database against the model, after every operation.
func (w *world) check(o op) {
	w.checkRegions()
	w.checkSamples(o)
	stands := w.stands()
	for _, name := range slices.Sorted(maps.Keys(w.flows)) {
		f, s := w.flows[name], stands[name]
		w.checkProgress(name, s)
		if w.gaveUp {
			f.keep(w)
		}
		if s.stored != f.checked && s.epoch > 0 {
			w.checkTable(f, s)
			f.checked = s.stored
		}
	}
	w.gaveUp = false
}

// checkRegions: in every snapshot, the flushes of a region are 1 to its last
// sequence without a gap (I1).
func (w *world) checkRegions() {
	rows, err := w.pool.Query(w.t.ctx, `select id, last_seq, (select count(*) from flush f where f.region = r.id),
		(select coalesce(max(seq), 0) from flush f where f.region = r.id) from region r`)
	w.must(err)
	var id, last, flushes, newest int64
	_, err = pgx.ForEachRow(rows, []any{&id, &last, &flushes, &newest}, func() error {
		if flushes != last || newest != last {
			w.t.broken("I1", "region %d is at sequence %d but shows %d flushes up to %d", id, last, flushes, newest)
		}
		return nil
	})
	w.must(err)
}

// querier is a pool or a transaction.
type querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// stands is where all flows are.
func (w *world) stands() map[string]stand {
	rows, err := w.pool.Query(w.t.ctx, `select name, epoch, coalesce(emitted_until, -1), coalesce(begins_after, -1),
		coalesce(watermark, -1), coalesce(newest_t, -1), coalesce(newest_at, -1), coalesce(error, ''), vector,
		updated_at::text || epoch, array(select distinct window_end from flow_dirty d where d.flow_id = f.id) from flow f`)
	w.must(err)
	out := map[string]stand{}
	var name string
	var s stand
	var vector map[string]int64
	_, err = pgx.ForEachRow(rows, []any{&name, &s.epoch, &s.emitted, &s.begins, &s.watermark, &s.newest, &s.newestAt, &s.err, &vector, &s.stored, &s.dirty}, func() error {
		s.vector = sequence.Vector{}
		for region, seq := range vector {
			id, err := strconv.ParseInt(region, 10, 32)
			if err != nil {
				return err
			}
			s.vector[sequence.Region(id)] = sequence.Seq(seq)
		}
		out[name] = s
		vector = nil
		return nil
	})
	w.must(err)
	return out
}

// checkAllProgress is checkProgress for all flows: in the middle of a round, as
// what another node has committed there must not be undone by it.
func (w *world) checkAllProgress() {
	for name, s := range w.stands() {
		if w.flows[name] != nil {
			w.checkProgress(name, s)
		}
	}
}

// checkProgress: epoch, vector and emitted-until of a flow never go back, and no
// vector is beyond its regions (I4).
func (w *world) checkProgress(name string, s stand) {
	before, known := w.last[name]
	if !known {
		before.emitted = -1
	}
	if s.epoch < before.epoch || s.emitted < before.emitted {
		w.t.broken("I4", "flow %s went back: epoch %d, emitted until %d, before %d and %d", name, s.epoch, s.emitted, before.epoch, before.emitted)
	}
	if !s.vector.Covers(before.vector) {
		w.t.broken("I4", "flow %s went back from %s to %s", name, before.vector, s.vector)
	}
	if !w.model.vector.Covers(s.vector) {
		w.t.broken("I4", "flow %s is at %s, the regions at %s", name, s.vector, w.model.vector)
	}
	w.last[name] = s.took
}

// rebuildable reports whether all samples that a window reads are still there.
func (w *world) rebuildable(f *flow, end int64) bool {
	return w.model.earliest == 0 || end-f.def.Expr.MaxReach >= w.model.earliest-1 && !w.pinnedGone(f.def)
}

// pinnedGone reports whether retention gave up what every window of the flow
// reads at a fixed time.
func (w *world) pinnedGone(def flowdef.Flow) bool {
	after, _, ok := def.Expr.Pinned()
	return ok && w.model.earliest > after+1
}

// checkTable: the closed windows that are not dirty are what Prometheus's engine
// gives on the samples up to the flow's vector (I3, I4); those that cannot be
// rebuilt are as they were (I6).
func (w *world) checkTable(f *flow, s stand) {
	if s.err != "" && !w.pinnedGone(f.def) && (!strings.Contains(s.err, "are native histograms") || !w.model.histogramsFor(f)) {
		w.t.broken("I3", "flow %s: %s", f.def.Name, s.err)
	}
	f.follow(w, s.vector)
	stored := f.stored(w)
	dirty := map[int64]bool{}
	for _, end := range s.dirty {
		dirty[end] = true
	}
	kept := false
	for end, rows := range stored {
		switch {
		case end > max(s.emitted, 0)+f.def.Every && !f.wasAsked(end):
			w.t.broken("I4", "%s: the window ending at %s has rows, the last that is closed ends at %s", f.def.Name, when(end), when(s.emitted))
		case !w.rebuildable(f, end):
			kept = true
			if !maps.EqualFunc(rows, f.kept[end], same) {
				w.t.broken("I6", "%s: the window ending at %s, whose samples are gone, changed from %v to %v", f.def.Name, when(end), f.kept[end], rows)
			}
		case end > s.emitted || dirty[end]:
		default:
			w.compare(f, s, end, rows, f.expected[end])
		}
	}
	for end, rows := range f.expected {
		if end <= s.emitted && stored[end] == nil && !dirty[end] && w.rebuildable(f, end) {
			w.compare(f, s, end, nil, rows)
		}
	}
	if len(f.kept) > 0 || kept {
		for end, rows := range f.kept {
			if len(rows) > 0 && stored[end] == nil {
				w.t.broken("I6", "%s: the window ending at %s, whose samples are gone, is gone as well: it held %v", f.def.Name, when(end), rows)
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
func (w *world) compare(f *flow, s stand, end int64, rows, expected values) {
	w.t.windows++
	ok := true
	for key, v := range rows {
		e, there := expected[key]
		ok = ok && there && f.near(v, e)
	}
	if len(f.after) == 0 || zero(f.after) || end > s.begins {
		ok = ok && len(rows) == len(expected)
	}
	if !ok {
		w.t.broken("I3", "%s at %s: the window ending at %s holds %s, the engine says %s", f.def.Name, s.vector, when(end), rows, expected)
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

// keep takes note of the windows that cannot be rebuilt any more.
func (f *flow) keep(w *world) {
	f.kept = map[int64]values{}
	if !w.taken(f) {
		return
	}
	for end, rows := range f.stored(w) {
		if !w.rebuildable(f, end) {
			f.kept[end] = rows
		}
	}
}

// taken reports whether a flownode has made the flow's table.
func (w *world) taken(f *flow) (there bool) {
	w.must(w.pool.QueryRow(w.t.ctx, "select to_regclass($1) is not null", pgx.Identifier{"flow", f.def.Table}.Sanitize()).Scan(&there))
	return there
}

// retain lets retention give up samples. The windows that cannot be rebuilt
// afterwards must stay as they are (I6).
func (w *world) retain(o op) {
	report, err := w.store.Keeper.Retain(w.t.ctx, origin+o.To)
	w.must(err)
	if want := pane.FloorEnd(origin+o.To, day); report.Earliest < want {
		w.t.broken("I6", "retention keeps samples from %s on, asked for %s", when(report.Earliest), when(want))
	}
	w.model.earliest = max(w.model.earliest, report.Earliest)
	// A round that began before may still write what it could rebuild.
	w.gaveUp = true
	if w.depth == 1 {
		for _, f := range w.flows {
			f.keep(w)
		}
		w.gaveUp = false
	}
}

// mayWait reports whether a flow that counts what is pending may still wait.
func (w *world) mayWait(f *flow) bool {
	counts := f.def.Trigger
	if counts.Sequences == 0 && counts.Samples == 0 {
		return false
	}
	s, there := w.stands()[f.def.Name]
	if !there || s.epoch == 0 || len(s.dirty) > 0 {
		return false
	}
	var pending int64
	if counts.Sequences > 0 {
		for region, seq := range w.model.vector {
			pending += int64(seq - s.vector.At(region))
		}
		return pending < counts.Sequences
	}
	for _, l := range w.model.log {
		if l.seq > s.vector.At(w.model.series[l.series].region) && f.selects(w.model.series[l.series]) && len(w.model.versions[l.series][l.t]) == 1 {
			pending++
		}
	}
	return pending < counts.Samples
}

// selects reports whether the flow reads a series, going by its metric alone.
func (f *flow) selects(s modelSeries) bool {
	return strings.Contains(f.def.PromQL, s.labels.Get("__name__"))
}

// lagging names a window that should be in its table at rest and is not, ""
// when there is none.
func (w *world) lagging() string {
	stands := w.stands()
	for _, name := range slices.Sorted(maps.Keys(w.flows)) {
		f, s := w.flows[name], stands[name]
		if !s.vector.Covers(w.model.vector) {
			continue // it counts what is pending, or unrest has said so
		}
		f.follow(w, s.vector)
		closed := pane.FloorEnd(w.clock.Load()-f.def.CloseDelay(), f.def.Every)
		if _, upTo, ok := f.def.Expr.Pinned(); ok && w.clock.Load() < upTo+f.def.WatermarkDelay {
			continue // every window waits for samples of a fixed time
		}
		for end, rows := range f.expected {
			if end > max(s.emitted, s.begins) && end <= closed && len(rows) > 0 && w.rebuildable(f, end) && (s.emitted >= 0 || zero(f.after)) {
				return fmt.Sprintf("flow %s lacks the window that ended at %s: it is %s", name, when(end), s)
			}
		}
	}
	return ""
}

// checkAtRest checks all tables, and that nothing is left to do.
func (w *world) checkAtRest() {
	w.check(op{Do: doRest})
	stands := w.stands()
	for _, name := range slices.Sorted(maps.Keys(w.flows)) {
		f, s := w.flows[name], stands[name]
		w.checkTable(f, s)
		if len(s.dirty) > 0 {
			w.t.broken("liveness", "flow %s has %d dirty windows at rest", name, len(s.dirty))
		}
		if f.def.Emit == flowdef.EmitClose && w.openRows(f, s) {
			w.t.broken("I4", "flow %s, which emits closed windows only, has a provisional one", name)
		}
	}
	w.jobs = nil
	w.t.stop()
}

// openRows reports whether the table has rows of windows that are not closed.
func (w *world) openRows(f *flow, s stand) bool {
	for end := range f.stored(w) {
		if end > s.emitted && !f.wasAsked(end) {
			return true
		}
	}
	return false
}

// when spells a time as histories do.
func when(t int64) string { return strconv.FormatInt(t-origin, 10) }
