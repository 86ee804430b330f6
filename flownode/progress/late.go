package progress

import "laminar/sequence"

// Late is what a round leaves out of closed windows because it came too late for them,
// where the flow's definition says so, and which windows lack nothing any more.
type Late struct {
	Samples int64        // that stay out of some window, each counted once
	Whole   []DirtyKey   // windows that were computed from all their samples
	Windows []LateWindow // that lack samples of this round; none is among Whole
	Kept    []LateSample // the samples, where they are to be kept; perhaps only the last of them

	Join string // how rows of Windows join those that were there: a function.Join

	// Gone is before which windows must have ended of which what they lacked is forgotten:
	// raw samples of them are gone, or their results are not kept.
	Gone sequence.Time
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
