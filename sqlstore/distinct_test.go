package sqlstore_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/prometheus/prometheus/model/histogram"

	"laminar/flownode/distinct"
	"laminar/flownode/distinct/sethist"
	"laminar/flownode/progress"
	"laminar/sequence/nativehist"
	"laminar/sqlstore/sqltest"
)

// drawSet is a set of few or many values, some of which other sets have too.
func drawSet(rng *rand.Rand) *distinct.Set {
	var s distinct.Set
	first := rng.IntN(50_000)
	for i := range []int{0, 1, 7, 600, distinct.Exact, distinct.Exact + 1, 5000, 300_000}[rng.IntN(8)] {
		s.Add(float64(first+i) / 4)
	}
	return &s
}

// TestDistinctInSQL: of sets of values SQL says what Go says: how many values there are,
// to the last one, and what a union is, to the bit.
func TestDistinctInSQL(t *testing.T) {
	db := sqltest.NewRawDB(t, 1)
	for seed := range uint64(40) {
		rng := rand.New(rand.NewPCG(seed, 91))
		var (
			sets  [][]byte
			union distinct.Set
		)
		for range 1 + rng.IntN(5) {
			s := drawSet(rng)
			data := s.AppendBinary(nil)
			if got := sqltest.ScanOne[int64](db, "select laminar.distinct($1)", data); float64(got) != s.Count() {
				t.Fatalf("seed %d: SQL counts %d values, Go %v", seed, got, s.Count())
			}
			union.Union(s)
			sets = append(sets, data)
			if rng.IntN(4) == 0 {
				sets = append(sets, data, nil)
			}
		}
		merged := sqltest.ScanOne[[]byte](db, "select laminar.distinct_merge(b) from (select b from unnest($1::bytea[]) b order by random()) s", sets)
		if !bytes.Equal(merged, union.AppendBinary(nil)) {
			t.Fatalf("seed %d: the union has %d bytes, want %d", seed, len(merged), len(union.AppendBinary(nil)))
		}
		got := sqltest.ScanOne[[]byte](db, "select laminar.registers($1::laminar.histogram)", asComposite(sethist.Of(&union)))
		if !bytes.Equal(got, merged) {
			t.Fatalf("seed %d: the set of a histogram has %d bytes, want %d", seed, len(got), len(merged))
		}
	}
}

// asComposite is a histogram as a text of the type laminar.histogram.
func asComposite(h *histogram.FloatHistogram) string {
	s := nativehist.NewSparse(h)
	list := func(values any) string {
		return "\"{" + strings.Trim(strings.ReplaceAll(fmt.Sprint(values), " ", ","), "[]") + "}\""
	}
	return fmt.Sprintf("(%d,%v,%v,%v,%v,%s,%s,%s,%s,{},%t)", s.Schema, s.Count, s.Sum, s.ZeroThreshold, s.ZeroCount,
		list(s.NegativeBuckets), list(s.NegativeCounts), list(s.PositiveBuckets), list(s.PositiveCounts), s.Gauge)
}

// TestSetsAsResults: of a row that is a set of values, the table has the set and how many
// values there are; what is read again is the set, and the same set is not written again.
func TestSetsAsResults(t *testing.T) {
	db := sqltest.NewRawDB(t, 1)
	db.Apply(sqltest.FlowFor(t, "f", "sum by (a) (values_over_time(m[1m]))"))
	r := sqltest.Rounds{Flow: db.Take("f")}
	rng := rand.New(rand.NewPCG(2, 92))
	w := sqltest.Window(sqltest.Minute)
	var union distinct.Set
	counts := map[string]float64{}
	for i := range 12 {
		s, key := drawSet(rng), fmt.Sprint("g", i)
		s.Add(float64(i))
		union.Union(s)
		counts[key] = s.Count()
		w.Rows = append(w.Rows, progress.Row{Columns: []string{key}, Histogram: nativehist.NewSparse(sethist.Of(s))})
	}
	w.Rows = append(w.Rows, sqltest.Row("number", 7))
	for _, want := range []int64{int64(len(w.Rows)), 0} {
		if out := sqltest.CommitOne(t, db.Store, r.Next(w)); out.RowsWritten != want {
			t.Fatalf("%d rows changed, want %d", out.RowsWritten, want)
		}
		r.Flow = db.Take("f") // it has another shape now
	}
	for key, want := range counts {
		if got := sqltest.ScanOne[float64](db, "select value from flow.f where a = $1 and value = laminar.distinct(laminar.registers(histogram))", key); got != want {
			t.Errorf("%s has %v values, want %v", key, got, want)
		}
	}
	if got := sqltest.ScanOne[int64](db, "select laminar.distinct(laminar.distinct_merge(laminar.registers(histogram))) from flow.f"); float64(got) != union.Count() {
		t.Errorf("all have %d values, want %v", got, union.Count())
	}
}

// TestDistinctOfOthers: nothing has no union, other histograms are no sets, and other
// bytes are refused.
func TestDistinctOfOthers(t *testing.T) {
	db := sqltest.NewRawDB(t, 1)
	for _, expr := range []string{
		"laminar.registers(null)", "laminar.distinct(null)", "laminar.distinct(laminar.registers(null))",
		`laminar.registers('(8,9,3,0,0,"{2}","{1}","{1,3}","{4,2}",{},f)')`,
		"(select laminar.distinct_merge(b) from unnest('{}'::bytea[]) b)", "(select laminar.distinct_merge(null))",
	} {
		if !sqltest.ScanOne[bool](db, "select "+expr+" is null") {
			t.Errorf("%s is not null", expr)
		}
	}
	for _, b := range []string{"", `\x03`, `\x010203`, `\x02ffff`} {
		var n int64
		err := db.Store.Pool().QueryRow(t.Context(), "select laminar.distinct($1::text::bytea)", b).Scan(&n)
		if err == nil || !strings.Contains(err.Error(), "bytes are no set of values") {
			t.Errorf("%q is a set of %d values: %v", b, n, err)
		}
	}
}

// BenchmarkDistinctMerge is the union of 1,200 sets, in 20 groups, from a table.
func BenchmarkDistinctMerge(b *testing.B) {
	for _, values := range []int{50, 900, 20_000} {
		b.Run(fmt.Sprint(values), func(b *testing.B) {
			db := sqltest.NewRawDB(b, 1)
			db.Exec("create table sets (g integer, b bytea)")
			for i := range 1200 {
				var s distinct.Set
				for v := range values {
					s.Add(float64(i*values/10 + v))
				}
				db.Exec("insert into sets values ($1, $2)", i%20, s.AppendBinary(nil))
			}
			for b.Loop() {
				sqltest.ScanOne[int64](db, "select sum(n)::bigint from (select laminar.distinct(laminar.distinct_merge(b)) as n from sets group by g) s")
			}
		})
	}
}
