package flowplan

import (
	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/sequence/segment"
)

// State is what Plan knows about the pane state of a leaf before a round.
//
//	panes with an end > From are in memory, complete for all groups, at At
//
// Panes that no sample has reached yet count as in memory: they are empty, not
// missing.
type State struct {
	Exists bool
	At     sequence.Vector
	From   sequence.Time
}

// DirtySpan is a stretch of sample time in which anything may have changed.
type DirtySpan struct {
	sequence.Span
	Reason progress.Reason
}

// Leaf is what a round does about one leaf.
type Leaf struct {
	// Rebuild: the state must be built again from raw at the round's vector,
	// for Reason; otherwise it is advanced.
	Rebuild bool
	Reason  progress.Reason

	// Ordered, Unordered: the delta holds hot segments of the kind that must
	// be read: to be folded, or for what they touch.
	Ordered, Unordered bool

	// Spans: sealed segments of the delta. Every closed window that a sample
	// in them could touch is dirty, all its groups.
	Spans []DirtySpan

	// Samples is how many samples the delta's segments hold, at most.
	Samples int64

	// Span holds the delta's samples; empty when there are none.
	Span sequence.Span

	// Newest is about the newest raw sample of the delta.
	Newest Newest
}

// Newest is the newest raw sample of a delta. Results of flows do not count: they say how
// far these flows have come, not that anybody sends samples.
type Newest struct {
	T sequence.Time // sequence.NoTime when there is none

	// The flush that brought it is this one, or one before it.
	Region sequence.Region
	Seq    sequence.Seq
}

// Plan decides what a round does about a leaf whose flow goes from the vector
// after to the vector upTo. infos describe the segments of the leaf's metrics
// that may hold samples of that delta; others are ignored. closedT is the newest
// sample time that reaches a closed window, or less than any sample if there is
// none.
//
// State is advanced only from where it stands and only over hot segments (I7).
// The cases, of which several can hold at once:
//
//	no state                    build it: NoState
//	state at another vector     build it: ReaderDisagrees
//	a hot ordered segment       fold it
//	a hot unordered segment     read which series and times it holds, repair those
//	a sealed segment            its sequences are gone, so which of its samples
//	                            belong to the delta is unknown: build the state
//	                            if it reaches there, and make every closed
//	                            window in its time dirty: PrecisionLost
func Plan(st State, after, upTo sequence.Vector, infos []segment.Info, closedT sequence.Time) Leaf {
	out := Leaf{Newest: Newest{T: sequence.NoTime}}
	switch {
	case !st.Exists:
		out.Rebuild, out.Reason = true, progress.NoState
	case !st.At.Equal(after):
		out.Rebuild, out.Reason = true, progress.ReaderDisagrees
	}
	for i := range infos {
		in := &infos[i]
		if in.MaxSeq <= after.At(in.Region) || in.MinSeq > upTo.At(in.Region) {
			continue
		}
		out.Span = out.Span.Join(in.Span())
		out.Samples += in.Samples
		if in.Metric >= 0 && in.MaxT > out.Newest.T {
			out.Newest = Newest{T: in.MaxT, Region: in.Region, Seq: min(in.MaxSeq, upTo.At(in.Region))}
		}
		switch {
		case in.Sealed:
			if in.MinT <= closedT {
				out.Spans = append(out.Spans, DirtySpan{
					Span:   sequence.Between(in.MinT, min(in.MaxT, closedT)),
					Reason: progress.PrecisionLost,
				})
			}
			if st.Exists && in.MaxT > st.From && !out.Rebuild {
				out.Rebuild, out.Reason = true, progress.PrecisionLost
			}
		case in.Ordered:
			// With a rebuild only what reaches closed windows is of interest.
			out.Ordered = out.Ordered || !out.Rebuild || in.MinT <= closedT
		default:
			out.Unordered = true
		}
	}
	if out.Rebuild {
		out.Ordered = orderedReaches(infos, after, upTo, closedT)
	}
	return out
}

// orderedReaches reports whether an ordered hot segment of the delta reaches a
// closed window. When state is built from raw samples anyway, that is the only
// reason to read ordered segments: to learn which windows and groups are dirty.
func orderedReaches(infos []segment.Info, after, upTo sequence.Vector, closedT sequence.Time) bool {
	for i := range infos {
		in := &infos[i]
		if !in.Sealed && in.Ordered && in.MinT <= closedT &&
			in.MaxSeq > after.At(in.Region) && in.MinSeq <= upTo.At(in.Region) {
			return true
		}
	}
	return false
}
