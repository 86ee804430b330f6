package subscribe

import (
	"context"

	"laminar/flownode/changelog"
	"laminar/flownode/progress"
	"laminar/sequence"
)

// Store is where snapshots come from. It is safe for concurrent use.
type Store interface {
	// Snapshot is one moment of the database: all that is read in it agrees, so flows of one
	// fence group show one vector.
	Snapshot(ctx context.Context) (Snapshot, error)
}

// Snapshot is what a moment shows of flows. It is for one goroutine, and closed within
// about 5 s.
type Snapshot interface {
	// Named is the flows of the names, each once; a name is a title, or the name of a record,
	// which may be several rules. progress.UnknownFlowError for one that is neither.
	Named(ctx context.Context, names []string) ([]changelog.Flow, error)
	// OfGroups is the flows of fence groups.
	OfGroups(ctx context.Context, groups []string) ([]changelog.Flow, error)
	// Stands is where flows stand; those that are not there are left out.
	Stands(ctx context.Context, ids []progress.FlowID) ([]changelog.Stand, error)
	Results
	Close(ctx context.Context) error
}

// Results is the rows of a flow that Named, OfGroups or Stands have shown. Both readings
// list windows by their ends, ascending, and stop behind the window with which there are
// windows of the one or rows of the other number; more reports that there are further windows.
type Results interface {
	// Changes is what changed after a position, in windows that end after a time.
	Changes(ctx context.Context, id progress.FlowID, after changelog.Position, ends sequence.Time, windows, rows int) (changes []changelog.Change, more bool, err error)
	// Rows is all rows of windows that end in the span.
	Rows(ctx context.Context, id progress.FlowID, ends sequence.Span, windows, rows int) (changes []changelog.Change, more bool, err error)
	// OldestResult is the end of the flow's oldest window; sequence.NoTime when it has none.
	OldestResult(ctx context.Context, id progress.FlowID) (sequence.Time, error)
}
