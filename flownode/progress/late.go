package progress

import (
	"slices"

	"laminar/sequence"
)

// Late is what a round leaves out of closed windows because it came too late for them,
// where the flow's definition says so, and which windows lack nothing any more.
type Late struct {
	Samples int64        // that were too late for some window that keeps its value, each counted once; a refill of the round may take them in
	Whole   []DirtyKey   // windows that were computed from all their samples
	Windows []LateWindow // that lack samples of this round; none is among Whole
	Kept    []LateSample // the samples, where they are to be kept; perhaps only the last of them

	// Stretches is LateState.Stretches after the round.
	Stretches sequence.Spans

	Join string // how rows of Windows join those that were there: a function.Join
}

// LateState is what is noted of windows of a flow that lack late samples, apart from the
// windows themselves.
type LateState struct {
	Noted int64 // windows with a group that are noted (LateWindow): at most so many

	// Stretches is ends of further windows: each may lack samples of any group. They are
	// noted so where there are too many to be told apart.
	Stretches sequence.Spans
}

// How many windows with a group are noted of a flow at most, of one with
// flowdef.LateSideOutput and of others: there each is a row for readers.
const (
	MaxLateWindows = 100_000
	MaxLateRows    = 1_000_000
)

// maxStretches is how many stretches a flow has at most. More are joined with what lies
// between them, where that is least.
const maxStretches = 64

// Stretches is the stretches of a flow that had those of before, after some have been added
// and the windows of others were computed from all their samples, or are forgotten. All times
// lie on ends of windows, so that a stretch is After < end <= UpTo.
func Stretches(before sequence.Spans, add, whole []sequence.Span) sequence.Spans {
	out := sequence.Union(slices.Concat(before, add)...).Without(sequence.Union(whole...))
	for len(out) > maxStretches {
		least := 1
		for i := 2; i < len(out); i++ {
			if out[i].After-out[i-1].UpTo < out[least].After-out[least-1].UpTo {
				least = i
			}
		}
		out[least-1].UpTo = out[least].UpTo
		out = slices.Delete(out, least, least+1)
	}
	return out
}

// MaxKeptLate is how many late samples of a flow are kept at most: the newest.
const MaxKeptLate = 100_000

// LateWindow is a closed window that lacks late samples.
type LateWindow struct {
	End   sequence.Time
	Group string // AllGroups, or flowdef.GroupKey of the group's labels

	// Samples is how many, each counted for every leaf that reads it. 0: it may lack some,
	// but sealing was ahead of the flow, so it is not known.
	Samples int64

	// Row is what they add to the group's row, of a flow with flowdef.LateSideOutput; else
	// nil.
	Row *Row
}

// LateSample is a sample that came too late for closed windows.
type LateSample struct {
	Series      sequence.SeriesID
	T           sequence.Time
	Value       float64       // of a histogram its sum
	First, Last sequence.Time // ends of the first and the last window that it stays out of
}
