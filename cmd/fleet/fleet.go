package fleet

import (
	"math/rand/v2"
	"time"
)

// Point is one sample as it is delivered.
type Point struct {
	Series int   // index into Fleet.Series
	T      int64 // ms since the epoch
	V      float64
}

// Fleet generates points. It is for one goroutine.
type Fleet struct {
	opts      Options
	rng       *rand.Rand
	series    [][]Label
	instances []instance
	held      [][]Point // ring: held[(scrapes+d) % len(held)] is due d scrapes from now
	scrapes   int
}

// New returns a fleet that has just started. It panics if the options are not
// valid; see Options.Validate.
func New(opts Options) *Fleet {
	if err := opts.Validate(); err != nil {
		panic(err)
	}
	f := &Fleet{
		opts:      opts,
		rng:       rand.New(rand.NewPCG(opts.Seed, 0x1a31a4)),
		instances: make([]instance, opts.Instances),
		held:      make([][]Point, 2+int(opts.MaxDelay/opts.Interval)),
	}
	for i := range f.instances {
		in := &f.instances[i]
		in.phase = f.rng.Int64N(opts.Interval.Milliseconds())
		in.rate = 20 + 180*f.rng.Float64()
		for k := counters; k < SeriesPerInstance; k++ {
			in.values[k] = 30 + 40*f.rng.Float64()
		}
		f.series = append(f.series, labelsOf(i)...)
	}
	return f
}

// Series are the label sets of all series, each sorted by name. They never
// change; do not change them.
func (f *Fleet) Series() [][]Label { return f.series }

// Interval is the time between two scrapes of one instance.
func (f *Fleet) Interval() time.Duration { return f.opts.Interval }

// Scrape appends to dst the points that arrive at a receiver in the interval that
// ends at t. First come the scrapes of all instances, each at a time of its own
// within (t-interval, t], without the points that are held back; every series
// occurs once in them. Then come points that earlier calls held back, among them
// those that overwrite. Call it with ascending t, an interval apart.
func (f *Fleet) Scrape(dst []Point, t time.Time) []Point {
	interval := f.opts.Interval.Milliseconds()
	f.scrapes++
	for i := range f.instances {
		in := &f.instances[i]
		at := t.UnixMilli() - in.phase
		if f.rng.Float64() < f.opts.Restarts {
			in.restart()
		}
		in.advance(f.rng, at, float64(interval)/1000)
		for k, v := range in.values {
			dst = f.deliver(dst, Point{Series: i*SeriesPerInstance + k, T: at, V: v})
		}
	}
	at := &f.held[f.scrapes%len(f.held)]
	dst = append(dst, *at...)
	*at = (*at)[:0]
	return dst
}

// deliver appends the point, or holds it back, or does both.
func (f *Fleet) deliver(dst []Point, p Point) []Point {
	switch dice := f.rng.Float64(); {
	case dice < f.opts.Late:
		f.hold(p)
		return dst
	case dice < f.opts.Late+f.opts.Repeated:
		f.hold(p)
	case dice < f.opts.Late+f.opts.Repeated+f.opts.Overwritten:
		f.hold(Point{Series: p.Series, T: p.T, V: p.V + 1})
	}
	return append(dst, p)
}

// hold delivers a point one to len(held)-1 scrapes from now.
func (f *Fleet) hold(p Point) {
	delay := 1 + f.rng.IntN(len(f.held)-1)
	at := (f.scrapes + delay) % len(f.held)
	f.held[at] = append(f.held[at], p)
}

// Pending returns the points that are still held back, in the order in which
// they would be delivered, and forgets them. A test sends them at the end to
// know all points delivered.
func (f *Fleet) Pending() []Point {
	var all []Point
	for d := 1; d < len(f.held); d++ {
		at := &f.held[(f.scrapes+d)%len(f.held)]
		all = append(all, *at...)
		*at = nil
	}
	return all
}
