package raw_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sqlstore/sqltest"
)

// TestReadRawSpans: with spans only segments that overlap one of them are read,
// and of spans too many to compare none is lost.
func TestReadRawSpans(t *testing.T) {
	db := sqltest.NewRawDB(t, 2)
	metric, ids := db.AddMetric("m", 1, 3)
	for n := range 400 {
		at := int64(n) * 1000
		db.Flush(1, sqltest.Points{Metric: metric, Series: ids, Times: []int64{at, at + 1, at + 2}, Values: []float64{1, 2, 3}})
		if n == 199 {
			db.Freeze()
			db.Seal(1)
		}
	}
	read := func(spans sequence.Spans) map[int64]bool {
		t.Helper()
		hot := map[int64]bool{}
		sel := segment.Select{Metrics: []sequence.MetricID{metric}, Spans: spans}
		if err := db.Snapshot().ReadRaw(t.Context(), sel, func(seg *segment.Segment) error {
			if hot[seg.MinT] = true; seg.Sealed {
				hot[-1] = true
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return hot
	}
	if got := read(sequence.Spans{{After: 250_001, UpTo: 250_002}, {After: 300_002, UpTo: 300_999}, {After: 350_499, UpTo: 351_000}}); len(got) != 2 || !got[250_000] || !got[351_000] {
		t.Errorf("segments at %v were read, want those at 250000 and 351000", got)
	}
	if got := read(sequence.Spans{{After: 4, UpTo: 5}}); !got[-1] || len(got) != 2 {
		t.Errorf("segments at %v were read, want the sealed one", got)
	}
	var many sequence.Spans
	for n := 200; n < 400; n++ {
		if n < 300 || n%3 == 0 {
			many = append(many, sequence.Span{After: int64(n) * 1000, UpTo: int64(n)*1000 + 1})
		}
	}
	got := read(many)
	for _, s := range many {
		if !got[s.After] {
			t.Errorf("the segment at %d was not read", s.After)
		}
	}
	if len(got) == 200 {
		t.Error("all segments were read: none of the spans counted")
	}
}

// TestReadRawShared reads so much that two sessions share it: all samples come
// once, those of a series in order, as of the snapshot.
func TestReadRawShared(t *testing.T) {
	db := sqltest.NewRawDB(t, 2)
	const series, scrapes, perFlush = 500, 500, 125
	sel := segment.Select{}
	for r := range sequence.Region(2) {
		metric, ids := db.AddMetric("m", r+1, series)
		sel.Metrics = []sequence.MetricID{metric}
		for s := 0; s < scrapes; s += perFlush {
			p := sqltest.Points{Metric: metric}
			for at := range perFlush {
				for _, id := range ids {
					p.Series = append(p.Series, id)
					p.Times = append(p.Times, int64(s+at)*1000)
					p.Values = append(p.Values, float64(id))
				}
			}
			db.Flush(r+1, p)
		}
	}
	snap := db.Snapshot()
	db.Flush(1, sqltest.Points{Metric: sel.Metrics[0], Series: []sequence.SeriesID{db.Samples[0].Series}, Times: []int64{scrapes * 1000}, Values: []float64{1}})
	// Of two functions each gets a region, whatever session reads it, and perhaps
	// while the other is called; a third is left over.
	readByRegion := func(name string) {
		t.Helper()
		var counts [3]int
		var fns []func(*segment.Segment) error
		for i := range counts {
			last := map[sequence.SeriesID]int64{}
			fns = append(fns, func(seg *segment.Segment) error {
				if int(seg.Region) != i+1 {
					return fmt.Errorf("function %d gets a segment of region %d", i, seg.Region)
				}
				for n, id := range seg.Series {
					if at, ok := last[id]; ok && seg.Time(n) <= at {
						return fmt.Errorf("series %d at %d comes after %d", id, seg.Time(n), at)
					}
					last[id] = seg.Time(n)
				}
				counts[i] += seg.Len()
				return nil
			})
		}
		if err := snap.ReadRaw(t.Context(), sel, fns...); err != nil || counts != [3]int{series * scrapes, series * scrapes, 0} {
			t.Errorf("%s: %v samples by function and %v, want %d of each of two", name, counts, err, series*scrapes)
		}
	}
	read := func(name string) {
		t.Helper()
		n, last := 0, map[sequence.SeriesID]int64{}
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
	readByRegion("shared")

	// Without a free connection one session reads it all.
	var held []func()
	for {
		ctx, cancel := context.WithCancel(t.Context())
		if stat := db.Store.Pool().Stat(); stat.AcquiredConns() == stat.MaxConns() {
			cancel()
			break
		}
		conn, err := db.Store.Pool().Acquire(ctx)
		if err != nil {
			t.Fatal(err)
		}
		held = append(held, func() { conn.Release(); cancel() })
	}
	read("alone")
	readByRegion("alone")
	for _, release := range held {
		release()
	}

	// An error ends both, whichever it comes from.
	stop, tried := errors.New("enough"), 0
	for _, region := range []sequence.Region{1, 2, 1, 2} {
		another := db.Snapshot()
		fn := func(seg *segment.Segment) error {
			if seg.Region == region && seg.MinT > 0 {
				return stop
			}
			return nil
		}
		fns := []func(*segment.Segment) error{fn}
		if tried++; tried > 2 {
			fns = append(fns, fn)
		}
		err := another.ReadRaw(t.Context(), sel, fns...)
		if !errors.Is(err, stop) {
			t.Errorf("region %d: %v, want the error of the function", region, err)
		}
		if _, err := another.Infos(t.Context(), sel.Metrics, nil); err != nil {
			t.Errorf("region %d: the snapshot does not read any more: %v", region, err)
		}
	}
	const inTransaction = "select count(*) from pg_stat_activity where datname = current_database() and state like 'idle in transaction%' and application_name = 'laminar'"
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) { // the server notices a closed connection in a moment
		got := sqltest.ScanOne[int](db, inTransaction)
		if got <= 5 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d sessions are still in a transaction", got)
		}
	}
}
