package sandbox

import (
	"context"
	"maps"
	"slices"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowgraph"
	"laminar/flownode/progress"
	"laminar/sequence"
)

// StoredSnapshot is Snapshot with copies of the flows.
func (s *MemStore) StoredSnapshot(ctx context.Context) (*MemStored, error) {
	snap, err := s.Snapshot(ctx)
	if err != nil {
		return nil, err
	}
	s.Mu.Lock()
	defer s.Mu.Unlock()
	out := &MemStored{MemSnapshot: snap.(*MemSnapshot), flows: map[progress.FlowID]MemFlow{}, jobs: slices.Clone(s.Jobs)}
	for id, f := range s.Flows {
		rows := map[int64]map[string]progress.Row{}
		for end, of := range f.Rows {
			rows[end] = maps.Clone(of)
		}
		out.flows[id] = MemFlow{Flow: f.Flow, Rows: rows, Dirty: maps.Clone(f.Dirty), Late: MemLate{Windows: maps.Clone(f.Late.Windows)}}
	}
	return out, nil
}

// MemStored is a copy of the raw data and of the flows.
type MemStored struct {
	*MemSnapshot
	flows map[progress.FlowID]MemFlow
	jobs  []progress.Job
	Shift int64 // of every window_start, ms
}

// Flow is a flow as it is stored.
func (s *MemStored) Flow(_ context.Context, id progress.FlowID) (progress.Flow, error) {
	f, ok := s.flows[id]
	if !ok {
		return progress.Flow{}, progress.ErrFlowGone
	}
	f.Flow.Dirty = slices.Collect(maps.Values(f.Dirty))
	return f.Flow, nil
}

// PendingRefills is the flow's unfinished jobs.
func (s *MemStored) PendingRefills(_ context.Context, id progress.FlowID) ([]progress.Job, error) {
	return slices.DeleteFunc(slices.Clone(s.jobs), func(j progress.Job) bool {
		return j.Flow != id || j.State.Finished()
	}), nil
}

// LateWindows is the windows that end in the span and lack late samples.
func (s *MemStored) LateWindows(_ context.Context, id progress.FlowID, ends sequence.Span) ([]progress.LateWindow, error) {
	var out []progress.LateWindow
	for k, w := range s.flows[id].Late.Windows {
		if ends.Holds(k.WindowEnd) {
			out = append(out, w)
		}
	}
	f := s.flows[id].Flow
	for _, stretch := range f.Late.Stretches {
		cut := stretch.Cut(ends)
		for end := f.Def.Windows().Next(cut.After); end <= cut.UpTo; end += f.Def.Every {
			out = append(out, progress.LateWindow{End: end, Group: progress.AllGroups})
		}
	}
	return out, nil
}

// OldestResult is the end of the oldest window with a row.
func (s *MemStored) OldestResult(_ context.Context, id progress.FlowID) (int64, error) {
	oldest := sequence.NoTime
	for end, rows := range s.flows[id].Rows {
		if len(rows) > 0 && (oldest == sequence.NoTime || end < oldest) {
			oldest = end
		}
	}
	return oldest, nil
}

// Results is the rows of windows that end in the span.
func (s *MemStored) Results(_ context.Context, id progress.FlowID, ends sequence.Span) ([]progress.Window, error) {
	f := s.flows[id]
	out := rowsIn(&f, ends)
	for i := range out {
		out[i].Start += s.Shift
	}
	return out, nil
}

// rowsIn is the rows of a flow's windows that end in the span.
func rowsIn(f *MemFlow, ends sequence.Span) []progress.Window {
	var out []progress.Window
	for _, end := range slices.Sorted(maps.Keys(f.Rows)) {
		if ends.Holds(end) {
			w := progress.Window{Start: f.Flow.Def.WindowStart(end), End: end}
			for _, key := range slices.Sorted(maps.Keys(f.Rows[end])) {
				w.Rows = append(w.Rows, f.Rows[end][key])
			}
			out = append(out, w)
		}
	}
	return out
}

// StoredResults is the rows of a flow that is kept now: during a round nothing is
// written.
func (s *MemSnapshot) StoredResults(_ context.Context, f *progress.Flow, ends sequence.Span) ([]progress.Window, error) {
	s.store.Mu.Lock()
	defer s.store.Mu.Unlock()
	return rowsIn(s.store.Flows[f.ID], ends), nil
}

// Committed is when flushes were committed.
func (s *MemSnapshot) Committed(_ context.Context, ranges map[sequence.Region]sequence.Range) (map[sequence.Region]map[sequence.Seq]sequence.Time, error) {
	s.store.Mu.Lock()
	defer s.store.Mu.Unlock()
	out := map[sequence.Region]map[sequence.Seq]sequence.Time{}
	for r, rng := range ranges {
		out[r] = map[sequence.Seq]sequence.Time{}
		for seq, at := range s.store.Times[r] {
			if rng.Contains(seq) {
				out[r][seq] = at
			}
		}
	}
	return out, nil
}

// Upstream is the flows that the flow reads, as they are stored.
func (s *MemStored) Upstream(ctx context.Context, id progress.FlowID) ([]progress.Flow, error) {
	var ids []progress.FlowID
	var defs []flowdef.Flow
	at := -1
	for _, other := range slices.Sorted(maps.Keys(s.flows)) {
		if other == id {
			at = len(ids)
		}
		ids, defs = append(ids, other), append(defs, s.flows[other].Flow.Def)
	}
	if at < 0 {
		return nil, progress.ErrFlowGone
	}
	var out []progress.Flow
	for _, p := range flowgraph.New(defs).Reads(at) {
		f, err := s.Flow(ctx, ids[p])
		if err != nil {
			return nil, err
		}
		out = append(out, f)
	}
	return out, nil
}

// StoredResults is the rows of a flow's windows in the copy.
func (s *MemStored) StoredResults(ctx context.Context, f *progress.Flow, ends sequence.Span) ([]progress.Window, error) {
	return s.Results(ctx, f.ID, ends)
}
