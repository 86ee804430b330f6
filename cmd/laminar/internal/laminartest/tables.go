package laminartest

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/prometheus/model/labels"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowfile"
	"laminar/flownode/promeval"
)

// ParseFlows reads a file of definitions.
func ParseFlows(t testing.TB, path string) []flowdef.Flow {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	flows, problems := flowfile.Parse(path, data)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return flows
}

// RequireTables compares all closed windows of the flows with what Prometheus's
// engine gives on the samples, beginning with the window that holds the time from
// (ms since the epoch). It returns how many windows there were.
func RequireTables(t testing.TB, pool *pgxpool.Pool, flows []flowdef.Flow, samples promeval.Samples, from int64) (windows int) {
	t.Helper()
	engine := promeval.New()
	for _, f := range flows {
		var emitted int64
		if err := pool.QueryRow(t.Context(), "select emitted_until from laminar.flow where name = $1", f.Name).Scan(&emitted); err != nil {
			t.Fatalf("flow %s: %v", f.Name, err)
		}
		stored, err := StoredRows(t.Context(), pool, f)
		if err != nil {
			t.Fatalf("flow %s: %v", f.Name, err)
		}
		first := from - from%f.Every
		vectors, err := engine.WholeRange(t.Context(), f.PromQL, samples, first, emitted, f.Every)
		if err != nil {
			t.Fatalf("flow %s: %v", f.Name, err)
		}
		layout := flowdef.NewLayout(f)
		bad := 0
		for i, vec := range vectors {
			end := first + int64(i)*f.Every
			windows++
			got := stored[end]
			for _, s := range vec {
				if s.Histogram != nil {
					s.Value = s.Histogram.Count
				}
				key := rowKey(layout.Row(s.Metric))
				v, ok := got[key]
				delete(got, key)
				if (!ok || !near(v, s.Value)) && bad < 5 {
					bad++
					t.Errorf("%s, window ending %s, %q: stored %v (%v), the engine says %v", f.Name, time.UnixMilli(end).UTC(), key, v, ok, s.Value)
				}
			}
			if len(got) > 0 && bad < 5 {
				bad++
				t.Errorf("%s, window ending %s: the engine does not know %v", f.Name, time.UnixMilli(end).UTC(), got)
			}
		}
	}
	return windows
}

// near is the design's bound, for sums of a few hundred terms of any size:
// relative to the value, or to what terms that cancel out may leave.
func near(a, b float64) bool {
	return a == b || math.IsNaN(a) && math.IsNaN(b) || !math.IsInf(b, 0) && math.Abs(a-b) <= 1e-9*math.Max(math.Abs(b), 100)
}

// Querier is a pool or a transaction.
type Querier interface {
	Query(ctx context.Context, sql string, args ...any) (pgx.Rows, error)
}

// StoredRows reads a flow's result table: window end (ms) -> label columns, as
// rowKey joins them -> value; of a histogram, how many observations are in it. The key of
// a session's row ends in its window_start, ms.
func StoredRows(ctx context.Context, db Querier, f flowdef.Flow) (map[int64]map[string]float64, error) {
	return RowsOf(ctx, db, f, f.Table, "coalesce(value, (to_jsonb(r)->'histogram'->>'count')::float8)")
}

// RowsOf reads rows as StoredRows does, of a table or view with the columns of the flow's
// table; value is an expression over the row r.
func RowsOf(ctx context.Context, db Querier, f flowdef.Flow, table, value string) (map[int64]map[string]float64, error) {
	layout := flowdef.NewLayout(f)
	n := len(layout.Names)
	cols := make([]string, n, n+2)
	texts, into := make([]string, n), make([]any, n, n+2)
	for i, name := range layout.Names {
		cols[i] = pgx.Identifier{name}.Sanitize() + "::text"
		into[i] = &texts[i]
	}
	var end int64
	var v float64
	cols, into = append(cols, "(extract(epoch from window_end) * 1000)::bigint",
		value), append(into, &end, &v)
	// Two rows of sessions differ in where they begin, too.
	var start int64
	cols, into = append(cols, "(extract(epoch from window_start) * 1000)::bigint"), append(into, &start)
	rows, err := db.Query(ctx, fmt.Sprintf("select %s from %s r", strings.Join(cols, ", "), pgx.Identifier{"flow", table}.Sanitize()))
	if err != nil {
		return nil, err
	}
	out := map[int64]map[string]float64{}
	_, err = pgx.ForEachRow(rows, into, func() error {
		if !layout.PerLabel {
			for i := range texts {
				if texts[i], err = canonicalJSON(texts[i]); err != nil {
					return err
				}
			}
		}
		if out[end] == nil {
			out[end] = map[string]float64{}
		}
		key := rowKey(texts)
		if f.Session != nil {
			key += "\xff" + strconv.FormatInt(start, 10)
		}
		out[end][key] = v
		return nil
	})
	return out, err
}

// rowKey joins the values of a row's label columns.
func rowKey(columns []string) string { return strings.Join(columns, "\xff") }

// canonicalJSON spells a column of labels as flowdef does: jsonb prints with
// blanks.
func canonicalJSON(text string) (string, error) {
	var set map[string]string
	if err := json.Unmarshal([]byte(text), &set); err != nil {
		return "", err
	}
	return flowdef.GroupKey(labels.FromMap(set)), nil
}
