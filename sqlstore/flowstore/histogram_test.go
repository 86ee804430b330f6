package flowstore_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"
	"testing"

	jsoniter "github.com/json-iterator/go"
	"github.com/prometheus/prometheus/util/jsonutil"

	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/sequence/nativehist"
	"laminar/sequence/nativehist/nativehisttest"
	"laminar/sqlstore/sqltest"
)

// TestHistogramResults writes random windows whose rows turn from values into
// histograms and back, in every way in which windows are written, and holds the table
// and the counts of changed rows against the rule. A reader with statements of its own
// goes on all the time. The table has a column for histograms from the first one on,
// and a flow that is taken again finds it.
func TestHistogramResults(t *testing.T) {
	for _, promql := range []string{"sum by (a) (m)", "m"} {
		t.Run(promql, func(t *testing.T) {
			db := sqltest.NewRawDB(t, 1)
			db.Apply(sqltest.FlowFor(t, "f", promql))
			r := sqltest.Rounds{Flow: db.Take("f")}
			rng := rand.New(rand.NewPCG(3, 8))
			columns := func(n int) []string {
				if promql == "m" {
					return []string{fmt.Sprintf(`{"a":"%d"}`, n)}
				}
				return []string{strconv.Itoa(n)}
			}
			reader, err := db.Store.Pool().Acquire(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			defer reader.Release()
			model := map[int64]map[string]progress.Row{}
			for step := range 60 {
				var windows []progress.Window
				var want int64
				for _, n := range rng.Perm(4)[:1+rng.IntN(2)] {
					w := progress.Window{Start: int64(n) * sqltest.Minute, End: int64(n+1) * sqltest.Minute, Complete: rng.IntN(2) == 0}
					before := model[w.End]
					now := map[string]progress.Row{}
					if !w.Complete {
						now = maps.Clone(before)
						if now == nil {
							now = map[string]progress.Row{}
						}
					}
					for i := range []int{4, 40, 300, 2500}[rng.IntN(4)] {
						if rng.IntN(4) == 0 {
							continue
						}
						row := progress.Row{Columns: columns(i), Value: float64(rng.IntN(2))}
						if old, ok := before[row.Columns[0]]; ok && rng.IntN(2) == 0 {
							row = old
						} else if step >= 20 && rng.IntN(3) == 0 {
							row.Value, row.Histogram = 0, nativehist.NewSparse(nativehisttest.Random(rng))
						}
						if old, ok := before[row.Columns[0]]; !ok || !progress.SameResult(old, row) {
							want++
						}
						w.Rows, now[row.Columns[0]] = append(w.Rows, row), row
					}
					for key := range before {
						if _, kept := now[key]; !kept {
							want++
						}
					}
					model[w.End] = now
					windows = append(windows, w)
				}
				if out := sqltest.CommitOne(t, db.Store, r.Next(windows...)); out.RowsWritten != want {
					t.Fatalf("step %d: %d rows changed, want %d", step, out.RowsWritten, want)
				}
				var n int
				if err := reader.QueryRow(t.Context(), "select count(value) from flow.f where value >= 0").Scan(&n); err != nil {
					t.Fatalf("step %d: a reader: %v", step, err)
				}
				if step == 40 {
					r.Flow = db.Take("f") // it has another shape now
				}
			}
			snap, _ := storedFlow(db, r.Flow.ID)
			stored, err := snap.Results(t.Context(), r.Flow.ID, sequence.Span{After: -1, UpTo: 1 << 50})
			if err != nil {
				t.Fatal(err)
			}
			rows, histograms := 0, 0
			for _, w := range stored {
				for _, row := range w.Rows {
					want, ok := model[w.End][row.Columns[0]]
					if !ok || !progress.SameResult(row, want) {
						t.Fatalf("stored %v, want %v", row, want)
					}
					if rows++; row.Histogram != nil {
						histograms++
					}
				}
			}
			for _, of := range model {
				rows -= len(of)
			}
			if rows != 0 || histograms < 50 {
				t.Errorf("%d rows too many, %d histograms", rows, histograms)
			}
		})
	}
}

// TestHistogramsOnlyWhereNeeded: a table of numbers has no column for histograms.
func TestHistogramsOnlyWhereNeeded(t *testing.T) {
	db := sqltest.NewRawDB(t, 1)
	db.Apply(sqltest.FlowFor(t, "f", "sum by (histogram) (m)"))
	r := sqltest.Rounds{Flow: db.Take("f")}
	count := func() int {
		return sqltest.ScanOne[int](db, "select count(*) from information_schema.columns where table_name = 'f' and column_name in ('histogram', 'label_histogram')")
	}
	sqltest.CommitOne(t, db.Store, r.Next(sqltest.Window(sqltest.Minute, sqltest.Row("a", math.NaN()))))
	if n := count(); n != 1 {
		t.Errorf("%d columns", n)
	}
	h := nativehist.NewSparse(nativehisttest.Random(rand.New(rand.NewPCG(1, 1))))
	sqltest.CommitOne(t, db.Store, r.Next(sqltest.Window(2*sqltest.Minute, progress.Row{Columns: []string{"a"}, Histogram: h})))
	if n := count(); n != 2 {
		t.Errorf("%d columns", n)
	}
}

// TestPrometheusJSON: the function gives what Prometheus's API would.
func TestPrometheusJSON(t *testing.T) {
	db := sqltest.NewRawDB(t, 1)
	db.Apply(sqltest.FlowFor(t, "f", "sum by (a) (m)"))
	r := sqltest.Rounds{Flow: db.Take("f")}
	rng := rand.New(rand.NewPCG(5, 5))
	w := sqltest.Window(sqltest.Minute)
	for i := range 200 {
		h := nativehisttest.Random(rng)
		if i%20 == 0 {
			h.Sum = []float64{math.NaN(), math.Inf(1), math.Inf(-1)}[i/20%3]
		}
		w.Rows = append(w.Rows, progress.Row{Columns: []string{strconv.Itoa(i)}, Histogram: nativehist.NewSparse(h)})
	}
	sqltest.CommitOne(t, db.Store, r.Next(w))
	for _, row := range w.Rows {
		text := sqltest.ScanOne[string](db, "select laminar.prometheus_json(histogram)::text from flow.f where a = '"+row.Columns[0]+"'")
		var buf bytes.Buffer
		stream := jsoniter.NewStream(jsoniter.ConfigDefault, &buf, 512)
		jsonutil.MarshalHistogram(row.Histogram.Float(), stream)
		if err := stream.Flush(); err != nil {
			t.Fatal(err)
		}
		if got, want := numbers(t, text), numbers(t, buf.String()); !reflect.DeepEqual(got, want) {
			t.Fatalf("%v is\n%s, want\n%s", row.Histogram, text, buf.String())
		}
	}
	if n := sqltest.ScanOne[int](db, "select count(*) from flow.f where laminar.prometheus_json(null) is null and value is null"); n != len(w.Rows) {
		t.Errorf("%d rows without a value", n)
	}
}

// numbers is a document whose texts are numbers, to 14 digits.
func numbers(t *testing.T, text string) any {
	t.Helper()
	var doc any
	if err := json.NewDecoder(strings.NewReader(text)).Decode(&doc); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	var walk func(any) any
	walk = func(v any) any {
		switch v := v.(type) {
		case map[string]any:
			for key := range v {
				v[key] = walk(v[key])
			}
		case []any:
			for i := range v {
				v[i] = walk(v[i])
			}
		case string:
			f, err := strconv.ParseFloat(v, 64)
			if err != nil || strings.Contains(v, "Infinity") {
				t.Fatalf("%s is no number of Prometheus's", v)
			}
			return strconv.FormatFloat(f, 'e', 13, 64)
		}
		return v
	}
	return walk(doc)
}

// TestHistogramBuckets: SQL takes a histogram apart.
func TestHistogramBuckets(t *testing.T) {
	db := sqltest.NewRawDB(t, 1)
	got := sqltest.ScanOne[string](db, `select string_agg(concat_ws(' ', substr(bounds, 1, 1) || lower, upper || substr(bounds, 2), count), ', ')
		from laminar.histogram_buckets('(0,9,3,0.5,2,"{2}","{1}","{1,3}","{4,2}",{},f)')`)
	if want := "[-4 -2) 1, [-0.5 0.5] 2, (1 2] 4, (4 8] 2"; got != want {
		t.Errorf("buckets %s, want %s", got, want)
	}
	got = sqltest.ScanOne[string](db, `select string_agg(concat_ws(' ', substr(bounds, 1, 1) || lower, upper || substr(bounds, 2), count), ', ')
		from laminar.histogram_buckets('(-53,3,3,0,0,{},{},"{0,2}","{1,2}","{0.5,1}",f)')`)
	if want := "[-Infinity 0.5] 1, (1 Infinity] 2"; got != want {
		t.Errorf("custom buckets %s, want %s", got, want)
	}
}
