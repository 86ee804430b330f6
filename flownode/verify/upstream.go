package verify

// Verifying a flow that reads results of flows: these are taken as their tables hold
// them, as the flow's own rounds do.

import (
	"context"
	"fmt"
	"slices"

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

// amongOthers reports whether the flow reads what it gave together with what other rules
// of its record give: the series that they share are told apart by time alone.
func (u *upstream) amongOthers(id progress.FlowID, def *flowdef.Flow) bool {
	return def.Itself && !slices.Contains(def.Previous, def.RecordTitle()) &&
		slices.ContainsFunc(u.parents, func(p progress.Flow) bool {
			return p.Def.RecordTitle() == def.RecordTitle() && p.ID != id
		})
}

// hideFrom hides from the window with this end, as rounds do, what the flow itself gives
// there and later.
func (u *upstream) hideFrom(id progress.FlowID, def *flowdef.Flow, end sequence.Time) {
	for i := range u.parents {
		if u.parents[i].ID == id {
			u.feeds[i].ShowUntil(end - def.Every)
		}
	}
}

// early says which series a window sees only up to before its end, as in rounds.
func (u *upstream) early(own progress.FlowID, def *flowdef.Flow, end sequence.Time) func(sequence.SeriesID) (sequence.Time, bool) {
	if len(def.Previous) == 0 && !def.Itself {
		return nil
	}
	return func(id sequence.SeriesID) (sequence.Time, bool) {
		if id >= 0 {
			return end, false
		}
		early := false
		for i, f := range u.feeds {
			switch {
			case !f.Has(id):
			case slices.Contains(def.Previous, f.Record()):
				return end - 1, true
			case u.parents[i].ID == own:
				early = true
			default:
				return end, false // what another rule of the record gives it sees at once
			}
		}
		return end - 1, early
	}
}
