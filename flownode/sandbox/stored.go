package sandbox

import (
	"context"
	"maps"
	"slices"

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
		out.flows[id] = MemFlow{Flow: f.Flow, Rows: rows, Dirty: maps.Clone(f.Dirty)}
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
	var out []progress.Window
	rows := s.flows[id].Rows
	for _, end := range slices.Sorted(maps.Keys(rows)) {
		if ends.Holds(end) {
			w := progress.Window{Start: s.flows[id].Flow.Def.WindowStart(end) + s.Shift, End: end}
			for _, key := range slices.Sorted(maps.Keys(rows[end])) {
				w.Rows = append(w.Rows, rows[end][key])
			}
			out = append(out, w)
		}
	}
	return out, nil
}
