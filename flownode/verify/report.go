package verify

import (
	"laminar/flownode/progress"
	"laminar/sequence"
)

// The question of a comparison, and its answer.
//
// Every window that is asked for is counted once: among Windows if it was compared,
// under its reason in Skipped if it was not, or nowhere if the sample left it out. A
// report without differences therefore says how much of the table it speaks of.

// Skip says why a window was not compared.
type Skip string

// The reasons. In each case the table may rightly differ from what the raw
// samples of the snapshot give, or nothing can be said.
const (
	SkipOpen      Skip = "open"       // not closed and stored yet
	SkipChanging  Skip = "changing"   // samples after the flow's vector may touch it
	SkipDirty     Skip = "dirty"      // on the dirty list
	SkipRefilling Skip = "refilling"  // an unfinished refill has it still to do
	SkipRawGone   Skip = "raw_gone"   // raw samples of it have been given up
	SkipExpired   Skip = "expired"    // its results are not kept any more
	SkipHistory   Skip = "other_past" // the flow has yet to notice that the history changed
)

// Options says which windows are compared.
type Options struct {
	From, To sequence.Time // windows with From < end <= To, ms; sequence.NoTime: as far as there are any
	Sample   float64       // this part of them, 0 < Sample <= 1
	Seed     uint64        // which of them: with equal seeds the same

	// Progress, when not nil, is told how many of the windows are done.
	Progress func(done, total int64)
}

// Report is what a comparison of one flow found.
type Report struct {
	Flow    string // its title
	Windows int64  // compared
	Rows    int64  // of these windows, computed or stored
	Skipped map[Skip]int64

	// Late is how many cells differ in windows of groups that lack late samples, as the
	// flow's definition wants it: these are no differences. LateWindows is how many windows
	// lack some, LateSamples how many they lack, each counted for every leaf that reads it.
	Late        int64
	LateWindows int64
	LateSamples int64

	Found       int64        // differences
	Differences []Difference // the first maxDifferences of them, by window
}

// maxDifferences is how many differences of one flow are listed; the others are
// counted only, because a table that is wrong throughout needs no list.
const maxDifferences = 10_000

// DifferenceKind says how a stored cell differs from the computed one.
type DifferenceKind string

// The kinds.
const (
	CellDiffers DifferenceKind = "differs" // both are there, with other values
	CellMissing DifferenceKind = "missing" // computed but not stored
	CellExtra   DifferenceKind = "extra"   // stored but not computed
	CellShifted DifferenceKind = "shifted" // stored with another window_start
)

// Difference is a cell of a result table that is not what the raw samples give.
type Difference struct {
	Kind     DifferenceKind
	End      int64        // of the window, ms
	Columns  []string     // label columns, as in progress.Row
	Stored   progress.Row // where there is a stored result
	Computed progress.Row // where there is a computed result

	StoredStart int64 // CellShifted: its window_start, ms
}
