package raw_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sqlstore/pg"
	"laminar/sqlstore/raw"
	"laminar/sqlstore/sqltest"
)

// scatter writes random flushes: ordered ones, late and overwriting ones, NaN,
// infinities and stale markers, over two days, so that segments lie in two
// time buckets.
func scatter(db *sqltest.RawDB, rnd *rand.Rand, metric sequence.MetricID, series map[sequence.Region][]sequence.SeriesID, flushes int) {
	db.Helper()
	if db.Newest == 0 {
		db.Newest = segment.BucketMillis - 600_000
	}
	for range flushes {
		region := sequence.Region(1 + rnd.IntN(db.Regions))
		ids := series[region]
		if len(ids) == 0 {
			continue
		}
		db.Newest += 15_000
		now := db.Newest
		var late sqltest.Points
		ordered := sqltest.Points{Metric: metric}
		late.Metric, late.Unordered = metric, true
		for _, id := range ids {
			ordered.Series, ordered.Times, ordered.Values = append(ordered.Series, id), append(ordered.Times, now), append(ordered.Values, value(rnd))
			if rnd.IntN(3) == 0 {
				at := now - int64(rnd.IntN(20))*15_000 // may hit an earlier sample's time
				late.Series, late.Times, late.Values = append(late.Series, id), append(late.Times, at), append(late.Values, value(rnd))
			}
		}
		segs := []sqltest.Points{}
		for _, p := range []sqltest.Points{ordered, late} {
			segs = append(segs, byBucket(p)...)
		}
		db.Flush(region, segs...)
	}
}

// byBucket splits points so that none crosses a time bucket, and drops what is
// there twice within the flush.
func byBucket(p sqltest.Points) []sqltest.Points {
	parts := map[int64]*sqltest.Points{}
	var order []int64
	for i := range p.Series {
		b := segment.Bucket(p.Times[i])
		part := parts[b]
		if part == nil {
			part = &sqltest.Points{Metric: p.Metric, Unordered: p.Unordered}
			parts[b] = part
			order = append(order, b)
		}
		part.Series, part.Times, part.Values = append(part.Series, p.Series[i]), append(part.Times, p.Times[i]), append(part.Values, p.Values[i])
	}
	var out []sqltest.Points
	for _, b := range order {
		out = append(out, *parts[b])
	}
	return out
}

func value(rnd *rand.Rand) float64 {
	switch rnd.IntN(40) {
	case 0:
		return math.NaN()
	case 1:
		return math.Inf(1 - 2*rnd.IntN(2))
	case 2, 3:
		return segment.Stale()
	case 4:
		return math.Copysign(0, -1)
	}
	return rnd.NormFloat64() * 1000
}

// readRaw folds everything a snapshot reads the way readers do: a later sample
// of a series and time replaces an earlier one.
func readRaw(db *sqltest.RawDB, snap *raw.Snapshot, sel segment.Select) map[sequence.SeriesID]map[int64]uint64 {
	db.Helper()
	out := map[sequence.SeriesID]map[int64]uint64{}
	err := snap.ReadRaw(db.Context(), sel, func(seg *segment.Segment) error {
		for i := range seg.Series {
			if out[seg.Series[i]] == nil {
				out[seg.Series[i]] = map[int64]uint64{}
			}
			out[seg.Series[i]][seg.Time(i)] = math.Float64bits(seg.Values[i])
		}
		return nil
	})
	if err != nil {
		db.Fatal(err)
	}
	return out
}

// truthOf is what readRaw must give at a vector.
func truthOf(db *sqltest.RawDB, at sequence.Vector) map[sequence.SeriesID]map[int64]uint64 {
	out := map[sequence.SeriesID]map[int64]uint64{}
	for _, s := range db.Samples {
		if s.Seq > at.At(s.Region) {
			continue
		}
		if out[s.Series] == nil {
			out[s.Series] = map[int64]uint64{}
		}
		out[s.Series][s.T] = math.Float64bits(s.V)
	}
	return out
}

func sameSamples(a, b map[sequence.SeriesID]map[int64]uint64) bool {
	if len(a) != len(b) {
		return false
	}
	for id, as := range a {
		bs := b[id]
		if len(as) != len(bs) {
			return false
		}
		for at, v := range as {
			if w, ok := bs[at]; !ok || v != w {
				return false
			}
		}
	}
	return true
}

// TestSnapshotSeesEachSampleOnce holds snapshots of every age across freezes,
// seals and drops: each must go on reading exactly what was there when it was
// taken, bit for bit, the last written value of each series and time.
func TestSnapshotSeesEachSampleOnce(t *testing.T) {
	db := sqltest.NewRawDB(t, 2)
	rnd := rand.New(rand.NewPCG(7, 11))
	metric, ids1 := db.AddMetric("m", 1, 5)
	_, ids2 := db.AddMetric("m", 2, 4)
	series := map[sequence.Region][]sequence.SeriesID{1: ids1, 2: ids2}
	sel := segment.Select{Metrics: []sequence.MetricID{metric}}

	var held []*raw.Snapshot
	check := func(when string) {
		t.Helper()
		for i, snap := range held {
			if !sameSamples(readRaw(db, snap, sel), truthOf(db, snap.Position().Vector)) {
				t.Fatalf("%s: snapshot %d at %s does not read what was written up to there", when, i, snap.Position().Vector)
			}
		}
	}
	hold := func() { held = append(held, db.Snapshot()) }

	hold() // of an empty table
	scatter(db, rnd, metric, series, 30)
	hold()
	check("hot only")
	db.Freeze()
	scatter(db, rnd, metric, series, 30)
	hold()
	check("after a freeze")
	db.Seal(1)
	hold()
	check("after a seal")
	scatter(db, rnd, metric, series, 10)
	hold()
	if err := db.Drop(1); err == nil {
		t.Fatal("the hot table was dropped under a snapshot that reads it")
	}
	for _, snap := range held[:3] { // those from before the seal
		if err := snap.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	held = held[3:]
	for deadline := time.Now().Add(2 * time.Minute); ; {
		err := db.Drop(1)
		if err == nil {
			break
		}
		if !pg.LockTimedOut(err) || time.Now().After(deadline) { // autovacuum may be at the table
			t.Fatalf("drop after the last reader has gone: %v", err)
		}
	}
	check("after the drop")
	db.Freeze()
	db.Seal(2)
	hold()
	check("two sealed generations")
}

// TestSnapshotBesideADrop: a hot table that earlier snapshots have read, and that is on its
// way out, holds up no snapshot.
func TestSnapshotBesideADrop(t *testing.T) {
	db := sqltest.NewRawDB(t, 1)
	_, _ = db.AddMetric("m", 1, 1)
	db.Freeze()
	if err := db.Snapshot().Close(t.Context()); err != nil { // which remembers both tables
		t.Fatal(err)
	}
	db.Seal(1)
	tx, err := db.Store.Pool().Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }()
	if _, err := tx.Exec(t.Context(), "lock table hot_1 in access exclusive mode"); err != nil {
		t.Fatal(err)
	}
	snap := db.Snapshot() // fails the test if it fails
	if err := snap.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestReadRawLeavesOutOtherTimes asks for a stretch of time and expects all
// samples in it, and no sealed bucket that lies outside.
func TestReadRawLeavesOutOtherTimes(t *testing.T) {
	db := sqltest.NewRawDB(t, 1)
	rnd := rand.New(rand.NewPCG(1, 2))
	metric, ids := db.AddMetric("m", 1, 3)
	scatter(db, rnd, metric, map[sequence.Region][]sequence.SeriesID{1: ids}, 120)
	db.Freeze()
	db.Seal(1)
	scatter(db, rnd, metric, map[sequence.Region][]sequence.SeriesID{1: ids}, 20)
	snap := db.Snapshot()
	all := truthOf(db, snap.Position().Vector)
	for _, span := range []sequence.Span{{After: segment.BucketMillis, UpTo: segment.BucketMillis + 300_000}, {After: segment.BucketMillis - 300_000, UpTo: segment.BucketMillis - 1}} {
		got := readRaw(db, snap, segment.Select{Metrics: []sequence.MetricID{metric}, Span: span})
		for id, samples := range all {
			for at, v := range samples {
				if span.Holds(at) && got[id][at] != v {
					t.Errorf("span %v: series %d at %d is missing or wrong", span, id, at)
				}
			}
		}
		for _, samples := range got {
			for at := range samples {
				if segment.Bucket(at) != segment.Bucket(span.UpTo) {
					t.Errorf("span %v: read a sample at %d, of another bucket", span, at)
				}
			}
		}
	}
}

// TestReadDelta expects exactly the hot samples of the ranges, in sequence
// order, split by whether they are ordered.
func TestReadDelta(t *testing.T) {
	db := sqltest.NewRawDB(t, 2)
	rnd := rand.New(rand.NewPCG(3, 4))
	metric, ids1 := db.AddMetric("m", 1, 4)
	_, ids2 := db.AddMetric("m", 2, 4)
	series := map[sequence.Region][]sequence.SeriesID{1: ids1, 2: ids2}
	scatter(db, rnd, metric, series, 20)
	db.Freeze()
	scatter(db, rnd, metric, series, 20)
	snap := db.Snapshot()
	ranges := map[sequence.Region]sequence.Range{1: {After: 3, UpTo: snap.Position().Vector.At(1) - 2}, 2: {After: 0, UpTo: 5}}
	for pick, want := range map[segment.Pick]func(sqltest.Sample) bool{
		segment.PickAll:       func(sqltest.Sample) bool { return true },
		segment.PickOrdered:   func(s sqltest.Sample) bool { return s.Ordered },
		segment.PickUnordered: func(s sqltest.Sample) bool { return !s.Ordered },
	} {
		var wanted, got []sqltest.Sample
		for _, s := range db.Samples {
			if ranges[s.Region].Contains(s.Seq) && want(s) {
				s.Gen, s.Metric = 0, 0
				wanted = append(wanted, s)
			}
		}
		last := map[sequence.Region]sequence.Seq{}
		err := snap.ReadDelta(t.Context(), []sequence.MetricID{metric}, ranges, pick, func(seg *segment.Segment) error {
			if seg.MinSeq < last[seg.Region] || seg.MinSeq != seg.MaxSeq {
				t.Errorf("segment of sequences %d to %d after %d", seg.MinSeq, seg.MaxSeq, last[seg.Region])
			}
			last[seg.Region] = seg.MinSeq
			for i := range seg.Series {
				got = append(got, sqltest.Sample{Series: seg.Series[i], Region: seg.Region, Seq: seg.MinSeq, T: seg.Time(i), V: seg.Values[i], Ordered: seg.Ordered})
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		// Regions come one after the other; within one the order is exact.
		slices.SortStableFunc(wanted, func(a, b sqltest.Sample) int { return int(a.Region) - int(b.Region) })
		slices.SortStableFunc(got, func(a, b sqltest.Sample) int { return int(a.Region) - int(b.Region) })
		if !slices.EqualFunc(wanted, got, func(a, b sqltest.Sample) bool {
			bits := math.Float64bits(a.V) == math.Float64bits(b.V)
			a.V, b.V = 0, 0
			return bits && a == b
		}) {
			t.Errorf("pick %d: read %d samples, want %d, or in another order", pick, len(got), len(wanted))
		}
	}
}

// TestReadStopsAtAnError expects an error of the callback back, and the
// snapshot still usable after it.
func TestReadStopsAtAnError(t *testing.T) {
	db := sqltest.NewRawDB(t, 1)
	metric, ids := db.AddMetric("m", 1, 2)
	scatter(db, rand.New(rand.NewPCG(1, 1)), metric, map[sequence.Region][]sequence.SeriesID{1: ids}, 5)
	snap := db.Snapshot()
	stop := errors.New("stop")
	if err := snap.ReadRaw(t.Context(), segment.Select{Metrics: []sequence.MetricID{metric}}, func(*segment.Segment) error { return stop }); !errors.Is(err, stop) {
		t.Fatalf("got %v, want the callback's error", err)
	}
	if len(readRaw(db, snap, segment.Select{Metrics: []sequence.MetricID{metric}})) != 2 {
		t.Error("the snapshot does not read any more")
	}
}

func TestSnapshotPosition(t *testing.T) {
	db := sqltest.NewRawDB(t, 3)
	metric, ids := db.AddMetric("m", 2, 1)
	db.Flush(2, sqltest.Points{Metric: metric, Series: ids, Times: []int64{5000}, Values: []float64{1}})
	db.Exec("update retention set earliest_t = 77")
	pos := db.Snapshot().Position()
	if pos.Vector.String() != "{2:1}" || len(pos.Flushes) != 1 || pos.Flushes[2] == (sequence.FlushID{}) {
		t.Errorf("position %s with flushes %v, want {2:1} and its flush", pos.Vector, pos.Flushes)
	}
	if d := time.Since(time.UnixMilli(pos.Now)); d < -time.Minute || d > time.Minute {
		t.Errorf("the database's clock is %s off", d)
	}
	if pos.Earliest != 77 {
		t.Errorf("earliest %d, want 77", pos.Earliest)
	}
}

func TestCheckHistory(t *testing.T) {
	db := sqltest.NewRawDB(t, 2)
	metric, ids := db.AddMetric("m", 1, 1)
	for i := range 3 {
		db.Flush(1, sqltest.Points{Metric: metric, Series: ids, Times: []int64{int64(i)}, Values: []float64{1}})
	}
	snap := db.Snapshot()
	now := snap.Position()
	id2 := sequence.FlushID(sqltest.ScanOne[[16]byte](db, "select id from flush where region = 1 and seq = 2"))
	for name, c := range map[string]struct {
		vec     sequence.Vector
		flushes map[sequence.Region]sequence.FlushID
		changed bool
	}{
		"here":               {now.Vector, now.Flushes, false},
		"nowhere":            {sequence.Vector{}, nil, false},
		"earlier":            {sequence.Vector{1: 2}, map[sequence.Region]sequence.FlushID{1: id2}, false},
		"without an id":      {sequence.Vector{1: 2}, nil, false},
		"another here":       {now.Vector, map[sequence.Region]sequence.FlushID{1: {1}}, true},
		"another earlier":    {sequence.Vector{1: 2}, map[sequence.Region]sequence.FlushID{1: {1}}, true},
		"ahead":              {sequence.Vector{1: 4}, nil, true},
		"region without any": {sequence.Vector{2: 1}, nil, true},
	} {
		err := snap.CheckHistory(t.Context(), c.vec, c.flushes)
		if errors.Is(err, sequence.ErrHistoryChanged) != c.changed || err != nil && !c.changed {
			t.Errorf("%s: got %v, want changed %t", name, err, c.changed)
		}
	}
}

func TestSeriesByPosition(t *testing.T) {
	db := sqltest.NewRawDB(t, 2)
	one := func(m sequence.MetricID, id sequence.SeriesID, at int64) sqltest.Points {
		return sqltest.Points{Metric: m, Series: []sequence.SeriesID{id}, Times: []int64{at}, Values: []float64{1}}
	}
	a, ids := db.AddMetric("a", 1, 2)
	db.Flush(1, one(a, ids[0], 1))
	b, more := db.AddMetric("b", 2, 1)
	db.Flush(2, one(b, more[0], 2))
	db.Flush(1, one(a, ids[0], 3))
	snap := db.Snapshot()
	count := func(names []string, after sequence.Vector, only ...string) string {
		t.Helper()
		series, err := snap.Series(t.Context(), names, after, only...)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, s := range series {
			var b strings.Builder
			for _, l := range s.Labels {
				b.WriteString(l.Name + "=" + l.Value + " ")
			}
			out = append(out, b.String())
		}
		slices.Sort(out)
		return strings.Join(out, "; ")
	}
	if got := count([]string{"b"}, nil); got != "__name__=b i=0 r=2 " {
		t.Errorf("series of b: %s", got)
	}
	if got := count(nil, sequence.Vector{1: 2}); got != "__name__=b i=0 r=2 " {
		t.Errorf("series after {1:2}: %s", got)
	}
	for _, c := range []struct {
		only []string
		want string
	}{
		{[]string{"i"}, "i=0 ; i=0 ; i=1 "},
		{[]string{"r", "no\"ne", "__name__"}, "__name__=a r=1 ; __name__=a r=1 ; __name__=b r=2 "},
		{[]string{"none"}, "; ; "},
		{[]string{"i", "r", "x", "y", "z"}, "__name__=a i=0 r=1 ; __name__=a i=1 r=1 ; __name__=b i=0 r=2 "},
	} {
		if got := count(nil, nil, c.only...); got != c.want {
			t.Errorf("series with the labels %q: %s, want %s", c.only, got, c.want)
		}
	}
	if got := count([]string{"nothing"}, nil); got != "" {
		t.Errorf("series of no metric: %s", got)
	}
}

func TestInfosAndSpans(t *testing.T) {
	db := sqltest.NewRawDB(t, 1)
	metric, ids := db.AddMetric("m", 1, 1)
	at := func(times ...int64) {
		vals := make([]float64, len(times))
		series := make([]sequence.SeriesID, len(times))
		for i := range series {
			series[i] = ids[0]
		}
		db.Flush(1, sqltest.Points{Metric: metric, Series: series, Times: times, Values: vals})
	}
	at(1000, 2000)
	at(2001, 3000) // touches the first
	db.Freeze()
	db.Seal(1)
	at(9000)
	at(8000, 8500)
	snap := db.Snapshot()
	metrics := []sequence.MetricID{metric}
	spans, err := snap.Spans(t.Context(), segment.Select{Metrics: metrics})
	if err != nil {
		t.Fatal(err)
	}
	if want := (sequence.Spans{{After: 999, UpTo: 3000}, {After: 7999, UpTo: 8500}, {After: 8999, UpTo: 9000}}); !slices.Equal(spans, want) {
		t.Errorf("spans %v, want %v", spans, want)
	}
	spans, err = snap.Spans(t.Context(), segment.Select{Metrics: metrics, Span: sequence.Span{After: 3000, UpTo: 8999}})
	if err != nil {
		t.Fatal(err)
	}
	if want := (sequence.Spans{{After: 7999, UpTo: 8500}}); !slices.Equal(spans, want) {
		t.Errorf("spans %v, want %v", spans, want)
	}
	for after, want := range map[sequence.Seq]int{0: 2, 1: 2, 2: 1, 3: 1, 4: 0} {
		infos, err := snap.Infos(t.Context(), metrics, sequence.Vector{1: after})
		if err != nil {
			t.Fatal(err)
		}
		if len(infos) != want {
			t.Errorf("after %d: %d segments, want %d: %+v", after, len(infos), want, infos)
		}
		for _, in := range infos {
			if in.Sealed && (in.MinSeq != 1 || in.MaxSeq != 2 || in.Samples != 4 || in.MinT != 1000 || in.MaxT != 3000) {
				t.Errorf("sealed segment %+v", in)
			}
		}
	}
	// Ordered segments are described together, others one by one.
	at(10_000, 10_500)
	at(11_000)
	db.Flush(1, sqltest.Points{Metric: metric, Series: ids, Times: []int64{10_200}, Values: []float64{1}, Unordered: true})
	infos, err := db.Snapshot().Infos(t.Context(), metrics, sequence.Vector{1: 4})
	if err != nil {
		t.Fatal(err)
	}
	want := []segment.Info{
		{Region: 1, MinSeq: 5, MaxSeq: 6, Metric: metric, Ordered: true, MinT: 10_000, MaxT: 11_000, Samples: 3, Packed: 1, Bytes: 81, Segments: 2},
		{Region: 1, MinSeq: 7, MaxSeq: 7, Metric: metric, MinT: 10_200, MaxT: 10_200, Samples: 1, Bytes: 28, Segments: 1},
	}
	slices.SortFunc(infos, func(a, b segment.Info) int { return int(a.MinSeq) - int(b.MinSeq) })
	if !slices.Equal(infos, want) {
		t.Errorf("described as %+v, want %+v", infos, want)
	}
}
