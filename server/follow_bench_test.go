package server_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"laminar/flownode/progress"
	"laminar/server"
	"laminar/server/subscribe"
	"laminar/sqlstore/flowstore"
	"laminar/sqlstore/sqltest"
)

// What a round changes, and who follows it, in the figure of subscriptions.
const (
	followRows    = 1000
	followClients = 100
)

// BenchmarkFollow is the way of a change from its commit to those who follow the flow: 1,000
// rows a round, 100 connections. The commit is that of a round; clients, Laminar and
// PostgreSQL share the machine. p50 and p99 are over all commits and clients; memory is what a
// connection takes that waits, its client included.
func BenchmarkFollow(b *testing.B) {
	db := sqltest.NewRawDB(b, 1)
	hub := subscribe.New(subscribe.Config{
		Store: server.ChangeStore{Store: db.Store.Changes}, MaxStreams: 2 * followClients, Buffer: subscribe.DefaultBuffer, WriteTimeout: subscribe.DefaultWriteTimeout,
		Who: func(*http.Request) string { return "" }, Log: slog.New(slog.DiscardHandler), Registerer: prometheus.NewRegistry(),
	})
	db.Store.Results.OnChange(hub.Changed)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		_ = hub.Run(ctx)
	}()
	srv := httptest.NewServer(hub)
	defer srv.Close()
	defer func() { cancel(); <-ended }()

	flows := sqltest.Define(b, "flows:\n  - {name: r, promql: \"sum by (instance, job) (m)\", every: 1m}\n")
	if _, err := db.Store.Catalogue.Apply(ctx, flows, flowstore.ApplyOptions{}); err != nil {
		b.Fatal(err)
	}
	rounds := &sqltest.Rounds{Flow: db.Take("r")}
	commit := func(n int) time.Time {
		w := progress.Window{Start: 0, End: sqltest.Minute, Rows: make([]progress.Row, followRows)}
		for i := range w.Rows {
			w.Rows[i] = progress.Row{Columns: []string{fmt.Sprintf("10.0.%d.%d:9100", i/250, i%250), "node"}, Value: float64(n) + float64(i)/1000}
		}
		sqltest.CommitOne(b, db.Store, rounds.Next(w))
		return time.Now()
	}
	commit(0)

	before := memoryInUse()
	got := make(chan time.Time, followClients)
	var conns []net.Conn
	for range followClients {
		conn := followBytes(b, srv.URL, got)
		conns = append(conns, conn)
	}
	defer func() {
		for _, c := range conns {
			_ = c.Close()
		}
	}()
	for range followClients {
		<-got // where it stands
	}
	memory := float64(memoryInUse()-before) / followClients

	var took, firsts []float64 // ms
	n := 0
	for b.Loop() {
		n++
		began := commit(n)
		for i := range followClients {
			took = append(took, float64((<-got).Sub(began))/1e6)
			if i == 0 {
				firsts = append(firsts, took[len(took)-1])
			}
		}
	}
	slices.Sort(took)
	slices.Sort(firsts)
	b.ReportMetric(firsts[len(firsts)/2], "first-p50-ms") // of the first client of a commit: reading and encoding
	b.ReportMetric(took[len(took)/2], "p50-ms")
	b.ReportMetric(took[len(took)*99/100], "p99-ms")
	b.ReportMetric(took[len(took)-1], "max-ms")
	b.ReportMetric(memory/1024, "KiB/client")
	b.ReportMetric(0, "ns/op")
}

// memoryInUse is what the process has in heap and stacks.
func memoryInUse() uint64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc + m.StackInuse
}

// followBytes follows the flow over a connection, and tells when each progress has come.
func followBytes(b *testing.B, base string, got chan<- time.Time) net.Conn {
	b.Helper()
	conn, err := (&net.Dialer{}).DialContext(b.Context(), "tcp", strings.TrimPrefix(base, "http://"))
	if err != nil {
		b.Fatal(err)
	}
	if _, err := fmt.Fprint(conn, "GET /api/v1/subscribe?flow=r&provisional=true&from=none HTTP/1.1\r\nHost: localhost\r\n\r\n"); err != nil {
		b.Fatal(err)
	}
	go func() {
		lines := bufio.NewReader(conn)
		for {
			text, err := lines.ReadSlice('\n')
			switch {
			case err != nil && !errors.Is(err, bufio.ErrBufferFull):
				return // closed in the end
			case bytes.HasPrefix(text, []byte(`{"type":"progress"`)):
				got <- time.Now()
			}
		}
	}()
	return conn
}
