package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"laminar/cmd/fleet"
	"laminar/cmd/laminar/internal/laminartest"
	"laminar/server/view"
)

// TestRowTooLong: a result row whose labels are too long for the key's index is left
// out and named. The other rows of its windows, and other flows, are as they should
// be.
func TestRowTooLong(t *testing.T) {
	t.Parallel()
	defs := filepath.Join(t.TempDir(), "long.yml")
	if err := os.WriteFile(defs, []byte(`flows:
  - name: long
    promql: label_join(sum by (a, b) (last_over_time(g[1m])), "j", "/", "a", "b", "a", "b")
    every: 1m
    trigger: {interval: 100ms}
  - {name: short, promql: 'sum(last_over_time(g[1m]))', every: 1m, trigger: {interval: 100ms}}
`), 0o644); err != nil {
		t.Fatal(err)
	}
	in := laminartest.New(t, "--flows", defs)
	in.Serve()
	// Nothing that PostgreSQL could compress.
	random := func(seed uint32) string {
		var out strings.Builder
		for range 900 {
			seed = seed*1664525 + 1013904223
			out.WriteByte("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"[seed>>16%62])
		}
		return out.String()
	}
	send := func(a, b string, at time.Time, v float64) {
		t.Helper()
		labels := []fleet.Label{{Name: "__name__", Value: "g"}, {Name: "a", Value: a}, {Name: "b", Value: b}}
		body, err := fleet.Encode([][]fleet.Label{labels}, []fleet.Point{{T: at.UnixMilli(), V: v}})
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.Post(in.WriteURL(), "application/x-protobuf", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode/100 != 2 {
			t.Fatalf("a write is answered %s", resp.Status)
		}
	}
	const minutes = 15
	begin := time.Now().Add(-time.Hour).Truncate(time.Minute)
	for i := range minutes {
		at := begin.Add(time.Duration(i) * time.Minute)
		send("x", "y", at, float64(i))
		if i == 5 || i == 6 {
			send(random(1), random(2), at, 1)
		}
	}
	in.Must("flow", "wait", "--timeout", "4m")
	pool := in.Pool()
	// The last minute's window is open.
	for i := range minutes - 1 {
		var rows int
		var v, sum float64
		end := begin.Add(time.Duration(i) * time.Minute)
		err := pool.QueryRow(t.Context(), "select count(*), sum(value) filter (where (a, b, j) = ('x', 'y', 'x/y/x/y')) from flow.long where window_end = $1", end).Scan(&rows, &v)
		if err != nil || rows != 1 || v != float64(i) {
			t.Errorf("window %d: %d rows, value %v, %v", i, rows, v, err)
		}
		want := float64(i)
		if i == 5 || i == 6 {
			want++
		}
		if err := pool.QueryRow(t.Context(), "select value from flow.short where window_end = $1", end).Scan(&sum); err != nil || sum != want {
			t.Errorf("the other flow, window %d: %v, %v; want %v", i, sum, err, want)
		}
	}
	var flows []view.Flow
	decode(t, in.Must("flow", "list", "--output", "json"), &flows)
	if f := flows[0]; f.State != view.OK || f.LeftOut != 1 || !strings.Contains(f.LeftOutRow, `a="`+random(1)[:20]) {
		t.Errorf("%s is %s, left out %d: %s", f.Flow, f.State, f.LeftOut, f.LeftOutRow)
	}
	if text := in.Must("flow", "list"); !strings.Contains(text, "left out") {
		t.Errorf("flow list does not name the row:\n%s", text)
	}
	resp, err := http.Get(fmt.Sprintf("http://%s/metrics", in.Addr))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if text := readAll(t, resp.Body); !strings.Contains(text, `laminar_flow_rows_left_out_total{flow="long"}`) {
		t.Error("the metric does not count it")
	}
}

// readAll is a body as a text.
func readAll(t *testing.T, r io.Reader) string {
	t.Helper()
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
