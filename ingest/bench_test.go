package ingest

import (
	"context"
	"fmt"
	"hash/maphash"
	"testing"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"laminar/sequence/segment"
)

// The shape the design's figure is about: 10,000 series, 2,000 samples per
// request.
const (
	benchSeries  = 10_000
	benchRequest = 2_000
)

// benchBodies makes one scrape of a fleet: decoded requests that hold every
// series once, at the given time.
func benchBodies(tb testing.TB, at int64) (bodies [][]byte) {
	tb.Helper()
	var list []prompb.TimeSeries
	for i := range benchSeries {
		list = append(list, prompb.TimeSeries{
			Labels: []prompb.Label{
				{Name: "__name__", Value: fmt.Sprintf("node_metric_%d_total", i/50%100)},
				{Name: "cpu", Value: fmt.Sprint(i % 50)},
				{Name: "instance", Value: fmt.Sprintf("host-%d.example.org:9100", i/5000)},
				{Name: "job", Value: "node"},
				{Name: "mode", Value: "idle"},
			},
			Samples: []prompb.Sample{{Timestamp: at, Value: float64(i) * 1.5}},
		})
		if len(list) == benchRequest {
			bodies = append(bodies, message(tb, list...))
			list = nil
		}
	}
	return bodies
}

func perSample(b *testing.B, samples int) {
	b.Helper()
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(samples), "ns/sample")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkDecompress is snappy alone.
func BenchmarkDecompress(b *testing.B) {
	body := snappy.Encode(nil, benchBodies(b, 1_700_000_000_000)[0])
	d, err := newDecompressor(32 << 20)
	if err != nil {
		b.Fatal(err)
	}
	var dst []byte
	b.ReportAllocs()
	for b.Loop() {
		if dst, err = d.decompress(dst, body, encodingSnappy); err != nil {
			b.Fatal(err)
		}
	}
	perSample(b, benchRequest)
}

// BenchmarkDecode reads the protobuf and nothing else.
func BenchmarkDecode(b *testing.B) {
	body := benchBodies(b, 1_700_000_000_000)[0]
	var d v1Decoder
	b.ReportAllocs()
	for b.Loop() {
		d.reset(body)
		for {
			more, err := d.next()
			if err != nil {
				b.Fatal(err)
			}
			if !more {
				break
			}
		}
	}
	perSample(b, benchRequest)
}

// BenchmarkLookup finds the series of label bytes that are known, 10,000 of them
// in turn, and nothing else.
func BenchmarkLookup(b *testing.B) {
	g := newTestIngester(b, newMemStore(2), Config{Regions: 2})
	var keys [][]byte
	for _, body := range benchBodies(b, 1_700_000_000_000) {
		in := newIntake(g.registry, 2, g.cfg.Limits, 0, segment.MaxTime)
		if err := in.readV1(body); err != nil {
			b.Fatal(err)
		}
		in.release()
	}
	table := g.registry.v1
	entries := *table.entries.Load()
	for i := range entries {
		if sp := entries[i].Load(); sp != nil {
			keys = append(keys, []byte(sp.key))
		}
	}
	if len(keys) != benchSeries {
		b.Fatalf("%d series are known, want %d", len(keys), benchSeries)
	}
	b.ReportAllocs()
	for b.Loop() {
		for _, key := range keys {
			if table.lookup(key, table.hash(key)) == nil {
				b.Fatal("a series that is known was not found")
			}
		}
	}
	perSample(b, len(keys))
}

// BenchmarkIntake decodes, looks the series up and makes batches.
func BenchmarkIntake(b *testing.B) {
	bodies := benchBodies(b, 1_700_000_000_000)
	g := newTestIngester(b, newMemStore(2), Config{Regions: 2})
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		in := newIntake(g.registry, 2, g.cfg.Limits, 0, segment.MaxTime)
		if err := in.readV1(bodies[i%len(bodies)]); err != nil {
			b.Fatal(err)
		}
		in.release()
		i++
	}
	perSample(b, benchRequest)
}

// BenchmarkDecodeV2 reads the protobuf of 2.0, symbols included, and nothing
// else.
func BenchmarkDecodeV2(b *testing.B) {
	body := benchBodiesV2(b, 1_700_000_000_000)[0]
	seed := maphash.MakeSeed()
	var d v2Decoder
	b.ReportAllocs()
	for b.Loop() {
		if err := d.reset(body, seed); err != nil {
			b.Fatal(err)
		}
		for {
			more, err := d.next()
			if err != nil {
				b.Fatal(err)
			}
			if !more {
				break
			}
		}
	}
	perSample(b, benchRequest)
}

// BenchmarkIntakeV2 is BenchmarkIntake for the same samples in 2.0.
func BenchmarkIntakeV2(b *testing.B) {
	bodies := benchBodiesV2(b, 1_700_000_000_000)
	g := newTestIngester(b, newMemStore(2), Config{Regions: 2})
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		in := newIntake(g.registry, 2, g.cfg.Limits, 0, segment.MaxTime)
		if err := in.readV2(bodies[i%len(bodies)]); err != nil {
			b.Fatal(err)
		}
		in.release()
		i++
	}
	perSample(b, benchRequest)
}

// benchBodiesV2 is benchBodies in 2.0, as Prometheus writes it: with type, help
// and unit in every series.
func benchBodiesV2(tb testing.TB, at int64) (bodies [][]byte) {
	tb.Helper()
	for _, body := range benchBodies(tb, at) {
		var v1 prompb.WriteRequest
		if err := v1.Unmarshal(body); err != nil {
			tb.Fatal(err)
		}
		var entries []entryV2
		for _, ts := range v1.Timeseries {
			e := entryV2{help: "Seconds spent in " + ts.Labels[0].Value, unit: "seconds"}
			for _, l := range ts.Labels {
				e.labels = append(e.labels, l.Name, l.Value)
			}
			e.series.Metadata.Type = writev2.Metadata_METRIC_TYPE_COUNTER
			for _, s := range ts.Samples {
				e.series.Samples = append(e.series.Samples, atV2(s.Timestamp, s.Value, 0))
			}
			entries = append(entries, e)
		}
		bodies = append(bodies, messageV2Of(tb, requestV2(entries...)))
	}
	return bodies
}

// TestKnownSeriesCostNoAllocation: neither version takes memory per sample or
// per series once a series is known.
func TestKnownSeriesCostNoAllocation(t *testing.T) {
	g := newTestIngester(t, newMemStore(2), Config{Regions: 2})
	v1, v2 := benchBodies(t, 1_700_000_000_000)[0], benchBodiesV2(t, 1_700_000_000_000)[0]
	take := func(read func(*intake) error) func() {
		return func() {
			in := newIntake(g.registry, 2, g.cfg.Limits, 0, segment.MaxTime)
			if err := read(in); err != nil || in.samples != benchRequest {
				t.Fatalf("%d samples: %v", in.samples, err)
			}
			in.release()
		}
	}
	for name, once := range map[string]func(){
		"1.0": take(func(in *intake) error { return in.readV1(v1) }),
		"2.0": take(func(in *intake) error { return in.readV2(v2) }),
	} {
		once()
		// A pool may be emptied at any time, so single allocations are allowed.
		if n := testing.AllocsPerRun(20, once); n > benchRequest/100 {
			t.Errorf("%s: %v allocations for %d samples of known series", name, n, benchRequest)
		}
	}
}

// BenchmarkDraft fills drafts of 10,000 samples.
func BenchmarkDraft(b *testing.B) {
	g, batches := benchBatches(b)
	var d draft
	epoch := uint32(0)
	b.ReportAllocs()
	for b.Loop() {
		epoch++
		d.reset(epoch)
		for _, bt := range batches {
			d.add(bt, g.registry.revive)
		}
	}
	perSample(b, benchSeries)
}

// BenchmarkBuild decides the order and makes segments of 10,000 samples.
func BenchmarkBuild(b *testing.B) {
	g, batches := benchBatches(b)
	f := g.flushers[0]
	var d draft
	d.reset(1)
	for _, bt := range batches {
		d.add(bt, g.registry.revive)
	}
	tx, err := f.store.BeginFlush(context.Background(), 1, [16]byte{1})
	if err != nil {
		b.Fatal(err)
	}
	if err := f.nameMetrics(context.Background(), &d); err != nil {
		b.Fatal(err)
	}
	found, err := f.findSeries(context.Background(), tx, &d)
	if err != nil {
		b.Fatal(err)
	}
	fl := tx.Flush()
	b.ReportAllocs()
	for b.Loop() {
		if segs := f.builder.build(&d, fl); len(segs) != 100 {
			b.Fatalf("%d segments", len(segs))
		}
		f.known.apply(fl, &d, found, 0)
		for i := range d.samples {
			d.samples[i].series.lastT = noSample
		}
	}
	perSample(b, benchSeries)
}

// benchBatches makes the batches of one scrape, for one region.
func benchBatches(b *testing.B) (*Ingester, []*batch) {
	b.Helper()
	g := newTestIngester(b, newMemStore(1), Config{})
	var batches []*batch
	for _, body := range benchBodies(b, 1_700_000_000_000) {
		in := newIntake(g.registry, 1, g.cfg.Limits, 0, segment.MaxTime)
		if err := in.readV1(body); err != nil {
			b.Fatal(err)
		}
		batches = append(batches, in.take(1))
		in.release()
	}
	return g, batches
}
