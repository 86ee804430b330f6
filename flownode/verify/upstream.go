package verify

// Verifying a flow that reads results of flows: these are taken as their tables hold
// them, as the flow's own rounds do.

import (
	"context"
	"fmt"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowgraph"
	"laminar/flownode/keep"
	"laminar/flownode/progress"
	"laminar/flownode/read"
	"laminar/flownode/results"
	"laminar/sequence"
)

// upstream is the flows whose results a flow reads, in one snapshot.
type upstream struct {
	parents  []progress.Flow
	records  *results.Records // of all snapshots
	feeds    []*results.Feed  // of parents, in their order
	tables   read.Results
	numbered int // of the series of results, how many the leaves have looked at
}

// meet loads the flows that the flow reads, and returns what is read from: raw samples
// alone where it reads none.
func (u *upstream) meet(ctx context.Context, snap Snapshot, id progress.FlowID) (read.Source, error) {
	var err error
	if u.parents, err = snap.Upstream(ctx, id); err != nil {
		return nil, fmt.Errorf("load the flows that it reads: %w", err)
	}
	if u.feeds, u.tables = nil, snap; len(u.parents) == 0 {
		return snap, nil
	}
	if u.records == nil {
		u.records = results.NewRecords()
	}
	for i := range u.parents {
		feed := u.records.NewFeed(&u.parents[i])
		feed.Begin(u.parents[i].EmittedUntil)
		u.feeds = append(u.feeds, feed)
	}
	return results.NewSource(snap, u.records, u.feeds, snap), nil
}

// know makes members of the series of results that windows with ends from first to
// last read.
func (u *upstream) know(ctx context.Context, leaves keep.Leaves, first, last sequence.Time) error {
	for _, l := range leaves {
		span := sequence.Span{After: l.Span(first).After, UpTo: l.Span(last).UpTo}
		for _, feed := range u.feeds {
			if !l.Def.NamesMetric() || !l.Def.MaySelect(feed.Name()) {
				continue
			}
			if err := feed.Know(ctx, u.tables, span); err != nil {
				return err
			}
		}
	}
	if u.records != nil {
		leaves.AddSeries(u.records.Series(u.numbered))
		u.numbered += len(u.records.Series(u.numbered))
	}
	return nil
}

// rawPart is what the flow reads of raw samples; ok is false when it reads results
// only.
func (u *upstream) rawPart(def flowdef.Flow) (part flowdef.Flow, ok bool) {
	defs := []flowdef.Flow{def}
	for i := range u.parents {
		defs = append(defs, u.parents[i].Def)
	}
	return flowgraph.New(defs).RawPart(0)
}

// lacksResults reports whether a window reads results that are not kept any more.
func (u *upstream) lacksResults(leaves keep.Leaves, end, now sequence.Time) bool {
	for i := range u.parents {
		p := &u.parents[i]
		if p.Def.Keep == 0 {
			continue
		}
		kept := p.Def.KeptFrom(p.NewestT, min(p.NewestAt, now), p.EmittedUntil)
		for _, l := range leaves {
			if l.Def.NamesMetric() && l.Def.MaySelect(p.Def.Name) && l.Span(end).After < kept-1 {
				return true
			}
		}
	}
	return false
}

// early says which series a window sees only up to before its end, as in rounds: of rules
// behind it, and of its own.
func (u *upstream) early(ctx context.Context, own progress.FlowID, def *flowdef.Flow, end sequence.Time) (func(sequence.SeriesID) (read.Early, bool), error) {
	if len(def.Previous) == 0 && !def.Itself {
		return nil, nil
	}
	var seen, behind []*results.Feed
	for i := range u.parents {
		if p := &u.parents[i]; p.ID == own || def.SeesPrevious(&p.Def) {
			behind = append(behind, u.feeds[i])
		} else {
			seen = append(seen, u.feeds[i])
		}
	}
	return results.Early(ctx, u.tables, seen, behind, end)
}
