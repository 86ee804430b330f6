package senders_test

import (
	"slices"
	"testing"
	"time"

	"laminar/sequence/series"
	"laminar/sqlstore/sqltest"
)

// TestMetadata: last write wins, what does not change is not written, and a
// metric of a family takes the family's description where it has none itself.
func TestMetadata(t *testing.T) {
	db := sqltest.NewRawDB(t, 2)
	save := func(list ...series.Metadata) {
		t.Helper()
		if err := db.Store.Senders.SaveMetadata(t.Context(), list); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"x_bucket", "x_count", "y_total", "y", "nobody"} {
		db.AddMetric(name, 1, 1)
	}
	save()
	save(series.Metadata{Metric: "y", Type: "gauge", Help: "old"}, series.Metadata{Metric: "without_samples", Type: "gauge"},
		series.Metadata{Metric: "x", Type: "histogram", Help: "it's 100 % \"x\"", Unit: "seconds"})
	changed := func() (at time.Time) {
		t.Helper()
		if err := db.Store.Pool().QueryRow(t.Context(), "select changed_at from metadata where metric = 'y'").Scan(&at); err != nil {
			t.Fatal(err)
		}
		return at
	}
	first := changed()
	save(series.Metadata{Metric: "y", Type: "gauge", Help: "old"})
	if again := changed(); !again.Equal(first) {
		t.Errorf("the same metadata was written again at %v, after %v", again, first)
	}
	save(series.Metadata{Metric: "y", Type: "gauge", Help: "new"}, series.Metadata{Metric: "x_count", Type: "counter"})
	if again := changed(); !again.After(first) {
		t.Errorf("metadata that changed was written at %v, not after %v", again, first)
	}
	got, err := db.Store.Senders.Metadata(t.Context(), []string{"y_total", "x_count", "nobody", "without_samples", "x_bucket"})
	if err != nil {
		t.Fatal(err)
	}
	want := []series.Metadata{
		{Metric: "x_bucket", Type: "histogram", Help: "it's 100 % \"x\"", Unit: "seconds"},
		{Metric: "x_count", Type: "counter"},
		{Metric: "y_total", Type: "gauge", Help: "new"},
	}
	if !slices.Equal(got, want) {
		t.Errorf("metadata is %+v, want %+v", got, want)
	}
	if got, err := db.Store.Senders.Metadata(t.Context(), nil); err != nil || len(got) != 0 {
		t.Errorf("of no metrics: %v, %v", got, err)
	}
}
