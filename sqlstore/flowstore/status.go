package flowstore

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	queries "laminar/queries/flow"

	"laminar/flownode/defjson"
	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	"laminar/sequence"
	"laminar/sqlstore/latestore"
	"laminar/sqlstore/pg"
	"laminar/sqlstore/raw"
)

// What people are shown of flows, by the command line and by dashboards. It is read
// by one statement, without a snapshot of raw samples, so it costs the same on a
// busy installation as on an idle one and holds nothing back.
//
// All flows are read, also where one is asked for: which of them a name means can only
// be said by looking at all titles. What is shown is of one moment, except for the
// names that hold native histograms, which are read afterwards.

// FlowStatus is one flow of the catalogue with how far it is. Def.Expr is as the
// flow is computed: whole, where metrics that it reads hold native histograms.
type FlowStatus struct {
	ID    progress.FlowID
	Def   flowdef.Flow
	Group string // the fence group
	Table string // with schema, quoted where needed

	// Epoch is how often the flow was taken; 0 before the first time, and until
	// then it has no table.
	Epoch int64

	// Progress is the stored one, but for BeginsAfter.
	progress.Progress

	// Error is why the flow lacks windows; "" when it does not.
	Error string

	// Stalled is why the flow stands still, "" when it moves. StalledHint is what to
	// do about it, StalledSince when it was noted, ms; sequence.NoTime while it moves.
	Stalled      string
	StalledHint  string
	StalledSince int64

	// LeftOut counts label sets whose rows PostgreSQL has refused, and which are not
	// in the table; LeftOutRow is the last of them.
	LeftOut    int64
	LeftOutRow string

	// Clashes counts rows of the flow that do not stand in its table because another rule
	// of its record gives them with another result. ClashedAt is the end of the newest
	// window with such rows, ms, sequence.NoTime for none; ClashRow is one of them, with the
	// rule whose row stands.
	Clashes   int64
	ClashedAt int64
	ClashRow  string

	// LagSequences counts the commits, of all regions together, that the flow has
	// not read. LagMillis is the age of the oldest of them, 0 when there is none:
	// how long a sample has been waiting, not how long the flow will take.
	LagSequences int64
	LagMillis    int64

	// Dirty is how many closed windows are to be computed again, by reason. A
	// window with several dirty groups counts once for each reason.
	Dirty map[string]int64

	LateSamples, LateWindows int64          // samples that stay out of closed windows, or did until a refill; windows that lack some now
	LateStretches            sequence.Spans // ends of further windows that may lack some: there are too many to be noted one by one
	Folds                    bool           // there are more groups than Def.MaxGroups: the others are one

	Jobs       int64 // unfinished ones
	TableBytes int64 // with indexes and TOAST; 0 while there is no table
	TableRows  int64 // of all flows of the table, as PostgreSQL estimates it; -1 before it has

	// When the flow was applied and when its row was last written, which each of
	// its rounds does; ms since the epoch, by the database's clock.
	CreatedAt int64
	UpdatedAt int64
}

// List lists all flows with how far they are, in the order in which they
// were made.
func (c *Catalogue) List(ctx context.Context) ([]FlowStatus, error) {
	rows, err := c.db.Pool().Query(ctx, queries.StatusFlows)
	if err != nil {
		return nil, fmt.Errorf("read the state of flows: %w", pg.Interpret(err))
	}
	flows, err := pgx.CollectRows(rows, scanFlow)
	if err != nil {
		return nil, fmt.Errorf("read the state of flows: %w", pg.Interpret(err))
	}
	// Definitions are stored as they were written. What they are computed as depends
	// on samples, too.
	names, err := c.raw.HistogramNames(ctx)
	if err != nil {
		return nil, err
	}
	for i := range flows {
		noteHistograms(&flows[i].Def, names)
	}
	return flows, nil
}

// noteHistograms makes a flow's expression what it is computed as where a metric of the
// names, which hold native histograms, is among those that it can select. Where it is
// computed whole, it says because of which.
func noteHistograms(def *flowdef.Flow, names []string) {
	expr := &def.Expr
	var selected []string
	for _, name := range names {
		if slices.ContainsFunc(expr.Leaves, func(l flowdef.Leaf) bool { return l.MaySelect(name) }) {
			selected = append(selected, name)
		}
	}
	if len(selected) > 0 {
		batch := expr.Batch
		if *expr = def.ForHistograms(); expr.Batch && !batch {
			expr.Why = "native histograms in " + strings.Join(selected, ", ") + ": " + expr.Why
		}
	}
}

// Show returns the flows of a name: the one with that title, or else all
// rules of that record. A progress.UnknownFlowError when there is none.
func (c *Catalogue) Show(ctx context.Context, name string) ([]FlowStatus, error) {
	all, err := c.List(ctx)
	if err != nil {
		return nil, err
	}
	return Named(all, name)
}

// Named returns those of all flows that Show returns.
func Named(all []FlowStatus, name string) ([]FlowStatus, error) {
	// Titles are unique; a name can be that of several rules, and also the title of
	// one of them, which then is meant.
	var found []FlowStatus
	var titles []string
	for _, f := range all {
		if f.Def.Title() == name {
			return []FlowStatus{f}, nil
		}
		if f.Def.Named(name) {
			found = append(found, f)
		}
		titles = append(titles, f.Def.Title())
	}
	if len(found) == 0 {
		return nil, progress.UnknownFlow(name, titles)
	}
	return found, nil
}

// Clashing reports whether the newest stored window has rows of the flow that do not stand.
func (f *FlowStatus) Clashing() bool { return f.Clashes > 0 && f.ClashedAt >= f.EmittedUntil }

// ClashText says how many rows do not stand, and which.
func (f *FlowStatus) ClashText() string {
	return fmt.Sprintf("another rule of the record gives %d of its rows too, the newest: %s", f.Clashes, f.ClashRow)
}

// scanFlow reads a row of status_flows.
func scanFlow(row pgx.CollectableRow) (FlowStatus, error) {
	var (
		f                                           FlowStatus
		definition, vector, flushes, dirty, sources []byte
		schema, table                               string
		stretches                                   []int64
	)
	err := row.Scan((*int32)(&f.ID), &f.Group, &definition, &schema, &table, &f.Epoch, &vector, &flushes,
		&f.EmittedUntil, &f.NewestT, &f.NewestAt, &f.Watermark, &f.Error, &f.CreatedAt, &f.UpdatedAt,
		&f.LagSequences, &f.LagMillis, &dirty, &f.Jobs, &f.TableBytes,
		&f.Stalled, &f.StalledHint, &f.StalledSince, &f.LeftOut, &f.LeftOutRow, &f.Clashes, &f.ClashedAt, &f.ClashRow, &f.TableRows, &sources,
		&f.LateSamples, &f.LateWindows, &stretches, &f.Folds)
	if err != nil {
		return f, err
	}
	if f.Def, err = defjson.Unmarshal(definition); err != nil {
		return f, err
	}
	f.LateStretches = latestore.Decode(stretches)
	if f.Vector, err = raw.DecodeVector(vector); err != nil {
		return f, err
	}
	if f.Flushes, err = decodeFlushes(flushes); err != nil {
		return f, err
	}
	if f.Sources, err = decodeSources(sources); err != nil {
		return f, err
	}
	if err := json.Unmarshal(dirty, &f.Dirty); err != nil {
		return f, fmt.Errorf("read dirty counts %q: %w", dirty, err)
	}
	f.BeginsAfter = sequence.NoTime // not among what is shown
	f.Table = pgx.Identifier{schema, table}.Sanitize()
	return f, nil
}
