package partial

import "time"

// Counter is the partial of one series for functions that see counter resets:
// rate, increase and delta. For its samples v1..vn in time order:
//
//	K1  Count == n, and Count == 0 exactly for the zero Counter
//	K2  FirstT <= LastT, equal exactly when Count == 1
//	K3  Lost == sum of v(i-1) over all i with v(i) < v(i-1)
//
// Hence the counter grew by LastV - FirstV + Lost, however the stretch was cut
// up. It is ordered: Add and Merge take only what is later than all before.
//
// There is one per series and pane, so it is kept small (40 bytes): times have
// 48 bits, which reach beyond the year 10,000, and Count 32, which a series
// with a sample every millisecond fills in 49 days.
type Counter struct {
	FirstV, LastV   float64
	Lost            float64 // what the counter stood at, at each reset
	Count           uint32
	firstLo, lastLo uint32 // times, the lower 32 bits
	firstHi, lastHi uint16 // and the upper 16
}

var counterTraits = Traits{Name: "counter", Ordered: true}

// FirstT is the time of the first sample, milliseconds since the epoch.
func (p *Counter) FirstT() int64 { return int64(p.firstHi)<<32 | int64(p.firstLo) }

// LastT is the time of the last sample, milliseconds since the epoch.
func (p *Counter) LastT() int64 { return int64(p.lastHi)<<32 | int64(p.lastLo) }

// Empty reports whether no sample was added.
func (p *Counter) Empty() bool { return p.Count == 0 }

// Add folds in the sample at 0 <= t < 2^48, which must be later than LastT.
func (p *Counter) Add(t int64, v float64) {
	lo, hi := uint32(t), uint16(t>>32)
	if p.Count == 0 {
		*p = Counter{Count: 1, firstLo: lo, firstHi: hi, lastLo: lo, lastHi: hi, FirstV: v, LastV: v}
		return
	}
	if v < p.LastV {
		p.Lost += p.LastV
	}
	p.Count++
	p.lastLo, p.lastHi, p.LastV = lo, hi, v
}

// Merge extends p by later, whose samples must all be later than p's. It is
// associative and the zero Counter is its identity; it does not commute. The
// reset that falls between the two parts is seen here and nowhere else.
func (p *Counter) Merge(later *Counter) {
	switch {
	case later.Count == 0:
		return
	case p.Count == 0:
		*p = *later
		return
	}
	if later.FirstV < p.LastV {
		p.Lost += p.LastV
	}
	p.Lost += later.Lost
	p.Count += later.Count
	p.lastLo, p.lastHi, p.LastV = later.lastLo, later.lastHi, later.LastV
}

// Rate is what rate() says of the window after < t <= upTo, per second; ok is
// false when there are too few samples to say anything.
func (p *Counter) Rate(after, upTo int64) (v float64, ok bool) {
	if p.Count < 2 {
		return 0, false
	}
	grown := p.LastV - p.FirstV + p.Lost
	seconds := (time.Duration(upTo-after) * time.Millisecond).Seconds()
	return grown * (p.extrapolate(after, upTo, p.toZero(grown)) / seconds), true
}

// Increase is what increase() says of the window after < t <= upTo.
func (p *Counter) Increase(after, upTo int64) (v float64, ok bool) {
	if p.Count < 2 {
		return 0, false
	}
	grown := p.LastV - p.FirstV + p.Lost
	return grown * p.extrapolate(after, upTo, p.toZero(grown)), true
}

// Delta is what delta() says of the window after < t <= upTo: a gauge, to
// which going down is no reset.
func (p *Counter) Delta(after, upTo int64) (v float64, ok bool) {
	if p.Count < 2 {
		return 0, false
	}
	return (p.LastV - p.FirstV) * p.extrapolate(after, upTo, unbounded), true
}

// Since is how much the counter grew from the last sample of before, whose samples are all
// earlier than p's, to its own last one; from 0 where before is empty. ok is false for the
// empty Counter. The arithmetic is that of increase_pure() in the engine, but for the order
// in which resets are added.
func (p *Counter) Since(before *Counter) (v float64, ok bool) {
	if p.Count == 0 {
		return 0, false
	}
	from, lost := 0.0, p.Lost
	if before.Count > 0 {
		from = before.LastV
	}
	if p.FirstV < from {
		lost += from
	}
	return p.LastV - from + lost, true
}

// unbounded is a time to the zero point that never limits extrapolation.
const unbounded = float64(1 << 62)

// toZero is how long before its first sample a counter that grew so much in
// Count samples stood at zero, in seconds: further back it cannot be
// extrapolated, since counters are not negative.
func (p *Counter) toZero(grown float64) float64 {
	if grown > 0 && p.FirstV >= 0 {
		return float64(p.LastT()-p.FirstT()) / 1000 * (p.FirstV / grown)
	}
	return unbounded
}

// extrapolate is the factor from what happened between the first and the last
// sample to the whole window after < t <= upTo. A border of the window that is
// no further from a sample than the samples are from each other on average
// (and a tenth more) is taken to be reached by the series; towards a border
// further away half such a distance is assumed. toZero, in seconds, limits how
// far back. Count >= 2. The arithmetic is the engine's, operation by
// operation, so that results agree to the bit where Lost does.
func (p *Counter) extrapolate(after, upTo int64, toZero float64) float64 {
	var (
		toStart   = float64(p.FirstT()-after) / 1000
		toEnd     = float64(upTo-p.LastT()) / 1000
		sampled   = float64(p.LastT()-p.FirstT()) / 1000
		between   = sampled / float64(p.Count-1)
		threshold = between * 1.1
	)
	if toStart >= threshold {
		toStart = between / 2
	}
	if toZero < toStart {
		toStart = toZero
	}
	if toEnd >= threshold {
		toEnd = between / 2
	}
	return (sampled + toStart + toEnd) / sampled
}
