package ownapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"laminar/flownode/explain"
	"laminar/flownode/pane"
	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/server/view"
	"laminar/sqlstore/flowstore"
)

// refills answers about refills and jobs, and makes them.
type refills struct{ *core }

// Jobs in an answer.
const (
	someJobs = 50
	maxJobs  = 1000
)

// bodyBytes bounds the body of a request that changes something.
const bodyBytes = 64 << 10

// body reads the JSON body of a request that changes something.
func body(r *http.Request, into any) error {
	dec := json.NewDecoder(http.MaxBytesReader(nil, r.Body, bodyBytes))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return &requestError{status: http.StatusBadRequest, text: fmt.Sprintf("the body is not what is asked for here: %v", err), hint: "docs/api.md shows it"}
	}
	return nil
}

// refillSpan reads the beginning and end of a refill, as text; to is now by default.
func (c *core) refillSpan(from, to string) (span sequence.Span, err error) {
	if from == "" {
		return span, badRequest("from", errors.New("it is missing: the start of the span"))
	}
	if to == "" {
		to = "now"
	}
	for _, p := range []struct {
		name, text string
		at         *sequence.Time
	}{{"from", from, &span.After}, {"to", to, &span.UpTo}} {
		t, err := view.ParseTime(p.text, c.cfg.Now())
		if err != nil {
			return span, badRequest(p.name, err)
		}
		*p.at = max(0, t.UnixMilli())
	}
	if span.Empty() {
		return span, badRequest("from", fmt.Errorf("%s is not before %s", view.FormatTime(span.After), view.FormatTime(span.UpTo)))
	}
	return span, nil
}

// plan answers /refill/plan.
func (a refills) plan(r *http.Request) (any, error) {
	span, err := a.refillSpan(r.FormValue("from"), r.FormValue("to"))
	if err != nil {
		return nil, err
	}
	cascade := true
	if text := r.FormValue("cascade"); text != "" {
		if cascade, err = strconv.ParseBool(text); err != nil {
			return nil, badRequest("cascade", fmt.Errorf("%q: want true or false", text))
		}
	}
	_, found, err := a.named(r)
	if err != nil {
		return nil, err
	}
	name := r.FormValue("flow")
	if len(found) == 1 {
		name = found[0].Def.Title()
	}
	refills, err := a.cfg.Readers.Jobs.PlanRefills(r.Context(), name, span.After, span.UpTo, cascade)
	if err != nil {
		return nil, err
	}
	plan := view.RefillPlan{Flows: []view.PlannedRefill{}}
	err = a.stored(r.Context(), func(snap *flowstore.Stored) error {
		for _, refill := range refills {
			one, err := a.planned(r.Context(), snap, refill)
			if err != nil {
				return err
			}
			plan.Add(one)
		}
		return nil
	})
	return plan, err
}

// planned is the part of one flow.
func (a refills) planned(ctx context.Context, snap *flowstore.Stored, refill flowstore.Refill) (out view.PlannedRefill, err error) {
	plan, err := explain.PlanRefill(ctx, snap, refill.ID, sequence.Span{After: refill.From, UpTo: refill.To})
	if err != nil {
		return out, err
	}
	jobs, err := a.cfg.Readers.Jobs.OfFlow(ctx, refill.ID, view.PaceJobs)
	if err != nil {
		return out, err
	}
	out = view.NewPlannedRefill(refill, plan, jobs)
	out.Hint = hintOf(refill.Refused)
	return out, nil
}

// start answers POST /refill/start.
func (a refills) start(r *http.Request) (any, error) {
	in := struct {
		Flow    string `json:"flow"`
		From    string `json:"from"`
		To      string `json:"to"`
		Cascade *bool  `json:"cascade"`
	}{}
	if err := body(r, &in); err != nil {
		return nil, err
	}
	if in.Flow == "" {
		return nil, badRequest("flow", errors.New("it is missing: the name of a flow"))
	}
	span, err := a.refillSpan(in.From, in.To)
	if err != nil {
		return nil, err
	}
	asked, err := a.cfg.Readers.Jobs.CreateRefills(r.Context(), in.Flow, span.After, span.UpTo, in.Cascade == nil || *in.Cascade)
	if err != nil {
		return nil, err
	}
	out := view.Jobs{Jobs: []view.Job{}}
	for _, refill := range asked {
		job, err := a.cfg.Readers.Jobs.Show(r.Context(), refill.Job)
		if err != nil {
			return nil, err
		}
		out.Jobs = append(out.Jobs, view.NewJob(job))
	}
	a.cfg.Log.Info("a refill was asked for over HTTP", "flow", in.Flow, "from", view.FormatTime(span.After), "to", view.FormatTime(span.UpTo),
		"jobs", len(out.Jobs), "by", a.cfg.Who(r))
	return out, nil
}

// list answers /jobs.
func (a refills) list(r *http.Request) (any, error) {
	limit, err := numberOf(r, "limit", someJobs, maxJobs)
	if err != nil {
		return nil, err
	}
	if r.FormValue("flow") == "" {
		jobs, err := a.cfg.Readers.Jobs.List(r.Context(), limit)
		return view.Jobs{Jobs: view.Each(jobs, view.NewJob)}, err
	}
	_, f, err := a.one(r)
	if err != nil {
		return nil, err
	}
	jobs, err := a.cfg.Readers.Jobs.OfFlow(r.Context(), f.ID, limit)
	return view.Jobs{Jobs: view.Each(jobs, view.NewJob)}, err
}

// jobID reads the number of a job.
func jobID(text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id < 1 {
		return 0, badRequest("id", fmt.Errorf("%q is not the number of a job", text))
	}
	return id, nil
}

// job answers /job.
func (a refills) job(r *http.Request) (any, error) {
	id, err := jobID(r.FormValue("id"))
	if err != nil {
		return nil, err
	}
	job, err := a.cfg.Readers.Jobs.Show(r.Context(), id)
	if err != nil {
		return nil, err
	}
	out := view.JobProgress{Job: view.NewJob(job)}
	return out, a.stored(r.Context(), func(snap *flowstore.Stored) error {
		flow, err := snap.Flow(r.Context(), job.Flow)
		if err != nil {
			return err
		}
		if flow.Def.Session == nil {
			out.WindowsAll, out.WindowsDone = progressOf(flow.Def.Windows(), job)
		}
		return nil
	})
}

// progressOf is how many windows end in the span of a job, and how many of them it has
// passed.
func progressOf(windows pane.Windows, job progress.Job) (all, done int64) {
	return windows.Count(sequence.Span{After: job.From, UpTo: job.To}), windows.Count(sequence.Span{After: job.From, UpTo: job.NextT})
}

// cancel answers POST /job/cancel.
func (a refills) cancel(r *http.Request) (any, error) {
	in := struct {
		ID int64 `json:"id"`
	}{}
	if err := body(r, &in); err != nil {
		return nil, err
	}
	if err := a.cfg.Readers.Jobs.Cancel(r.Context(), in.ID); err != nil {
		return nil, err
	}
	job, err := a.cfg.Readers.Jobs.Show(r.Context(), in.ID)
	if err != nil {
		return nil, err
	}
	a.cfg.Log.Info("a job was cancelled over HTTP", "job", in.ID, "state", job.State.String(), "by", a.cfg.Who(r))
	return view.NewJob(job), nil
}
