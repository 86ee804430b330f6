package executor

// The speed of the connection, measured by the reads of rounds.
//
//	time of a read = one round trip + making the bytes + sending them + using them
//
// Trip measures the first term, package constants estimate the second (rule.go), the
// receivers are timed for the last. The rest, divided by the bytes, is the time per
// byte. No read is made only to measure.

import (
	"math"
	"sync"
	"time"

	"laminar/sequence/segment"
)

// Meter is what a process has learned of its connection to the database from the
// time that its own reads take. It may be used by several goroutines at once.
//
// It keeps moving averages, which follow a faster measurement at once and a
// slower one by and by: other work makes a read slower, and nothing makes it
// faster than the link. While everything is pushed down over a link that was
// slow, no read measures it; then the average fades to what is assumed at the
// start, until columns are read and measured again.
type Meter struct {
	now func() time.Time

	roundTripGauge, perByteGauge Gauge // told of every change

	mu        sync.Mutex
	roundTrip float64   // seconds; guarded by mu
	perByte   float64   // seconds; guarded by mu
	at        time.Time // when perByte was measured, zero for never; guarded by mu
	trips     bool      // roundTrip was measured; guarded by mu
}

// Gauge shows a number.
type Gauge interface{ Set(value float64) }

const (
	linkFaster   = 0.5         // weight of a measurement that is faster than the average
	linkSlower   = 0.125       // and of one that is slower
	linkHalfLife = time.Minute // of what was measured
	linkLeast    = 64 << 10    // bytes from which on a read tells how fast the link is
	assumedTrip  = 200e-6      // seconds: a database on the same machine
	assumedByte  = 1e-9        // seconds: 1 GB/s, on the same machine
)

// NewMeter is a meter that has measured nothing, by the given clock. The gauges
// show the averages in seconds; nil shows nothing.
func NewMeter(now func() time.Time, roundTrip, perByte Gauge) *Meter {
	m := &Meter{now: now, roundTrip: assumedTrip, perByte: assumedByte, roundTripGauge: unseen{}, perByteGauge: unseen{}}
	if roundTrip != nil {
		m.roundTripGauge = roundTrip
	}
	if perByte != nil {
		m.perByteGauge = perByte
	}
	return m
}

// unseen is a gauge that shows nothing.
type unseen struct{}

func (unseen) Set(float64) {}

// Link is what is known of the connection now; what is assumed, before anything is.
func (m *Meter) Link() Link {
	m.mu.Lock()
	defer m.mu.Unlock()
	return Link{RoundTrip: time.Duration(m.roundTrip * float64(time.Second)), PerByte: m.fadedLocked(m.now())}
}

// Measured reports whether a read has told how fast the connection is.
func (m *Meter) Measured() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	return !m.at.IsZero()
}

func (m *Meter) fadedLocked(now time.Time) float64 {
	if m.at.IsZero() {
		return assumedByte
	}
	left := math.Exp2(-max(0, now.Sub(m.at).Seconds()) / linkHalfLife.Seconds())
	return assumedByte + (m.perByte-assumedByte)*left
}

// follow moves an average towards a measurement, further when that is faster.
func follow(average, measured float64) float64 {
	weight := linkSlower
	if measured < average {
		weight = linkFaster
	}
	return average + weight*(measured-average)
}

// Trip runs a statement with a short answer and learns from the time it takes,
// unless it fails.
func (m *Meter) Trip(statement func() error) error {
	began := m.now()
	if err := statement(); err != nil {
		return err
	}
	m.tookTrip(m.now().Sub(began))
	return nil
}

func (m *Meter) tookTrip(took time.Duration) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.trips {
		m.roundTrip, m.trips = took.Seconds(), true
	}
	m.roundTrip = follow(m.roundTrip, took.Seconds())
	m.roundTripGauge.Set(m.roundTrip)
}

// Timing is a read of columns under way.
type Timing struct {
	meter *Meter
	began time.Time
	parts []*timedPart
}

// timedPart is what one receiver of segments got. Each receiver has a part of
// its own, so that several goroutines can receive at the same time.
type timedPart struct {
	inside  time.Duration // spent by the receiver
	bytes   int64
	samples Samples
}

// Begin begins to time a read of columns. Its receivers go Through the timing,
// and when the read has succeeded, it is Done.
func (m *Meter) Begin() *Timing { return &Timing{meter: m, began: m.now()} }

// Through is a receiver of segments that also takes the time of what fn does with
// each.
func (t *Timing) Through(fn func(*segment.Segment) error) func(*segment.Segment) error {
	part := &timedPart{}
	t.parts = append(t.parts, part)
	now := t.meter.now
	return func(seg *segment.Segment) error {
		part.bytes += int64(seg.Wire)
		n, packed := int64(seg.Len()), int64(0)
		if seg.Wire < seg.Len()*segment.ArrayBytes {
			packed = n
		}
		part.samples.Add(n, packed, seg.Sealed)
		began := now()
		err := fn(seg)
		part.inside += now().Sub(began)
		return err
	}
}

// sum returns the bytes of all parts, the time that the busiest receiver spent on
// segments, and the estimated time of the database to make them, in seconds. The
// busiest counts, because receivers work at the same time.
func (t *Timing) sum() (bytes int64, inside time.Duration, making float64) {
	for _, p := range t.parts {
		bytes += p.bytes
		inside = max(inside, p.inside)
		making += p.samples.ReadSeconds()
	}
	return bytes, inside, making
}

// Done learns from the read, which has ended without an error. Reads of less than
// linkLeast bytes are ignored, because the other terms outweigh the sending. A
// negative rest, when those were estimated too high, counts as no time.
func (t *Timing) Done() {
	bytes, inside, making := t.sum()
	if bytes < linkLeast {
		return
	}
	m := t.meter
	m.mu.Lock()
	defer m.mu.Unlock()
	now := m.now()
	sending := now.Sub(t.began).Seconds() - inside.Seconds() - m.roundTrip - making
	measured := max(0, sending) / float64(bytes)
	if m.at.IsZero() {
		m.perByte = measured
	} else {
		m.perByte = follow(m.fadedLocked(t.began), measured)
	}
	m.at = now
	m.perByteGauge.Set(m.perByte)
}
