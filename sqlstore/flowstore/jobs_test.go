package flowstore_test

import (
	"errors"
	"testing"

	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/sqlstore/flowstore"
	"laminar/sqlstore/sqltest"
)

func TestRefillJob(t *testing.T) {
	db := sqltest.NewRawDB(t, 2)
	ctx := t.Context()
	db.Apply(sqltest.FlowFor(t, "f", "sum by (i) (m)"))
	flow := db.Take("f")
	ids, err := sqltest.CreateRefill(ctx, db.Store.Jobs, "f", 0, 10*sqltest.Minute)
	if err != nil {
		t.Fatal(err)
	}
	id := ids[0]
	laters, err := sqltest.CreateRefill(ctx, db.Store.Jobs, "f", 0, sqltest.Minute)
	if err != nil {
		t.Fatal(err)
	}
	later := laters[0]
	next := func() progress.Job {
		t.Helper()
		jobs, err := db.Store.Jobs.NextJobs(ctx, []progress.FlowID{flow.ID, 999})
		if err != nil || len(jobs) != 1 {
			t.Fatalf("next jobs %v, %v; want one", jobs, err)
		}
		return jobs[0]
	}
	if j := next(); j.ID != id || j.FlowName != "f" || j.NextT != 0 || j.State != "queued" || j.StartedAt != sequence.NoTime || j.CreatedAt <= 0 {
		t.Errorf("new job %+v", j)
	}
	r := sqltest.Rounds{Flow: flow}
	round := r.Next(sqltest.Window(sqltest.Minute, sqltest.Row("a", 1), sqltest.Row("b", 1)))
	round.Job = &progress.JobStep{ID: id, NextT: sqltest.Minute, WindowsDone: 1}
	sqltest.CommitOne(t, db.Store, round)
	if j := next(); j.State != "running" || j.NextT != sqltest.Minute || j.WindowsDone != 1 || j.RowsWritten != 2 || j.StartedAt <= 0 {
		t.Errorf("after a step %+v", j)
	}
	// A fenced round moves its job as little as anything else.
	stale := progress.Round{Flow: flow.ID, Epoch: flow.Epoch - 1, From: r.Flow.Vector, To: r.Flow.Progress, Job: &progress.JobStep{ID: id, NextT: 9 * sqltest.Minute}}
	if _, err := db.Store.Results.Commit(ctx, []progress.Round{stale}); err != nil {
		t.Fatal(err)
	}
	if j := next(); j.NextT != sqltest.Minute {
		t.Errorf("a fenced round moved the job to %d", j.NextT)
	}
	round = r.Next(sqltest.Window(10*sqltest.Minute, sqltest.Row("a", 1)))
	round.Job = &progress.JobStep{ID: id, NextT: 10 * sqltest.Minute, WindowsDone: 9, Done: true}
	sqltest.CommitOne(t, db.Store, round)
	if j, err := db.Store.Jobs.Show(ctx, id); err != nil || j.State != "done" || j.WindowsDone != 10 || j.RowsWritten != 3 || j.FinishedAt <= 0 {
		t.Errorf("finished job %+v, %v", j, err)
	}
	if j := next(); j.ID != later {
		t.Errorf("next is job %d, want %d", j.ID, later)
	}
	if err := db.Store.Jobs.Cancel(ctx, later); err != nil {
		t.Fatal(err)
	}
	round = r.Next()
	round.Job = &progress.JobStep{ID: later, NextT: sqltest.Minute, WindowsDone: 1, Done: true}
	sqltest.CommitOne(t, db.Store, round) // was under way when the job was cancelled
	if j, err := db.Store.Jobs.Show(ctx, later); err != nil || j.State != "cancelled" || j.WindowsDone != 0 {
		t.Errorf("cancelled job %+v, %v", j, err)
	}
	if err := db.Store.Jobs.Cancel(ctx, 12345); !errors.Is(err, flowstore.ErrNoJob) {
		t.Errorf("cancel a job that is not there: %v", err)
	}
	if jobs, err := db.Store.Jobs.List(ctx, 10); err != nil || len(jobs) != 2 || jobs[0].ID != later {
		t.Errorf("jobs %v, %v; want both, newest first", jobs, err)
	}
	faileds, err := sqltest.CreateRefill(ctx, db.Store.Jobs, "f", 0, sqltest.Minute)
	if err != nil {
		t.Fatal(err)
	}
	failed := faileds[0]
	round = r.Next()
	round.Job = &progress.JobStep{ID: failed, Error: "gone"}
	sqltest.CommitOne(t, db.Store, round)
	if j, err := db.Store.Jobs.Show(ctx, failed); err != nil || j.State != "failed" || j.Error != "gone" || j.NextT != 0 {
		t.Errorf("failed job %+v, %v", j, err)
	}
}

// TestRefillOfATotalIsRefused where what it was before is not kept any more: it would begin
// anew at 0 in the middle.
func TestRefillOfATotalIsRefused(t *testing.T) {
	db := sqltest.NewRawDB(t, 2)
	db.AddMetric("m", 1, 2)
	const minute = sqltest.Minute
	for _, f := range sqltest.Define(t, `
flows:
  - {name: total, promql: 'sum(count_over_time(m[1m])) + (total offset 1m or vector(0))', every: 1m, keep: 30m}
  - {name: counts, promql: 'sum(count_over_time(m[1m]))', every: 1m, keep: 30m}
`) {
		db.Apply(f)
		if _, err := sqltest.CreateRefill(t.Context(), db.Store.Jobs, f.Name, 0, 100*minute); err != nil {
			t.Errorf("%s, which has nothing yet: %v", f.Name, err)
		}
		r := sqltest.Rounds{Flow: db.Take(f.Name)}
		round := r.Next()
		round.To.EmittedUntil, round.To.NewestT, round.To.NewestAt = 100*minute, 101*minute, 200*minute
		sqltest.CommitOne(t, db.Store, round)
		_, err := sqltest.CreateRefill(t.Context(), db.Store.Jobs, f.Name, 50*minute, 100*minute)
		var gone *progress.RetentionError
		if f.Name == "counts" {
			if err != nil {
				t.Errorf("%s: %v", f.Name, err)
			}
			continue
		}
		// What ends at 70 minutes is the first that is kept, and it is read for six.
		if !errors.As(err, &gone) || !gone.Results || gone.Earliest < 76*minute || gone.Earliest > 80*minute {
			t.Fatalf("%s: got %v, want a RetentionError of a time soon after 76 minutes", f.Name, err)
		}
		if _, err := sqltest.CreateRefill(t.Context(), db.Store.Jobs, f.Name, gone.Earliest-1, 100*minute); err != nil {
			t.Errorf("what the hint says to type is refused: %v", err)
		}
	}
}

// TestRefillIsRefused when raw samples of its windows have been given up (I6),
// and the refusal names what can be asked for.
func TestRefillIsRefused(t *testing.T) {
	db := sqltest.NewRawDB(t, 2)
	ctx := t.Context()
	db.Apply(sqltest.FlowFor(t, "f", "sum(sum_over_time(m[5m]))"))
	db.Exec("update retention set earliest_t = $1", 20*sqltest.Minute+1)
	_, err := sqltest.CreateRefill(ctx, db.Store.Jobs, "f", 0, 60*sqltest.Minute)
	var gone *progress.RetentionError
	if !errors.As(err, &gone) {
		t.Fatalf("got %v, want a RetentionError", err)
	}
	// The window (20m, 25m] is the first that is whole.
	if gone.Earliest != 25*sqltest.Minute || gone.From != 0 {
		t.Errorf("refused with %+v, want the window that ends at %d as the first", gone, 25*sqltest.Minute)
	}
	if _, err := sqltest.CreateRefill(ctx, db.Store.Jobs, "f", gone.Earliest-1, 60*sqltest.Minute); err != nil {
		t.Errorf("what the hint says to type is refused: %v", err)
	}
	if _, err := sqltest.CreateRefill(ctx, db.Store.Jobs, "f", 24*sqltest.Minute-1, 60*sqltest.Minute); !errors.As(err, &gone) {
		t.Errorf("a window earlier: got %v", err)
	}
	if _, err := sqltest.CreateRefill(ctx, db.Store.Jobs, "f", 30*sqltest.Minute, 31*sqltest.Minute-1); err == nil {
		t.Error("a span without a window's end was accepted")
	}
	var unknown *progress.UnknownFlowError
	if _, err := sqltest.CreateRefill(ctx, db.Store.Jobs, "ff", 0, sqltest.Minute); !errors.As(err, &unknown) || unknown.Similar != "f" {
		t.Errorf("unknown flow: %v", err)
	}
}
