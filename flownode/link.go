package flownode

import (
	"context"
	"math"
	"sync"
	"time"

	"laminar/flownode/flowplan"
	"laminar/sequence"
	"laminar/sequence/segment"
)

// link is what the node has learned of its connection to the database from the
// time that its own reads take. It may be used by several goroutines at once.
//
// What is kept are moving averages. They follow what is faster at once and what
// is slower by and by: work beside a read makes it slower, nothing makes it
// faster than the link. What is not measured for a while, because everything is
// pushed down over a link that was slow, fades to what was assumed at the start,
// until columns are read again and measured.
type link struct {
	now     func() time.Time
	metrics *Metrics

	mu        sync.Mutex
	roundTrip float64   // seconds; guarded by mu
	perByte   float64   // seconds; guarded by mu
	at        time.Time // when perByte was measured, zero for never; guarded by mu
	trips     bool      // roundTrip was measured; guarded by mu
}

const (
	linkFaster   = 0.5         // weight of a measurement that is faster than the average
	linkSlower   = 0.125       // and of one that is slower
	linkHalfLife = time.Minute // of what was measured
	linkLeast    = 64 << 10    // bytes from which on a read tells how fast the link is
	assumedTrip  = 200e-6      // seconds: a database on the same machine
	assumedByte  = 1e-9        // seconds: 1 GB/s, on the same machine
)

func newLink(now func() time.Time, metrics *Metrics) *link {
	return &link{now: now, metrics: metrics, roundTrip: assumedTrip, perByte: assumedByte}
}

// current is what is known of the link now.
func (l *link) current() flowplan.Link {
	l.mu.Lock()
	defer l.mu.Unlock()
	return flowplan.Link{RoundTrip: time.Duration(l.roundTrip * float64(time.Second)), PerByte: l.fadedLocked(l.now())}
}

// measured reports whether a read has told how fast the link is.
func (l *link) measured() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return !l.at.IsZero()
}

func (l *link) fadedLocked(now time.Time) float64 {
	if l.at.IsZero() {
		return assumedByte
	}
	left := math.Exp2(-max(0, now.Sub(l.at).Seconds()) / linkHalfLife.Seconds())
	return assumedByte + (l.perByte-assumedByte)*left
}

// follow moves an average towards a measurement.
func follow(average, measured float64) float64 {
	weight := linkSlower
	if measured < average {
		weight = linkFaster
	}
	return average + weight*(measured-average)
}

// tookTrip takes in how long a statement with a short answer took.
func (l *link) tookTrip(took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.trips {
		l.roundTrip, l.trips = took.Seconds(), true
	}
	l.roundTrip = follow(l.roundTrip, took.Seconds())
	l.metrics.roundTrip.Set(l.roundTrip)
}

// tookRead takes in a read of columns.
func (l *link) tookRead(m *readTime) {
	bytes, inside, making := m.sum()
	if bytes < linkLeast {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	sending := now.Sub(m.began).Seconds() - inside.Seconds() - l.roundTrip - making
	measured := max(0, sending) / float64(bytes)
	if l.at.IsZero() {
		l.perByte = measured
	} else {
		l.perByte = follow(l.fadedLocked(m.began), measured)
	}
	l.at = now
	l.metrics.perByte.Set(l.perByte)
}

// readTime is a read under way.
type readTime struct {
	now   func() time.Time
	began time.Time
	parts []*readPart // by who gets the segments
}

// readPart is what one who gets segments got. Different ones may at the same time.
type readPart struct {
	inside  time.Duration // spent by who gets the segments
	bytes   int64
	samples flowplan.Samples
}

func (l *link) begin() *readTime { return &readTime{now: l.now, began: l.now()} }

// through takes the time of what fn does with each segment.
func (m *readTime) through(fn func(*segment.Segment) error) func(*segment.Segment) error {
	part := &readPart{}
	m.parts = append(m.parts, part)
	return func(seg *segment.Segment) error {
		part.bytes += int64(seg.Wire)
		n, packed := int64(seg.Len()), int64(0)
		if seg.Wire < seg.Len()*segment.ArrayBytes {
			packed = n
		}
		part.samples.Add(n, packed, seg.Sealed)
		began := m.now()
		err := fn(seg)
		part.inside += m.now().Sub(began)
		return err
	}
}

// sum is the bytes of all parts, how long the one that was longest at work was
// not waiting for segments, and how long the database took to make them.
func (m *readTime) sum() (bytes int64, inside time.Duration, making float64) {
	for _, p := range m.parts {
		bytes += p.bytes
		inside = max(inside, p.inside)
		making += p.samples.ReadSeconds()
	}
	return bytes, inside, making
}

// watchedSnapshot is a snapshot whose reads tell the link how long they took.
type watchedSnapshot struct {
	Snapshot
	link *link
}

// CheckHistory is the statement with the shortest answer of every round in which
// there is something to read; in others the snapshot knows without asking.
func (s *watchedSnapshot) CheckHistory(ctx context.Context, vec sequence.Vector, flushes map[sequence.Region]sequence.FlushID) error {
	now, asks := s.Position().Vector, false
	for r, id := range flushes {
		asks = asks || id != (sequence.FlushID{}) && vec.At(r) > 0 && vec.At(r) < now.At(r)
	}
	began := s.link.now()
	err := s.Snapshot.CheckHistory(ctx, vec, flushes)
	if err == nil && asks {
		s.link.tookTrip(s.link.now().Sub(began))
	}
	return err
}

func (s *watchedSnapshot) ReadDelta(ctx context.Context, metrics []sequence.MetricID, ranges map[sequence.Region]sequence.Range, pick segment.Pick, fn func(*segment.Segment) error) error {
	m := s.link.begin()
	err := s.Snapshot.ReadDelta(ctx, metrics, ranges, pick, m.through(fn))
	if err == nil {
		s.link.tookRead(m)
	}
	return err
}

func (s *watchedSnapshot) ReadRaw(ctx context.Context, sel segment.Select, fns ...func(*segment.Segment) error) error {
	m, timed := s.link.begin(), make([]func(*segment.Segment) error, len(fns))
	for i, fn := range fns {
		timed[i] = m.through(fn)
	}
	err := s.Snapshot.ReadRaw(ctx, sel, timed...)
	if err == nil {
		s.link.tookRead(m)
	}
	return err
}
