package raw_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/jackc/pgx/v5/pgxpool"
	"github.com/prometheus/prometheus/model/histogram"

	"laminar/flownode/partial/partialtest"
	"laminar/sequence"
	"laminar/sequence/nativehist"
	"laminar/sequence/nativehist/nativehisttest"
	"laminar/sequence/segment"
	"laminar/sequence/series"
	"laminar/sqlstore"
	"laminar/sqlstore/raw"
	"laminar/sqlstore/sqltest"
)

// stored is what stands at a series and time: a float, or a histogram.
type stored struct {
	bits    uint64 // of the float, or of the histogram's sum
	payload string // "" for a float
}

// mixedModel writes random floats and histograms of one metric over one another
// and knows what must be there.
type mixedModel struct {
	testing.TB
	store  *sqlstore.Store
	pool   *pgxpool.Pool
	rnd    *rand.Rand
	hists  *nativehisttest.Generator
	metric sequence.MetricID
	series []sequence.SeriesID
	truth  map[point]stored
}

func newMixedModel(t testing.TB, seed uint64) *mixedModel {
	t.Helper()
	db := sqltest.New(t)
	rnd := rand.New(rand.NewPCG(seed, 7))
	m := &mixedModel{TB: t, store: db.Store(t), pool: db.Pool(t), rnd: rnd, hists: nativehisttest.New(rnd), truth: map[point]stored{}}
	m.metric = sqltest.MetricOf(t, m.store, "latency")
	tx := sqltest.Begin(t, m.store, 1)
	created, err := tx.CreateSeries(context.Background(), sqltest.NewSeries(m.metric, "latency", 0, 4))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range created {
		m.series = append(m.series, c.ID)
	}
	sqltest.Commit(t, tx)
	return m
}

// flush writes a segment of floats and one of histograms, or one of them.
func (m *mixedModel) flush() {
	m.Helper()
	written := map[point]stored{}
	floats := segment.Segment{Metric: m.metric, Base: sqltest.Day, MinT: math.MaxInt64}
	hists := floats
	hists.Histograms = [][]byte{}
	for range 1 + m.rnd.IntN(12) {
		p := point{m.series[m.rnd.IntN(len(m.series))], sqltest.Day + m.rnd.Int64N(20)}
		if _, twice := written[p]; twice {
			continue
		}
		v, to := stored{bits: math.Float64bits(m.rnd.NormFloat64())}, &floats
		if m.rnd.IntN(2) == 0 {
			payload, sum := m.hists.Payload()
			v, to = stored{math.Float64bits(sum), string(payload)}, &hists
			to.Histograms = append(to.Histograms, payload)
		} else if m.rnd.IntN(10) == 0 {
			v.bits = math.Float64bits(segment.Stale())
		}
		written[p] = v
		to.Series, to.Offsets = append(to.Series, p.series), append(to.Offsets, int32(p.t-sqltest.Day))
		to.Values = append(to.Values, math.Float64frombits(v.bits))
		to.MinT, to.MaxT = min(to.MinT, p.t), max(to.MaxT, p.t)
		to.HasStale = to.HasStale || segment.IsStale(math.Float64frombits(v.bits))
	}
	var segs []segment.Segment
	for _, s := range []segment.Segment{floats, hists} {
		if s.Len() > 0 {
			segs = append(segs, s)
		}
	}
	sqltest.Commit(m, sqltest.Begin(m, m.store, 1), segs...)
	maps.Copy(m.truth, written)
}

// TestHistograms: floats and histograms that overwrite each other, hot and
// sealed, read in columns and in SQL.
func TestHistograms(t *testing.T) {
	for seed := range uint64(3) {
		m := newMixedModel(t, seed)
		if snap := m.snapshot(); len(snap.Position().Histograms) != 0 {
			t.Errorf("seed %d: metrics with histograms before the first: %v", seed, snap.Position().Histograms)
		}
		for i := range 24 {
			m.flush()
			if i%7 == 6 {
				if _, err := m.store.Keeper.Seal(t.Context(), raw.SealOptions{Force: true}); err != nil {
					t.Fatal(err)
				}
			}
			if i%5 == 4 || i == 23 {
				m.checkColumns(fmt.Sprintf("seed %d, flush %d", seed, i))
				m.checkViews(fmt.Sprintf("seed %d, flush %d", seed, i))
			}
		}
		if got := m.snapshot().Position().Histograms; !slices.Equal(got, []sequence.MetricID{m.metric}) {
			t.Errorf("seed %d: metrics with histograms: %v", seed, got)
		}
	}
}

func (m *mixedModel) snapshot() *raw.Snapshot {
	m.Helper()
	snap, err := m.store.Reader.Snapshot(context.Background())
	if err != nil {
		m.Fatal(err)
	}
	m.Cleanup(func() { _ = snap.Close(context.Background()) })
	return snap
}

func (m *mixedModel) checkColumns(when string) {
	m.Helper()
	snap := m.snapshot()
	defer func() { _ = snap.Close(context.Background()) }()
	got := map[point]stored{}
	kinds := map[[2]bool]int{}
	err := snap.ReadRaw(context.Background(), segment.Select{Metrics: []sequence.MetricID{m.metric}}, func(s *segment.Segment) error {
		kinds[[2]bool{s.Sealed, s.Histograms != nil}]++
		seen := map[point]bool{}
		for i, id := range s.Series {
			v := stored{bits: math.Float64bits(s.Values[i])}
			if s.Histograms != nil {
				v.payload = string(s.Histograms[i])
			}
			p := point{id, s.Time(i)}
			if s.Sealed && seen[p] {
				return fmt.Errorf("%v stands twice in a sealed segment", p)
			}
			got[p], seen[p] = v, true
		}
		return nil
	})
	if err != nil {
		m.Fatalf("%s: %v", when, err)
	}
	if !maps.Equal(got, m.truth) {
		m.Fatalf("%s: columns hold %d samples, want %d, or others (segments %v)", when, len(got), len(m.truth), kinds)
	}
}

func (m *mixedModel) checkViews(when string) {
	m.Helper()
	ctx := context.Background()
	rows, err := m.pool.Query(ctx, `select series_id, (extract(epoch from ts) * 1000)::bigint, value, null::text from sample where metric = 'latency'
		union all select series_id, (extract(epoch from ts) * 1000)::bigint, null, coalesce(histogram::text, 'stale') from histogram_sample where metric = 'latency'`)
	if err != nil {
		m.Fatal(err)
	}
	defer rows.Close()
	n := 0
	for rows.Next() {
		var p point
		var v *float64
		var doc *string
		if err := rows.Scan(&p.series, &p.t, &v, &doc); err != nil {
			m.Fatal(err)
		}
		want, ok := m.truth[p]
		n++
		if !ok || (doc != nil) != (want.payload != "") {
			m.Fatalf("%s: %v is %v, %v in the views, want %v", when, p, v, doc, want)
		}
		sum := math.Float64frombits(want.bits)
		switch {
		case doc == nil && v == nil:
			ok = segment.IsStale(sum)
		case doc == nil:
			ok = *v == sum
		case *doc == "stale":
			ok = segment.IsStale(sum)
		default:
			err := checkJSON(*doc, want)
			if ok = err == nil; !ok {
				m.Errorf("%s: %v: %v", when, p, err)
			}
		}
		if !ok {
			m.Fatalf("%s: %v is wrong in the views: %v %v", when, p, v, doc)
		}
	}
	if rows.Err() != nil || n != len(m.truth) {
		m.Fatalf("%s: %d rows in the views, want %d, %v", when, n, len(m.truth), rows.Err())
	}
}

// number is a JSON number, or the text of one that JSON has not.
type number float64

func (n *number) UnmarshalJSON(b []byte) error {
	var f float64
	if err := json.Unmarshal(b, &f); err == nil {
		*n = number(f)
		return nil
	}
	switch string(b) {
	case `"NaN"`:
		*n = number(math.NaN())
	case `"Infinity"`:
		*n = number(math.Inf(1))
	case `"-Infinity"`:
		*n = number(math.Inf(-1))
	default:
		return fmt.Errorf("%s is not a number", b)
	}
	return nil
}

// checkJSON holds what SQL makes of a histogram against Prometheus's own type.
func checkJSON(doc string, want stored) error {
	var got struct {
		Count, Sum    number
		Schema        int32
		Buckets       [][3]number
		ZeroThreshold *number  `json:"zero_threshold"`
		ZeroCount     *number  `json:"zero_count"`
		CustomValues  []number `json:"custom_values"`
		CounterReset  bool     `json:"counter_reset"`
		Gauge         bool
	}
	if err := json.Unmarshal([]byte(doc), &got); err != nil {
		return err
	}
	h, err := nativehist.Decode([]byte(want.payload), math.Float64frombits(want.bits))
	if err != nil {
		return err
	}
	same := func(a number, b float64) bool {
		return partialtest.Close(float64(a), b, 1e-13*math.Abs(b))
	}
	custom := h.UsesCustomBuckets()
	if !same(got.Count, h.Count) || !same(got.Sum, h.Sum) || got.Schema != h.Schema || (got.ZeroCount == nil) != custom ||
		!custom && (float64(*got.ZeroCount) != h.ZeroCount || float64(*got.ZeroThreshold) != h.ZeroThreshold) ||
		got.CounterReset != (h.CounterResetHint == histogram.CounterReset) || got.Gauge != (h.CounterResetHint == histogram.GaugeType) ||
		!slices.EqualFunc(got.CustomValues, h.CustomValues, func(a number, b float64) bool { return float64(a) == b }) {
		return fmt.Errorf("got %s, want %v", doc, h)
	}
	// Side by side, and not with AllBucketIterator: that one narrows buckets which
	// reach into the zero bucket.
	var buckets []histogram.Bucket[float64]
	for it := h.NegativeReverseBucketIterator(); it.Next(); {
		buckets = append(buckets, it.At())
	}
	if !custom {
		buckets = append(buckets, histogram.Bucket[float64]{Lower: -h.ZeroThreshold, Upper: h.ZeroThreshold, Count: h.ZeroCount})
	}
	for it := h.PositiveBucketIterator(); it.Next(); {
		buckets = append(buckets, it.At())
	}
	i := 0
	for _, b := range buckets {
		if b.Count == 0 {
			continue
		}
		if i == len(got.Buckets) || !same(got.Buckets[i][0], b.Lower) || !same(got.Buckets[i][1], b.Upper) || !same(got.Buckets[i][2], b.Count) {
			return fmt.Errorf("bucket %d is not %v in %s", i, b, doc)
		}
		i++
	}
	if i != len(got.Buckets) {
		return errors.New("more buckets than there are: " + doc)
	}
	return nil
}

// TestHistogramJSONLimits: counts beyond 63 bits, numbers at the ends of what a
// float can hold.
func TestHistogramJSONLimits(t *testing.T) {
	pool := sqltest.New(t).Pool(t)
	for _, h := range []*histogram.FloatHistogram{
		{Schema: -4, Count: 5e-324, Sum: math.MaxFloat64, ZeroThreshold: math.SmallestNonzeroFloat64, ZeroCount: 2.2250738585072014e-308,
			PositiveSpans: []histogram.Span{{Offset: 63, Length: 3}}, PositiveBuckets: []float64{1, math.MaxFloat64, math.Inf(1)}},
		{Schema: 8, Count: 1, NegativeSpans: []histogram.Span{{Offset: 1024 * 256, Length: 2}}, NegativeBuckets: []float64{0.1, math.NaN()}},
		{Schema: 0, PositiveSpans: []histogram.Span{{Offset: -1080, Length: 10}}, PositiveBuckets: []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
		(&histogram.Histogram{Schema: 2, Count: math.MaxUint64, Sum: math.NaN(), ZeroCount: math.MaxUint64 - 3}).ToFloat(nil),
		{Schema: histogram.CustomBucketsSchema, CustomValues: []float64{math.Inf(-1), math.Copysign(0, -1), 1e308}, PositiveSpans: []histogram.Span{{Length: 4}}, PositiveBuckets: []float64{1, 1, 1, 1}},
	} {
		payload, sum := nativehisttest.Encode(nil, h)
		var doc string
		if err := pool.QueryRow(t.Context(), "select histogram_json($1, $2)::text", payload, sum).Scan(&doc); err != nil {
			t.Fatalf("%v: %v", h, err)
		}
		if err := checkJSON(doc, stored{math.Float64bits(sum), string(payload)}); err != nil {
			t.Errorf("%v: %v", h, err)
		}
	}
	payload, sum := nativehisttest.Encode(&histogram.Histogram{Count: math.MaxUint64, ZeroCount: math.MaxUint64}, nil)
	var count string
	if err := pool.QueryRow(t.Context(), "select histogram_json($1, $2) ->> 'count'", payload, sum).Scan(&count); err != nil || count != "18446744073709551615" {
		t.Errorf("the largest count is %s, %v", count, err)
	}
	if err := pool.QueryRow(t.Context(), "select histogram_json($1, 1)", []byte{9, 0}).Scan(&count); err == nil {
		t.Error("a payload of another version was read")
	}
}

// TestMissedHistograms: another ingester learns what a series' newest sample is.
func TestMissedHistograms(t *testing.T) {
	m := newMixedModel(t, 9)
	for range 6 {
		m.flush()
	}
	tx := sqltest.Begin(t, m.store, 1)
	defer func() { _ = tx.Rollback(t.Context()) }()
	missed, err := tx.Missed(t.Context(), 0, tx.Flush().Seq-1)
	if err != nil {
		t.Fatal(err)
	}
	newest := map[sequence.SeriesID]int64{}
	for p := range m.truth {
		newest[p.series] = max(newest[p.series], p.t)
	}
	if len(missed.Lasts) != len(newest) {
		t.Errorf("%d newest samples, want %d", len(missed.Lasts), len(newest))
	}
	for _, last := range missed.Lasts {
		want := m.truth[point{last.Series, newest[last.Series]}]
		if last.T != newest[last.Series] || math.Float64bits(last.Value) != want.bits || last.Histogram != series.DigestOf([]byte(want.payload)) {
			t.Errorf("newest of series %d is %+v, want %v at %d", last.Series, last, want, newest[last.Series])
		}
	}
}

// TestSealCountsHistogramBytes: a merge that would take too much memory for the
// bytes of its histograms is done in parts.
func TestSealCountsHistogramBytes(t *testing.T) {
	db := sqltest.New(t)
	store := db.Store(t, func(c *sqlstore.Config) { c.MergeSamples = 1000 })
	metric := sqltest.MetricOf(t, store, "large")
	tx := sqltest.Begin(t, store, 1)
	created, err := tx.CreateSeries(t.Context(), sqltest.NewSeries(metric, "large", 0, 5))
	if err != nil {
		t.Fatal(err)
	}
	s := segment.Segment{Metric: metric, MinT: sqltest.Day, MaxT: sqltest.Day, Base: sqltest.Day}
	for _, c := range created {
		s.Series, s.Offsets, s.Values = append(s.Series, c.ID), append(s.Offsets, 0), append(s.Values, 1)
		s.Histograms = append(s.Histograms, make([]byte, 24*900))
	}
	sqltest.Commit(t, tx, s)
	report, err := store.Keeper.Seal(t.Context(), raw.SealOptions{Force: true})
	if err != nil || report.Samples != 5 || report.Segments != 5 {
		t.Errorf("sealed %d samples into %d segments, want 5 into 5, %v", report.Samples, report.Segments, err)
	}
}
