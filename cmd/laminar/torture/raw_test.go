package torture

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/jackc/pgx/v5"

	"laminar/cmd/laminar/internal/laminartest"
	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sqlstore/raw"
)

// heldSnapshot is a snapshot held open while freezes, seals and retention go
// on, and what it must still show at its end.
type heldSnapshot struct {
	snap *raw.Snapshot // of the store, or
	tx   pgx.Tx        // of a person
	want []map[int64]float64
	at   time.Time // by the real clock, when it was taken
}

// heldAtMost is how many are held at once: each has a connection.
const heldAtMost = 3

// heldFor is after how long, by the real clock, a snapshot may have been lost:
// PostgreSQL ends transactions that are idle for a minute. On a busy machine a history
// can take longer.
const heldFor = 45 * time.Second

func (sim *simulation) hold(person bool) {
	sim.driver.join()
	if len(sim.held) == heldAtMost {
		sim.letGo()
	}
	s := heldSnapshot{want: sim.model.all(), at: time.Now()}
	var err error
	if person {
		s.tx, err = sim.pool.BeginTx(sim.t.ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead})
		sim.must(err)
		_, err = s.tx.Exec(sim.t.ctx, "select from region") // the first statement takes the snapshot
	} else {
		s.snap, err = sim.store.Reader.Snapshot(sim.t.ctx)
	}
	sim.must(err)
	sim.held = append(sim.held, s)
}

// letGo reads the oldest snapshot that is held and gives it back.
func (sim *simulation) letGo() {
	if len(sim.held) == 0 {
		return
	}
	s := sim.held[0] // it stays there for letAllGo until it has been read
	if time.Since(s.at) > heldFor {
		s.giveBack()
		sim.held = sim.held[1:]
		return
	}
	if s.tx != nil {
		got := sim.view(s.tx)
		sim.held = sim.held[1:]
		sim.must(s.tx.Rollback(sim.t.ctx))
		sim.requireSame("a transaction held open", got, s.want)
		return
	}
	got, err := sim.readSnapshot(s.snap)
	sim.held = sim.held[1:]
	sim.must(errors.Join(err, s.snap.Close(sim.t.ctx)))
	sim.requireSame("a snapshot held open", got, s.want)
}

// letAllGo gives back what a failure has left open.
func (sim *simulation) letAllGo() {
	sim.unhang()
	for _, s := range sim.stuck {
		<-s.ended
	}
	for _, s := range sim.held {
		s.giveBack()
	}
}

// giveBack ends it, if it has not ended yet.
func (s *heldSnapshot) giveBack() {
	if s.tx != nil {
		_ = s.tx.Rollback(context.Background())
	} else {
		_ = s.snap.Close(context.Background())
	}
}

// checkSamples: all samples that were acknowledged are there (I2). They are read
// as people do where they were moved, or all has come to rest, and as flownodes
// do, which takes less time, where some landed. The other operations touch none.
func (sim *simulation) checkSamples(o op) {
	switch o.Do {
	case doClock, doTick, doHint, doStep, doStart, doStop, doFault, doHold, doRefill, doCancel:
	case doSeal, doRetain, doDrop, doDuring, doRest:
		sim.requireSame("laminar.sample", sim.view(sim.pool), sim.model.all())
	default:
		snap, err := sim.store.Reader.Snapshot(sim.t.ctx)
		sim.must(err)
		got, err := sim.readSnapshot(snap)
		sim.must(errors.Join(err, snap.Close(sim.t.ctx)))
		sim.requireSame("what flownodes read", got, sim.model.all())
	}
}

// readSnapshot is all samples as flownodes read them.
func (sim *simulation) readSnapshot(snap *raw.Snapshot) ([]map[int64]float64, error) {
	listed, err := snap.Series(sim.t.ctx, nil, nil)
	if err != nil {
		return nil, err
	}
	number := map[sequence.SeriesID]int{}
	metrics := map[sequence.MetricID]bool{}
	sel := segment.Select{}
	for _, s := range listed {
		if !metrics[s.Metric] {
			metrics[s.Metric] = true
			sel.Metrics = append(sel.Metrics, s.Metric)
		}
		for _, l := range s.Labels {
			if l.Name == "n" {
				number[s.ID], err = strconv.Atoi(l.Value)
			}
		}
	}
	got := noSamples()
	if err != nil || len(listed) == 0 {
		return got, err
	}
	return got, snap.ReadRaw(sim.t.ctx, sel, func(seg *segment.Segment) error {
		for i, id := range seg.Series {
			t, v := seg.Time(i), seg.Values[i]
			if t < snap.Position().Earliest { // whole segments are read
				continue
			}
			if seg.Histograms != nil {
				if v, err = readPayload(seg.Histograms[i], v); err != nil {
					return fmt.Errorf("series %d at %s: %w", number[id], when(t), err)
				}
			}
			got[number[id]][t] = v
		}
		return nil
	})
}

// view is all samples as people read them.
func (sim *simulation) view(db laminartest.Querier) []map[int64]float64 {
	rows, err := db.Query(sim.t.ctx, "select (labels->>'n')::int, (extract(epoch from ts) * 1000)::bigint, value from sample")
	sim.must(err)
	got := noSamples()
	var n int
	var t int64
	var v *float64
	_, err = pgx.ForEachRow(rows, []any{&n, &t, &v}, func() error {
		if _, twice := got[n][t]; twice {
			sim.t.broken("I2", "series %d has two samples at %s", n, when(t))
		}
		got[n][t] = segment.Stale()
		if v != nil {
			got[n][t] = *v
		}
		return nil
	})
	sim.must(err)
	rows, err = db.Query(sim.t.ctx, "select (labels->>'n')::int, (extract(epoch from ts) * 1000)::bigint, histogram from histogram_sample")
	sim.must(err)
	var text []byte
	_, err = pgx.ForEachRow(rows, []any{&n, &t, &text}, func() (err error) {
		if _, twice := got[n][t]; twice {
			sim.t.broken("I2", "series %d has a histogram and another sample at %s", n, when(t))
		}
		got[n][t], err = readJSON(text)
		return err
	})
	sim.must(err)
	return got
}

func noSamples() []map[int64]float64 {
	out := make([]map[int64]float64, seriesCount)
	for i := range out {
		out[i] = map[int64]float64{}
	}
	return out
}

// requireSame compares samples, by series (I2).
func (sim *simulation) requireSame(what string, got, want []map[int64]float64) {
	for i := range want {
		for t, v := range want[i] {
			if stored, ok := got[i][t]; !ok {
				sim.t.broken("I2", "%s: series %d at %s: %s was acknowledged and is not there", what, i, when(t), spell(v))
			} else if !same(stored, v) {
				sim.t.broken("I2", "%s: series %d at %s: %s is stored, %s was acknowledged last", what, i, when(t), spell(stored), spell(v))
			}
		}
		for t, v := range got[i] {
			if _, ok := want[i][t]; !ok {
				sim.t.broken("I2", "%s: series %d at %s: %s was not acknowledged", what, i, when(t), spell(v))
			}
		}
	}
}
