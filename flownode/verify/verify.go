package verify

// The passes of one comparison.
// Before: nothing is known of the flow but its id.
// After: every window that is asked for was reached, or an error ended it.
//
//	pass:  snapshot ─> load flow, series ─> which windows ─> read ─> close ─> compute
//	         ^                                                          │
//	         └───────────── windows left: a new snapshot <──────────────┘

import (
	"context"
	"fmt"

	"laminar/flownode/progress"
	"laminar/flownode/read"
	"laminar/sequence"
)

// Flow compares the stored windows of one flow, oldest first, in as many snapshots
// as that takes. progress.ErrFlowGone when the flow is not there, or goes meanwhile;
// ErrFlowReplaced when it becomes another. The report holds what was found so far,
// also beside an error.
func (v *Verifier) Flow(ctx context.Context, id progress.FlowID, opts Options) (Report, error) {
	run := &verifying{v: v, id: id, opts: opts, next: sequence.NoTime, size: 16, report: Report{Skipped: map[Skip]int64{}}}
	for more := true; more; {
		var err error
		if more, err = run.pass(ctx); err != nil {
			return run.report, fmt.Errorf("verify flow %d: %w", id, err)
		}
		if opts.Progress != nil && run.first <= run.last {
			windows := run.def.Windows()
			opts.Progress(windows.Count(sequence.Between(run.first, run.next-1)), windows.Count(sequence.Between(run.first, run.last)))
		}
	}
	return run.report, nil
}

// pass reads from one snapshot, then computes and compares, after the snapshot is
// closed: an engine that computes for minutes must not hold back vacuum. more says
// that windows are left.
func (r *verifying) pass(ctx context.Context) (more bool, err error) {
	readings, more, err := r.readAll(ctx)
	if err != nil {
		return false, err
	}
	for i := range readings {
		if r.def.Session != nil {
			r.compareSessions(&readings[i])
			continue
		}
		if err := r.compare(ctx, &readings[i]); err != nil {
			return false, err
		}
	}
	return more, nil
}

// readAll reads as much as one snapshot may, in several readings: each is computed
// and compared on its own, so that memory is bounded by the largest.
func (r *verifying) readAll(ctx context.Context) (out []reading, more bool, err error) {
	snap, err := r.v.store.StoredSnapshot(ctx)
	if err != nil {
		return nil, false, fmt.Errorf("take a snapshot: %w", err)
	}
	defer func() {
		if cerr := snap.Close(context.WithoutCancel(ctx)); err == nil && cerr != nil {
			err = fmt.Errorf("close the snapshot: %w", cerr)
		}
	}()
	began := r.v.now()
	source, err := r.meet(ctx, snap, r.id)
	if err != nil {
		return nil, false, err
	}
	in := read.NewReader(&r.v.reads, source, nil)
	if err := r.load(ctx, in, snap); err != nil {
		return nil, false, err
	}
	if r.next == sequence.NoTime {
		if err := r.bounds(ctx, in, snap); err != nil {
			return nil, false, err
		}
	}
	skip, err := r.skips(ctx, in, snap)
	if err != nil {
		return nil, false, err
	}
	// One reading at least: on a slow database listing series may take longer than a
	// snapshot should, and every pass must come further.
	for len(out) == 0 || r.v.now().Sub(began) < snapshotTime && in.Samples < 2*readingSamples {
		if r.def.Session != nil {
			one, more, err := r.readSessions(ctx, in, snap, skip)
			if err != nil || !more {
				return out, false, err
			}
			out = append(out, one)
			continue
		}
		ends := r.pick(skip)
		if len(ends) == 0 {
			return out, false, nil
		}
		one, err := r.read(ctx, in, snap, ends)
		if err != nil {
			return nil, false, err
		}
		out = append(out, one)
	}
	return out, r.next <= r.last, nil
}
