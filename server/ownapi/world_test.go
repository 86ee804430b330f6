package ownapi_test

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"laminar/flownode"
	"laminar/flownode/flowdef"
	"laminar/flownode/verify"
	"laminar/sequence"
	"laminar/server"
	"laminar/server/ownapi"
	"laminar/server/view"
	"laminar/sqlstore/sqltest"
)

func TestMain(m *testing.M) { sqltest.VerifyTestMain(m) }

const (
	second = int64(1000)
	minute = 60 * second
)

// world is a database with samples, a flownode over it, and the API over both.
type world struct {
	*sqltest.RawDB
	api    *httptest.Server
	may    []string
	metric sequence.MetricID
	series []sequence.SeriesID
	base   int64  // ms: samples are from here on
	stop   func() // ends the flownode
}

// newWorld makes a world with the flows. Its clock stands an hour after base, where the
// samples of the last half hour before that are, one every 15 s of four series of the
// metric requests_total.
func newWorld(t *testing.T, yaml string) *world {
	t.Helper()
	w := &world{RawDB: sqltest.NewRawDB(t, 2), may: []string{"read", "admin"}}
	w.base = time.Date(2026, 3, 4, 10, 0, 0, 0, time.UTC).UnixMilli()
	w.setClock(w.base + 60*minute)
	w.metric, w.series = w.AddMetric("requests_total", 1, 4)
	w.write(w.base+30*minute, w.base+60*minute)
	w.Apply(sqltest.Define(t, yaml)...)
	node, run := w.node()
	w.serve(node)
	w.stop = run()
	return w
}

// setClock makes the database's clock stand.
func (w *world) setClock(at int64) {
	w.Exec("create or replace function db_clock() returns timestamptz language sql volatile as $$ select timestamptz '" +
		time.UnixMilli(at).UTC().Format(time.RFC3339Nano) + "' $$")
}

// write writes samples of all series from a time to another.
func (w *world) write(from, to int64) {
	p := sqltest.Points{Metric: w.metric}
	for i, id := range w.series {
		for at := from; at < to; at += 15 * second {
			p.Series, p.Times, p.Values = append(p.Series, id), append(p.Times, at), append(p.Values, float64((at-w.base)/second*int64(i+1)))
		}
	}
	w.Flush(1, p)
}

// node is a flownode on the database. run starts it, and returns what ends it.
func (w *world) node() (node *flownode.Node, run func() (stop func())) {
	w.Helper()
	node, err := flownode.New(flownode.Config{
		Snapshots: server.NodeStore{Store: w.Store}, Catalog: w.Store.Catalogue, Results: w.Store.Results, Jobs: w.Store.Jobs,
		Elector: w.Store.Members.New("127.0.0.1:1"), PollInterval: 50 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
		Metrics: flownode.NewMetrics(prometheus.NewRegistry()),
	})
	if err != nil {
		w.Fatal(err)
	}
	return node, func() func() {
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- node.Run(ctx) }()
		stopped := false
		stop := func() {
			if !stopped {
				stopped = true
				cancel()
				if err := <-ended; err != nil {
					w.Error(err)
				}
			}
		}
		w.Cleanup(stop)
		return stop
	}
}

// serve puts the API over the database and a flownode, which may be nil.
func (w *world) serve(node *flownode.Node) {
	w.Helper()
	readers, err := w.Store.OpenReaders(w.Context(), ownapi.Conns)
	if err != nil {
		w.Fatal(err)
	}
	own := ownapi.New(ownapi.Config{
		Verifier: verify.New(server.NodeStore{Store: w.Store}, time.Now),
		Readers:  readers, Node: node, Executor: flowdef.ExecutorAuto, Version: "1.2.3", Parts: []string{"flows"}, Schema: "public",
		May: func(*http.Request) []string { return w.may }, Who: func(*http.Request) string { return "test" },
		Taken: func() (view.Ingest, error) { return view.NoIngest("test", time.Unix(0, 0)), nil },
		Now:   func() time.Time { return time.UnixMilli(w.base + 60*minute) }, Log: slog.New(slog.DiscardHandler),
	})
	api := httptest.NewServer(own)
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- own.Run(ctx) }()
	w.api = api
	w.Cleanup(func() {
		api.Close()
		cancel()
		<-ended
		readers.Close()
	})
}

// get reads what the API answers to a GET into a T.
func get[T any](w *world, path string, params ...string) (out T) {
	w.Helper()
	status, body := w.ask(http.MethodGet, path, "", params...)
	if status != http.StatusOK {
		w.Fatalf("GET %s %v: %d %s", path, params, status, body)
	}
	return decoded[T](w, body)
}

// decoded reads an answer, which must have no field that T has not.
func decoded[T any](w *world, body string) (out T) {
	w.Helper()
	dec := json.NewDecoder(strings.NewReader(body))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&out); err != nil {
		w.Fatalf("%s: %v", body, err)
	}
	return out
}

// ask sends a request; params are names and values.
func (w *world) ask(method, path, body string, params ...string) (status int, answer string) {
	w.Helper()
	query := url.Values{}
	for i := 0; i < len(params); i += 2 {
		query.Add(params[i], params[i+1])
	}
	req, err := http.NewRequestWithContext(w.Context(), method, w.api.URL+ownapi.Prefix+path+"?"+query.Encode(), strings.NewReader(body))
	if err != nil {
		w.Fatal(err)
	}
	if body != "" {
		req.Header.Set("Content-Type", "application/json")
	}
	resp, err := w.api.Client().Do(req)
	if err != nil {
		w.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		w.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// until waits until something is so.
func (w *world) until(what string, done func() bool) {
	w.Helper()
	for deadline := time.Now().Add(3 * time.Minute); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			w.Fatalf("waited three minutes: %s", what)
		}
	}
}

// caughtUp waits until a flow has stored windows up to an end.
func (w *world) caughtUp(title string, end int64) {
	w.Helper()
	w.until(title+" has stored its windows", func() bool {
		return sqltest.ScanOne[int64](w.RawDB, "select coalesce(max(emitted_until), -1) from flow where title = $1", title) >= end
	})
}
