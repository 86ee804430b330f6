package server_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"

	"laminar/ingest/remotewrite"
	"laminar/sqlstore"
	"laminar/sqlstore/localpg"
	"laminar/sqlstore/sqltest"
)

// The load the ingest figure is about.
const (
	loadSeries      = 10_000
	loadPerRequest  = 2_000
	loadConnections = 8
)

// BenchmarkIngest is the way of a sample from a sender's bytes to the
// acknowledgement, over HTTP, into a private PostgreSQL with durable commits.
// Sender, Laminar and PostgreSQL share the machine: packing the requests is
// part of what is measured.
func BenchmarkIngest(b *testing.B) {
	ing := benchIngester(b, durablePostgres(b))
	srv := httptest.NewServer(ing.Write())
	defer srv.Close()
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: loadConnections}}
	defer client.CloseIdleConnections()
	requests := make(chan []byte, loadConnections)
	var senders sync.WaitGroup
	for range loadConnections {
		senders.Go(func() {
			for body := range requests {
				if err := postBody(client, srv.URL, body); err != nil {
					b.Error(err)
				}
			}
		})
	}
	scrapes := newScrapes(b)
	for i := range loadSeries / loadPerRequest { // the series are created before the clock runs
		requests <- scrapes.request(i)
	}
	sent := loadSeries / loadPerRequest
	b.ResetTimer()
	for b.Loop() {
		requests <- scrapes.request(sent)
		sent++
	}
	close(requests)
	senders.Wait()
	b.StopTimer()
	b.ReportMetric(float64(b.N)*loadPerRequest/b.Elapsed().Seconds(), "samples/s")
}

// benchIngester runs an ingester on a database until the benchmark ends.
func benchIngester(b *testing.B, url string) *remotewrite.Handler {
	b.Helper()
	store, err := sqlstore.Open(b.Context(), sqlstore.Config{URL: url}, slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(store.Close)
	if err := store.Schema.Migrate(b.Context()); err != nil {
		b.Fatal(err)
	}
	if _, err := store.Schema.Install(b.Context(), sqltest.Regions); err != nil {
		b.Fatal(err)
	}
	return runIngester(b, url)
}

// durablePostgres starts a server that waits for the disk, unlike the one the
// tests share.
func durablePostgres(b *testing.B) string {
	b.Helper()
	dir, err := os.MkdirTemp("/tmp", "laminar-bench-") //nolint:usetesting // the server's OS user must be able to enter
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		b.Fatal(err)
	}
	server, err := localpg.Start(b.Context(), localpg.Options{Dir: filepath.Join(dir, "data")})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := server.Stop(ctx); err != nil {
			b.Error(err)
		}
	})
	return server.URL()
}

// scrapes makes the requests of a fleet that is scraped again and again:
// counters, the shape of what a node exporter sends.
type scrapes struct {
	b       *testing.B
	parts   []prompb.WriteRequest
	raw     []byte
	started int64
}

func newScrapes(b *testing.B) *scrapes {
	b.Helper()
	s := &scrapes{b: b, parts: make([]prompb.WriteRequest, loadSeries/loadPerRequest), started: time.Now().Add(-24 * time.Hour).UnixMilli()}
	for i := range loadSeries {
		part := &s.parts[i/loadPerRequest]
		part.Timeseries = append(part.Timeseries, prompb.TimeSeries{
			Labels: []prompb.Label{
				{Name: "__name__", Value: fmt.Sprintf("node_metric_%d_total", i/50%100)},
				{Name: "cpu", Value: fmt.Sprint(i % 50)},
				{Name: "instance", Value: fmt.Sprintf("host-%d.example.org:9100", i/5000)},
				{Name: "job", Value: "node"},
				{Name: "mode", Value: "idle"},
			},
			Samples: []prompb.Sample{{Value: float64(i)}},
		})
	}
	return s
}

// request is the n-th request: one part of the series, at the time of its
// scrape.
func (s *scrapes) request(n int) []byte {
	part := &s.parts[n%len(s.parts)]
	at := s.started + int64(n/len(s.parts))*1000
	for i := range part.Timeseries {
		smp := &part.Timeseries[i].Samples[0]
		smp.Timestamp = at
		smp.Value += float64(i % 7)
	}
	size := part.Size()
	if cap(s.raw) < size {
		s.raw = make([]byte, size)
	}
	if _, err := part.MarshalToSizedBuffer(s.raw[:size]); err != nil {
		s.b.Fatal(err)
	}
	return snappy.Encode(nil, s.raw[:size])
}

func postBody(client *http.Client, url string, body []byte) error {
	req, err := http.NewRequest(http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("Content-Encoding", "snappy")
	req.Header.Set("Content-Type", "application/x-protobuf")
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusNoContent {
		return fmt.Errorf("answered %d %s", resp.StatusCode, text)
	}
	return nil
}
