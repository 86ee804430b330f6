package sqlstore_test

import (
	"errors"
	"testing"

	"laminar/flownode/progress"
	"laminar/sqlstore"
)

func TestRefillJob(t *testing.T) {
	db := newRawDB(t, 2)
	ctx := t.Context()
	db.apply(flowFor(t, "f", "sum by (i) (m)"))
	flow := db.take("f")
	id, err := db.store.CreateRefill(ctx, "f", 0, 10*minute)
	if err != nil {
		t.Fatal(err)
	}
	later, err := db.store.CreateRefill(ctx, "f", 0, minute)
	if err != nil {
		t.Fatal(err)
	}
	next := func() progress.Job {
		t.Helper()
		jobs, err := db.store.NextJobs(ctx, []progress.FlowID{flow.ID, 999})
		if err != nil || len(jobs) != 1 {
			t.Fatalf("next jobs %v, %v; want one", jobs, err)
		}
		return jobs[0]
	}
	if j := next(); j.ID != id || j.FlowName != "f" || j.NextT != 0 || j.State != "queued" || j.StartedAt != progress.Unset || j.CreatedAt <= 0 {
		t.Errorf("new job %+v", j)
	}
	r := rounds{flow}
	round := r.next(window(minute, row("a", 1), row("b", 1)))
	round.Job = &progress.JobStep{ID: id, NextT: minute, WindowsDone: 1}
	commitOne(t, db.store, round)
	if j := next(); j.State != "running" || j.NextT != minute || j.WindowsDone != 1 || j.RowsWritten != 2 || j.StartedAt <= 0 {
		t.Errorf("after a step %+v", j)
	}
	// A fenced round moves its job as little as anything else.
	stale := progress.Round{Flow: flow.ID, Epoch: flow.Epoch - 1, From: r.flow.Vector, To: r.flow.Progress, Job: &progress.JobStep{ID: id, NextT: 9 * minute}}
	if _, err := db.store.Commit(ctx, []progress.Round{stale}); err != nil {
		t.Fatal(err)
	}
	if j := next(); j.NextT != minute {
		t.Errorf("a fenced round moved the job to %d", j.NextT)
	}
	round = r.next(window(10*minute, row("a", 1)))
	round.Job = &progress.JobStep{ID: id, NextT: 10 * minute, WindowsDone: 9, Done: true}
	commitOne(t, db.store, round)
	if j, err := db.store.ShowJob(ctx, id); err != nil || j.State != "done" || j.WindowsDone != 10 || j.RowsWritten != 3 || j.FinishedAt <= 0 {
		t.Errorf("finished job %+v, %v", j, err)
	}
	if j := next(); j.ID != later {
		t.Errorf("next is job %d, want %d", j.ID, later)
	}
	if err := db.store.CancelJob(ctx, later); err != nil {
		t.Fatal(err)
	}
	round = r.next()
	round.Job = &progress.JobStep{ID: later, NextT: minute, WindowsDone: 1, Done: true}
	commitOne(t, db.store, round) // was under way when the job was cancelled
	if j, err := db.store.ShowJob(ctx, later); err != nil || j.State != "cancelled" || j.WindowsDone != 0 {
		t.Errorf("cancelled job %+v, %v", j, err)
	}
	if err := db.store.CancelJob(ctx, 12345); !errors.Is(err, sqlstore.ErrNoJob) {
		t.Errorf("cancel a job that is not there: %v", err)
	}
	if jobs, err := db.store.ListJobs(ctx, 10); err != nil || len(jobs) != 2 || jobs[0].ID != later {
		t.Errorf("jobs %v, %v; want both, newest first", jobs, err)
	}
	failed, err := db.store.CreateRefill(ctx, "f", 0, minute)
	if err != nil {
		t.Fatal(err)
	}
	round = r.next()
	round.Job = &progress.JobStep{ID: failed, Error: "gone"}
	commitOne(t, db.store, round)
	if j, err := db.store.ShowJob(ctx, failed); err != nil || j.State != "failed" || j.Error != "gone" || j.NextT != 0 {
		t.Errorf("failed job %+v, %v", j, err)
	}
}

// TestRefillIsRefused when raw samples of its windows have been given up (I6),
// and the refusal names what can be asked for.
func TestRefillIsRefused(t *testing.T) {
	db := newRawDB(t, 2)
	ctx := t.Context()
	db.apply(flowFor(t, "f", "sum(sum_over_time(m[5m]))"))
	db.exec("update retention set earliest_t = $1", 20*minute+1)
	_, err := db.store.CreateRefill(ctx, "f", 0, 60*minute)
	var gone *progress.RetentionError
	if !errors.As(err, &gone) {
		t.Fatalf("got %v, want a RetentionError", err)
	}
	// The window (20m, 25m] is the first that is whole.
	if gone.Earliest != 25*minute || gone.From != 0 {
		t.Errorf("refused with %+v, want the window that ends at %d as the first", gone, 25*minute)
	}
	if _, err := db.store.CreateRefill(ctx, "f", gone.Earliest-1, 60*minute); err != nil {
		t.Errorf("what the hint says to type is refused: %v", err)
	}
	if _, err := db.store.CreateRefill(ctx, "f", 24*minute-1, 60*minute); !errors.As(err, &gone) {
		t.Errorf("a window earlier: got %v", err)
	}
	if _, err := db.store.CreateRefill(ctx, "f", 30*minute, 31*minute-1); err == nil {
		t.Error("a span without a window's end was accepted")
	}
	var unknown *progress.UnknownFlowError
	if _, err := db.store.CreateRefill(ctx, "fff", 0, minute); !errors.As(err, &unknown) || unknown.Similar != "f" {
		t.Errorf("unknown flow: %v", err)
	}
}
