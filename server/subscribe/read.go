package subscribe

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	"laminar/flownode/changelog"
	"laminar/sequence"
)

// limits is how much is read in one snapshot. A page of a stream is bounded because each
// stream that is behind holds one while it is written; a batch because it stays in the ring.
type limits struct {
	page, batch room
	batches     int // of a ring
}

// room is how much one snapshot reads at most. Its flows are those whose tables are looked
// at: each takes locks in the database, of which there are a few thousand for all of its
// connections, and several statements.
type room struct{ flows, windows, rows int }

var usualLimits = limits{
	page:    room{flows: 50, windows: 1000, rows: 2000},
	batch:   room{flows: 100, windows: 10_000, rows: 50_000},
	batches: 64,
}

const snapshotTime = 5 * time.Second // that a snapshot lives at most

// Times before and after all window ends: samples are of the years 1970 to 9999.
const (
	beforeAll sequence.Time = -1
	afterAll  sequence.Time = 253_402_300_800_000
)

// errOthers says that the flows of a set have other lives now, or are gone.
var errOthers = errors.New("the flows are others now")

// sweep goes through the windows of a set's flows, a page at a time. Each page is read in a
// snapshot of its own. The zero sweep is at the beginning.
type sweep struct {
	flow  int                  // the flow that is next
	after sequence.Time        // windows of it that end here or before are done
	begun bool                 // after is set
	kept  map[string]time.Time // of the flows that were read, as progress has it
}

// reading is what a sweep reads of the flows.
type reading struct {
	skips func(flow int) bool // there is nothing to read of the flow
	// read reads windows of a flow that end after a time, as Results.Changes and Rows do.
	read func(ctx context.Context, snap Snapshot, flow int, after sequence.Time, windows, rows int) ([]changelog.Change, bool, error)
}

// changesAfter reads what changed after a cut.
func (s *set) changesAfter(at cut, stands []changelog.Stand) reading {
	return reading{
		skips: func(i int) bool { return stands[i].Position == at[i] },
		read: func(ctx context.Context, snap Snapshot, i int, after sequence.Time, windows, rows int) ([]changelog.Change, bool, error) {
			return snap.Changes(ctx, s.ids[i], at[i], after, windows, rows)
		},
	}
}

// rowsIn reads all rows of windows that end in a span.
func (s *set) rowsIn(span sequence.Span) reading {
	return reading{
		skips: func(int) bool { return false },
		read: func(ctx context.Context, snap Snapshot, i int, after sequence.Time, windows, rows int) ([]changelog.Change, bool, error) {
			return snap.Rows(ctx, s.ids[i], sequence.Span{After: max(after, span.After), UpTo: span.UpTo}, windows, rows)
		},
	}
}

// page reads as much as there is room for, and moves the sweep behind it. It reports whether
// that was all. After an error the sweep is where it was.
func (s *set) page(ctx context.Context, snap Snapshot, stands []changelog.Stand, sw *sweep, of reading, left room) (*page, bool, error) {
	p := &page{stands: stands, changes: make([][]changelog.Change, len(s.flows))}
	now := *sw
	now.kept = maps.Clone(sw.kept)
	for ; now.flow < len(s.flows); now.flow, now.begun = now.flow+1, false {
		if of.skips(now.flow) {
			continue
		}
		if left.flows <= 0 || left.windows <= 0 || left.rows <= 0 {
			*sw = now
			return p, false, nil
		}
		if !now.begun {
			now.after, now.begun = beforeAll, true
		}
		changes, more, err := of.read(ctx, snap, now.flow, now.after, left.windows, left.rows)
		if err != nil {
			return nil, false, fmt.Errorf("read changes of %s: %w", s.flows[now.flow].def.Title(), err)
		}
		p.changes[now.flow] = changes
		left.flows, left.windows = left.flows-1, left.windows-len(changes)
		for i := range changes {
			left.rows -= len(changes[i].Rows) + len(changes[i].Gone)
		}
		if more && len(changes) > 0 {
			now.after = changes[len(changes)-1].End
			*sw = now
			return p, false, nil
		}
		if err := s.keep(ctx, snap, &now); err != nil {
			return nil, false, err
		}
	}
	p.kept = now.kept
	*sw = now
	return p, true, nil
}

// keep notes the oldest window of the sweep's flow, if that keeps its results for a time
// only.
func (s *set) keep(ctx context.Context, snap Snapshot, sw *sweep) error {
	f := &s.flows[sw.flow]
	if f.def.Keep == 0 {
		return nil
	}
	end, err := snap.OldestResult(ctx, f.id)
	if err != nil {
		return fmt.Errorf("read the oldest result of %s: %w", f.def.Title(), err)
	}
	if end == sequence.NoTime {
		return nil
	}
	if sw.kept == nil {
		sw.kept = map[string]time.Time{}
	}
	sw.kept[f.def.Title()] = time.UnixMilli(end).UTC()
	return nil
}

// within calls fn with a snapshot and where the flows of the set stand in it. errOthers where
// they are others.
func (s *set) within(ctx context.Context, store Store, fn func(context.Context, Snapshot, []changelog.Stand) error) error {
	return inSnapshot(ctx, store, func(ctx context.Context, snap Snapshot) error {
		stands, err := snap.Stands(ctx, s.ids)
		if err != nil {
			return err
		}
		stands, same := s.arrange(stands)
		if !same {
			return errOthers
		}
		return fn(ctx, snap, stands)
	})
}

// inSnapshot calls fn with a snapshot, and gives it back.
func inSnapshot(ctx context.Context, store Store, fn func(context.Context, Snapshot) error) (err error) {
	ctx, cancel := context.WithTimeout(ctx, snapshotTime)
	defer cancel()
	snap, err := store.Snapshot(ctx)
	if err != nil {
		return err
	}
	// The context may have ended, and the connection must be given back.
	defer func() { err = errors.Join(err, snap.Close(context.WithoutCancel(ctx))) }()
	return fn(ctx, snap)
}
