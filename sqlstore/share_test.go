package sqlstore_test

import (
	"context"
	"errors"
	"testing"

	"laminar/sequence"
	"laminar/sequence/segment"
)

// TestReadRawShared reads so much that two sessions share it: all samples come
// once, those of a series in order, as of the snapshot.
func TestReadRawShared(t *testing.T) {
	db := newRawDB(t, 2)
	const series, scrapes, perFlush = 500, 500, 125
	sel := segment.Select{}
	for r := range sequence.Region(2) {
		metric, ids := db.addMetric("m", r+1, series)
		sel.Metrics = []segment.MetricID{metric}
		for s := 0; s < scrapes; s += perFlush {
			p := points{metric: metric}
			for at := range perFlush {
				for _, id := range ids {
					p.series = append(p.series, id)
					p.times = append(p.times, int64(s+at)*1000)
					p.values = append(p.values, float64(id))
				}
			}
			db.flush(r+1, p)
		}
	}
	snap := db.snapshot()
	db.flush(1, points{metric: sel.Metrics[0], series: []segment.SeriesID{db.samples[0].series}, times: []int64{scrapes * 1000}, values: []float64{1}})
	read := func(name string) {
		t.Helper()
		n, last := 0, map[segment.SeriesID]int64{}
		err := snap.ReadRaw(t.Context(), sel, func(seg *segment.Segment) error {
			for i, id := range seg.Series {
				if at, ok := last[id]; ok && seg.Time(i) <= at {
					t.Fatalf("%s: series %d at %d comes after %d", name, id, seg.Time(i), at)
				}
				last[id] = seg.Time(i)
				n++
			}
			return nil
		})
		if err != nil || n != 2*series*scrapes {
			t.Errorf("%s: %d samples and %v, want %d", name, n, err, 2*series*scrapes)
		}
	}
	read("shared")

	// Without a free connection one session reads it all.
	var held []func()
	for {
		ctx, cancel := context.WithCancel(t.Context())
		if stat := db.store.Pool().Stat(); stat.AcquiredConns() == stat.MaxConns() {
			cancel()
			break
		}
		conn, err := db.store.Pool().Acquire(ctx)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, func() { conn.Release(); cancel() })
	}
	read("alone")
	for _, release := range held {
		release()
	}

	// An error ends both, whichever it comes from.
	stop := errors.New("enough")
	for _, region := range []sequence.Region{1, 2} {
		another := db.snapshot()
		err := another.ReadRaw(t.Context(), sel, func(seg *segment.Segment) error {
			if seg.Region == region && seg.MinT > 0 {
				return stop
			}
			return nil
		})
		if !errors.Is(err, stop) {
			t.Errorf("region %d: %v, want the error of the function", region, err)
		}
		if _, err := another.Infos(t.Context(), sel.Metrics, nil); err != nil {
			t.Errorf("region %d: the snapshot does not read any more: %v", region, err)
		}
	}
	if got := scanOne[int](db, "select count(*) from pg_stat_activity where datname = current_database() and state like 'idle in transaction%' and application_name = 'laminar'"); got > 3 {
		t.Errorf("%d sessions are still in a transaction", got)
	}
}
