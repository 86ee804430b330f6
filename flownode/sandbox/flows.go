package sandbox

// Flows, their results and their jobs: what a catalogue in PostgreSQL does.

import (
	"cmp"
	"context"
	"fmt"

	"laminar/flownode/progress"
	"laminar/sequence"
)

// Heads lists all flows.
func (s *MemStore) Heads(context.Context) ([]progress.Head, error) {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	var out []progress.Head
	for id, f := range s.Flows {
		out = append(out, progress.Head{ID: id, Name: f.Flow.Def.Name, Group: f.Flow.Def.Group, Epoch: f.Flow.Epoch, Lag: sequence.NoTime})
	}
	return out, nil
}

// Stand keeps nothing: what people are shown of a flow is no part of its results.
func (s *MemStore) Stand(context.Context, []progress.Stall, []progress.FlowID) error { return nil }

// Take raises the flow's epoch and loads it.
func (s *MemStore) Take(_ context.Context, id progress.FlowID) (progress.Flow, error) {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	f := s.Flows[id]
	f.Flow.Epoch++
	out := f.Flow
	out.Dirty = nil
	for _, d := range f.Dirty {
		out.Dirty = append(out.Dirty, d)
	}
	return out, nil
}

// Commit stores rounds, unless FailCommit says otherwise. With Forget it stores them
// and reports that the outcome is unknown.
func (s *MemStore) Commit(_ context.Context, rounds []progress.Round) ([]progress.Outcome, error) {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	if s.FailCommit != nil {
		if err := s.FailCommit(); err != nil {
			return nil, err
		}
	}
	out := make([]progress.Outcome, len(rounds))
	for i := range rounds {
		out[i] = s.commitOne(&rounds[i])
	}
	if s.Forget {
		s.Forget = false
		return nil, sequence.ErrCommitUnknown
	}
	return out, nil
}

func (s *MemStore) commitOne(r *progress.Round) progress.Outcome {
	f := s.Flows[r.Flow]
	if f.Flow.Epoch != r.Epoch || !f.Flow.Vector.Equal(r.From) {
		return progress.Outcome{Err: sequence.ErrFenced}
	}
	seen := map[string]bool{}
	for _, w := range r.Windows {
		if f.Rows[w.End] == nil || w.Complete {
			f.Rows[w.End] = map[string]progress.Row{}
		}
		for _, row := range w.Rows {
			key := fmt.Sprint(w.End, row.Columns)
			if seen[key] {
				return progress.Outcome{Err: fmt.Errorf("row %s stands twice in a round", key)}
			}
			seen[key] = true
			f.Rows[w.End][progress.RowKey(row.Columns)] = row
			s.rowsSent++
		}
		for _, cols := range w.Gone {
			delete(f.Rows[w.End], progress.RowKey(cols))
		}
	}
	for _, k := range r.Remove { // first, as in the database: a window may be in both lists
		delete(f.Dirty, k)
	}
	for _, d := range r.Add {
		k := progress.DirtyKey{WindowEnd: d.WindowEnd, Group: d.Group}
		if old, ok := f.Dirty[k]; ok {
			d.Reason, d.Since, d.FirstAt = old.Reason, old.Since.Min(d.Since), old.FirstAt
		}
		f.Dirty[k] = d
	}
	if r.Alerts != nil {
		f.Alerts.update(r.Alerts)
	}
	if c := r.Chosen; c != nil {
		f.Flow.Chosen, f.Flow.Folds = append(f.Flow.Chosen[:c.First:c.First], c.Keys...), c.Folds
	}
	if r.Late != nil {
		f.Late.take(r.Late)
		f.Flow.Late = progress.LateState{Noted: int64(len(f.Late.Windows)), Stretches: r.Late.Stretches}
	}
	if r.Job != nil {
		for i := range s.Jobs {
			if j := &s.Jobs[i]; j.ID == r.Job.ID {
				j.NextT, j.Error = r.Job.NextT, cmp.Or(r.Job.Error, r.Job.Left)
				j.WindowsDone += r.Job.WindowsDone
				switch {
				case r.Job.Error != "" || r.Job.Done && r.Job.Left != "":
					j.State = progress.JobFailed
				case r.Job.Done:
					j.State = progress.JobDone
				default:
					j.State = progress.JobRunning
				}
			}
		}
	}
	f.Flow.Progress = r.To
	f.Flow.Vector = r.To.Vector.Clone()
	f.Flow.Error = r.Error
	return progress.Outcome{LateNoted: f.Flow.Late.Noted}
}

// NextJobs is the oldest unfinished job of each flow.
func (s *MemStore) NextJobs(_ context.Context, flows []progress.FlowID) ([]progress.Job, error) {
	s.Mu.Lock()
	defer s.Mu.Unlock()
	var out []progress.Job
	for _, id := range flows {
		for _, j := range s.Jobs {
			if j.Flow == id && !j.State.Finished() {
				out = append(out, j)
				break
			}
		}
	}
	return out, nil
}

// Beat is that of the only flownode.
func (s *MemStore) Beat(context.Context) (term int64, err error) { return 1, nil }

// Leave does nothing.
func (s *MemStore) Leave(context.Context) {}

// Lost never holds a token.
func (s *MemStore) Lost() <-chan struct{} { return nil }
