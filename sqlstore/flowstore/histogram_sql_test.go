package flowstore_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgtype"
	"github.com/prometheus/prometheus/model/histogram"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser/posrange"

	"laminar/flownode/partial/partialtest"
	"laminar/flownode/progress"
	"laminar/sequence/nativehist"
	"laminar/sequence/nativehist/nativehisttest"
	"laminar/sqlstore/resulttable"
	"laminar/sqlstore/sqltest"
)

// texts is histograms as PostgreSQL reads them.
func texts(list []*nativehist.Sparse) []pgtype.Text {
	rows := make([]resulttable.Placed, len(list))
	for i, h := range list {
		rows[i].Row = progress.Row{Histogram: h}
	}
	_, out := resulttable.ResultArgs(rows)
	return out
}

// near compares with what Prometheus says, to rounding.
func near(got, want float64) bool {
	return partialtest.Close(got, want, 1e-12*max(math.Abs(want), 1e-9))
}

// quantile is what Prometheus says. Where NaN is among the observations Prometheus 0.315
// takes the last bucket, whatever the rank: then it is asked for the same rank among the
// others, unless it would count from above, which can end in another bucket.
func quantile(phi float64, h *nativehist.Sparse) (float64, bool) {
	fh := h.Float()
	if math.IsNaN(fh.Sum) && phi >= 0 && phi <= 1 {
		fh.Sum, fh.Count = 0, fh.ZeroCount
		for _, n := range append(fh.PositiveBuckets, fh.NegativeBuckets...) {
			fh.Count += n
		}
		switch phi *= h.Count / fh.Count; {
		case phi > 1+1e-9:
			return math.NaN(), true
		case !(phi < 0.5):
			return 0, false
		}
	}
	v, _ := promql.HistogramQuantile(phi, fh, "x", posrange.PositionRange{})
	return v, true
}

// TestHistogramFunctions: what SQL says of random histograms of all kinds is what
// Prometheus says.
func TestHistogramFunctions(t *testing.T) {
	db := sqltest.NewRawDB(t, 1)
	rng := rand.New(rand.NewPCG(14, 2))
	list := make([]*nativehist.Sparse, 600)
	gen := nativehisttest.New(rng)
	for i := range list {
		if i%2 == 0 {
			list[i] = nativehist.NewSparse(nativehisttest.Random(rng))
			if rng.IntN(8) == 0 { // as many more that were NaN
				list[i].Count, list[i].Sum = list[i].Count+float64(rng.IntN(5)), math.NaN()
			}
			continue
		}
		h, err := nativehist.Decode(gen.Payload())
		if err != nil {
			t.Fatal(err)
		}
		list[i] = nativehist.NewSparse(h)
	}
	var (
		args                = texts(list)
		ofs, phis           []float64
		ranges, lows, highs []float64
	)
	for i := range list {
		for _, phi := range []float64{0, 0.3, 0.5, 0.9, 1, -1, 2, math.NaN(), rng.Float64()} {
			ofs, phis = append(ofs, float64(i+1)), append(phis, phi)
		}
		for _, at := range [][2]float64{
			{0, 1}, {-1, 0}, {1, 0}, {math.Inf(-1), 0.5}, {0.5, math.Inf(1)}, {math.Inf(-1), math.Inf(1)}, {math.NaN(), 1},
			{10 * rng.NormFloat64(), 10 * rng.Float64()}, {2, 8}, {-0.001, 1e-128},
		} {
			ranges, lows, highs = append(ranges, float64(i+1)), append(lows, at[0]), append(highs, at[1])
		}
	}
	got := sqltest.ScanOne[[]float64](db, `select array_agg(laminar.quantile(($1::text[])[x.h]::laminar.histogram, x.phi) order by x.n)
		from unnest($2::float8[], $3::float8[]) with ordinality x(h, phi, n)`, args, ofs, phis)
	finite := 0
	for i, v := range got {
		h := list[int(ofs[i])-1]
		want, ok := quantile(phis[i], h)
		if !ok {
			continue
		}
		if !near(v, want) {
			t.Fatalf("quantile %v of %v is %v, Prometheus says %v", phis[i], h.Float(), v, want)
		}
		if !math.IsNaN(want) && !math.IsInf(want, 0) {
			finite++
		}
	}
	if finite < len(got)/3 {
		t.Errorf("only %d of %d quantiles are numbers", finite, len(got))
	}
	between := 0
	for i, v := range sqltest.ScanOne[[]float64](db, `select array_agg(laminar.fraction(($1::text[])[x.h]::laminar.histogram, x.low, x.high) order by x.n)
		from unnest($2::float8[], $3::float8[], $4::float8[]) with ordinality x(h, low, high, n)`, args, ranges, lows, highs) {
		h := list[int(ranges[i])-1]
		want, _ := promql.HistogramFraction(lows[i], highs[i], h.Float(), "x", posrange.PositionRange{})
		if !near(v, want) && !(math.Abs(v-want) <= 1e-12) {
			t.Fatalf("from %v to %v of %v there is %v, Prometheus says %v", lows[i], highs[i], h.Float(), v, want)
		}
		if want > 0 && want < 1 {
			between++
		}
	}
	if between < len(ranges)/10 {
		t.Errorf("only %d of %d fractions are between 0 and 1", between, len(ranges))
	}
	counts := sqltest.ScanOne[[]float64](db, `select array_agg(laminar.observations(x::laminar.histogram) order by n) || array_agg(laminar.sum(x::laminar.histogram) order by n)
		from unnest($1::text[]) with ordinality x(x, n)`, args)
	for i, h := range list {
		if !near(counts[i], h.Count) || !near(counts[len(list)+i], h.Sum) {
			t.Errorf("count and sum are %v and %v, want %v and %v", counts[i], counts[len(list)+i], h.Count, h.Sum)
		}
	}
	if got := sqltest.ScanOne[bool](db, `select laminar.quantile(null, 0.5) is null and laminar.fraction(null, 0, 1) is null and laminar.observations(null) is null
		and laminar.sum(null) is null and (select laminar.merge(null::laminar.histogram) from generate_series(1, 3)) is null
		and (select laminar.merge(null::laminar.histogram) where false) is null`); !got {
		t.Error("of no histogram there is a value")
	}
	// Whoever searches Laminar's schema, as this session does, can still count rows.
	if n := sqltest.ScanOne[int](db, "select count(x) + count(distinct (x.a, x.b)) from (values (1, 2), (1, 2)) x(a, b)"); n != 3 {
		t.Errorf("rows are counted as %d", n)
	}
}

// TestHistogramMerge: merging in SQL is adding in Prometheus, whatever schemas and zero
// buckets are mixed.
func TestHistogramMerge(t *testing.T) {
	db := sqltest.NewRawDB(t, 1)
	rng := rand.New(rand.NewPCG(14, 3))
	mixed, refused := 0, 0
	for range 400 {
		n := 2 + rng.IntN(3)
		list, floats := make([]*nativehist.Sparse, n), make([]*histogram.FloatHistogram, n)
		for i := range list {
			list[i] = nativehist.NewSparse(nativehisttest.Random(rng))
			// Of more than two the order would decide which buckets are zeros.
			// Of different schemas Prometheus 0.315 counts twice what becomes zeros.
			if list[i].ZeroThreshold = 0; n == 2 && list[i].Schema >= -4 && rng.IntN(2) == 0 {
				list[i].Schema, list[i].ZeroThreshold = 1, []float64{0, 1e-9, 0.25, 0.3}[rng.IntN(4)]
			}
			for _, b := range append(list[i].PositiveBuckets, list[i].NegativeBuckets...) {
				if math.Exp2(float64(b)*math.Exp2(-float64(list[i].Schema))) <= list[i].ZeroThreshold {
					list[i].ZeroThreshold = 0 // it would be zeros itself
				}
			}
			floats[i] = list[i].Float()
		}
		if list[0].Schema != list[1].Schema && list[0].ZeroThreshold != list[1].ZeroThreshold {
			continue
		}
		var want *nativehist.Sparse
		sum, ok := floats[0].Copy(), true
		for _, h := range floats[1:] {
			_, _, _, err := sum.Add(h)
			ok = ok && err == nil
		}
		if ok {
			want = nativehist.NewSparse(sum)
		}
		asText := []pgtype.Text{{}}
		if ok {
			asText = texts([]*nativehist.Sparse{want})
		}
		// Sums of floats are compared to rounding: each array by its elements.
		got := sqltest.ScanOne[string](db, `select case
				when w.schema is null then case when m.schema is null then 'the same' else 'something: ' || m::text end
				when (m.schema, m.negative_buckets, m.positive_buckets, m.custom_values, m.gauge) is distinct from (w.schema, w.negative_buckets, w.positive_buckets, w.custom_values, w.gauge)
				     or abs(m.zero_threshold - w.zero_threshold) > 1e-12 * w.zero_threshold
				     or exists (select from unnest(m.negative_counts || m.positive_counts || array[m.count, m.sum, m.zero_count],
				                                   w.negative_counts || w.positive_counts || array[w.count, w.sum, w.zero_count]) x(a, b)
				                where not coalesce(a = b or abs(b) < 'infinity' and abs(a - b) <= 1e-12 * greatest(abs(b), 1), false))
				then m::text else 'the same' end
			from (select (laminar.merge(x::laminar.histogram)).* from unnest($1::text[]) x) m,
			     (select ($2::text::laminar.histogram).*) w`, texts(list), asText[0])
		if got != "the same" {
			t.Fatalf("merging %v\ngives %s\nPrometheus %s", floats, got, asText[0].String)
		}
		if !ok {
			refused++
		} else if list[0].Schema != list[1].Schema || list[0].ZeroThreshold != list[1].ZeroThreshold {
			mixed++
		}
	}
	if mixed < 50 || refused < 50 {
		t.Errorf("%d merges were of different layouts, %d had no result: want 50 of each at least", mixed, refused)
	}
}

// TestHistogramMergeSpeed: merging in SQL costs little more than taking the arrays apart
// and adding up by bucket: 1,200 sketches of 150 buckets into 20 groups.
func TestHistogramMergeSpeed(t *testing.T) {
	db := sqltest.NewRawDB(t, 1)
	list := make([]*nativehist.Sparse, 1200)
	for i := range list {
		h := &nativehist.Sparse{Schema: 7 - int32(i%2), Sum: 1, Gauge: true}
		for b := range int32(150) {
			h.PositiveBuckets, h.PositiveCounts = append(h.PositiveBuckets, b+int32(i%40)), append(h.PositiveCounts, float64(b+1))
			h.Count += float64(b + 1)
		}
		list[i] = h
	}
	if _, err := db.Store.Pool().Exec(t.Context(), "create table flow.sketches as select n % 20 as region, x::laminar.histogram as h from unnest($1::text[]) with ordinality x(x, n)", texts(list)); err != nil {
		t.Fatal(err)
	}
	total := 1200 * 150 * 151 / 2
	requireSpeed(t, db, 5,
		[2]string{"select count(*) || ' ' || sum(laminar.observations(m)) from (select laminar.merge(h) as m from flow.sketches group by region) x", fmt.Sprintf("20 %d", total)},
		[2]string{"select sum(n)::text from (select sum(n) as n from flow.sketches, unnest((h).positive_buckets, (h).positive_counts) x(b, n) group by region, b) y", fmt.Sprint(total)})
}

// requireSpeed: a query takes at most so many times as long as another; each is with what it
// gives. The machine has other work, so both are asked in turn until the least that each took
// says so; a query that is too slow never comes to that.
func requireSpeed(t *testing.T, db *sqltest.RawDB, times int, query, other [2]string) {
	t.Helper()
	least := [2]time.Duration{time.Hour, time.Hour}
	began := time.Now()
	for n := 1; ; n++ {
		for i, q := range [][2]string{query, other} {
			asked := time.Now()
			got := sqltest.ScanOne[string](db, q[0])
			if least[i] = min(least[i], time.Since(asked)); got != q[1] {
				t.Fatalf("%s: %s, want %s", q[0], got, q[1])
			}
		}
		switch {
		case n >= 5 && least[0] <= time.Duration(times)*least[1]:
			t.Logf("%s: %v, %s: %v", query[0], least[0], other[0], least[1])
			return
		case n >= 5 && time.Since(began) > 3*time.Minute:
			t.Errorf("%s takes %v, more than %d times as long as %s, which takes %v", query[0], least[0], times, other[0], least[1])
			return
		}
	}
}

// TestHistogramQuestionsSpeed: a histogram that PostgreSQL keeps compressed is taken out of
// where it is stored once for a question, and not for each bucket.
func TestHistogramQuestionsSpeed(t *testing.T) {
	db := sqltest.NewRawDB(t, 1)
	list := make([]*nativehist.Sparse, 60)
	for i := range list {
		h := &nativehist.Sparse{Schema: 7, Count: 400, Sum: 1, Gauge: true}
		for b := range int32(400) {
			h.PositiveBuckets, h.PositiveCounts = append(h.PositiveBuckets, b), append(h.PositiveCounts, 1)
		}
		list[i] = h
	}
	if _, err := db.Store.Pool().Exec(t.Context(), "create table flow.wide as select x::laminar.histogram as h from unnest($1::text[]) x", texts(list)); err != nil {
		t.Fatal(err)
	}
	if size := sqltest.ScanOne[int](db, "select max(pg_column_size(h)) from flow.wide"); size > 12*400 {
		t.Fatalf("a histogram takes %d bytes, so it is not compressed", size)
	}
	apart := [2]string{"select (sum(n) / 1000)::text from flow.wide, unnest((h).positive_buckets, (h).positive_counts) x(b, n)", "24"}
	for _, question := range []string{
		"sum((laminar.quantile(h, 0.1) > 0)::int)", "sum((laminar.quantile(h, 0.99) > 0)::int)",
		"sum(laminar.fraction(h, '-Infinity', 1e9))", "sum((select sum(count) / 400 from laminar.histogram_buckets(h)))",
	} {
		requireSpeed(t, db, 25, [2]string{"select " + question + "::text from flow.wide", "60"}, apart)
	}
}
