package ingest

import (
	"context"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	writev2 "github.com/prometheus/prometheus/prompb/io/prometheus/write/v2"

	"laminar/ingest/ingesttest"
	"laminar/sequence"
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

// TestMetadata says it with samples and without, with a broken text, at last with
// a name that cannot be one.
func TestMetadata(t *testing.T) {
	store := newMemMetadata()
	d := openReceiver(t, Config{Metadata: store}, nil)
	long := strings.Repeat("ü", maxMetadataText)
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
	in := d.Begin(t.Context())
	in.Received()
	in.describe(nil, "b", 2, "", "")
	in.describe(nil, "c", 7, long, "bytes")
	in.describe(nil, "d", 0, "", "")
	in.describe(nil, "", 0, "of nothing", "")
	in.describe(nil, "e\x00", 0, "x", "")
	in.describe(nil, strings.Repeat("n", maxMetadataName+1), 0, "x", "")
	in.End()
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
// what changes is taken after the hold, whether it comes with a series, of
// whichever region, or without, and a store that fails gets it again.
func TestMetadataLastWriteWins(t *testing.T) {
	store := newMemMetadata()
	d := newReceiver(t, ingesttest.New(2), Config{Regions: 2, Metadata: store})
	k := d.metadata
	clock := k.now()
	// One series in each region.
	names := map[sequence.Region]string{}
	for _, i := range []string{"1", "2", "3", "4", "5", "6", "7", "8"} {
		names[series.RegionOf([]byte("__name__\xffm\xffi\xff"+i+"\xff"), 2)] = "__name__ m i " + i
	}
	// say says it with a series of the region, or without one.
	say := func(help string, region sequence.Region) {
		t.Helper()
		in := d.Begin(t.Context())
		defer in.End()
		in.Received()
		in.now = clock
		if region == 0 {
			in.describe(nil, "m", 2, help, "")
			return
		}
		e := ts(names[region], at(1, 1))
		e.series.Metadata.Type, e.help = writev2.Metadata_METRIC_TYPE_GAUGE, help
		if err := in.put(d.table, e); err != nil {
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
	say("one", 1)
	check("first", "one", 1)
	for range 3 {
		clock += 2 * metadataHold.Milliseconds()
		say("one", 1)
		say("one", 2)
		say("one", 0)
	}
	check("the same again", "one", 1)
	say("two", 2)
	check("changed by another region", "two", 2)
	clock += metadataHold.Milliseconds() / 2
	say("one", 1)
	say("three", 0)
	say("one", 2)
	check("changed too soon", "two", 2)
	clock += metadataHold.Milliseconds()
	say("one", 2)
	check("said again after the hold", "one", 3)
	clock += metadataHold.Milliseconds()
	say("three", 0)
	check("changed without a series", "three", 4)
	clock += metadataHold.Milliseconds()
	store.fail = sequence.ErrUnavailable
	say("four", 1)
	check("the store fails", "three", 4)
	check("and is back", "four", 5)
}
