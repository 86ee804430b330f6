package flowstore

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5"

	"laminar/flownode/defjson"
	"laminar/flownode/progress"
	queries "laminar/queries/flow"
	"laminar/sqlstore/applyplan"
	"laminar/sqlstore/changes"
	"laminar/sqlstore/claims"
	"laminar/sqlstore/groupstore"
	"laminar/sqlstore/latestore"
	"laminar/sqlstore/pg"
	"laminar/sqlstore/raw"
	"laminar/sqlstore/resulttable"
)

// The catalogue as it is read, by the flownode and by name, and how a flow is taken.
// It is changed elsewhere (Apply, Delete), under a lock on the table of flows.
//
// Nothing here needs that lock. Take locks the row of its flow alone, so flownodes take
// flows while rounds of other flows commit. The definition of a flow that has an owner
// changes only together with its epoch, so an owner that is not fenced knows it.

// Catalogue is where flows are defined, and how far each is. All methods are safe
// for concurrent use, also by several processes.
type Catalogue struct {
	db      *pg.DB
	raw     *raw.Reader
	schema  string   // of the result tables of new flows
	targets *targets // shared with Results
	parsed  *definitions

	patience pg.Patience // with locks of others
}

// Patiently is the catalogue, whose changes wait as patience says. The catalogue itself
// stays as it was; both know the same flows as taken.
func (c *Catalogue) Patiently(patience pg.Patience) *Catalogue {
	out := *c
	out.patience = patience
	return &out
}

// A flownode asks for the heads every second or so, and for all of a flow only when
// its head says that there is something new.

// Heads lists all flows, in the order in which they were made, with what tells
// whether one came, went, changed or got another owner.
func (c *Catalogue) Heads(ctx context.Context) ([]progress.Head, error) {
	rows, err := c.db.Pool().Query(ctx, queries.FlowHeads, nil)
	if err != nil {
		return nil, fmt.Errorf("list flows: %w", pg.Interpret(err))
	}
	heads, err := pgx.CollectRows(rows, scanHead)
	if err != nil {
		return nil, fmt.Errorf("list flows: %w", pg.Interpret(err))
	}
	return heads, nil
}

// scanHead reads a row of flow_heads.
func scanHead(row pgx.CollectableRow) (h progress.Head, err error) {
	var hash []byte
	err = row.Scan((*int32)(&h.ID), &h.Name, &h.Group, &hash, &h.Epoch, &h.Shape, &h.Lag)
	copy(h.Hash[:], hash)
	return h, err
}

// Stand notes that flows stand still, and that others move again: what people are
// shown of them, and no part of their progress. So it is not fenced, and no round waits
// for it: at worst an earlier owner's word is shown until the present one notes its own. A flow
// that is gone is passed over.
func (c *Catalogue) Stand(ctx context.Context, still []progress.Stall, moving []progress.FlowID) error {
	ids, errs, hints := make([]int32, len(still)), make([]string, len(still)), make([]string, len(still))
	for i, s := range still {
		ids[i], errs[i], hints[i] = int32(s.Flow), strings.ToValidUTF8(s.Error, "?"), strings.ToValidUTF8(s.Hint, "?")
	}
	again := make([]int32, len(moving))
	for i, id := range moving {
		again[i] = int32(id)
	}
	batch := &pgx.Batch{}
	if len(ids) > 0 {
		batch.Queue(queries.StallAdd, ids, errs, hints)
	}
	if len(again) > 0 {
		batch.Queue(queries.StallRemove, again)
	}
	if err := c.db.Pool().SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("note which flows stand still: %w", pg.Interpret(err))
	}
	return nil
}

// Take makes the caller the owner of a flow: it raises the epoch, which fences
// every earlier owner (I4), makes the result table if it is not there, and
// loads definition, progress and dirty list. progress.ErrFlowGone when there is
// no such flow.
func (c *Catalogue) Take(ctx context.Context, id progress.FlowID) (progress.Flow, error) {
	var (
		flow  progress.Flow
		table *resulttable.Table
		rules claims.Rules
	)
	// One transaction: an owner without a table, or a table without an owner, would
	// each be a state of its own.
	err := c.db.InTx(ctx, func(tx pgx.Tx) error {
		var name, schema string
		var err error
		if flow, name, schema, err = takeFlow(ctx, tx, id); err != nil {
			return err
		}
		table = resulttable.New(schema, flow.Def)
		if err := table.Ensure(ctx, tx, name); err != nil {
			return err
		}
		if err := resulttable.SideOf(schema, flow.Def).Ensure(ctx, tx, id); err != nil {
			return err
		}
		if table.Made() {
			// Somebody has dropped it, with the rows that the change log tells of.
			if err := changes.Reborn(ctx, tx, id); err != nil {
				return err
			}
		}
		if table.Ruled() {
			if rules, err = rulesOf(ctx, tx, id); err != nil {
				return err
			}
		}
		if flow.Shape, err = shapeOf(ctx, tx, id); err != nil {
			return err
		}
		if flow.Dirty, err = dirtyList(ctx, tx, id); err != nil {
			return err
		}
		return errors.Join(groupstore.Load(ctx, tx, &flow), latestore.Load(ctx, tx, &flow))
	})
	if err != nil {
		called := strconv.FormatInt(int64(id), 10)
		if flow.Def.Name != "" { // it was read
			called = flow.Def.Title()
		}
		return progress.Flow{}, fmt.Errorf("take over flow %s: %w", called, pg.Interpret(err))
	}
	// Only now: until the commit the flow may still belong to another owner.
	c.targets.put(id, newTarget(table, rules))
	return flow, nil
}

// takeFlow raises the epoch and loads the flow, but for its dirty list. The row
// stays locked until the commit: a round of the owner before has been committed,
// or will be fenced.
func takeFlow(ctx context.Context, tx pgx.Tx, id progress.FlowID) (flow progress.Flow, name, schema string, err error) {
	var definition, vector, flushes, sources []byte
	flow.ID = id
	if _, err = tx.Exec(ctx, setIdleLimit); err != nil {
		return flow, "", "", err
	}
	err = tx.QueryRow(ctx, queries.FlowTake, int32(id)).Scan(&name, &schema, &flow.Epoch, &definition, &vector, &flushes,
		&flow.EmittedUntil, &flow.NewestT, &flow.NewestAt, &flow.Watermark, &flow.BeginsAfter, &flow.Error, &sources)
	switch {
	// Deleted since its head was listed.
	case errors.Is(err, pgx.ErrNoRows):
		return flow, "", "", progress.ErrFlowGone
	case err != nil:
		return flow, "", "", fmt.Errorf("raise the epoch: %w", err)
	}
	if flow.Def, err = defjson.Unmarshal(definition); err != nil {
		return flow, "", "", err
	}
	if flow.Vector, err = raw.DecodeVector(vector); err != nil {
		return flow, "", "", err
	}
	if flow.Flushes, err = decodeFlushes(flushes); err != nil {
		return flow, "", "", err
	}
	flow.Sources, err = decodeSources(sources)
	return flow, name, schema, err
}

// rulesOf is the rules that write to the table of a flow.
func rulesOf(ctx context.Context, q pg.Querier, id progress.FlowID) (claims.Rules, error) {
	rows, err := q.Query(ctx, queries.FlowRules, int32(id))
	if err != nil {
		return nil, fmt.Errorf("read which rules write to the table: %w", err)
	}
	rules, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r claims.Rule, err error) {
		return r, row.Scan((*int32)(&r.Flow), &r.Number)
	})
	if err != nil {
		return nil, fmt.Errorf("read which rules write to the table: %w", err)
	}
	return rules, nil
}

// shapeOf is the shape of a flow's table now, as Heads tells it. It is read in Take's
// transaction, after the table was made. So a later head with another shape means that
// somebody has altered or dropped the table since.
func shapeOf(ctx context.Context, tx pg.Querier, id progress.FlowID) (string, error) {
	rows, err := tx.Query(ctx, queries.FlowHeads, int32(id))
	if err != nil {
		return "", fmt.Errorf("look at the table's columns: %w", err)
	}
	head, err := pgx.CollectExactlyOneRow(rows, scanHead)
	if err != nil {
		return "", fmt.Errorf("look at the table's columns: %w", err)
	}
	return head.Shape, nil
}

// dirtyList is what a flow has still to compute again, oldest window first.
func dirtyList(ctx context.Context, tx pg.Querier, id progress.FlowID) ([]progress.Dirty, error) {
	rows, err := tx.Query(ctx, queries.FlowDirty, int32(id))
	if err != nil {
		return nil, fmt.Errorf("read the dirty list: %w", err)
	}
	dirty, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (d progress.Dirty, err error) {
		var (
			reason string
			since  []byte
		)
		if err := row.Scan(&d.WindowEnd, &d.Group, &reason, &since, &d.FirstAt, &d.LastAt); err != nil {
			return d, err
		}
		if d.Reason, err = progress.ParseReason(reason); err != nil {
			return d, fmt.Errorf("window %d: %w", d.WindowEnd, err)
		}
		d.Since, err = raw.DecodeVector(since)
		return d, err
	})
	if err != nil {
		return nil, fmt.Errorf("read the dirty list: %w", err)
	}
	return dirty, nil
}

// What follows is the catalogue as those see it who change it or look something up
// in it by name. A name is the title of one flow, or the name that several rules
// share which differ in their static labels.

// readCatalogue lists the flows in the order in which they were made.
func readCatalogue(ctx context.Context, q pg.Querier) ([]applyplan.Entry, error) {
	rows, err := q.Query(ctx, queries.FlowCatalogue)
	if err != nil {
		return nil, fmt.Errorf("read the catalogue: %w", err)
	}
	entries, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (e applyplan.Entry, err error) {
		var definition []byte
		if err := row.Scan(&e.ID, &e.Schema, &e.Group, &definition); err != nil {
			return e, err
		}
		if e.Def, err = defjson.Unmarshal(definition); err != nil {
			return e, err
		}
		// The stored hash only tells that a flow was made anew: another release may leave
		// other things out of it.
		e.Hash, err = defjson.Hash(e.Def)
		return e, err
	})
	if err != nil {
		return nil, fmt.Errorf("read the catalogue: %w", err)
	}
	return entries, nil
}

// find picks the flows of a name: the one with that title, or else all rules of that
// record, or of that record and number. An UnknownFlowError when there is none.
func find(entries []applyplan.Entry, name string) ([]applyplan.Entry, error) {
	var found []applyplan.Entry
	var names []string
	for _, e := range entries {
		if e.Def.Title() == name {
			return []applyplan.Entry{e}, nil
		}
		if e.Def.Named(name) {
			found = append(found, e)
		}
		names = append(names, e.Def.Title())
	}
	if len(found) == 0 {
		return nil, progress.UnknownFlow(name, names)
	}
	return found, nil
}
