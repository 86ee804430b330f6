package executor

// The rule: the expected cost of each executor, in seconds.
//
//	columnar = (round trip + bytes * link + reading) / sharers + samples * fold
//	pushdown = round trip + aggregating + picking + partials * (send + bytes * link)
//	           + series * (map + bytes * link)
//
// Nothing in it reads a clock or remembers anything.

import (
	"time"

	"laminar/flownode/flowdef"
)

// Reason says why one of the executors computes a leaf's partials.
type Reason string

// The reasons.
const (
	CannotPush Reason = "cannot_push"    // columnar: SQL has no such partial (flowdef.NoPush)
	ByFlow     Reason = "flow_override"  // the definition says so
	BySetting  Reason = "setting"        // the setting says so
	Shared     Reason = "shared_read"    // columnar: the columns are read for another leaf anyway
	ByCost     Reason = "cost"           // it is expected to be cheaper
	Fallback   Reason = "needs_columnar" // columnar: the database began and could not
)

// Link is what was measured of the connection to the database.
type Link struct {
	RoundTrip time.Duration // of a statement with a short answer
	PerByte   float64       // seconds that each further byte takes; 0 for no time
}

// Samples is how many samples there are of each stored form. The forms differ in
// what it costs to decode them, by a factor of ten.
type Samples struct {
	Arrays  int64 // in segments of arrays
	Columns int64 // in hot segments packed as columns
	Packed  int64 // in sealed segments packed as runs
}

// Add counts n samples of segments. packed of them are not in arrays but in
// runs, if the segments are sealed, or in columns.
func (s *Samples) Add(n, packed int64, sealed bool) {
	s.Arrays += n - packed
	if sealed {
		s.Packed += packed
	} else {
		s.Columns += packed
	}
}

// Total is all of them.
func (s Samples) Total() int64 { return s.Arrays + s.Columns + s.Packed }

// ReadSeconds is how long PostgreSQL should take to read and send the samples
// over a link that takes no time.
func (s Samples) ReadSeconds() float64 {
	return float64(s.Arrays)*readArrays + float64(s.Columns)*readColumns + float64(s.Packed)*readPacked
}

// aggSeconds is how long PostgreSQL should take to aggregate them.
func (s Samples) aggSeconds() float64 {
	return float64(s.Arrays)*aggArrays + float64(s.Columns)*aggColumns + float64(s.Packed)*aggPacked
}

// Reading is the input of Choose: the samples that a leaf's partials are to be
// computed from, and the size of the result. No count is negative.
type Reading struct {
	Raw bool // of samples stored at one time the newest must be picked: state is built
	Samples
	Bytes int64 // that reading all these segments sends

	Series   int64 // of the leaf: pushing down sends for each which slot it is
	Partials int64 // that the database would send back at most
	Sharers  int64 // leaves that would share the columns, this one among them
	Shared   bool  // the columns are read for another leaf anyway
}

// The cost of the parts of the work, in seconds. All but foldSample are the time
// of PostgreSQL, including decoding, as measured by
//
//	go test ./sqlstore/raw -run '^$' -bench BenchmarkExecutors
//
// with PostgreSQL 15 over a Unix socket, on a machine with 2 cores and nothing
// else to do. Only how they stand to each other matters.
const (
	readArrays  = 0.29e-6  // a sample of arrays
	readColumns = 0.033e-6 // a sample of columns
	readPacked  = 0.032e-6 // a sample of runs
	aggArrays   = 0.8e-6   // a sample of arrays aggregated
	aggColumns  = 1.25e-6  // a sample of columns, unpacked by SQL
	aggPacked   = 5.1e-6   // a sample of runs, unpacked by SQL
	pickNewest  = 1.45e-6  // more for each, where of several the newest is picked
	sendPartial = 0.28e-6  // a partial
	mapSeries   = 0.65e-6  // a series that is sent with its slot
	foldSample  = 0.03e-6  // a sample folded here, about: docs/notes/flows.md
)

// Bytes on the connection, in PostgreSQL's binary format.
const (
	partialBytes = 64 // a row: pane, slot, count, sum, min, max
	seriesBytes  = 16 // an element of two arrays
)

// pushMargin is the factor by which pushdown must be expected to be cheaper. The
// measurement of the link is good within a factor at best, a busy machine makes
// the link look slow, and pushdown takes the time of the database, which others
// need too, where reading takes ours.
const pushMargin = 1.5

// Columnar is how long reading the samples in columns and folding them should
// take: this leaf's part, when several leaves share the reading.
func (r Reading) Columnar(l Link) time.Duration { return seconds(r.columnar(l)) }

func (r Reading) columnar(l Link) float64 {
	read := l.RoundTrip.Seconds() + float64(r.Bytes)*l.PerByte + r.ReadSeconds()
	if r.Shared {
		read = 0
	}
	return read/float64(max(1, r.Sharers)) + float64(r.Total())*foldSample
}

// Pushdown is how long the database should take to aggregate the samples and to
// send the partials.
func (r Reading) Pushdown(l Link) time.Duration { return seconds(r.pushdown(l)) }

func (r Reading) pushdown(l Link) float64 {
	pick := 0.0
	if r.Raw {
		pick = float64(r.Total()) * pickNewest
	}
	return l.RoundTrip.Seconds() + r.aggSeconds() + pick +
		float64(r.Partials)*(sendPartial+partialBytes*l.PerByte) +
		float64(r.Series)*(mapSeries+seriesBytes*l.PerByte)
}

// seconds converts to a duration, at most the longest one there is.
func seconds(s float64) time.Duration {
	const longest = time.Duration(1<<63 - 1)
	if s >= longest.Seconds() {
		return longest
	}
	return time.Duration(s * float64(time.Second))
}

// Choice says who computes a leaf's partials, and why.
type Choice struct {
	Executor flowdef.Executor // never ExecutorAuto
	Reason   Reason
	Refused  flowdef.NoPush // why it is not ExecutorPushdown though that was asked for; "" otherwise
}

// Choose decides who computes a leaf's partials. The flow's choice ("" if
// it has none) takes precedence over the setting's; if neither decides, the
// cheaper executor is chosen. A leaf with a reason not to be pushed down (no) is
// always read in columns.
//
// The rule is monotone. As any one of the counts, or the slowness of the link,
// grows, the choice changes at most once; more partials or series never make it
// ExecutorPushdown, and more bytes to read never ExecutorColumnar. So a flow near
// the border does not switch back and forth as it grows.
func Choose(no flowdef.NoPush, flow, setting flowdef.Executor, r Reading, l Link) Choice {
	want, by := flow, ByFlow
	if want == "" {
		want, by = setting, BySetting
	}
	switch {
	case no != "":
		out := Choice{Executor: flowdef.ExecutorColumnar, Reason: CannotPush}
		if want == flowdef.ExecutorPushdown {
			out.Refused = no
		}
		return out
	case want == flowdef.ExecutorColumnar, want == flowdef.ExecutorPushdown:
		return Choice{Executor: want, Reason: by}
	case r.Shared:
		return Choice{Executor: flowdef.ExecutorColumnar, Reason: Shared}
	case pushMargin*r.pushdown(l) < r.columnar(l):
		return Choice{Executor: flowdef.ExecutorPushdown, Reason: ByCost}
	default:
		return Choice{Executor: flowdef.ExecutorColumnar, Reason: ByCost}
	}
}
