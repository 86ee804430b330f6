package remotewrite

import (
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"laminar/ingest"
	"laminar/ingest/ingesttest"
	"laminar/sequence/series"
)

// describedV2 is a series with metadata.
func describedV2(labels string, kind writev2.Metadata_MetricType, help, unit string, samples ...writev2.Sample) entryV2 {
	e := seriesV2(labels, samples...)
	e.series.Metadata.Type = kind
	e.help, e.unit = help, unit
	return e
}

// TestMetadata sends it by both versions, with samples and without.
func TestMetadata(t *testing.T) {
	store := ingesttest.NewMetadata()
	d := openReceiver(t, ingest.Config{Metadata: store}, Config{}, nil)
	v1, err := (&prompb.WriteRequest{Metadata: []prompb.MetricMetadata{
		{Type: prompb.MetricMetadata_STATESET, MetricFamilyName: "c", Help: "about c", Unit: "bytes"},
		{MetricFamilyName: "d"},
	}}).Marshal()
	if err != nil {
		t.Fatal(err)
	}
	v2 := packV2(t,
		describedV2("__name__ a i 1", writev2.Metadata_METRIC_TYPE_COUNTER, "about a", "seconds", atV2(1, 1, 0)),
		describedV2("__name__ b", writev2.Metadata_METRIC_TYPE_GAUGE, "", ""),
		seriesV2("__name__ silent", atV2(1, 1, 0)))
	if code, text, _ := d.post(d.Write(), v2, "Content-Type", typeV2); code != 204 {
		t.Fatalf("answered %d %q", code, text)
	}
	if code, text, _ := d.post(d.Write(), snappy.Encode(nil, v1)); code != 204 {
		t.Fatalf("answered %d %q", code, text)
	}
	want := map[string]series.Metadata{
		"a": {Metric: "a", Type: "counter", Help: "about a", Unit: "seconds"},
		"b": {Metric: "b", Type: "gauge"},
		"c": {Metric: "c", Type: "stateset", Help: "about c", Unit: "bytes"},
		"d": {Metric: "d", Type: "unknown"},
	}
	for deadline := time.Now().Add(time.Minute); !maps.Equal(store.Content(), want); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("saved is %+v, want %+v", store.Content(), want)
		}
	}
}

// TestMetadataOfV1IsDecodedAsByPrometheus compares on messages with unknown and
// repeated fields and on malformed ones.
func TestMetadataOfV1IsDecodedAsByPrometheus(t *testing.T) {
	for name, msg := range map[string][]byte{
		"plain":            slices.Concat(varintField(1, 3), field(2, []byte("m")), field(4, []byte("h")), field(5, []byte("u"))),
		"other order":      slices.Concat(field(5, []byte("u")), field(4, []byte("h")), field(2, []byte("m")), varintField(1, 3)),
		"repeated":         slices.Concat(field(2, []byte("a")), field(2, []byte("m")), varintField(1, 1), varintField(1, 2)),
		"unknown fields":   slices.Concat(field(3, []byte("x")), field(2, []byte("m")), varintField(9, 1), []byte{10<<3 | wireStartGroup, 10<<3 | wireEndGroup}),
		"type as bytes":    field(1, []byte("x")),
		"family as varint": varintField(2, 1),
		"help as fixed":    {4<<3 | wireFixed32, 0, 0, 0, 0},
		"cut off":          {2<<3 | wireBytes, 5, 'm'},
	} {
		t.Run(name, func(t *testing.T) {
			var want prompb.MetricMetadata
			wantErr := want.Unmarshal(msg)
			var got metadataV1
			if err := got.read(msg); (err == nil) != (wantErr == nil) {
				t.Fatalf("error %v, Prometheus's decoder says %v", err, wantErr)
			}
			if wantErr != nil {
				return
			}
			if string(got.family) != want.MetricFamilyName || string(got.help) != want.Help || string(got.unit) != want.Unit ||
				series.MetadataTypes[got.kind] != strings.ToLower(want.Type.String()) {
				t.Errorf("read as %+v, want %+v", got, want)
			}
		})
	}
}
