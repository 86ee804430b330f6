package sqltest

import (
	"context"
	"crypto/rand"
	"fmt"
	"math"
	"testing"

	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sequence/series"
	"laminar/sqlstore"
	"laminar/sqlstore/raw"
)

// Day is a time in the middle of a bucket, ms since the epoch.
const Day = 20_000*segment.BucketMillis + 1000

// NewFlushID makes a random id of a flush.
func NewFlushID() (id sequence.FlushID) {
	_, _ = rand.Read(id[:]) // never fails
	return id
}

// Begin begins a flush that must begin.
func Begin(t testing.TB, store *sqlstore.Store, region sequence.Region) *raw.FlushTx {
	t.Helper()
	tx, err := store.Writer.BeginFlush(context.Background(), region, NewFlushID())
	if err != nil {
		t.Fatal(err)
	}
	return tx
}

// Commit commits a flush and says where it stood.
func Commit(t testing.TB, tx *raw.FlushTx, segs ...segment.Segment) sequence.Flush {
	t.Helper()
	if err := tx.Commit(context.Background(), segs); err != nil {
		t.Fatal(err)
	}
	return tx.Flush()
}

// MetricOf is the metric of a name, made if it is missing.
func MetricOf(t testing.TB, store *sqlstore.Store, name string) sequence.MetricID {
	t.Helper()
	ids, err := store.Writer.Metrics(context.Background(), []string{name})
	if err != nil {
		t.Fatal(err)
	}
	return ids[0]
}

// NewSeries is n series of a metric, numbered from first.
func NewSeries(metric sequence.MetricID, name string, first, n int) []series.Wanted {
	out := make([]series.Wanted, n)
	for i := range out {
		labels := []series.Label{{Name: series.MetricName, Value: name}, {Name: "i", Value: fmt.Sprint(first + i)}}
		out[i] = series.Wanted{Metric: metric, Labels: labels, SHA256: series.Identity(series.CanonicalLabels(nil, labels))}
	}
	return out
}

// Segment makes a segment of (series, time, value) triples.
func Segment(metric sequence.MetricID, points ...[3]float64) segment.Segment {
	s := segment.Segment{Metric: metric, Ordered: true, MinT: math.MaxInt64}
	for _, p := range points {
		s.MinT, s.MaxT = min(s.MinT, int64(p[1])), max(s.MaxT, int64(p[1]))
	}
	s.Base = s.MinT
	for _, p := range points {
		s.Series = append(s.Series, sequence.SeriesID(p[0]))
		s.Offsets = append(s.Offsets, int32(int64(p[1])-s.Base))
		s.Values = append(s.Values, p[2])
		s.HasStale = s.HasStale || segment.IsStale(p[2])
	}
	return s
}
