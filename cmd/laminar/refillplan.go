package main

import (
	"context"
	"fmt"

	"laminar/cmd/laminar/internal/term"
	"laminar/flownode/explain"
	"laminar/flownode/flowdef"
	"laminar/sequence"
	"laminar/server/view"
	"laminar/sqlstore"
)

// planRefill shows what a refill would compute and read, and about how long it would take,
// and asks for nothing. Where it would be refused that is an error, after the plan.
func (a *app) planRefill(ctx context.Context, store *sqlstore.Store, name string, span sequence.Span, cascade bool) (err error) {
	refills, err := store.Jobs.PlanRefills(ctx, name, span.After, span.UpTo, cascade)
	if err != nil {
		return err
	}
	snap, err := store.Catalogue.Stored(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = snap.Close(ctx) }()
	plan := view.RefillPlan{Flows: []view.PlannedRefill{}}
	var refused error
	for _, r := range refills {
		p, err := explain.PlanRefill(ctx, snap, r.ID, sequence.Span{After: r.From, UpTo: r.To})
		if err != nil {
			return fmt.Errorf("plan the refill of %s: %w", r.Flow, err)
		}
		jobs, err := store.Jobs.OfFlow(ctx, r.ID, view.PaceJobs)
		if err != nil {
			return err
		}
		plan.Add(view.NewPlannedRefill(r, p, jobs))
		if refused == nil {
			refused = r.Refused
		}
	}
	if err := a.print(planTable(&plan)); err != nil {
		return err
	}
	return refused
}

// planTable is a plan as people and programs see it.
func planTable(plan *view.RefillPlan) term.Table {
	t := term.Table{Head: []string{"flow", "from", "to", "windows", "rows now", "samples", "size", "about"}, Data: plan}
	for i := range plan.Flows {
		f := &plan.Flows[i]
		flow := f.Flow
		if !f.Asked {
			flow += " (reads it)"
		}
		t.Rows = append(t.Rows, []string{
			flow, f.From, f.To, fmt.Sprint(f.Windows), fmt.Sprint(f.Rows), fmt.Sprint(f.Samples), term.FormatBytes(f.Bytes), term.FormatSeconds(f.Seconds),
		})
	}
	t.Note = fmt.Sprintf("%s, about %s; nothing was asked for", flowdef.FormatCount(plan.Windows, "window"), term.FormatSeconds(plan.Seconds))
	return t
}
