package ownapi_test

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"laminar/server/ownapi"
	"laminar/sqlstore/sqltest"
)

// BenchmarkFlows is what the list of 1,000 flows costs: the time until the answer is read, and
// its size as it is sent, in gzip.
func BenchmarkFlows(b *testing.B) {
	var yaml strings.Builder
	yaml.WriteString("flows:\n")
	for i := range 1000 {
		fmt.Fprintf(&yaml, "  - {name: 'job:requests_%d:rate5m', every: 15s, promql: 'sum by (job, code) (rate(requests_%d_total{env=\"prod\"}[5m]))'}\n", i, i)
	}
	w := &world{RawDB: sqltest.NewRawDB(b, 2), may: []string{"read"}}
	w.base = time.Now().UnixMilli()
	w.Apply(sqltest.Define(b, yaml.String())...)
	w.Exec("update flow set emitted_until = $1, watermark = $1, newest_t = $1, newest_at = $1", w.base)
	w.serve(nil)
	size := 0
	for b.Loop() {
		req, err := http.NewRequestWithContext(b.Context(), http.MethodGet, w.api.URL+ownapi.Prefix+"flows", nil)
		if err != nil {
			b.Fatal(err)
		}
		req.Header.Set("Accept-Encoding", "gzip")
		resp, err := w.api.Client().Do(req)
		if err != nil {
			b.Fatal(err)
		}
		counted := &counting{r: resp.Body}
		plain, err := gzip.NewReader(counted)
		if err != nil {
			b.Fatal(err)
		}
		text, err := io.ReadAll(plain)
		if err != nil || strings.Count(string(text), `"flow":`) != 1000 {
			b.Fatalf("%d bytes with %d flows: %v", len(text), strings.Count(string(text), `"flow":`), err)
		}
		_ = resp.Body.Close()
		size = counted.n
	}
	b.ReportMetric(float64(size), "B/answer")
}

// counting counts the bytes that are read.
type counting struct {
	r io.Reader
	n int
}

// Read reads.
func (c *counting) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	c.n += n
	return n, err
}
