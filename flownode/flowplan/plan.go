package flowplan

import (
	"laminar/sequence"
	"laminar/sequence/segment"
)

// State is what is known of a leaf's pane state before a round.
//
//	panes with an end > From are in memory, complete for all groups, at At
type State struct {
	Exists bool
	At     sequence.Vector
	From   int64
}

// DirtySpan is a stretch of sample time in which anything may have changed.
type DirtySpan struct {
	Span   segment.Span
	Reason Reason
}

// Leaf is what a round does about one leaf.
type Leaf struct {
	// Rebuild: the state must be built again from raw at the round's vector,
	// for Reason; otherwise it is advanced.
	Rebuild bool
	Reason  Reason

	// Ordered, Unordered: the delta holds hot segments of the kind that must
	// be read: to be folded, or for what they touch.
	Ordered, Unordered bool

	// Spans: sealed segments of the delta. Every closed window that a sample
	// in them could touch is dirty, all its groups.
	Spans []DirtySpan

	// Samples is how many samples the delta's segments hold, at most.
	Samples int64

	// MinT, MaxT span the delta's samples; valid when Samples > 0.
	MinT, MaxT int64
}

// Plan decides about a leaf whose flow stands at after and goes to upTo.
// infos describe the segments of the leaf's metrics that may hold samples of
// that delta. closedT is the newest sample time that reaches a closed window,
// or less than any sample when there is none.
func Plan(st State, after, upTo sequence.Vector, infos []segment.Info, closedT int64) Leaf {
	var out Leaf
	switch {
	case !st.Exists:
		out.Rebuild, out.Reason = true, NoState
	case !st.At.Equal(after):
		out.Rebuild, out.Reason = true, ReaderDisagrees
	}
	for i := range infos {
		in := &infos[i]
		if in.MaxSeq <= after.At(in.Region) || in.MinSeq > upTo.At(in.Region) {
			continue
		}
		if out.Samples == 0 || in.MinT < out.MinT {
			out.MinT = in.MinT
		}
		if out.Samples == 0 || in.MaxT > out.MaxT {
			out.MaxT = in.MaxT
		}
		out.Samples += in.Samples
		switch {
		case in.Sealed:
			if in.MinT <= closedT {
				out.Spans = append(out.Spans, DirtySpan{
					Span:   segment.Span{MinT: in.MinT, MaxT: min(in.MaxT, closedT)},
					Reason: PrecisionLost,
				})
			}
			if st.Exists && in.MaxT > st.From && !out.Rebuild {
				out.Rebuild, out.Reason = true, PrecisionLost
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
// closed window.
func orderedReaches(infos []segment.Info, after, upTo sequence.Vector, closedT int64) bool {
	for i := range infos {
		in := &infos[i]
		if !in.Sealed && in.Ordered && in.MinT <= closedT &&
			in.MaxSeq > after.At(in.Region) && in.MinSeq <= upTo.At(in.Region) {
			return true
		}
	}
	return false
}
