package reading

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"

	"laminar/cmd/bench/harness"
	"laminar/cmd/bench/lab"
	"laminar/cmd/bench/workload"
)

// shownFirst is what the console asks for before it shows the flows: who answers, and the
// flows.
var shownFirst = []string{"/api/v1/laminar/installation", "/api/v1/laminar/flows"}

// linked finds what a page links to.
var linked = regexp.MustCompile(`(?:href|src)="([^"/][^"]*)"`)

// console measures what the first page of the console takes of the server, with many flows:
// a browser that has nothing yet loads the page, its files, and what it shows.
func console(ctx context.Context, b *harness.Bench) error {
	r, err := b.Lab.NewRig(ctx, "console", b.Plan.Connections, workload.RequestSeries(1000), workload.PerMinute, workload.PerMinute)
	if err != nil {
		return err
	}
	defer r.Close()
	var flows strings.Builder
	flows.WriteString("flows:\n")
	for i := range b.Plan.ConsoleFlows {
		fmt.Fprintf(&flows, "  - {name: 'console:http_requests:rate%d', promql: 'sum by (job) (rate(http_requests_total{path!=\"/%d\"}[5m]))', every: 1m}\n", i, i)
	}
	if err := r.Laminar.Apply(ctx, flows.String()); err != nil {
		return err
	}
	for range b.Plan.Rounds {
		took, sent, err := firstPaint(ctx, r.Laminar, b.Plan.ConsoleFlows)
		if err != nil {
			return err
		}
		b.Add(Number, consoleTime, "ms", harness.MS(took))
		b.Add(Number, consoleBytes, "kB", float64(sent)/1e3)
	}
	return r.Stop(ctx)
}

// firstPaint loads all of it, one after the other: how long the answers took, and how many
// bytes their bodies had on the way.
func firstPaint(ctx context.Context, l *lab.Laminar, flows int) (took time.Duration, sent int, err error) {
	client := &http.Client{Transport: &http.Transport{DisableCompression: true}} // packed bodies are counted as they are
	defer client.CloseIdleConnections()
	load := func(path, encoding string) ([]byte, error) {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, l.URL(path), nil)
		if err != nil {
			return nil, err
		}
		req.Header.Set("Accept-Encoding", encoding)
		began := time.Now()
		resp, err := client.Do(req)
		if err != nil {
			return nil, err
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err == nil && resp.StatusCode != http.StatusOK {
			err = fmt.Errorf("%s: %s", path, resp.Status)
		}
		took += time.Since(began)
		sent += len(body)
		return body, err
	}
	page, err := load("/", "identity")
	if err != nil {
		return 0, 0, err
	}
	files := linked.FindAllSubmatch(page, -1)
	if len(files) < 2 {
		return 0, 0, fmt.Errorf("the console's page links to nothing: %s", page)
	}
	for _, f := range files {
		if _, err := load("/"+string(f[1]), "gzip"); err != nil {
			return 0, 0, err
		}
	}
	for _, path := range shownFirst {
		if _, err := load(path, "gzip"); err != nil {
			return 0, 0, err
		}
	}
	// That the flows are there is asked for apart.
	all, sum, plain := took, sent, shownFirst[len(shownFirst)-1]
	body, err := load(plain, "identity")
	if n := strings.Count(string(body), `"flow":`); err == nil && n < flows {
		err = fmt.Errorf("%s has %d flows, not %d", plain, n, flows)
	}
	return all, sum, err
}
