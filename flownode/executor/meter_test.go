package executor

import (
	"testing"
	"time"

	"laminar/sequence"
	"laminar/sequence/segment"
)

// TestMeterLearns: a link is what the last reads say, and what has not been
// measured for long is forgotten.
func TestMeterLearns(t *testing.T) {
	now := time.Unix(1_700_000_000, 0)
	l := NewMeter(func() time.Time { return now }, nil, nil)
	read := func(n int, perByte float64) {
		m := l.Begin()
		use := m.Through(func(*segment.Segment) error { now = now.Add(time.Hour); return nil }) // ours, not the link's
		seg := segment.Segment{Series: make([]sequence.SeriesID, n), Wire: n * segment.ArrayBytes}
		now = now.Add(time.Duration(perByte * float64(seg.Wire) * 1e9))
		if err := use(&seg); err != nil {
			t.Fatal(err)
		}
		m.Done()
	}
	if got := l.Link(); l.Measured() || got.PerByte != assumedByte {
		t.Errorf("nothing was measured, but the link is %+v", got)
	}
	read(100, 1e-3)
	if l.Measured() {
		t.Error("a small read was taken for a measurement")
	}
	for range 40 {
		read(100_000, 1e-5)
	}
	if got := l.Link().PerByte; got < 0.9e-5 || got > 1.1e-5 {
		t.Errorf("a link of 100 kB/s was found to take %g s a byte", got)
	}
	slow := l.Link()
	now = now.Add(10 * linkHalfLife)
	if got := l.Link().PerByte; got > slow.PerByte/500 || got < assumedByte {
		t.Errorf("after ten half-lives %g s a byte are left of %g", got, slow.PerByte)
	}
	for range 20 {
		l.tookTrip(80 * time.Millisecond)
	}
	if got := l.Link().RoundTrip; got < 70*time.Millisecond || got > 80*time.Millisecond {
		t.Errorf("a round trip of 80 ms was found to take %s", got)
	}
	for range 8 {
		l.tookTrip(time.Millisecond)
	}
	if got := l.Link().RoundTrip; got > 2*time.Millisecond {
		t.Errorf("after some round trips of 1 ms it is still %s", got)
	}
}
