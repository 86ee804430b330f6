package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/prometheus/model/labels"

	"laminar/cmd/laminar/internal/laminartest"
	"laminar/flownode/flowdef"
	"laminar/flownode/partial/partialtest"
)

// streamRules is what vmagent aggregates, and what is imported.
const streamRules = `
- match: app_requests_total
  interval: 3s
  by: [job]
  outputs: [increase, total, count_series, count_samples, sum_samples, increase_prometheus, rate_sum]
  enable_windows: true
- match: ['app_temperature{site="a"}', 'app_temperature{sensor=~"[0-3]"}']
  interval: 3s
  without: [sensor]
  outputs: [min, max, avg, stddev, stdvar, sum_samples]
  enable_windows: true
- match: app_queue
  interval: 3s
  outputs: [last, avg, sum_samples_total]
  enable_windows: true
`

// TestStreamAggregation runs vmagent's stream aggregation beside the flows that are made of
// its file, on the same samples: what the report calls exact must be equal, window by window.
// vmagent sends to Laminar what it was given and what it made of it.
func TestStreamAggregation(t *testing.T) {
	t.Parallel()
	in := laminartest.New(t)
	in.Serve()
	dir := t.TempDir()
	rules, definitions := filepath.Join(dir, "aggr.yaml"), filepath.Join(dir, "flows.yaml")
	if err := os.WriteFile(rules, []byte(streamRules), 0o600); err != nil {
		t.Fatal(err)
	}
	var report struct {
		Definitions               string
		Exact, Different, Refused int
		Items                     []struct {
			Verdict string
			Flow    struct{ Name string }
		}
	}
	if err := json.Unmarshal([]byte(in.Must("flow", "import", rules, "--output", "json")), &report); err != nil {
		t.Fatal(err)
	}
	if report.Exact < 8 || report.Refused > 0 || report.Exact+report.Different != 16 {
		t.Fatalf("%d exact, %d different, %d refused", report.Exact, report.Different, report.Refused)
	}
	if err := os.WriteFile(definitions, []byte(report.Definitions), 0o600); err != nil {
		t.Fatal(err)
	}
	in.Must("flow", "apply", "-f", definitions)
	flows := laminartest.ParseFlows(t, definitions)

	addr := laminartest.FreeAddr(t)
	startSender(t, "vmagent-1.150", "http://"+addr+"/health",
		"-httpListenAddr="+addr, "-remoteWrite.tmpDataPath="+t.TempDir(), "-remoteWrite.flushInterval=200ms",
		"-remoteWrite.url=http://"+in.Addr+"/api/v1/write",
		"-remoteWrite.streamAggr.config="+rules, "-remoteWrite.streamAggr.keepInput")

	pool := in.Pool()

	// Counters with a reset and a series that comes later, gauges that sum up to whole
	// numbers. No sample lies near the border of a window.
	const step, windows, attempts = 3 * time.Second, 10, 12
	feed := func(begin time.Time, attempt int) (inTime bool) {
		for n := range int(windows * step / (500 * time.Millisecond)) {
			at := begin.Add(time.Duration(n) * 500 * time.Millisecond)
			if at.Sub(at.Truncate(step)) == 0 {
				continue
			}
			laminartest.Until(t, patience, "it is time for the next samples", func() bool { return !time.Now().Before(at) })
			var text bytes.Buffer
			for i := range 6 {
				v := 1000*i + 7*n
				if i == 3 && n > 25 {
					v = 2 * (n - 25) // began again
				}
				if i < 5 || n > 32 {
					fmt.Fprintf(&text, "app_requests_total{job=\"j%d\",instance=\"i%d of %d\"} %d %d\n", i%2, i, attempt, v, at.UnixMilli())
				}
				fmt.Fprintf(&text, "app_temperature{site=\"%c\",sensor=\"%d\"} %d %d\n", 'a'+i%3, i, (n*n+5*i)%40-10, at.UnixMilli())
				fmt.Fprintf(&text, "app_queue{queue=\"%d\"} %d %d\n", i, (n*(i+3))%17, at.UnixMilli())
			}
			resp, err := http.Post("http://"+addr+"/api/v1/import/prometheus", "text/plain", &text)
			if err != nil {
				t.Fatal(err)
			}
			resp.Body.Close()
			if resp.StatusCode/100 != 2 {
				t.Fatalf("vmagent answered %s", resp.Status)
			}
			if attempt < attempts && time.Since(at) > time.Second {
				return false
			}
		}
		return true
	}
	var begin time.Time
	for attempt := 1; ; attempt++ {
		if begin = time.Now().Truncate(step).Add(2 * step); feed(begin, attempt) {
			break
		}
		t.Log("the machine has too much else to do: samples reach vmagent late, and it would leave some out; again")
	}
	// The first windows are those of the start of vmagent, the last may be half.
	first, last := begin.Add(3*step).UnixMilli(), begin.Add((windows-1)*step).UnixMilli()
	// With no samples any more, windows close by the clock after a minute.
	laminartest.Until(t, patience, "all windows are there", func() bool {
		for _, f := range flows {
			if len(madeByVmagent(t, pool, f)[last]) == 0 || emittedUntil(t, pool, f) < last {
				return false
			}
		}
		return true
	})
	verdicts := map[string]string{}
	for _, it := range report.Items {
		verdicts[it.Flow.Name] = it.Verdict
	}
	for _, f := range flows {
		here, err := laminartest.StoredRows(t.Context(), pool, f)
		if err != nil {
			t.Fatal(err)
		}
		there := madeByVmagent(t, pool, f)
		same, other := 0, 0
		for end := first; end <= last; end += step.Milliseconds() {
			keys := slices.Sorted(maps.Keys(here[end]))
			if !slices.Equal(keys, slices.Sorted(maps.Keys(there[end]))) {
				t.Errorf("%s at %d has %v, and %v there", f.Name, end, here[end], there[end])
			}
			for _, key := range keys {
				a, b := here[end][key], there[end][key]
				if partialtest.Close(a, b, 1e-9*max(1, math.Abs(b))) {
					same++
					continue
				}
				if other++; verdicts[f.Name] == "exact" {
					t.Errorf("%s is to be exact, and is %v at %d of %q, %v there", f.Name, a, end, key, b)
				}
			}
		}
		if same+other < 2*6 {
			t.Errorf("%s: %d values prove nothing", f.Name, same+other)
		}
		t.Logf("%s: %s, %d values are the same, %d others", f.Name, verdicts[f.Name], same, other)
		// Between starts and gaps there is no difference in these, either.
		if (strings.HasSuffix(f.Name, "_increase") || strings.Contains(f.Name, "std")) && other > 0 {
			t.Errorf("%s has %d other values, and none of its rules applies", f.Name, other)
		}
		if strings.HasSuffix(f.Name, "total") {
			requireSameSteps(t, f.Name, here, there, first, last, step.Milliseconds())
		}
	}
}

// requireSameSteps: totals that began at different times grow alike.
func requireSameSteps(t *testing.T, name string, here, there map[int64]map[string]float64, first, last, step int64) {
	t.Helper()
	for end := first + step; end <= last; end += step {
		for key := range here[end] {
			a, b := here[end][key]-here[end-step][key], there[end][key]-there[end-step][key]
			if !partialtest.Close(a, b, 1e-6) {
				t.Errorf("%s of %q grows by %v up to %d, and by %v there", name, key, a, end, b)
			}
		}
	}
}

// madeByVmagent is the samples of a flow's name, which only vmagent has sent, by the rows
// that they would be.
func madeByVmagent(t *testing.T, pool *pgxpool.Pool, f flowdef.Flow) map[int64]map[string]float64 {
	t.Helper()
	layout := flowdef.NewLayout(f)
	rows, err := pool.Query(t.Context(), "select (extract(epoch from ts) * 1000)::bigint, labels::text, value from laminar.sample where metric = $1", f.Name)
	if err != nil {
		t.Fatal(err)
	}
	out := map[int64]map[string]float64{}
	var at int64
	var text string
	var value *float64
	_, err = pgx.ForEachRow(rows, []any{&at, &text, &value}, func() error {
		var set map[string]string
		if err := json.Unmarshal([]byte(text), &set); err != nil {
			return err
		}
		delete(set, "__name__")
		if out[at] == nil {
			out[at] = map[string]float64{}
		}
		if value != nil {
			out[at][strings.Join(layout.Row(labels.FromMap(set)), "\xff")] = *value
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// emittedUntil is up to when the flow's windows are stored, ms.
func emittedUntil(t *testing.T, pool *pgxpool.Pool, f flowdef.Flow) int64 {
	t.Helper()
	var until int64
	if err := pool.QueryRow(t.Context(), "select emitted_until from laminar.flow where name = $1", f.Name).Scan(&until); err != nil {
		t.Fatal(err)
	}
	return until
}
