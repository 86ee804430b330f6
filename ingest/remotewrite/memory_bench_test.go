package remotewrite

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"

	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"laminar/ingest"
	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sequence/series"
)

// forgetful is a Store that takes everything and keeps nothing, so that what a
// benchmark finds in memory is the ingester's.
type forgetful struct {
	mu      sync.Mutex
	metrics map[string]sequence.MetricID
	nextID  sequence.SeriesID
	regions map[sequence.Region]sequence.Flush
}

func (s *forgetful) Metrics(_ context.Context, names []string) ([]sequence.MetricID, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	ids := make([]sequence.MetricID, len(names))
	for i, name := range names {
		if s.metrics[name] == 0 {
			s.metrics[name] = sequence.MetricID(len(s.metrics) + 1)
		}
		ids[i] = s.metrics[name]
	}
	return ids, nil
}

func (s *forgetful) Resolve(context.Context, sequence.Region, sequence.Seq, sequence.FlushID) (bool, error) {
	return true, nil
}

func (s *forgetful) BeginFlush(_ context.Context, region sequence.Region, id sequence.FlushID) (ingest.FlushTx, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	last := s.regions[region]
	now := sequence.Flush{Region: region, Seq: last.Seq + 1, ID: id, PrevID: last.ID, Generation: 1, Now: segment.MaxTime / 2}
	s.regions[region] = now
	return &forgetfulTx{s, now}, nil
}

type forgetfulTx struct {
	store *forgetful
	flush sequence.Flush
}

func (tx *forgetfulTx) Flush() sequence.Flush { return tx.flush }

func (tx *forgetfulTx) Brought(map[string]int64) {}

func (tx *forgetfulTx) Took(context.Context, sequence.Seq) (sequence.FlushID, error) {
	return sequence.FlushID{}, nil
}

func (tx *forgetfulTx) Floors(context.Context, sequence.Seq) (map[sequence.MetricID]int64, error) {
	return nil, nil
}

func (tx *forgetfulTx) Missed(context.Context, sequence.Seq, sequence.Seq) (series.Missed, error) {
	return series.Missed{}, nil
}

func (tx *forgetfulTx) CreateSeries(_ context.Context, list []series.Wanted) ([]series.Stored, error) {
	tx.store.mu.Lock()
	defer tx.store.mu.Unlock()
	out := make([]series.Stored, len(list))
	for i := range out {
		tx.store.nextID++
		out[i] = series.Stored{ID: tx.store.nextID, Created: true}
	}
	return out, nil
}

func (tx *forgetfulTx) Commit(context.Context, []segment.Segment) error { return nil }
func (tx *forgetfulTx) Rollback(context.Context) error                  { return nil }

// BenchmarkSeriesMemory registers a million series, each with 97 bytes of
// labels in five labels, and flushes a sample of each, then counts what the
// heap holds per series. Buffers for samples, which do not grow with the number
// of series, are kept small and are in it.
func BenchmarkSeriesMemory(b *testing.B) {
	for _, version := range []string{"1.0", "2.0"} {
		b.Run(version, func(b *testing.B) {
			for b.Loop() {
				benchSeriesMemory(b, version, 1_000_000)
			}
		})
	}
}

func benchSeriesMemory(b *testing.B, version string, n int) {
	b.Helper()
	store := &forgetful{metrics: map[string]sequence.MetricID{}, regions: map[sequence.Region]sequence.Flush{}}
	d := newReceiver(b, store, ingest.Config{FlushSamples: 5_000}, Config{})
	ctx, stop := context.WithCancel(b.Context())
	ended := make(chan error)
	go func() { ended <- d.ingester.Run(ctx) }()
	before := heapInUse()
	labelBytes := 0
	for from := 0; from < n; from += benchRequest {
		var body []byte
		ver := version1
		if version == "1.0" {
			var list []prompb.TimeSeries
			for i := range benchRequest {
				labels := memoryLabels(from + i)
				list = append(list, prompb.TimeSeries{Labels: labels, Samples: []prompb.Sample{{Timestamp: 1_700_000_000_000, Value: 1}}})
				for _, l := range labels {
					labelBytes += len(l.Name) + len(l.Value)
				}
			}
			body = message(b, list...)
		} else {
			var entries []entryV2
			for i := range benchRequest {
				var e entryV2
				for _, l := range memoryLabels(from + i) {
					e.labels = append(e.labels, l.Name, l.Value)
					labelBytes += len(l.Name) + len(l.Value)
				}
				e.series.Samples = append(e.series.Samples, writev2.Sample{Timestamp: 1_700_000_000_000, Value: 1})
				entries = append(entries, e)
			}
			body, ver = messageV2Of(b, requestV2(entries...)), version2
		}
		in, err := d.read(ver, body)
		if err != nil {
			b.Fatal(err)
		}
		if out, err := in.Commit(); err != nil || out.Written.Samples != benchRequest {
			b.Fatal(out, err)
		}
		in.End()
	}
	registered := int(d.metric("active_series", ""))
	b.ReportMetric(float64(heapInUse()-before)/float64(registered), "B/series")
	b.ReportMetric(float64(labelBytes)/float64(registered), "label-B/series")
	stop()
	if err := <-ended; err != nil || registered != n {
		b.Fatal(registered, err)
	}
}

func memoryLabels(i int) []prompb.Label {
	return []prompb.Label{
		{Name: "__name__", Value: fmt.Sprintf("http_server_requests_%d_total", i%200)},
		{Name: "code", Value: "200"},
		{Name: "instance", Value: fmt.Sprintf("host-%06d.example.org:9100", i/200)},
		{Name: "job", Value: "api"},
		{Name: "method", Value: "GET"},
	}
}

// heapInUse is what live objects take, after everything else is collected.
func heapInUse() int64 {
	runtime.GC()
	runtime.GC() // what pools held goes with the second
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
