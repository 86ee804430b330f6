package explain_test

import (
	"context"
	"testing"
	"time"

	"laminar/flownode/explain"
	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/sequence/series"
	"laminar/sqlstore/sqltest"
)

// TestRefillTakes: a refill takes as long for each window as the flow's newest one that was
// done and is telling; without one, longer for more samples and rows.
func TestRefillTakes(t *testing.T) {
	const minute = int64(60_000)
	def := sqltest.Define(t, "flows:\n  - {name: f, promql: 'sum by (job) (rate(m[5m]))', every: 1m}\n")[0]
	plan := func(windows, samples, rows int64) explain.RefillPlan {
		p, err := explain.PlanRefill(t.Context(), planned{def: def, rows: rows}, 1, sequence.Span{UpTo: windows * minute})
		if err != nil || p.Windows != windows || p.Rows != rows {
			t.Fatalf("%+v, %v", p, err)
		}
		p.Samples = samples
		return p
	}
	done := func(id, windows, ms int64, state progress.JobState) progress.Job {
		return progress.Job{ID: id, From: 0, To: windows * minute, State: state, StartedAt: 1000, FinishedAt: 1000 + ms}
	}
	ten := plan(10, 0, 0)
	for _, tc := range []struct {
		name string
		jobs []progress.Job
		want time.Duration
		pace int64
	}{
		{"the newest", []progress.Job{done(9, 20, 4000, progress.JobDone), done(8, 10, 9000, progress.JobDone)}, 2 * time.Second, 9},
		{"one that was cancelled", []progress.Job{done(9, 20, 4000, progress.JobCancelled), done(8, 10, 9000, progress.JobDone)}, 9 * time.Second, 8},
		{"one that was too short", []progress.Job{done(9, 20, 20, progress.JobDone), done(8, 5, 1000, progress.JobDone)}, 2 * time.Second, 8},
		{"one without windows", []progress.Job{done(9, 0, 5000, progress.JobDone), done(8, 5, 1000, progress.JobDone)}, 2 * time.Second, 8},
	} {
		if got, pace := ten.Takes(tc.jobs); got != tc.want || pace != tc.pace {
			t.Errorf("%s: %s as job %d, want %s as job %d", tc.name, got, pace, tc.want, tc.pace)
		}
	}
	few, many, rows := plan(10, 1000, 0), plan(10, 100_000_000, 0), plan(10, 1000, 10_000_000)
	for _, more := range []explain.RefillPlan{many, rows} {
		least, _ := few.Takes(nil)
		got, pace := more.Takes(nil)
		if pace != 0 || least <= 0 || got <= least {
			t.Errorf("%+v takes %s, one of a few samples %s", more, got, least)
		}
	}
}

// TestRefillPlanOfSessions: sessions have no step, so a plan counts those that are stored, and
// goes by the length of the span for how long it takes.
func TestRefillPlanOfSessions(t *testing.T) {
	const hour = int64(3_600_000)
	def := sqltest.Define(t, "flows:\n  - {name: f, promql: sum by (user) (m), session: {gap: 1m, max: 1h}}\n")[0]
	p, err := explain.PlanRefill(t.Context(), planned{def: def, rows: 12}, 1, sequence.Span{UpTo: 4 * hour})
	if err != nil || p.Windows != 12 || p.Rows != 12 {
		t.Errorf("%+v, %v; want 12 sessions", p, err)
	}
	before := progress.Job{ID: 3, To: hour, State: progress.JobDone, StartedAt: 1000, FinishedAt: 3000}
	if got, pace := p.Takes([]progress.Job{before}); got != 8*time.Second || pace != 3 {
		t.Errorf("after an hour in 2s, four hours take %s as job %d", got, pace)
	}
}

// planned is a snapshot of a flow whose metrics have no samples.
type planned struct {
	explain.MetricSnapshot
	def  flowdef.Flow
	rows int64
}

func (p planned) Flow(context.Context, progress.FlowID) (progress.Flow, error) {
	return progress.Flow{Def: p.def}, nil
}

func (p planned) CountResults(context.Context, progress.FlowID, sequence.Span) (int64, error) {
	return p.rows, nil
}

func (planned) Metrics(context.Context, []string, sequence.Span) ([]series.Metric, error) {
	return nil, nil
}
