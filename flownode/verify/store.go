package verify

// What verifying needs of the store.

import (
	"context"

	"laminar/flownode/progress"
	"laminar/flownode/read"
	"laminar/sequence"
)

// Store gives snapshots that show the flows too.
type Store interface {
	// StoredSnapshot begins a REPEATABLE READ transaction that sees the raw data
	// and what is stored of flows at one moment. It is closed within seconds.
	StoredSnapshot(ctx context.Context) (Snapshot, error)
}

// Snapshot is the raw data, and what is stored of flows.
type Snapshot interface {
	read.Source
	read.Results
	Stored
	Close(ctx context.Context) error
}

// Stored is what is stored of flows.
type Stored interface {
	// Flow loads a flow, its progress and its dirty list without becoming its
	// owner. progress.ErrFlowGone when it is not there.
	Flow(ctx context.Context, id progress.FlowID) (progress.Flow, error)

	// Upstream loads the flows whose results the flow reads, as Flow does.
	Upstream(ctx context.Context, id progress.FlowID) ([]progress.Flow, error)

	// PendingRefills lists the flow's unfinished refill jobs; only ID, NextT and
	// To are set.
	PendingRefills(ctx context.Context, id progress.FlowID) ([]progress.Job, error)

	// LateWindows lists the closed windows that end in the span and lack samples which
	// came too late for them.
	LateWindows(ctx context.Context, id progress.FlowID, ends sequence.Span) ([]progress.LateWindow, error)

	// OldestResult is the end of the oldest window that has a row of a flow
	// that Flow has loaded; sequence.NoTime when none has.
	OldestResult(ctx context.Context, id progress.FlowID) (int64, error)

	// Results lists the rows of such a flow of windows that end in the span,
	// those of one window together, oldest first.
	Results(ctx context.Context, id progress.FlowID, ends sequence.Span) ([]progress.Window, error)
}
