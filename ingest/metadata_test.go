package ingest

import (
	"maps"
	"strings"
	"testing"
	"time"

	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"laminar/ingest/ingesttest"
	"laminar/sequence/series"
)

// TestMetadata says it with samples and without, with a broken text, at last with
// a name that cannot be one.
func TestMetadata(t *testing.T) {
	store := ingesttest.NewMetadata()
	d := openReceiver(t, Config{Metadata: store}, nil)
	long := strings.Repeat("ü", 4096)
	described := func(labels string, kind writev2.Metadata_MetricType, help, unit string) entry {
		e := ts(labels, at(1, 1))
		e.series.Metadata.Type, e.help, e.unit = kind, help, unit
		return e
	}
	if err := d.post(
		described("__name__ a i 1", writev2.Metadata_METRIC_TYPE_COUNTER, "about a", "seconds"),
		described("__name__ a i 2", writev2.Metadata_METRIC_TYPE_COUNTER, "about a", "seconds"),
		described("__name__ odd", 99, "a\x00b\xff", ""),
		ts("__name__ silent", at(1, 1))); err != nil {
		t.Fatalf("answered %v", err)
	}
	in, err := d.Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	in.Received()
	in.describe(nil, "b", 2, "", "")
	in.describe(nil, "c", 7, long, "bytes")
	in.describe(nil, "d", 0, "", "")
	in.describe(nil, "", 0, "of nothing", "")
	in.describe(nil, "e\x00", 0, "x", "")
	in.describe(nil, strings.Repeat("n", 2000+1), 0, "x", "")
	in.End()
	want := map[string]series.Metadata{
		"a":   {Metric: "a", Type: "counter", Help: "about a", Unit: "seconds"},
		"b":   {Metric: "b", Type: "gauge"},
		"odd": {Metric: "odd", Type: "unknown", Help: "ab"},
		"c":   {Metric: "c", Type: "stateset", Help: long[:4096], Unit: "bytes"},
		"d":   {Metric: "d", Type: "unknown"},
	}
	for deadline := time.Now().Add(time.Minute); !maps.Equal(store.Content(), want); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("saved is %+v, want %+v", store.Content(), want)
		}
	}
}
