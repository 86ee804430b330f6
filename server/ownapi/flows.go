package ownapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"

	"laminar/flownode/explain"
	"laminar/flownode/flowdef"
	"laminar/flownode/flowgraph"
	"laminar/flownode/progress"
	"laminar/server/view"
	"laminar/sqlstore/alertstore"
	"laminar/sqlstore/flowstore"
)

// flowPages answers about flows.
type flowPages struct{ *core }

// recentJobs is how many jobs of a flow its page has.
const recentJobs = 5

// list answers /flows.
func (a flowPages) list(r *http.Request) (any, error) {
	flows, err := a.cfg.Readers.Catalogue.List(r.Context())
	if err != nil {
		return nil, err
	}
	kept, leads := a.kept()
	return view.NewFlows(flows, kept, leads, a.cfg.Executor, a.cfg.Now()), nil
}

// named is all flows, and those that the parameter flow names.
func (c *core) named(r *http.Request) (all, found []flowstore.FlowStatus, err error) {
	name := r.FormValue("flow")
	if name == "" {
		return nil, nil, badRequest("flow", errors.New("it is missing: the name of a flow"))
	}
	if all, err = c.cfg.Readers.Catalogue.List(r.Context()); err != nil {
		return nil, nil, err
	}
	found, err = flowstore.Named(all, name)
	return all, found, err
}

// one is named for what is about one flow.
func (c *core) one(r *http.Request) (all []flowstore.FlowStatus, f flowstore.FlowStatus, err error) {
	all, found, err := c.named(r)
	if err != nil {
		return nil, f, err
	}
	if len(found) > 1 {
		return nil, f, &requestError{
			status: http.StatusBadRequest, text: fmt.Sprintf("%d flows have the name %s", len(found), r.FormValue("flow")),
			hint: fmt.Sprintf("flow=%s names one of them", found[0].Def.Title()),
		}
	}
	return all, found[0], nil
}

// definitions are those of flows.
func definitions(all []flowstore.FlowStatus) []flowdef.Flow {
	return view.Each(all, func(f flowstore.FlowStatus) flowdef.Flow { return f.Def })
}

// page answers /flow.
func (a flowPages) page(r *http.Request) (any, error) {
	ctx := r.Context()
	all, found, err := a.named(r)
	if err != nil {
		return nil, err
	}
	metadata, err := a.cfg.Readers.Senders.Metadata(ctx, view.MetricNames(found))
	if err != nil {
		return nil, err
	}
	var alerts []alertstore.Listed
	if slices.ContainsFunc(found, func(f flowstore.FlowStatus) bool { return f.Def.Alert != nil }) {
		if alerts, err = a.cfg.Readers.Alerts.List(ctx); err != nil {
			return nil, err
		}
	}
	defs := definitions(all)
	graph := flowgraph.New(defs)
	titles := func(places []int) []string {
		return view.Each(places, func(i int) string { return defs[i].Title() })
	}
	kept, _ := a.kept()
	out := view.FlowPages{Flows: make([]view.FlowPage, 0, len(found))}
	for _, f := range found {
		p := view.FlowPage{
			Flow: view.NewFlow(f), Rows: view.TableRows(f), Memory: view.FlowMemory(f.ID, kept),
			Explained: view.NewExplainedDefinition(f.Def, a.cfg.Executor, defs),
		}
		p.Metrics, p.Alert = view.Metrics(f, metadata), view.NewAlertRule(f, alerts)
		if f.Def.Alert == nil {
			p.Query = f.Def.RecordTitle()
		}
		at := slices.IndexFunc(all, func(o flowstore.FlowStatus) bool { return o.ID == f.ID })
		p.Reads, p.ReadBy = titles(graph.Reads(at)), titles(graph.ReadBy(at))
		if p.Columns, p.SQL, err = a.table(ctx, f.ID); err != nil {
			return nil, err
		}
		jobs, err := a.cfg.Readers.Jobs.OfFlow(ctx, f.ID, recentJobs)
		if err != nil {
			return nil, err
		}
		p.RecentJobs = view.Each(jobs, view.NewJob)
		out.Flows = append(out.Flows, p)
	}
	return out, nil
}

// table is the columns of a flow's table, and a query that reads it.
func (c *core) table(ctx context.Context, id progress.FlowID) (columns []view.Column, sql string, err error) {
	err = c.stored(ctx, func(snap *flowstore.Stored) error {
		if _, err := snap.Flow(ctx, id); err != nil {
			return err
		}
		found, query, err := snap.Table(ctx, id)
		columns, sql = view.Each(found, view.NewColumn), query
		return err
	})
	return columns, sql, err
}

// stored calls read with a snapshot.
func (c *core) stored(ctx context.Context, read func(*flowstore.Stored) error) error {
	snap, err := c.cfg.Readers.Catalogue.Stored(ctx)
	if err != nil {
		return fmt.Errorf("take a snapshot: %w", err)
	}
	err = read(snap)
	return errors.Join(err, snap.Close(context.WithoutCancel(ctx)))
}

// explain answers /flow/explain.
func (a flowPages) explain(r *http.Request) (any, error) {
	ctx := r.Context()
	all, found, err := a.named(r)
	if err != nil {
		return nil, err
	}
	out := view.ExplainedFlows{Flows: make([]view.Explained, 0, len(found))}
	for _, f := range found {
		var x explain.Explanation
		if err := a.stored(ctx, func(snap *flowstore.Stored) (err error) {
			x, err = explain.Explain(ctx, snap, f.ID, a.cfg.Executor, a.cfg.Now)
			return err
		}); err != nil {
			return nil, err
		}
		out.Flows = append(out.Flows, view.NewExplained(x, a.cfg.Executor, definitions(all)))
	}
	return out, nil
}
