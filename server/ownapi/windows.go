package ownapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"laminar/flownode/flowgraph"
	"laminar/flownode/progress"
	"laminar/flownode/strip"
	"laminar/sequence"
	"laminar/server/view"
	"laminar/sqlstore/flowstore"
)

// windowPages answers about windows.
type windowPages struct{ *core }

// maxCells is how many cells a strip has at most, and by default.
const maxCells = 500

// maxParts is how many dirty parts of a window are listed.
const maxParts = 100

// maxChanges is how many of the commits that changed a window are listed.
const maxChanges = 20

// looked is a flow in a snapshot, and what is known of its windows.
type looked struct {
	flow  progress.Flow
	known strip.Known
	jobs  []progress.Job // unfinished refills: ID, NextT and To
}

// look loads what is known of a flow's windows.
func look(ctx context.Context, snap *flowstore.Stored, all []flowstore.FlowStatus, id progress.FlowID) (l looked, err error) {
	if l.flow, err = snap.Flow(ctx, id); err != nil {
		return l, err
	}
	f := &l.flow
	l.known = strip.Known{
		Windows: f.Def.Windows(), Emitted: f.EmittedUntil, Reached: f.EmittedUntil, Begins: f.BeginsAfter,
	}
	if f.BeginsAfter == sequence.NoTime {
		l.known.Begins = f.EmittedUntil // nobody has noted it: only results show what was computed
	}
	if f.NewestT != sequence.NoTime {
		l.known.Reached = max(f.EmittedUntil, l.known.Windows.From(f.NewestT))
	}
	l.known.Expired = f.Def.KeptFrom(f.NewestT, min(f.NewestAt, snap.Position().Now), f.EmittedUntil)
	for _, d := range f.Dirty {
		l.known.Dirty = append(l.known.Dirty, d.WindowEnd)
	}
	l.known.Dirty = strip.Ends(l.known.Dirty)
	if l.jobs, err = snap.PendingRefills(ctx, id); err != nil {
		return l, err
	}
	for _, j := range l.jobs {
		l.known.Refills = append(l.known.Refills, sequence.Span{After: j.NextT, UpTo: j.To})
	}
	earliest := snap.Position().Earliest
	for i := range all {
		if all[i].ID != id {
			continue
		}
		// Results of flows stay; only what is read of raw samples can be gone.
		if part, readsRaw := flowgraph.New(definitions(all)).RawPart(i); readsRaw {
			l.known.Rebuildable = part.FirstRebuildable(earliest)
			if part.Expr.PinnedGone(earliest) {
				l.known.Rebuildable = strip.NeverRebuildable
			}
		}
	}
	return l, nil
}

// newest is the end of the newest window that something is known of.
func (l *looked) newest() sequence.Time { return max(l.known.Emitted, l.known.Reached) }

// strip answers /flow/windows.
func (a windowPages) strip(r *http.Request) (any, error) {
	ctx := r.Context()
	n, err := numberOf(r, "cells", maxCells, maxCells)
	if err != nil {
		return nil, err
	}
	all, f, err := a.one(r)
	if err != nil {
		return nil, err
	}
	var out view.Strip
	err = a.stored(ctx, func(snap *flowstore.Stored) error {
		l, err := look(ctx, snap, all, f.ID)
		if err != nil {
			return err
		}
		span, err := a.span(r, &l)
		if err != nil {
			return err
		}
		cells, width := strip.Cells(l.known.Windows, span, int64(n))
		ends := view.Each(cells, func(c strip.Cell) sequence.Span { return c.Ends })
		extents, err := snap.Extents(ctx, f.ID, ends)
		if err != nil {
			return err
		}
		for i, x := range extents {
			if !x.Empty() {
				cells[i].First, cells[i].Last = x.After+1, x.UpTo
			}
		}
		out = view.NewStrip(&l.flow, &l.known, span, width, cells)
		return nil
	})
	return out, err
}

// span is the span that a request asks for, by default the newest maxCells windows.
func (c *core) span(r *http.Request, l *looked) (sequence.Span, error) {
	windows := l.known.Windows
	to, err := c.timeOf(r, "to", l.newest())
	if err != nil {
		return sequence.Span{}, err
	}
	from, err := c.timeOf(r, "from", to-maxCells*windows.Every)
	if err != nil {
		return sequence.Span{}, err
	}
	from, to = max(from, 0), max(to, 0)
	if r.FormValue("from") != "" && from >= to {
		return sequence.Span{}, badRequest("from", fmt.Errorf("%s is not before %s", view.FormatTime(from), view.FormatTime(to)))
	}
	return sequence.Span{After: windows.Last(from), UpTo: windows.Last(to)}, nil
}

// window answers /flow/window.
func (a windowPages) window(r *http.Request) (any, error) {
	ctx := r.Context()
	end, err := a.timeOf(r, "end", sequence.NoTime)
	if err != nil {
		return nil, err
	}
	if end < 0 {
		return nil, badRequest("end", errors.New("it is missing: when the window ends"))
	}
	all, f, err := a.one(r)
	if err != nil {
		return nil, err
	}
	if last := f.Def.Windows().Last(end); last != end {
		return nil, &requestError{
			status: http.StatusBadRequest, text: fmt.Sprintf("no window of %s ends at %s", f.Def.Title(), view.FormatTime(end)),
			hint: "end=" + view.FormatTime(last),
		}
	}
	var (
		out view.WindowKnown
		ids []int64
	)
	err = a.stored(ctx, func(snap *flowstore.Stored) error {
		l, err := look(ctx, snap, all, f.ID)
		if err != nil {
			return err
		}
		rows, err := snap.CountResults(ctx, f.ID, sequence.Between(end, end))
		if err != nil {
			return err
		}
		for _, j := range l.jobs {
			if j.NextT < end && end <= j.To {
				ids = append(ids, j.ID)
			}
		}
		out = view.NewWindowKnown(&l.flow, &l.known, end, rows, maxParts)
		return nil
	})
	if err != nil {
		return nil, err
	}
	// Beside the snapshot, which holds one of the connections.
	for _, id := range ids {
		job, err := a.cfg.Readers.Jobs.Show(ctx, id)
		if err != nil {
			return nil, err
		}
		out.Jobs = append(out.Jobs, view.NewJob(job))
	}
	changed, err := a.cfg.Readers.Changes.OfWindow(ctx, f.ID, end, maxChanges)
	out.Changes(changed)
	return out, err
}
