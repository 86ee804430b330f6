package ownapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/prometheus/model/labels"

	"laminar/flownode"
	"laminar/flownode/explain"
	"laminar/flownode/inspect"
	"laminar/flownode/round"
	"laminar/sequence"
	"laminar/server/view"
	"laminar/sqlstore/flowstore"
)

// states answers what a flow has in memory.
type states struct{ *core }

// What of a state is shown.
const (
	somePartials = 100
	maxPartials  = 10_000
	maxPanes     = 1000
)

// roundPatience is how long a round that is under way is waited for.
const roundPatience = 10 * time.Second

// state answers /flow/state.
func (a states) state(r *http.Request) (any, error) {
	opts, err := a.options(r)
	if err != nil {
		return nil, err
	}
	all, f, err := a.one(r)
	if err != nil {
		return nil, err
	}
	if w := f.Def.Windows(); opts.Window != sequence.NoTime && w.Last(opts.Window) != opts.Window {
		return nil, &requestError{
			status: http.StatusBadRequest, text: fmt.Sprintf("no window of %s ends at %s", f.Def.Title(), view.FormatTime(opts.Window)),
			hint: "window=" + view.FormatTime(w.Last(opts.Window)),
		}
	}
	if a.cfg.Node == nil || !a.cfg.Node.Leads() {
		return a.elsewhere(r, f)
	}
	var seen inspect.State
	ctx, cancel := context.WithTimeout(r.Context(), roundPatience)
	defer cancel()
	err = a.cfg.Node.Inspect(ctx, f.Group, f.ID, func(flow *round.Flow) { seen = inspect.Of(flow, opts) })
	switch {
	case errors.Is(err, flownode.ErrNotKept):
		return view.Unkept(f.Def.Title(), "this process leads, but has not loaded the flow; laminar flow list says whether it stands still", nil), nil
	case errors.Is(err, context.DeadlineExceeded) && r.Context().Err() == nil:
		return nil, &requestError{status: http.StatusServiceUnavailable, text: fmt.Sprintf("a round of the flow has been under way for %s", roundPatience), hint: "ask again"}
	case err != nil:
		return nil, err
	}
	var ids []sequence.SeriesID
	for _, l := range seen.Leaves {
		for _, p := range slices.Concat(l.Partials, l.Merged) {
			if p.Series > 0 {
				ids = append(ids, p.Series)
			}
		}
	}
	named, err := a.cfg.Readers.Census.LabelSets(r.Context(), ids)
	if err != nil {
		return nil, err
	}
	sharing := explain.Sharing(f.Def, definitions(all))
	if len(sharing) != len(seen.Leaves) { // the flow is computed whole, as histograms make it, or has changed
		sharing = make([][]string, len(seen.Leaves))
	}
	return view.NewState(seen, named, sharing, maxPanes), nil
}

// elsewhere says who keeps the flow.
func (a states) elsewhere(r *http.Request, f flowstore.FlowStatus) (any, error) {
	members, err := a.cfg.Readers.Members.List(r.Context())
	if err != nil {
		return nil, err
	}
	leader := view.Leader(members)
	why := "this process does not keep flows, and no other does at the moment"
	if leader != nil {
		why = fmt.Sprintf("this process does not keep flows; %s does", leader.Name)
	}
	return view.Unkept(f.Def.Title(), why, leader), nil
}

// options reads what is to be looked at.
func (a states) options(r *http.Request) (opts inspect.Options, err error) {
	if opts.Window, err = a.timeOf(r, "window", sequence.NoTime); err != nil {
		return opts, err
	}
	if opts.Most, err = numberOf(r, "limit", somePartials, maxPartials); err != nil {
		return opts, err
	}
	var pairs []string
	for _, text := range r.Form["group"] {
		name, value, ok := strings.Cut(text, "=")
		if !ok || name == "" {
			return opts, badRequest("group", fmt.Errorf("%q: want label=value", text))
		}
		pairs = append(pairs, name, value)
	}
	opts.Group = labels.FromStrings(pairs...)
	return opts, nil
}
