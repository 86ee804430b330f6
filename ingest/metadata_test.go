package ingest

import (
	"context"
	"hash/maphash"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang/snappy"
	"github.com/prometheus/prometheus/prompb"
	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sequence/series"
)

// memMetadata is a MetadataStore in memory.
type memMetadata struct {
	mu     sync.Mutex
	saved  map[string]series.Metadata
	writes map[string]int
	fail   error // once
}

func newMemMetadata() *memMetadata {
	return &memMetadata{saved: map[string]series.Metadata{}, writes: map[string]int{}}
}

func (m *memMetadata) SaveMetadata(_ context.Context, list []series.Metadata) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fail; err != nil {
		m.fail = nil
		return err
	}
	for _, one := range list {
		m.saved[one.Metric] = one
		m.writes[one.Metric]++
	}
	return nil
}

func (m *memMetadata) content() map[string]series.Metadata {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.saved)
}

// savePending saves what is pending now, as run does in time.
func (k *metadataKeeper) savePending(t *testing.T) {
	t.Helper()
	for list := k.drain(); len(list) > 0; list = k.drain() {
		if err := k.save(t.Context(), list); err != nil {
			k.giveBack(list)
			return
		}
	}
}

// describedV2 is a series with metadata.
func describedV2(labels string, kind writev2.Metadata_MetricType, help, unit string, samples ...writev2.Sample) entryV2 {
	e := seriesV2(labels, samples...)
	e.series.Metadata.Type = kind
	e.help, e.unit = help, unit
	return e
}

func metadataV1(list ...prompb.MetricMetadata) []byte {
	raw, err := (&prompb.WriteRequest{Metadata: list}).Marshal()
	if err != nil {
		panic(err)
	}
	return snappy.Encode(nil, raw)
}

// TestMetadata sends it by both versions: with samples, without, with a broken
// text, at last with a name that cannot be one.
func TestMetadata(t *testing.T) {
	store := newMemMetadata()
	d := openDoor(t, Config{Metadata: store}, nil)
	long := strings.Repeat("ü", maxMetadataText)
	for i, body := range [][]byte{
		packV2(t,
			describedV2("__name__ a i 1", writev2.Metadata_METRIC_TYPE_COUNTER, "about a", "seconds", atV2(1, 1, 0)),
			describedV2("__name__ a i 2", writev2.Metadata_METRIC_TYPE_COUNTER, "about a", "seconds", atV2(1, 1, 0)),
			describedV2("__name__ b", writev2.Metadata_METRIC_TYPE_GAUGE, "", ""),
			describedV2("__name__ odd", 99, "a\x00b\xff", ""),
			seriesV2("__name__ silent", atV2(1, 1, 0))),
		metadataV1(
			prompb.MetricMetadata{Type: prompb.MetricMetadata_STATESET, MetricFamilyName: "c", Help: long, Unit: "bytes"},
			prompb.MetricMetadata{MetricFamilyName: "d"},
			prompb.MetricMetadata{MetricFamilyName: "", Help: "of nothing"},
			prompb.MetricMetadata{MetricFamilyName: "e\x00", Help: "x"},
			prompb.MetricMetadata{MetricFamilyName: strings.Repeat("n", maxMetadataName+1), Help: "x"}),
	} {
		var headers []string
		if i == 0 {
			headers = []string{"Content-Type", typeV2}
		}
		if code, text, _ := d.post(d.Write(), body, headers...); code != 204 {
			t.Fatalf("answered %d %q", code, text)
		}
	}
	want := map[string]series.Metadata{
		"a":   {Metric: "a", Type: "counter", Help: "about a", Unit: "seconds"},
		"b":   {Metric: "b", Type: "gauge"},
		"odd": {Metric: "odd", Type: "unknown", Help: "ab"},
		"c":   {Metric: "c", Type: "stateset", Help: long[:maxMetadataText], Unit: "bytes"},
		"d":   {Metric: "d", Type: "unknown"},
	}
	for deadline := time.Now().Add(time.Minute); !maps.Equal(store.content(), want); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("saved is %+v, want %+v", store.content(), want)
		}
	}
}

// TestMetadataLastWriteWins: what does not change is offered to the store once,
// what changes is taken after the hold, by whichever version and region it
// comes, and a store that fails gets it again.
func TestMetadataLastWriteWins(t *testing.T) {
	store := newMemMetadata()
	g := newTestIngester(t, newMemStore(2), Config{Regions: 2, Metadata: store})
	k := g.metadata
	clock := k.now()
	// One series in each region.
	names := map[sequence.Region]string{}
	for _, i := range []string{"1", "2", "3", "4", "5", "6", "7", "8"} {
		names[series.RegionOf([]byte("__name__\xffm\xffi\xff"+i+"\xff"), 2)] = "__name__ m i " + i
	}
	say := func(help string, version int, region sequence.Region) {
		t.Helper()
		if version == 1 {
			hash := hashMetadata(2, maphash.String(k.seed, help), maphash.String(k.seed, ""))
			k.take("m", hash, clock, 2, []byte(help), nil)
			return
		}
		in := newIntake(g.registry, 2, g.cfg.Limits, 0, segment.MaxTime)
		defer in.release()
		in.metadata, in.now = k, clock
		e := describedV2(names[region], writev2.Metadata_METRIC_TYPE_GAUGE, help, "", atV2(1, 1, 0))
		if err := in.readV2(messageV2Of(t, requestV2(e))); err != nil {
			t.Fatal(err)
		}
	}
	check := func(step, help string, writes int) {
		t.Helper()
		k.savePending(t)
		if got := store.content()["m"].Help; got != help || store.writes["m"] != writes {
			t.Fatalf("%s: %q after %d writes, want %q after %d", step, got, store.writes["m"], help, writes)
		}
	}
	say("one", 2, 1)
	check("first", "one", 1)
	for range 3 {
		clock += 2 * metadataHold.Milliseconds()
		say("one", 2, 1)
		say("one", 2, 2)
		say("one", 1, 0)
	}
	check("the same again", "one", 1)
	say("two", 2, 2)
	check("changed by another region", "two", 2)
	clock += metadataHold.Milliseconds() / 2
	say("one", 2, 1)
	say("three", 1, 0)
	say("one", 2, 2)
	check("changed too soon", "two", 2)
	clock += metadataHold.Milliseconds()
	say("one", 2, 2)
	check("said again after the hold", "one", 3)
	clock += metadataHold.Milliseconds()
	say("three", 1, 0)
	check("changed by the other version", "three", 4)
	clock += metadataHold.Milliseconds()
	store.fail = sequence.ErrUnavailable
	say("four", 2, 1)
	check("the store fails", "three", 4)
	check("and is back", "four", 5)
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
			k := newMetadataKeeper(nil, newRegistry(1, Limits{}).seed, quiet())
			if err := k.takeV1(msg); (err == nil) != (wantErr == nil) {
				t.Fatalf("error %v, Prometheus's decoder says %v", err, wantErr)
			}
			if wantErr != nil {
				return
			}
			list := k.drain()
			if len(list) != 1 {
				t.Fatalf("%d taken", len(list))
			}
			got := list[0]
			if got.Metric != want.MetricFamilyName || got.Help != want.Help || got.Unit != want.Unit ||
				got.Type != strings.ToLower(want.Type.String()) {
				t.Errorf("taken %+v, want %+v", got, want)
			}
		})
	}
}
