package ownapi

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"

	"laminar/flownode/progress"
	"laminar/flownode/verify"
	"laminar/sequence"
	"laminar/server/view"
	"laminar/sqlstore"
	"laminar/sqlstore/flowstore"
)

// verifying compares tables with raw samples for people, one run at a time, and remembers the
// last runs of this process.
//
//	asked ──> running ──> done | failed | cancelled
type verifying struct {
	*core
	begin chan *verification // holds one that was asked for

	mu   sync.Mutex
	runs []*verification // newest first
	next int64           // number of the next run
}

// What is remembered: runs, and cells that differ of one run. GET verify answers with all of
// it, and others are counted.
const (
	rememberedRuns  = 10
	rememberedCells = 200
)

// verification is one run. Fields but flows, opts, ended and cancel are guarded by
// verifying.mu.
type verification struct {
	seen  view.VerifyRun
	flows []flowstore.FlowStatus
	opts  verify.Options
	ended bool

	done, total []int64 // windows, by flow
	ctx         context.Context
	cancel      context.CancelFunc
}

func newVerifying(c *core) *verifying {
	return &verifying{core: c, begin: make(chan *verification, 1), next: 1}
}

// run makes the runs that are asked for until ctx ends.
func (v *verifying) run(ctx context.Context) error {
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case one := <-v.begin:
			stop := context.AfterFunc(ctx, one.cancel)
			v.compare(one)
			stop()
			one.cancel()
		}
	}
}

// compare compares the flows of a run, and notes how it ends. Of one that ends early the
// result is what was compared before, null where that is nothing: no difference in nothing
// is no agreement.
func (v *verifying) compare(one *verification) {
	result, room := &view.Verification{Seed: one.opts.Seed, Flows: []view.VerifiedFlow{}}, rememberedCells
	var compared int64
	var failed error
	var untold []string
	for i, f := range one.flows {
		opts := one.opts
		opts.Progress = func(done, total int64) {
			v.mu.Lock()
			defer v.mu.Unlock()
			one.done[i], one.total[i] = done, total
		}
		report, err := v.cfg.Verifier.Flow(one.ctx, f.ID, opts)
		if errors.Is(err, progress.ErrFlowGone) {
			continue
		}
		if err == nil || report.Windows > 0 {
			compared += report.Windows
			report.Differences = report.Differences[:min(len(report.Differences), room)]
			room -= len(report.Differences)
			result.Flows = append(result.Flows, view.NewVerifiedFlow(f.Def, report))
		}
		if report.Found > 0 {
			// Rows that people have changed by hand are in no change log. The role of a process
			// may not be allowed to say so; that takes nothing from what was found.
			if err := v.cfg.Readers.Changes.Renew(one.ctx, f.ID); err != nil {
				untold = append(untold, "those who follow "+f.Def.Title()+" are not told to read it anew: "+v.door.Text("telling who follows a flow", err))
			}
		}
		if err != nil {
			failed = fmt.Errorf("flow %s: %w", f.Def.Title(), err)
			break
		}
	}
	if failed != nil && compared == 0 {
		result = nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	one.ended = true
	one.seen.State, one.seen.Finished, one.seen.Result = "done", view.FormatTime(v.cfg.Now().UnixMilli()), result
	switch {
	case failed != nil && one.ctx.Err() != nil:
		one.seen.State = "cancelled"
	case failed != nil:
		one.seen.State, one.seen.Error = "failed", v.door.Text("a verification", failed)
	case one.ctx.Err() == nil:
		one.seen.Error = strings.Join(untold, "; ")
	}
}

// show is a run as it stands. The lock is held.
func (one *verification) show() view.VerifyRun {
	out := one.seen
	for i := range one.flows {
		out.Done, out.Total = out.Done+one.done[i], out.Total+one.total[i]
	}
	return out
}

// list answers /verify.
func (v *verifying) list(*http.Request) (any, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return view.VerifyRuns{Process: sqlstore.ProcessName(), Runs: view.Each(v.runs, (*verification).show)}, nil
}

// start answers POST /verify/start.
func (v *verifying) start(r *http.Request) (any, error) {
	in := struct {
		Flows  []string `json:"flows"`
		From   string   `json:"from"`
		To     string   `json:"to"`
		Sample string   `json:"sample"`
		Seed   uint64   `json:"seed"`
	}{}
	if err := body(r, &in); err != nil {
		return nil, err
	}
	one := &verification{opts: verify.Options{From: sequence.NoTime, To: sequence.NoTime, Sample: 1, Seed: in.Seed}}
	for _, p := range []struct {
		name, text string
		at         *sequence.Time
	}{{"from", in.From, &one.opts.From}, {"to", in.To, &one.opts.To}} {
		if p.text == "" {
			continue
		}
		t, err := view.ParseTime(p.text, v.cfg.Now())
		if err != nil {
			return nil, badRequest(p.name, err)
		}
		*p.at = max(0, t.UnixMilli())
	}
	if in.Sample != "" {
		percent, isPercent := strings.CutSuffix(in.Sample, "%")
		part, err := strconv.ParseFloat(percent, 64)
		if isPercent {
			part /= 100
		}
		if err != nil || !(part > 0 && part <= 1) {
			return nil, badRequest("sample", fmt.Errorf("%q: want a share such as 10%%", in.Sample))
		}
		one.opts.Sample = part
	}
	if in.Seed == 0 {
		one.opts.Seed = rand.Uint64() >> 12 // short enough for every JSON reader
	}
	all, err := v.cfg.Readers.Catalogue.List(r.Context())
	if err != nil {
		return nil, err
	}
	if one.flows = all; len(in.Flows) > 0 {
		one.flows = nil
		for _, name := range in.Flows {
			found, err := flowstore.Named(all, name)
			if err != nil {
				return nil, err
			}
			for _, f := range found {
				if !slices.ContainsFunc(one.flows, func(o flowstore.FlowStatus) bool { return o.ID == f.ID }) {
					one.flows = append(one.flows, f)
				}
			}
		}
	}
	one.done, one.total = make([]int64, len(one.flows)), make([]int64, len(one.flows))
	// It goes on when the request has been answered; run ends it.
	one.ctx, one.cancel = context.WithCancel(context.WithoutCancel(r.Context()))
	out, err := v.queue(one)
	if err != nil {
		one.cancel()
		return nil, err
	}
	v.cfg.Log.Info("a verification was asked for over HTTP", "flows", len(one.flows), "by", v.cfg.Who(r))
	return out, nil
}

// queue makes a run the next one, unless another is under way.
func (v *verifying) queue(one *verification) (view.VerifyRun, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if len(v.runs) > 0 && !v.runs[0].ended {
		return view.VerifyRun{}, &requestError{
			status: http.StatusConflict, text: fmt.Sprintf("verification %d is under way", v.runs[0].seen.ID), hint: "wait for it, or POST verify/cancel",
		}
	}
	one.seen = view.VerifyRun{ID: v.next, State: "running", Started: view.FormatTime(v.cfg.Now().UnixMilli()), Finished: view.None}
	v.next++
	v.runs = append([]*verification{one}, v.runs[:min(len(v.runs), rememberedRuns-1)]...)
	v.begin <- one // there is room: the one before has ended
	return one.show(), nil
}

// stop answers POST /verify/cancel.
func (v *verifying) stop(r *http.Request) (any, error) {
	in := struct {
		ID int64 `json:"id"`
	}{}
	if err := body(r, &in); err != nil {
		return nil, err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, one := range v.runs {
		if one.seen.ID == in.ID {
			one.cancel()
			return one.show(), nil
		}
	}
	return nil, &requestError{status: http.StatusNotFound, text: fmt.Sprintf("this process knows no verification %d", in.ID)}
}
