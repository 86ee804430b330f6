package attack

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/prometheus/prompb"

	"laminar/cmd/laminar/internal/laminartest"
)

// TestAttackFlows: flows over many series, which share nothing, would keep several times what
// flows may, and one has windows that take more than that alone. It says that it stands still,
// why, and what to do; the others have their rows; and the process stays within its bound.
func TestAttackFlows(t *testing.T) {
	a := newTarget(t)
	stop := a.meaningWell()
	series := sized(12_000, 3_000)
	const samples, every = 160, 15_000 // ms: 40 min
	functions := []string{"rate", "max_over_time", "min_over_time", "avg_over_time", "stddev_over_time", "changes", "last_over_time", "deriv"}
	var definitions strings.Builder
	definitions.WriteString("flows:\n")
	for _, fn := range functions {
		fmt.Fprintf(&definitions, "  - {name: of_%s, promql: 'sum by (l) (%s(load_total[20m]))', every: 15s, emit: close}\n", fn, fn)
	}
	definitions.WriteString("  - {name: giant, promql: 'max by (l) (sum_over_time(load_total[12h]))', every: 15s, emit: close}\n")
	path := filepath.Join(t.TempDir(), "flows.yaml")
	if err := os.WriteFile(path, []byte(definitions.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	a.Must("flow", "apply", "-f", path)

	begin := time.Now().Add(-samples * every * time.Millisecond)
	for from := 0; from < samples; from += 20 {
		for one := 0; one < series; one += 1_000 {
			list := make([]prompb.TimeSeries, 1_000)
			for i := range list {
				points := make([]prompb.Sample, 20)
				for k := range points {
					points[k] = prompb.Sample{Timestamp: begin.UnixMilli() + int64(from+k)*every, Value: float64(from + k)}
				}
				list[i] = entry("load_total", strconv.Itoa(one+i), points...)
			}
			a.deliver(request(t, list...))
		}
	}
	laminartest.Until(t, patience, "the flow that needs too much says that it stands still", func() bool {
		text := a.Must("flow", "show", "giant")
		return strings.Contains(text, "stalled") && strings.Contains(text, "flownode.max_state") && strings.Contains(text, "raise")
	})
	pool := a.Pool()
	for _, fn := range functions {
		asked := time.Now()
		laminartest.Until(t, patience, "a flow has rows of its last windows", func() bool {
			var rows int
			err := pool.QueryRow(t.Context(), "select count(*) from flow.of_"+fn+" where window_end > $1", begin.Add((samples-40)*every*time.Millisecond)).Scan(&rows)
			if time.Since(asked) > patience*3/4 {
				t.Logf("%s has %d rows, %v: %s", fn, rows, err, a.Must("flow", "show", "of_"+fn))
				asked = time.Now()
			}
			return err == nil && rows >= series
		})
		// It may say so for as long as nobody has got to it for 10 s.
		laminartest.Until(t, patience, "a flow that fits, of_"+fn+", moves", func() bool {
			return !strings.Contains(a.Must("flow", "show", "of_"+fn), "stalled")
		})
	}
	stop()
	a.settle()
}
