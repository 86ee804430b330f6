package read_test

import (
	"testing"
	"time"

	"laminar/flownode/executor"
	"laminar/flownode/read"
	"laminar/flownode/round/roundtest"
	"laminar/sequence"
	"laminar/sequence/segment"
)

// TestRoundTripIsOfAStatement holds that a history that is checked without
// asking the database says nothing of how far away it is.
func TestRoundTripIsOfAStatement(t *testing.T) {
	store := roundtest.NewMemStore(1)
	for range 2 {
		store.Append(1, segment.Segment{Metric: 1, Ordered: true, Series: []sequence.SeriesID{1}, Offsets: []int32{0}, Values: []float64{1}})
	}
	snap, err := store.Snapshot(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	clock := time.Unix(0, 0)
	now := func() time.Time { clock = clock.Add(time.Second); return clock }
	r := read.NewReader(&read.Settings{Chooser: executor.Chooser{Meter: executor.NewMeter(now, nil, nil)}}, snap, nil)
	for _, tc := range []struct {
		at   sequence.Seq
		want time.Duration
	}{{2, executor.NewMeter(now, nil, nil).Link().RoundTrip}, {1, time.Second}} {
		vec := sequence.Vector{1: tc.at}
		flushes := map[sequence.Region]sequence.FlushID{1: store.Flushes[1][tc.at-1]}
		if err := r.CheckHistory(t.Context(), vec, flushes); err != nil {
			t.Fatal(err)
		}
		if got := r.Chooser.Meter.Link().RoundTrip; got != tc.want {
			t.Errorf("after a check at %s of %s a round trip takes %s, want %s", vec, snap.Position().Vector, got, tc.want)
		}
	}
}
