package raw_test

import (
	"crypto/rand"
	"errors"
	"math"
	"slices"
	"testing"

	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sequence/series"
	"laminar/sqlstore/sqltest"
)

func TestFlush(t *testing.T) {
	store := sqltest.New(t).Store(t)
	ctx := t.Context()
	metric := sqltest.MetricOf(t, store, "up")

	tx := sqltest.Begin(t, store, 1)
	first := tx.Flush()
	if first.Seq != 1 || first.Generation != 1 || first.PrevID != (sequence.FlushID{}) || first.Earliest != 0 || first.Now == 0 {
		t.Errorf("first flush is %+v", first)
	}
	created, err := tx.CreateSeries(ctx, sqltest.NewSeries(metric, "up", 0, 3))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range created {
		if c.ID == 0 || !c.Created {
			t.Errorf("created %+v", created)
		}
	}
	values := []float64{1.5, math.NaN(), math.Inf(-1), math.Copysign(0, -1), segment.Stale()}
	var points [][3]float64
	for i, v := range values {
		points = append(points, [3]float64{float64(created[i%3].ID), float64(sqltest.Day + int64(i)), v})
	}
	sqltest.Commit(t, tx, sqltest.Segment(metric, points...))
	if err := tx.Rollback(ctx); err != nil {
		t.Errorf("rollback after commit: %v", err)
	}

	tx = sqltest.Begin(t, store, 1)
	second := tx.Flush()
	if second.Seq != 2 || second.PrevID != first.ID {
		t.Errorf("second flush is %+v, want sequence 2 after %x", second, first.ID)
	}
	again, err := tx.CreateSeries(ctx, sqltest.NewSeries(metric, "up", 2, 2))
	if err != nil {
		t.Fatal(err)
	}
	if again[0].ID != created[2].ID || again[0].Created || !again[1].Created {
		t.Errorf("series found again %+v, first created %+v", again, created)
	}
	for seq, want := range map[sequence.Seq]sequence.FlushID{1: first.ID, 2: {}, 3: {}} {
		if id, err := tx.Took(ctx, seq); err != nil || id != want {
			t.Errorf("sequence %d was taken by %x, %v; want %x", seq, id, err, want)
		}
	}
	if err := tx.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	if got := sqltest.Begin(t, store, 1); got.Flush().Seq != 2 {
		t.Errorf("sequence after a rollback is %d, want 2", got.Flush().Seq)
	} else {
		sqltest.Commit(t, got) // without segments
	}

	// The bits came through, NaN and stale marker told apart.
	snap, err := store.Reader.Snapshot(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close(ctx)
	var got []uint64
	err = snap.ReadRaw(ctx, segment.Select{Metrics: []sequence.MetricID{metric}}, func(s *segment.Segment) error {
		for _, v := range s.Values {
			got = append(got, math.Float64bits(v))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var want []uint64
	for _, v := range values {
		want = append(want, math.Float64bits(v))
	}
	if !slices.Equal(got, want) {
		t.Errorf("values came back as %x, want %x", got, want)
	}
}

func TestFlushOfUnknownRegion(t *testing.T) {
	store := sqltest.New(t).Store(t)
	if _, err := store.Writer.BeginFlush(t.Context(), 9, sqltest.NewFlushID()); !errors.Is(err, sequence.ErrRegionGone) {
		t.Errorf("flush of region 9: %v", err)
	}
	if _, err := store.Writer.Resolve(t.Context(), 9, 1, sqltest.NewFlushID()); !errors.Is(err, sequence.ErrRegionGone) {
		t.Errorf("resolve in region 9: %v", err)
	}
	if n := store.Pool().Stat().AcquiredConns(); n != 0 {
		t.Errorf("%d connections were not given back", n)
	}
}

func TestBadContent(t *testing.T) {
	store := sqltest.New(t).Store(t)
	metric := sqltest.MetricOf(t, store, "up")
	for name, value := range map[string]string{"NUL": "a\x00b", "not UTF-8": "a\xffb"} {
		tx := sqltest.Begin(t, store, 1)
		labels := []series.Label{{Name: "l", Value: value}}
		if _, err := tx.CreateSeries(t.Context(), []series.Wanted{{Metric: metric, Labels: labels}}); !errors.Is(err, sequence.ErrBadContent) {
			t.Errorf("label with %s: %v", name, err)
		}
		_ = tx.Rollback(t.Context())
	}
	long := make([]byte, 20_000)
	_, _ = rand.Read(long)
	for i := range long {
		long[i] = 'a' + long[i]%26
	}
	if _, err := store.Writer.Metrics(t.Context(), []string{string(long)}); !errors.Is(err, sequence.ErrBadContent) {
		t.Errorf("metric name too long for an index: %v", err)
	}
	tx := sqltest.Begin(t, store, 1)
	bad := sqltest.Segment(metric, [3]float64{1, float64(sqltest.Day), 1}, [3]float64{1, float64(sqltest.Day + segment.BucketMillis), 1})
	if err := tx.Commit(t.Context(), []segment.Segment{bad}); err == nil {
		t.Error("a segment across time buckets was written")
	}
}

func TestMetrics(t *testing.T) {
	store := sqltest.New(t).Store(t)
	names := []string{"b", "a", "b", "c"}
	first, err := store.Writer.Metrics(t.Context(), names)
	if err != nil {
		t.Fatal(err)
	}
	if first[0] != first[2] || first[0] == first[1] || first[3] == 0 {
		t.Errorf("metrics %v have ids %v", names, first)
	}
	if again, err := store.Writer.Metrics(t.Context(), names); err != nil || !slices.Equal(first, again) {
		t.Errorf("metrics %v have ids %v the first time, %v the second, %v", names, first, again, err)
	}
}
