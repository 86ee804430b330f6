package remotewrite

import (
	"fmt"
	"hash/maphash"
	"math"
	"testing"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"laminar/ingest"
	"laminar/ingest/ingesttest"
)

// The shape the figures of the documents are about: 10,000 series, 2,000 samples per
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

// BenchmarkIntake decodes, looks the series up and makes batches.
func BenchmarkIntake(b *testing.B) {
	bodies := benchBodies(b, 1_700_000_000_000)
	d := newReceiver(b, storeOf{ingesttest.New(2)}, ingest.Config{}, Config{})
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		in, err := d.read(version1, bodies[i%len(bodies)])
		if err != nil {
			b.Fatal(err)
		}
		in.End()
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
	d := newReceiver(b, storeOf{ingesttest.New(2)}, ingest.Config{}, Config{})
	i := 0
	b.ReportAllocs()
	for b.Loop() {
		in, err := d.read(version2, bodies[i%len(bodies)])
		if err != nil {
			b.Fatal(err)
		}
		in.End()
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
	d := newReceiver(t, storeOf{ingesttest.New(2)}, ingest.Config{}, Config{})
	v1, v2 := benchBodies(t, 1_700_000_000_000)[0], benchBodiesV2(t, 1_700_000_000_000)[0]
	take := func(ver version, body []byte) func() {
		return func() {
			in, err := d.read(ver, body)
			in.End()
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	for name, once := range map[string]func(){"1.0": take(version1, v1), "2.0": take(version2, v2)} {
		once()
		// A pool may be emptied at any time, and loses some of what it gets under the race
		// detector, so the best of several runs counts, and single allocations are allowed.
		least := math.Inf(1)
		for range 20 {
			least = min(least, testing.AllocsPerRun(1, once))
		}
		if least > benchRequest/100 {
			t.Errorf("%s: %v allocations for %d samples of known series", name, least, benchRequest)
		}
	}
}
