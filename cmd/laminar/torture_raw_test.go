package main

import (
	"context"
	"errors"
	"strconv"

	"github.com/jackc/pgx/v5"

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
}

// hold takes a snapshot. No delivery is under way, so it shows the model.
func (h *history) hold() {
	if len(h.held) == heldAtMost {
		h.release()
	}
	ctx := h.t.Context()
	s := heldSnapshot{want: h.tortureModel.held()}
	var err error
	if h.rng.IntN(2) == 0 {
		h.note("hold a snapshot")
		s.snap, err = h.store.Reader.Snapshot(ctx)
	} else {
		h.note("hold a transaction")
		if s.tx, err = h.pool.BeginTx(ctx, pgx.TxOptions{IsoLevel: pgx.RepeatableRead}); err == nil {
			_, err = s.tx.Exec(ctx, "select from region") // the first statement takes the snapshot
		}
	}
	if err != nil {
		h.t.Fatal(err)
	}
	h.held = append(h.held, s)
}

// release reads the oldest snapshot that is held and gives it back.
func (h *history) release() {
	if len(h.held) == 0 {
		return
	}
	h.note("read and release")
	ctx := h.t.Context()
	s := h.held[0]
	var got []map[int64]float64
	var err error
	if s.tx != nil {
		got, err = h.readView(ctx, s.tx)
		err = errors.Join(err, s.tx.Rollback(ctx))
	} else {
		got, err = h.readSnapshot(ctx, s.snap)
		err = errors.Join(err, s.snap.Close(ctx))
	}
	h.held = h.held[1:]
	if err != nil {
		h.t.Fatal(err)
	}
	h.requireSame("snapshot held open", got, s.want)
}

// letGo gives back what a failure has left open.
func (h *history) letGo() {
	for _, s := range h.held {
		if s.tx != nil {
			_ = s.tx.Rollback(context.Background())
		} else {
			_ = s.snap.Close(context.Background())
		}
	}
}

// readSnapshot is all samples as flownodes read them.
func (h *history) readSnapshot(ctx context.Context, snap *raw.Snapshot) ([]map[int64]float64, error) {
	series, err := snap.Series(ctx, nil, nil)
	if err != nil {
		return nil, err
	}
	number := map[sequence.SeriesID]int{}
	metrics := map[sequence.MetricID]bool{}
	sel := segment.Select{}
	for _, s := range series {
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
	got := emptySamples()
	if err != nil || len(series) == 0 {
		return got, err
	}
	return got, snap.ReadRaw(ctx, sel, func(seg *segment.Segment) error {
		for i, id := range seg.Series {
			if t := seg.Time(i); t >= snap.Position().Earliest { // whole segments are read
				got[number[id]][t] = seg.Values[i]
			}
		}
		return nil
	})
}

// readView is all samples as people read them.
func (h *history) readView(ctx context.Context, tx pgx.Tx) ([]map[int64]float64, error) {
	rows, err := tx.Query(ctx, "select (labels->>'n')::int, (extract(epoch from ts) * 1000)::bigint, value from sample")
	if err != nil {
		return nil, err
	}
	got := emptySamples()
	var n int
	var t int64
	var v *float64
	_, err = pgx.ForEachRow(rows, []any{&n, &t, &v}, func() error {
		if _, twice := got[n][t]; twice {
			h.t.Errorf("series %d has two samples at %d", n, t)
		}
		got[n][t] = segment.Stale()
		if v != nil {
			got[n][t] = *v
		}
		return nil
	})
	return got, err
}

func emptySamples() []map[int64]float64 {
	out := make([]map[int64]float64, tortureSeries)
	for i := range out {
		out[i] = map[int64]float64{}
	}
	return out
}

// requireSame compares samples, by series.
func (h *history) requireSame(what string, got, want []map[int64]float64) {
	h.t.Helper()
	bad := 0
	for i := range want {
		for t, v := range want[i] {
			if stored, ok := got[i][t]; (!ok || !same(stored, v)) && bad < 5 {
				bad++
				h.t.Errorf("%s: series %d at %d: stored %v (%t), acknowledged %v", what, i, t, stored, ok, v)
			}
		}
		if len(got[i]) != len(want[i]) {
			bad++
			h.t.Errorf("%s: series %d: %d samples are stored, %d were acknowledged", what, i, len(got[i]), len(want[i]))
		}
	}
	if bad > 0 {
		h.t.FailNow()
	}
}

// checkRaw holds laminar.sample against everything acknowledged (I2).
func (h *history) checkRaw() {
	ctx := h.t.Context()
	tx, err := h.pool.Begin(ctx)
	if err != nil {
		h.t.Fatal(err)
	}
	defer tx.Rollback(ctx)
	got, err := h.readView(ctx, tx)
	if err != nil {
		h.t.Fatal(err)
	}
	h.requireSame("raw", got, h.tortureModel.held())
}
