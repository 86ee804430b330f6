package sequence

import "time"

// Time is a moment in milliseconds since the epoch, as samples, windows and the
// database's clock have it. Lengths of time (steps, ranges, delays) are not Times:
// they are int64, in milliseconds.
//
// The name ends where times are columns of samples: offsets in a segment, the arrays
// that partials are folded from, and package partial have int64. So have
// Prometheus's engine and the parameters of queries.
//
// It is another name for int64 and no type of its own. A moment and a length are
// added in most lines that have either, and a type would need a conversion in each
// of these, and at every border above: more noise than mistakes. The arithmetic in
// which mistakes are made, which end belongs to a stretch and where windows end, is
// behind types: Span, Spans, and pane.Windows.
type Time = int64

// NoTime stands for a moment that is not known, or has not come yet. Every
// moment that is known is 0 or later; only borders of spans may lie before.
const NoTime Time = -1

// FormatTime spells a time as RFC 3339 in UTC: the one form in which people and
// programs are told times.
func FormatTime(t Time) string { return time.UnixMilli(t).UTC().Format(time.RFC3339Nano) }
