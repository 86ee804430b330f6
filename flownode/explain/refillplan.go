package explain

import (
	"context"
	"time"

	"laminar/flownode/pane"
	"laminar/flownode/progress"
	"laminar/sequence"
)

// RefillSnapshot is what PlanRefill looks at.
type RefillSnapshot interface {
	MetricSnapshot
	Flow(ctx context.Context, id progress.FlowID) (progress.Flow, error)
	CountResults(ctx context.Context, id progress.FlowID, ends sequence.Span) (int64, error)
}

// RefillPlan is what a refill of one flow will compute, and what it will read.
type RefillPlan struct {
	// Windows is how many end in the span. How many sessions do is not known before they are
	// found: of a flow of sessions it is as many as are stored now.
	Windows int64
	Rows    int64 // that are stored of them now
	Reading

	windows pane.Windows
	steps   int64 // of these that end in the span
}

// PlanRefill is what a refill of the windows of a flow with an end in the span will do.
func PlanRefill(ctx context.Context, snap RefillSnapshot, id progress.FlowID, ends sequence.Span) (p RefillPlan, err error) {
	flow, err := snap.Flow(ctx, id)
	if err != nil {
		return p, err
	}
	p.windows = flow.Def.Windows()
	p.steps = p.windows.Count(ends)
	if p.Rows, err = snap.CountResults(ctx, id, ends); err != nil {
		return p, err
	}
	if p.Windows = p.steps; flow.Def.Session != nil {
		p.Windows = p.Rows
	}
	p.Reading, err = Refill(ctx, snap, flow.Def, ends)
	return p, err
}

// What a refill takes where the flow has had none: so many samples and rows a second, on one
// core of 2026.
const (
	samplesPerSecond = 25e6
	rowsPerSecond    = 400e3
	// shortest is about what a refill takes that has nearly nothing to do: it waits for a
	// round.
	shortest = 50 * time.Millisecond
	// telling is how long a job must have taken to tell a pace.
	telling = 200 * time.Millisecond
)

// Takes is about how long the refill will take. It goes by the newest of the flow's jobs that
// was done and took long enough, newest first, and says which; 0 where there is none, and
// it goes by what is usual.
func (p *RefillPlan) Takes(jobs []progress.Job) (about time.Duration, job int64) {
	for i := range jobs {
		j := &jobs[i]
		took := time.Duration(j.FinishedAt-j.StartedAt) * time.Millisecond
		before := p.windows.Count(sequence.Span{After: j.From, UpTo: j.To})
		if j.State == progress.JobDone && took >= telling && before > 0 {
			return time.Duration(float64(took) * float64(p.steps) / float64(before)), j.ID
		}
	}
	seconds := float64(p.Samples)/samplesPerSecond + float64(p.Rows)/rowsPerSecond
	return max(shortest, time.Duration(seconds*float64(time.Second))), 0
}
