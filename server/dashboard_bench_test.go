package server_test

import (
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"laminar/flownode/progress"
	"laminar/query"
	"laminar/server"
	"laminar/server/promapi"
	"laminar/sqlstore/sqltest"
)

// BenchmarkDashboard asks for an hour of a flow of 100 groups as a dashboard does, over HTTP,
// and for the same by SQL: the whole of it, one group, and a sum. Six hours are stored.
func BenchmarkDashboard(b *testing.B) {
	const groups, windows, asked = 100, 360, 60
	db := sqltest.NewRawDB(b, 1)
	db.Apply(sqltest.FlowFor(b, "f", "sum by (instance) (m)"))
	rounds := sqltest.Rounds{Flow: db.Take("f")}
	begin := time.Now().Truncate(time.Minute).Add(-(windows + 1) * time.Minute).UnixMilli()
	var list []progress.Window
	for n := range int64(windows) {
		w := progress.Window{Start: begin + n*sqltest.Minute, End: begin + (n+1)*sqltest.Minute, Complete: true}
		for g := range groups {
			w.Rows = append(w.Rows, sqltest.Row(fmt.Sprintf("host-%05d.example.org:8080", g), float64(g)+float64(n)/7))
		}
		list = append(list, w)
	}
	round := rounds.Next(list...)
	end := begin + windows*sqltest.Minute
	round.To.EmittedUntil, round.To.BeginsAfter = end, begin
	sqltest.CommitOne(b, db.Store, round)
	db.Exec("analyze")

	readers, err := db.Store.OpenReaders(b.Context(), 4)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(readers.Close)
	log := slog.New(slog.DiscardHandler)
	queries := query.New(query.Config{
		Timeout: time.Minute, MaxSamples: 2_000_000, MaxConcurrent: 4, MaxMemory: 64 << 20, Lookback: 5 * time.Minute, FromFlows: query.FlowsAuto,
		Store: server.QueryStore{Readers: readers}, Log: log, Registerer: prometheus.NewRegistry(),
	})
	srv := httptest.NewServer(promapi.New(promapi.Config{
		Queries: queries, Metadata: readers.Senders, Rules: server.Rules{Readers: readers}, BodyBytes: 64 << 20, Log: log, Registerer: prometheus.NewRegistry(),
	}))
	b.Cleanup(srv.Close)
	conn, err := db.Store.Pool().Acquire(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Release()
	const one = "host-00003.example.org:8080"
	from, to := time.UnixMilli(end-(asked-1)*sqltest.Minute), time.UnixMilli(end)
	const rows = " from flow.f where window_end >= $1 and window_end <= $2"
	for _, p := range []struct{ name, promQL, sql string }{
		{"all", "f", "select window_end, instance, value" + rows},
		{"one", fmt.Sprintf("f{instance=%q}", one), "select window_end, instance, value" + rows + " and instance = '" + one + "'"},
		{"sum", "sum(f)", "select window_end, '' as label, sum(value)" + rows + " group by 1"},
	} {
		b.Run(p.name+"/api", func(b *testing.B) {
			form := url.Values{"query": {p.promQL}, "start": {fmt.Sprint(from.Unix())}, "end": {fmt.Sprint(to.Unix())}, "step": {"60"}}.Encode()
			for b.Loop() {
				resp, err := http.Get(srv.URL + "/api/v1/query_range?" + form)
				if err != nil {
					b.Fatal(err)
				}
				body, err := io.ReadAll(resp.Body)
				_ = resp.Body.Close()
				if err != nil || resp.StatusCode != http.StatusOK || len(body) < 30*asked {
					b.Fatalf("%d %v: %s", resp.StatusCode, err, body)
				}
			}
		})
		b.Run(p.name+"/sql", func(b *testing.B) {
			for b.Loop() {
				found, err := conn.Query(b.Context(), p.sql, from, to)
				if err != nil {
					b.Fatal(err)
				}
				n := 0
				for ; found.Next(); n++ {
					if _, err := found.Values(); err != nil {
						b.Fatal(err)
					}
				}
				if found.Err() != nil || n < asked {
					b.Fatalf("%d rows, %v", n, found.Err())
				}
			}
		})
	}
}
