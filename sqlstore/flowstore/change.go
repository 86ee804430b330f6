package flowstore

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	"laminar/flownode/flowdef"
	"laminar/flownode/flowgraph"
	"laminar/flownode/progress"
	queries "laminar/queries/flow"
	"laminar/sqlstore/applyplan"
	"laminar/sqlstore/changes"
	"laminar/sqlstore/claims"
	"laminar/sqlstore/pg"
	"laminar/sqlstore/raw"
	"laminar/sqlstore/resulttable"
)

// The catalogue is changed rarely and by people, and each change has to see all
// others: two flows must not get one table, and the windows of a flow's backfill
// must end where its first delta begins. So changes exclude each other, and each is
// made in a snapshot that shows catalogue and raw samples at one moment. Rounds
// wait for as long as a change takes.
//
// Before: rounds that have locked flows have committed or are waited for.
// After: the catalogue, the tables that go and the hint are committed together, or
// nothing of them. Whoever loads a flow afterwards sees it whole.

// catalogueChange is a transaction that changes the catalogue. Its snapshot
// shows catalogue and raw table at one moment, and nothing else writes flows
// until it ends.
type catalogueChange struct {
	*raw.Snapshot
	known  []applyplan.Entry
	schema string
	at     string // the table that it is changing, quoted

	// Of flows that are being applied: all that there are to be, the applied ones first.
	all   []flowdef.Flow
	fresh int
	graph *flowgraph.Graph
	begun map[string]begun // where new flows begin, by title
}

// begun is from when on a flow has results, and its newest sample; ms, sequence.NoTime
// for neither.
type begun struct{ after, newest int64 }

// changeCatalogue runs fn in a transaction that changes the catalogue, tells the
// flownode, and commits. An error of fn undoes everything.
//
// Locks of others are waited for as the catalogue's patience says. fn may then be
// run several times, each time in a new transaction.
func (c *Catalogue) changeCatalogue(ctx context.Context, fn func(*catalogueChange) error) error {
	return c.patience.Wait(ctx, c.db.Pool(), func() (string, error) { return c.change(ctx, fn) })
}

// change is one attempt of changeCatalogue. table is the one that it was at.
func (c *Catalogue) change(ctx context.Context, fn func(*catalogueChange) error) (table string, err error) {
	table = pgx.Identifier{c.db.Schema(), "flow"}.Sanitize()
	// The lock comes before the snapshot, which therefore shows everything that the
	// writer before it has committed. EXCLUSIVE conflicts with the row locks that
	// Commit begins with, so neither waits for the other halfway.
	snap, err := c.raw.SnapshotToWrite(ctx, "lock table flow in exclusive mode")
	if err != nil {
		return table, err
	}
	defer func() { _ = snap.Close(ctx) }() // after a commit it only gives the session back
	known, err := readCatalogue(ctx, snap.Session())
	if err != nil {
		return table, pg.Interpret(err)
	}
	change := &catalogueChange{Snapshot: snap, known: known, schema: c.schema, at: table}
	if err := fn(change); err != nil {
		return change.at, pg.Interpret(err)
	}
	if err := hintLook(ctx, c.db, snap.Session()); err != nil {
		return table, pg.Interpret(err)
	}
	return table, snap.Commit(ctx)
}

// Delete forgets the flows of a name and drops their results: the table, or where others
// write to it as well their rows.
func (c *Catalogue) Delete(ctx context.Context, name string) error {
	err := c.changeCatalogue(ctx, func(c *catalogueChange) error {
		found, err := find(c.known, name)
		if err != nil {
			return err
		}
		gone := make([]leaving, len(found))
		for i, e := range found {
			gone[i].Entry = e
		}
		_, err = c.remove(ctx, gone)
		return err
	})
	if err != nil {
		return fmt.Errorf("delete flow %s: %w", name, err)
	}
	return nil
}

// leaving is a flow that goes.
type leaving struct {
	applyplan.Entry
	successor *resulttable.Table // of the flow that takes its place; nil when none does
	name      string             // of that flow
}

// remove forgets flows and drops their results. A table that a flow which stays
// writes to as well only loses the rows of those that go. What people have made of
// a table is returned for its successor, which is yet to be made.
func (c *catalogueChange) remove(ctx context.Context, gone []leaving) ([]resulttable.Inheritance, error) {
	if len(gone) == 0 {
		return nil, nil
	}
	ids := make([]int32, len(gone))
	for i, e := range gone {
		ids[i] = e.ID
	}
	if _, err := c.Session().Exec(ctx, queries.FlowDelete, ids); err != nil {
		return nil, fmt.Errorf("forget flows: %w", err)
	}
	var left []resulttable.Inheritance
	handed := map[string]bool{} // tables that are the successors' now
	shared := map[string]*resulttable.Table{}
	heirs := map[string][]int32{} // of shared tables, the flows that stay
	// Rows of the catalogue first: they are what rounds are fenced by, so no round
	// of these flows writes to the tables any more. Then the flows that have successors:
	// what people have made of a table that goes is handed on.
	slices.SortStableFunc(gone, func(a, b leaving) int { return cmp.Compare(len(b.name), 0) - cmp.Compare(len(a.name), 0) })
	for _, e := range gone {
		table := resulttable.New(e.Schema, e.Def)
		owned, err := table.Owned(ctx, c.Session())
		if err != nil {
			return nil, err
		}
		if !owned || handed[table.Ident()] {
			continue // never made, or dropped by hand; or emptied already
		}
		c.at = table.Ident()
		if err := resulttable.SideOf(e.Schema, e.Def).Drop(ctx, c.Session()); err != nil {
			return nil, err
		}
		// Rules of one record share a table.
		var stay []int32
		for _, k := range c.known {
			if k.Schema == e.Schema && k.Def.Table == e.Def.Table && !slices.Contains(ids, k.ID) {
				stay = append(stay, k.ID)
			}
		}
		if len(stay) > 0 {
			clear, args := table.Clear()
			if _, err := c.Session().Exec(ctx, clear, args...); err != nil {
				return nil, table.ExplainDrop(err)
			}
			if table.Ruled() {
				if err := table.Look(ctx, c.Session()); err != nil {
					return nil, err
				}
				shared[table.Ident()], heirs[table.Ident()] = table, stay
			}
			continue
		}
		if e.successor != nil {
			belongings, err := (&resulttable.Predecessor{Table: table}).HandOver(ctx, c.Session(), e.successor, e.name)
			if err != nil {
				return nil, err
			}
			if belongings != nil {
				left = append(left, *belongings)
			}
			handed[table.Ident()] = e.successor.Ident() == table.Ident()
			continue
		}
		if _, err := c.Session().Exec(ctx, table.Drop()); err != nil {
			return nil, table.ExplainDrop(err)
		}
	}
	for name, table := range shared {
		if err := c.inherit(ctx, table, heirs[name]); err != nil {
			return nil, fmt.Errorf("put rows of other rules in their places in %s: %w", name, err)
		}
	}
	return left, nil
}

// inherit puts rows of the flows, which stay, in the places that others have left in
// their table.
func (c *catalogueChange) inherit(ctx context.Context, table *resulttable.Table, flows []int32) error {
	stand, err := claims.Inherit(ctx, c.Session(), &resulttable.Shared{Table: table}, flows)
	if err != nil || len(stand) == 0 {
		return err
	}
	var log changes.Log
	if err := noteSettled(&log.Written, table, stand); err != nil {
		return err
	}
	rows, err := c.Session().Query(ctx, queries.FlowLock, flows)
	if err != nil {
		return err
	}
	positions := map[progress.FlowID]int64{}
	if err := changes.Positions(rows, positions); err != nil {
		return err
	}
	return log.Write(ctx, c.Session(), positions)
}
