package e2e

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"math"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"laminar/cmd/laminar/internal/laminartest"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// samples are values by series, as seriesKey spells it, and time in ms. NaN
// stands for a stale marker too where only Laminar tells them apart.
type samples map[string]map[int64]float64

func (s samples) add(key string, t int64, v float64) {
	if s[key] == nil {
		s[key] = map[int64]float64{}
	}
	s[key][t] = v
}

// seriesKey spells a label set, whose metric name may be among the labels or
// given apart.
func seriesKey(metric string, labels map[string]string) string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		if name == "__name__" {
			metric = labels[name]
			continue
		}
		fmt.Fprintf(&text, ",%s=%q", name, labels[name])
	}
	return metric + text.String()
}

// requireStored waits until Laminar holds every sample wanted, and checks that
// up to cut it holds no other one. Stale markers do not count: Prometheus's
// query API does not show them.
func requireStored(t *testing.T, pool *pgxpool.Pool, cut time.Time, want samples) {
	t.Helper()
	total := 0
	for _, series := range want {
		total += len(series)
	}
	until := cut.UTC()
	eventually(t, fmt.Sprintf("%d samples have landed", total), func() bool {
		return count(t, pool, "select count(*) from laminar.sample where ts <= $1 and value is not null", until) >= total
	})
	got := storedSamples(t, pool, until)
	faults := 0
	fault := func(format string, args ...any) {
		if faults++; faults <= 10 {
			t.Errorf(format, args...)
		}
	}
	for key, series := range want {
		for at, v := range series {
			stored, ok := got[key][at]
			if !ok {
				fault("%s at %d is missing", key, at)
			} else if math.Float64bits(stored) != math.Float64bits(v) && !(math.IsNaN(stored) && math.IsNaN(v)) {
				fault("%s at %d is %v, want %v", key, at, stored, v)
			}
		}
	}
	for key, series := range got {
		for at := range series {
			if _, ok := want[key][at]; !ok {
				fault("%s at %d was never sent", key, at)
			}
		}
	}
	if faults > 10 {
		t.Errorf("and %d more", faults-10)
	}
}

func storedSamples(t *testing.T, pool *pgxpool.Pool, until time.Time) samples {
	t.Helper()
	rows, err := pool.Query(t.Context(), `
		select metric, labels, (extract(epoch from ts) * 1000)::bigint, value
		from laminar.sample where ts <= $1 and value is not null`, until)
	if err != nil {
		t.Fatal(err)
	}
	all := samples{}
	var (
		metric string
		labels map[string]string
		at     int64
		v      float64
	)
	_, err = pgx.ForEachRow(rows, []any{&metric, &labels, &at, &v}, func() error {
		all.add(seriesKey(metric, labels), at, v)
		labels = nil // a map that is scanned into again keeps its keys
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// startSender runs one of the programs in .tools/bin until the test ends, and
// returns when ready answers 200.
func startSender(t *testing.T, name, ready string, args ...string) *exec.Cmd {
	t.Helper()
	program, err := filepath.Abs(filepath.Join("..", "..", "..", ".tools", "bin", name))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("this test needs %s: run `make tools` first (%v)", name, err)
	}
	var log bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Stdout, cmd.Stderr = &log, &log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it has nothing to lose
		_ = cmd.Wait()         // says that it was killed
		if t.Failed() {
			t.Logf("log of %s:\n%s", name, laminartest.Tail(log.Bytes(), 4000))
		}
	})
	eventually(t, name+" is ready", func() bool {
		resp, err := http.Get(ready)
		if err != nil {
			return false
		}
		defer resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return cmd
}

func get(t *testing.T, address string) []byte {
	t.Helper()
	resp, err := http.Get(address)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s, %v: %.300s", address, resp.Status, err, body)
	}
	return body
}

func count(t *testing.T, pool *pgxpool.Pool, sql string, args ...any) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var n int
	if err := pool.QueryRow(ctx, sql, args...).Scan(&n); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	return n
}

// patience is how long what must come may take. What goes well takes a few seconds; this is
// for machines with much else to do.
const patience = 4 * time.Minute

// eventually polls for what must come.
func eventually(t *testing.T, what string, condition func() bool) {
	t.Helper()
	laminartest.Until(t, patience, what, condition)
}
