package raw_test

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"laminar/flownode/partial"
	"laminar/flownode/partial/partialtest"
	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sqlstore/raw"
	"laminar/sqlstore/sqltest"
)

// cell names a partial.
type cell struct {
	pane int64
	slot int32
}

// folded is what the partial of a cell must be, and how far off its sum may be.
type folded struct {
	part partial.Simple
	abs  float64 // sum of the absolute values of its finite terms
}

// fold adds a value as the columnar executor does, stale markers left out.
func fold(into map[cell]*folded, c cell, v float64) {
	if segment.IsStale(v) {
		return
	}
	f := into[c]
	if f == nil {
		f = &folded{}
		into[c] = f
	}
	f.part.Add(0, v)
	if !math.IsNaN(v) && !math.IsInf(v, 0) {
		f.abs += math.Abs(v)
	}
}

// agree compares partials: counts and extremes exactly, sums within the
// oracle's bound.
func agree(got partial.Simple, want *folded) bool {
	same := func(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }
	sum, wantSum := got.Total(), want.part.Total()
	close := partialtest.Close(sum, wantSum, 1e-9*want.abs)
	return got.Count == want.part.Count && same(got.Min, want.part.Min) && same(got.Max, want.part.Max) && close
}

func compare(t *testing.T, what string, got map[cell]partial.Simple, want map[cell]*folded) {
	t.Helper()
	if len(want) == 0 {
		t.Fatalf("%s: nothing to compare", what)
	}
	for c, w := range want {
		if g, ok := got[c]; !ok || !agree(g, w) {
			t.Errorf("%s: pane %d slot %d is %+v, columnar gives %+v", what, c.pane, c.slot, g, w.part)
		}
	}
	for c := range got {
		if want[c] == nil {
			t.Errorf("%s: pane %d slot %d exists in the database's answer only", what, c.pane, c.slot)
		}
	}
}

// TestExecutorsAgree holds pushdown against columnar on random data: ordered,
// late and overwriting samples, NaN, infinities, stale markers, sealed and hot.
func TestExecutorsAgree(t *testing.T) {
	const width = 60_000
	db := sqltest.NewRawDB(t, 2)
	rnd := rand.New(rand.NewPCG(5, 6))
	metric, ids1 := db.AddMetric("m", 1, 6)
	_, ids2 := db.AddMetric("m", 2, 5)
	other, _ := db.AddMetric("other", 1, 1)
	series := map[sequence.Region][]sequence.SeriesID{1: ids1, 2: ids2}
	q := partial.SimpleQuery{Metrics: []sequence.MetricID{metric, other}, Pane: width}
	slotOf := map[sequence.SeriesID]int32{}
	for i, id := range append(append([]sequence.SeriesID{}, ids1...), ids2...) {
		if i == 3 {
			continue // not a member: must be left out
		}
		slotOf[id] = int32(i % 4) // several series share a slot
		q.Series, q.Slots = append(q.Series, id), append(q.Slots, slotOf[id])
	}
	for round := range 4 {
		scatter(db, rnd, metric, series, 40)
		snap := db.Snapshot()
		first := db.Samples[0].T
		for _, after := range []int64{-1, first + 7*width - first%width, first + 100_000} {
			q.After = after
			ranges := sequence.Vector{1: sequence.Seq(round * 3)}.Delta(snap.Position().Vector)
			compare(t, "delta", aggregateDelta(t, snap, q, ranges), foldDelta(t, snap, q, ranges, slotOf))
			q.After = 0
			upTo := db.Newest - width
			compare(t, "raw", aggregateRaw(t, snap, q, after, upTo), foldRaw(db, snap, q, after, upTo, slotOf))
		}
		if err := snap.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
		if round%2 == 0 {
			db.Freeze()
		} else {
			db.Seal(int32(round/2 + 1))
		}
	}
}

func aggregateDelta(t *testing.T, snap *raw.Snapshot, q partial.SimpleQuery, ranges map[sequence.Region]sequence.Range) map[cell]partial.Simple {
	t.Helper()
	got := map[cell]partial.Simple{}
	if err := snap.AggregateDelta(t.Context(), q, ranges, collect(got)); err != nil {
		t.Fatal(err)
	}
	return got
}

func aggregateRaw(t *testing.T, snap *raw.Snapshot, q partial.SimpleQuery, after, upTo int64) map[cell]partial.Simple {
	t.Helper()
	got := map[cell]partial.Simple{}
	if err := snap.AggregateRaw(t.Context(), q, sequence.Span{After: after, UpTo: upTo}, collect(got)); err != nil {
		t.Fatal(err)
	}
	return got
}

func collect(into map[cell]partial.Simple) func(int64, int32, partial.Simple) error {
	return func(pane int64, slot int32, part partial.Simple) error {
		into[cell{pane, slot}] = part
		return nil
	}
}

func foldDelta(t *testing.T, snap *raw.Snapshot, q partial.SimpleQuery, ranges map[sequence.Region]sequence.Range, slotOf map[sequence.SeriesID]int32) map[cell]*folded {
	t.Helper()
	want := map[cell]*folded{}
	err := snap.ReadDelta(t.Context(), q.Metrics, ranges, segment.PickOrdered, func(seg *segment.Segment) error {
		for i, id := range seg.Series {
			if slot, member := slotOf[id]; member && seg.Time(i) > q.After {
				fold(want, cell{paneEnd(seg.Time(i), q.Pane), slot}, seg.Values[i])
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return want
}

func foldRaw(db *sqltest.RawDB, snap *raw.Snapshot, q partial.SimpleQuery, after, upTo int64, slotOf map[sequence.SeriesID]int32) map[cell]*folded {
	want := map[cell]*folded{}
	for id, samples := range readRaw(db, snap, segment.Select{Metrics: q.Metrics}) {
		for at, bits := range samples {
			if slot, member := slotOf[id]; member && at > after && at <= upTo {
				fold(want, cell{paneEnd(at, q.Pane), slot}, math.Float64frombits(bits))
			}
		}
	}
	return want
}

func paneEnd(t, width int64) int64 { return (t + width - 1) / width * width }

// TestOverflowNeedsColumnar: a sum that leaves float64's range is an error in
// PostgreSQL. It must come out as the sentinel, and the snapshot go on.
func TestOverflowNeedsColumnar(t *testing.T) {
	db := sqltest.NewRawDB(t, 1)
	metric, ids := db.AddMetric("m", 1, 1)
	db.Flush(1, sqltest.Points{Metric: metric, Series: []sequence.SeriesID{ids[0], ids[0]}, Times: []int64{1, 2}, Values: []float64{1.7e308, 1.7e308}})
	snap := db.Snapshot()
	q := partial.SimpleQuery{Metrics: []sequence.MetricID{metric}, Series: ids, Slots: []int32{0}, Pane: 1000}
	ranges := sequence.Vector{}.Delta(snap.Position().Vector)
	if err := snap.AggregateDelta(t.Context(), q, ranges, collect(map[cell]partial.Simple{})); !errors.Is(err, partial.ErrNeedsColumnar) {
		t.Errorf("delta: got %v, want ErrNeedsColumnar", err)
	}
	if err := snap.AggregateRaw(t.Context(), q, sequence.Span{After: -1, UpTo: 10}, collect(map[cell]partial.Simple{})); !errors.Is(err, partial.ErrNeedsColumnar) {
		t.Errorf("raw: got %v, want ErrNeedsColumnar", err)
	}
	if got := readRaw(db, snap, segment.Select{Metrics: q.Metrics}); len(got[ids[0]]) != 2 {
		t.Errorf("the snapshot reads %d samples after it, want 2", len(got[ids[0]]))
	}
	stop := errors.New("stop")
	q.Pane = 1 // each sample alone: no overflow
	if err := snap.AggregateDelta(t.Context(), q, ranges, func(int64, int32, partial.Simple) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v, want the callback's error", err)
	}
}
