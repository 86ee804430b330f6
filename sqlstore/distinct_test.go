package sqlstore_test

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
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

// inParallel has a session divide every aggregate among processes that it starts.
const inParallel = `set max_parallel_workers_per_gather = 3; set min_parallel_table_scan_size = 0;
	set parallel_setup_cost = 0; set parallel_tuple_cost = 0; set parallel_leader_participation = off`

// TestDistinctMergeOfMany: the union of more sets than are kept side by side, some in each
// form, by group, is to the bit what Go says, in one process and in several.
func TestDistinctMergeOfMany(t *testing.T) {
	db := sqltest.NewRawDB(t, 1)
	db.Exec("create table sets (g integer, b bytea)")
	const groups = 6
	var unions [groups]distinct.Set
	rng := rand.New(rand.NewPCG(1, 93))
	write := func(g int, s *distinct.Set) {
		unions[g].Union(s)
		db.Exec("insert into sets values ($1, $2), ($1, null)", g, s.AppendBinary(nil))
	}
	write(0, &distinct.Set{})
	for i := range 40 { // the same values again and again, fewer than would make registers
		var s distinct.Set
		for v := range distinct.Exact {
			if v%40 == i || rng.IntN(3) == 0 {
				s.Add(float64(v))
			}
		}
		write(1, &s)
	}
	for i := range 160 { // registers before, between and behind 150,000 keys
		var s distinct.Set
		for range []int{1000, 20_000}[min(i%50/49, 1)] {
			s.Add(rng.Float64())
		}
		write(2+i%2, &s)
	}
	for i := range 200 { // no registers at all
		var s distinct.Set
		for v := range 900 {
			s.Add(float64(i*700 + v))
		}
		write(4, &s)
	}
	for _, k := range []distinct.Key{1, 1 << 18, 2, 51 << 1, 16383<<7 | 60<<1, 1<<32 - 1} { // the ends of what keys can be
		s := distinct.OfKeys([]distinct.Key{k}, k%3 == 0)
		write(5, &s)
	}
	db.Exec("alter table sets set (parallel_workers = 3); analyze sets")
	conn, err := db.Store.Pool().Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	for _, parallel := range []bool{false, true} {
		if parallel {
			if _, err := conn.Exec(t.Context(), inParallel); err != nil {
				t.Fatal(err)
			}
		}
		const query = "select g, laminar.distinct_merge(b), laminar.distinct(laminar.distinct_merge(b)) from sets group by g"
		plan, err := conn.Query(t.Context(), "explain "+query)
		if err != nil {
			t.Fatal(err)
		}
		lines, err := pgx.CollectRows(plan, pgx.RowTo[string])
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(strings.Join(lines, "\n"), "Partial"); got != parallel {
			t.Fatalf("in several processes: %v, want %v:\n%s", got, parallel, strings.Join(lines, "\n"))
		}
		rows, err := conn.Query(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		var (
			g    int
			data []byte
			n    int64
			seen int
		)
		_, err = pgx.ForEachRow(rows, []any{&g, &data, &n}, func() error {
			seen++
			if want := unions[g].AppendBinary(nil); !bytes.Equal(data, want) {
				t.Errorf("in several processes: %v: the union of group %d has %d bytes, want %d", parallel, g, len(data), len(want))
			}
			if want := unions[g].Count(); float64(n) != want {
				t.Errorf("in several processes: %v: group %d has %d values, want %v", parallel, g, n, want)
			}
			return nil
		})
		if err != nil || seen != groups {
			t.Fatalf("%d groups: %v", seen, err)
		}
	}
}

// TestDistinctRenewed: a database where the functions are an earlier version's gets
// today's, what was left of them goes, and views that people made of them stay and give
// the same.
func TestDistinctRenewed(t *testing.T) {
	db := sqltest.NewRawDB(t, 1)
	db.Exec(`
		create function laminar.distinct_union(sets bytea[]) returns bytea language sql immutable as 'select sets[1]';
		create function laminar.distinct_of_keys(keys bytea[], of_registers boolean) returns bytea language sql immutable as 'select keys[1]';
		create or replace aggregate laminar.distinct_merge(bytea) (sfunc = array_append, stype = bytea[], initcond = '{}', finalfunc = laminar.distinct_union, parallel = safe);
		create table sets (b bytea);
		create view of_merge as select laminar.distinct_merge(b) as u from sets;
		create view of_keys as select laminar.distinct_of_keys(array[b], false) as k from sets;
		update laminar.installed_code set sha256 = '\x00'`)
	var union distinct.Set
	for i := range 3 {
		var s distinct.Set
		for v := range 500 {
			s.Add(float64(i*400 + v))
		}
		union.Union(&s)
		db.Exec("insert into sets values ($1)", s.AppendBinary(nil))
	}
	if err := db.Store.Schema.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := sqltest.ScanOne[[]byte](db, "select u from of_merge"); !bytes.Equal(got, union.AppendBinary(nil)) {
		t.Errorf("a view of the aggregate gives %d bytes, want %d", len(got), len(union.AppendBinary(nil)))
	}
	left := func() string {
		return sqltest.ScanOne[string](db, "select concat_ws(' ', to_regprocedure('laminar.distinct_union(bytea[])'), to_regprocedure('laminar.distinct_of_keys(bytea[],boolean)'))")
	}
	if got := left(); !strings.Contains(got, "distinct_of_keys") {
		t.Errorf("what a view uses is gone, there is %q", got)
	}
	db.Exec(`drop view of_keys; update laminar.installed_code set sha256 = '\x00'`)
	if err := db.Store.Schema.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := left(); got != "" {
		t.Errorf("%s is left of an earlier version", got)
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
		"(select laminar.distinct_merge(b) from unnest('{null,null}'::bytea[]) b)",
	} {
		if !sqltest.ScanOne[bool](db, "select "+expr+" is null") {
			t.Errorf("%s is not null", expr)
		}
	}
	for _, b := range []string{"", `\x03`, `\x010203`, `\x02ffff`} {
		for _, call := range []string{"distinct($1::text::bytea)", "distinct(laminar.distinct_merge($1::text::bytea))"} {
			var n int64
			err := db.Store.Pool().QueryRow(t.Context(), "select laminar."+call, b).Scan(&n)
			if err == nil || !strings.Contains(err.Error(), "bytes are no set of values") {
				t.Errorf("%s: %q is a set of %d values: %v", call, b, n, err)
			}
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
