package refusal

import "laminar/sequence/segment"

// Times is the time that samples may have, ms since the epoch.
type Times struct {
	given    int64 // samples before it have been given up
	Earliest int64 // not before given, and not too far behind the database's clock
	latest   int64 // included
}

// AnyTime is all that can be stored, for when nothing is known of the database.
func AnyTime() Times { return Times{latest: segment.MaxTime} }

// TimesAt is what holds at a time of the database's clock, when samples before given
// are given up.
func TimesAt(now, given int64, l Limits) Times {
	b := Times{given: max(given, 0), latest: min(now+l.Ahead.Milliseconds(), segment.MaxTime)}
	b.Earliest = b.given
	if l.Age > 0 {
		b.Earliest = max(b.given, now-l.Age.Milliseconds())
	}
	return b
}

// Hold reports whether a sample may have the time.
func (b Times) Hold(t int64) bool { return b.Earliest <= t && t <= b.latest }

// Reason is why a time is refused that does not hold.
func (b Times) Reason(t int64) Reason {
	switch {
	case t < 0 || t > segment.MaxTime:
		return TimeRange
	case t > b.latest:
		return TooFarAhead
	case t < b.given:
		return TooOld
	}
	return TooFarBehind
}
