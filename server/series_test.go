package server_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"laminar/ingest"
	"laminar/sqlstore/census"
	"laminar/sqlstore/sqltest"
)

// TestSeriesTop: series are counted by metric, label, value and sender as they were
// sent; a series that two senders bring is counted for the one that was first.
func TestSeriesTop(t *testing.T) {
	db := sqltest.New(t)
	store := db.Store(t)
	to := runIngester(t, db.URL).Write()
	now := time.Now().UnixMilli()
	post := func(name string, from, upTo int) {
		batch := make(map[sampleKey]float64)
		for i := from; i < upTo; i++ {
			batch[sampleKey{i, now}] = 1
		}
		one := &sender{t: t, of: 1, to: to}
		body, _ := one.encode(batch)
		req := httptest.NewRequestWithContext(ingest.WithSender(context.Background(), name), http.MethodPost, "/api/v1/write", bytes.NewReader(body))
		rec := httptest.NewRecorder()
		to.ServeHTTP(rec, req)
		if rec.Code != http.StatusNoContent {
			t.Fatalf("%s: answered %d %s", name, rec.Code, rec.Body)
		}
	}
	post("token eu", 0, 30)
	post("user us", 20, 41) // ten of them are there
	post("address \x00\xff", 41, 42)
	post("", 42, 43)

	senders, err := store.Census.Senders(t.Context(), 10)
	want := []census.Sender{{Name: "token eu", LastHour: 30, LastDay: 30, LastWeek: 30}, {Name: "user us", LastHour: 11, LastDay: 11, LastWeek: 11}, {Name: "address ??", LastHour: 1, LastDay: 1, LastWeek: 1}}
	if err != nil || fmt.Sprint(senders) != fmt.Sprint(want) {
		t.Errorf("senders are %v, want %v: %v", senders, want, err)
	}
	metrics, err := store.Census.Metrics(t.Context(), 3)
	if err != nil || fmt.Sprint(metrics) != "[{m0 11 11} {m1 11 11} {m2 11 11}]" {
		t.Errorf("metrics are %v: %v", metrics, err)
	}
	labels, part, err := store.Census.Labels(t.Context(), 10)
	if err != nil || part != 100 || fmt.Sprint(labels) != "[{i 43 43} {__name__ 43 4}]" {
		t.Errorf("labels of %v %% are %v: %v", part, labels, err)
	}
	values, _, err := store.Census.Values(t.Context(), "__name__", 2)
	if err != nil || fmt.Sprint(values) != "[{m0 11} {m1 11}]" {
		t.Errorf("values are %v: %v", values, err)
	}
	// An hour on nothing is new in the last hour, a week on nobody is known.
	for _, c := range []struct{ later, senders, metrics string }{
		{"3 hours", "[{token eu 0 30 30} {user us 0 11 11} {address ?? 0 1 1}]", "[{m0 11 0}]"},
		{"8 days", "[]", "[{m0 11 0}]"},
	} {
		if _, err := db.Pool(t).Exec(t.Context(), "create or replace function db_clock() returns timestamptz language sql volatile as $$ select clock_timestamp() + interval '"+c.later+"' $$"); err != nil {
			t.Fatal(err)
		}
		senders, err := store.Census.Senders(t.Context(), 10)
		if err != nil || fmt.Sprint(senders) != c.senders {
			t.Errorf("%s later senders are %v, want %s: %v", c.later, senders, c.senders, err)
		}
		metrics, err := store.Census.Metrics(t.Context(), 1)
		if err != nil || fmt.Sprint(metrics) != c.metrics {
			t.Errorf("%s later metrics are %v, want %s: %v", c.later, metrics, c.metrics, err)
		}
	}
	if err := sqltest.Answered(t.Context(), func() error {
		_, err := store.Remover.Remove(t.Context())
		return err
	}); err != nil {
		t.Fatal(err)
	}
	var left int
	if err := db.Pool(t).QueryRow(t.Context(), "select count(*) from series_sender").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d rows of long ago are left: %v", left, err)
	}
}
