package subscribe

import (
	"context"
	"errors"
	"fmt"
	"time"

	"laminar/flownode/changelog"
	"laminar/sequence"
)

// limits is how much is read in one snapshot. A page of a stream is bounded because each
// stream that is behind holds one while it is written; a batch because it stays in the ring.
type limits struct {
	pageWindows, pageRows   int
	batchWindows, batchRows int
	batches                 int // of a ring
}

var usualLimits = limits{pageWindows: 1000, pageRows: 2000, batchWindows: 10_000, batchRows: 50_000, batches: 64}

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
	flow  int           // the flow that is next
	after sequence.Time // windows of it that end here or before are done
	begun bool          // after is set
}

// reading reads windows of a flow that end after a time, as Results.Changes and Rows do.
type reading func(ctx context.Context, snap Snapshot, flow int, after sequence.Time, windows, rows int) ([]changelog.Change, bool, error)

// changesAfter reads what changed after a cut.
func (s *set) changesAfter(at cut, stands []changelog.Stand) reading {
	return func(ctx context.Context, snap Snapshot, i int, after sequence.Time, windows, rows int) ([]changelog.Change, bool, error) {
		if stands[i].Position == at[i] {
			return nil, false, nil
		}
		return snap.Changes(ctx, s.ids[i], at[i], after, windows, rows)
	}
}

// rowsIn reads all rows of windows that end in a span.
func (s *set) rowsIn(span sequence.Span) reading {
	return func(ctx context.Context, snap Snapshot, i int, after sequence.Time, windows, rows int) ([]changelog.Change, bool, error) {
		return snap.Rows(ctx, s.ids[i], sequence.Span{After: max(after, span.After), UpTo: span.UpTo}, windows, rows)
	}
}

// page reads as much as fits in a page, and moves the sweep behind it. It reports whether
// that was all. After an error the sweep is where it was.
func (s *set) page(ctx context.Context, snap Snapshot, stands []changelog.Stand, sw *sweep, read reading, windows, rows int) (*page, bool, error) {
	p := &page{stands: stands, changes: make([][]changelog.Change, len(s.flows))}
	now := *sw
	for now.flow < len(s.flows) {
		if windows <= 0 || rows <= 0 {
			*sw = now
			return p, false, nil
		}
		if !now.begun {
			now.after, now.begun = beforeAll, true
		}
		changes, more, err := read(ctx, snap, now.flow, now.after, windows, rows)
		if err != nil {
			return nil, false, fmt.Errorf("read changes of %s: %w", s.flows[now.flow].def.Title(), err)
		}
		p.changes[now.flow] = changes
		for i := range changes {
			rows -= len(changes[i].Rows) + len(changes[i].Gone)
		}
		windows -= len(changes)
		if more && len(changes) > 0 {
			now.after = changes[len(changes)-1].End
			*sw = now
			return p, false, nil
		}
		now = sweep{flow: now.flow + 1}
	}
	var err error
	if p.kept, err = s.kept(ctx, snap); err != nil {
		return nil, false, err
	}
	*sw = now
	return p, true, nil
}

// kept is the oldest window of each flow that keeps its results for a time only; nil for
// none.
func (s *set) kept(ctx context.Context, snap Snapshot) (map[string]time.Time, error) {
	var out map[string]time.Time
	for i := range s.flows {
		f := &s.flows[i]
		if f.def.Keep == 0 {
			continue
		}
		end, err := snap.OldestResult(ctx, f.id)
		if err != nil {
			return nil, fmt.Errorf("read the oldest result of %s: %w", f.def.Title(), err)
		}
		if end == sequence.NoTime {
			continue
		}
		if out == nil {
			out = map[string]time.Time{}
		}
		out[f.def.Title()] = time.UnixMilli(end).UTC()
	}
	return out, nil
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
