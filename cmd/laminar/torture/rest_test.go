package torture

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"laminar/flownode/flowdef"
	"laminar/sqlstore/flowstore"
)

// rest lets everything come to rest, and checks it all.
func (sim *simulation) rest() {
	sim.driver.join()
	sim.release()
	for len(sim.held) > 0 {
		sim.letGo()
	}
	if len(sim.up()) == 0 {
		sim.nodes[0].start(op{})
	}
	for _, k := range sim.nodes {
		k.failNext("")
	}
	sim.position()
	sim.driver.settle()
	sim.checkAtRest()
}

const (
	pollInterval = int64(2000) // ms between two looks of a leader
	// restAtMost is how long it takes, at most, until all is in the tables: dirty
	// windows wait 30 s, sources are quiet after a minute, the slowest trigger has
	// a minute, and rounds that failed are tried again after some seconds.
	restAtMost = int64(200_000)
)

// unrest says what keeps the flows from being at rest, "" when nothing does.
func (sim *simulation) unrest() (why string) {
	behind, err := sim.store.Catalogue.Behind(sim.t.ctx, nil, sim.model.vector)
	sim.must(err)
	for _, id := range slices.Concat(sim.jobs, sim.redone) {
		job, err := sim.store.Jobs.Show(sim.t.ctx, id)
		if errors.Is(err, flowstore.ErrNoJob) {
			continue // its flow is gone
		}
		sim.must(err)
		if job.State != "done" && job.State != "failed" && job.State != "cancelled" {
			return fmt.Sprintf("refill %d of flow %s is %s", id, job.FlowName, job.State)
		}
	}
	sim.must(sim.look(sim.t.ctx, func(l *look) {
		for _, b := range behind {
			if f := l.flows[b.Flow]; f == nil || !l.mayWait(f) {
				why = fmt.Sprintf("flow %s %s: it is %s", b.Flow, b.Reason, l.rows[b.Flow])
				return
			}
		}
		why = l.lagging()
	}))
	return why
}

// mayWait reports whether a flow that counts what is pending may still wait.
func (l *look) mayWait(f *flow) bool {
	counts := f.def.Trigger
	if counts.Sequences == 0 && counts.Samples == 0 {
		return false
	}
	s, there := l.rows[f.def.Name]
	if !there || s.epoch == 0 || len(s.dirty) > 0 {
		return false
	}
	if counts.Sequences > 0 {
		var pending int64
		for region, seq := range l.model.vector {
			pending += int64(seq - s.vector.At(region))
		}
		return pending < counts.Sequences
	}
	if !l.model.knows(s.vector) {
		return true // the model cannot tell how many samples came after it
	}
	pending := map[string]int64{} // by group, for triggers that count by group
	for _, landed := range l.model.log {
		series := l.model.series[landed.series]
		if landed.seq > s.vector.At(series.region) && f.selects(series) && len(l.model.versions[landed.series][landed.t]) == 1 {
			key := f.countedAs(series)
			if pending[key]++; pending[key] >= counts.Samples {
				return false
			}
		}
	}
	return true
}

// selects reports whether the flow reads a series, going by its metric alone.
func (f *flow) selects(s modelSeries) bool {
	return strings.Contains(f.def.PromQL, s.labels.Get("__name__"))
}

// lagging names a window that should be in its table at rest and is not, ""
// when there is none.
func (l *look) lagging() string {
	for _, name := range slices.Sorted(maps.Keys(l.flows)) {
		f, s := l.flows[name], l.rows[name]
		if !s.vector.Covers(l.model.vector) {
			continue // it counts what is pending, or unrest has said so
		}
		l.expect(f, s)
		closed := f.def.Windows().Last(f.roundBefore(l.now()) - f.def.CloseDelay())
		if pinned := f.def.Expr.Pinned(); !pinned.Empty() && l.now() < pinned.UpTo+f.def.WatermarkDelay {
			continue // every window waits for samples of a fixed time
		}
		for end, rows := range f.expected {
			if end > max(s.emitted, s.begins) && end <= closed && len(rows) > 0 && l.rebuildable(f, end) && (s.emitted >= 0 || zero(f.after)) {
				return fmt.Sprintf("flow %s lacks the window that ended at %s: it is %s", name, when(end), s)
			}
		}
	}
	return ""
}

// roundBefore is when the last round was due that has certainly begun by now. With cron,
// rounds begin at its times only, by the clock of a node, which is some milliseconds
// ahead: it takes one for each look.
func (f *flow) roundBefore(now int64) int64 {
	if f.cron == nil {
		return now
	}
	const ahead = 1000
	last := time.UnixMilli(now).UTC().Add(-time.Hour)
	for next := f.cron.Next(last); next.UnixMilli() <= now; next = f.cron.Next(last) {
		last = next
	}
	return last.UnixMilli() - ahead
}

// checkAtRest checks all tables, and that nothing is left to do.
func (sim *simulation) checkAtRest() {
	sim.driver.check(op{Do: doRest})
	sim.must(sim.look(sim.t.ctx, func(l *look) {
		for _, name := range slices.Sorted(maps.Keys(l.flows)) {
			f, s := l.flows[name], l.rows[name]
			if l.model.knows(s.vector) {
				l.checkTable(f, s)
			}
			// Where nodes run by themselves, one may just have read what a flow that counts
			// let wait.
			_, runs := sim.driver.(*running)
			counts := f.def.Trigger.Samples > 0 || f.def.Trigger.Sequences > 0
			if len(s.dirty) > 0 && (!runs || !counts) {
				l.t.broken("liveness", "flow %s has %d dirty windows at rest", name, len(s.dirty))
			}
			if f.def.Emit == flowdef.EmitClose && l.openRows(f, s) {
				l.t.broken("I4", "flow %s, which emits closed windows only, has a provisional one", name)
			}
		}
	}))
	sim.jobs, sim.redone = nil, nil
	for _, f := range sim.flows {
		f.folded.redone = false
	}
	sim.t.stop()
}

// openRows reports whether the table has rows of windows that are not closed.
func (l *look) openRows(f *flow, s progressRow) bool {
	for end := range l.stored(f) {
		if end > s.emitted && !f.wasAsked(end) {
			return true
		}
	}
	return false
}
