package workload

import (
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"
)

// TestPreparedRequests decodes what Prepare encodes by hand and finds every
// sample of every scrape once, in order within its series.
func TestPreparedRequests(t *testing.T) {
	const count, from, to = 1234, 3, 9
	s := Scrapes{Series: NodeSeries(count, 15*time.Second), Start: time.UnixMilli(1_700_000_000_000), Interval: 15 * time.Second}
	l := s.Prepare(from, to, 4)
	names := map[string]int{}
	for i, raw := range s.Series.Labels {
		names[string(raw)] = i
	}
	next := make([]int64, count) // by series: the scrape that must come next
	for i := range next {
		next[i] = from
	}
	total := 0
	for _, lane := range l.Lanes {
		for _, r := range lane {
			raw, err := snappy.Decode(nil, r.Body)
			if err != nil {
				t.Fatal(err)
			}
			var req prompb.WriteRequest
			if err := req.Unmarshal(raw); err != nil {
				t.Fatal(err)
			}
			if len(req.Timeseries) != r.Samples || r.Samples > SamplesPerRequest {
				t.Fatalf("%d series in a request of %d samples", len(req.Timeseries), r.Samples)
			}
			for _, ts := range req.Timeseries {
				samples := ts.Samples
				ts.Samples = nil
				labels, err := ts.Marshal()
				if err != nil {
					t.Fatal(err)
				}
				i, known := names[string(labels)]
				if !known || len(samples) != 1 {
					t.Fatalf("%v with %d samples", ts.Labels, len(samples))
				}
				if k := next[i]; samples[0].Timestamp != s.at(i, k) || samples[0].Value != measured(i, k) {
					t.Fatalf("series %d: %+v is not scrape %d", i, samples[0], k)
				}
				next[i]++
				total++
			}
		}
	}
	if total != l.Samples || total != count*(to-from) {
		t.Errorf("%d samples, said to be %d, want %d", total, l.Samples, count*(to-from))
	}
}

// TestCountersGrow: rate() over what the senders send must not see resets.
func TestCountersGrow(t *testing.T) {
	for i := range 1000 {
		if i%5 == 4 {
			continue
		}
		for k := range int64(500) {
			if a, b := measured(i, k), measured(i, k+1); b < a {
				t.Fatalf("series %d falls from %v to %v at scrape %d", i, a, b, k)
			}
		}
	}
}
