package progress

import (
	"fmt"

	"laminar/sequence"
)

// RetentionError says that a refill asked for windows whose raw samples are no
// longer all there. Nothing was changed: a refill never destroys what it
// cannot rebuild (I6).
type RetentionError struct {
	Flow     string
	From     sequence.Time // what was asked for
	Earliest sequence.Time // end of the first window that can be rebuilt
	Results  bool          // what is gone is results that windows read, and not raw samples
}

func (e *RetentionError) Error() string {
	if e.Results {
		return fmt.Sprintf("refill %s from %s: windows ending before %s read results that are not kept any more (keep): it would begin anew in the middle",
			e.Flow, sequence.FormatTime(e.From), sequence.FormatTime(e.Earliest))
	}
	return fmt.Sprintf("refill %s from %s: raw samples of windows ending before %s are gone",
		e.Flow, sequence.FormatTime(e.From), sequence.FormatTime(e.Earliest))
}

// Hint tells what to type instead. --from is excluded: the first window that a
// refill computes ends after it.
func (e *RetentionError) Hint() string { return "--from " + sequence.FormatTime(e.Earliest-1) }

// LeftError says that retention has overtaken a refill: some windows stay as they are stored
// (I6). It goes on with the later ones.
type LeftError struct {
	UpTo     sequence.Time // end of the last window that it left out
	Earliest sequence.Time // raw samples before it are gone
	Results  bool          // results that they read are gone, whatever there is of raw samples
}

func (e *LeftError) Error() string {
	if e.Results {
		return fmt.Sprintf("results that windows read were not kept any more when the refill came to them: windows that end up to %s stay as they are where it had not computed them yet; it computes all later ones",
			sequence.FormatTime(e.UpTo))
	}
	return fmt.Sprintf("raw samples before %s were given up before the refill came to them: windows that end up to %s stay as they are where it had not computed them yet; it computes all later ones",
		sequence.FormatTime(e.Earliest), sequence.FormatTime(e.UpTo))
}

// PinnedGoneError says that no window of a flow can be computed any more: all of
// them read a fixed time, and raw samples of that time are gone. What is stored
// stays (I6).
type PinnedGoneError struct {
	Flow     string
	Earliest sequence.Time // raw samples before it are gone
}

func (e *PinnedGoneError) Error() string {
	return fmt.Sprintf("no window of %s can be computed any more: with @ it reads samples from before %s, which are gone", e.Flow, sequence.FormatTime(e.Earliest))
}

// Hint tells what to do instead.
func (e *PinnedGoneError) Hint() string {
	return "name a later time after @ and apply the flow anew; its table keeps what it has until then"
}

// EmptySpanError says that no window of a flow ends in the span that was asked for.
type EmptySpanError struct {
	Flow     string
	From, To sequence.Time
	Next     sequence.Time // end of the first window after From
}

func (e *EmptySpanError) Error() string {
	return fmt.Sprintf("no window of flow %s ends between %s and %s", e.Flow, sequence.FormatTime(e.From), sequence.FormatTime(e.To))
}

// Hint tells what to type instead.
func (e *EmptySpanError) Hint() string {
	return fmt.Sprintf("--to %s or later", sequence.FormatTime(e.Next))
}
