// Package groupstore keeps in PostgreSQL which groups of a flow with max_groups keep a row
// of their own.
//
// Queue adds what a round has chosen to its transaction, which package flowstore makes: the
// choice moves with the progress (I4).
package groupstore

import (
	"context"

	"github.com/jackc/pgx/v5"

	"laminar/flownode/defjson"
	"laminar/flownode/flowdef"
	"laminar/flownode/progress"
	queries "laminar/queries/group"
	"laminar/sequence"
	"laminar/sqlstore/pg"
	"laminar/sqlstore/resulttable"
)

// Queue adds the groups that a round has chosen.
func Queue(batch *pgx.Batch, flow progress.FlowID, c *progress.Chosen) {
	keys := c.Keys
	if keys == nil {
		keys = []string{}
	}
	batch.Queue(queries.GroupAdd, int32(flow), int32(c.First), keys, c.Folds)
}

// Load reads the groups of a flow that has a limit of them.
func Load(ctx context.Context, q pg.Querier, flow *progress.Flow) error {
	if flow.Def.MaxGroups == 0 {
		return nil
	}
	rows, err := q.Query(ctx, queries.GroupList, int32(flow.ID))
	if err != nil {
		return err
	}
	flow.Chosen = nil
	var key string
	_, err = pgx.ForEachRow(rows, []any{&key, &flow.Folds}, func() error {
		flow.Chosen = append(flow.Chosen, key)
		return nil
	})
	return err
}

// Limit gives a flow, which is locked, the limit of its definition: groups that were chosen
// beyond it are chosen no more, and its windows are computed again by a refill, from the
// oldest that is stored in its table and can be. Samples before earliest are given up.
func Limit(ctx context.Context, q pg.Querier, flow progress.FlowID, def *flowdef.Flow, table *resulttable.Table, earliest sequence.Time) error {
	hash, err := defjson.Hash(*def)
	if err != nil {
		return err
	}
	var emitted int64
	if err := q.QueryRow(ctx, queries.GroupLimit, int32(flow), int32(min(def.MaxGroups, 1<<30)), hash[:]).Scan(&emitted); err != nil {
		return err
	}
	owned, err := table.Owned(ctx, q)
	if err != nil || !owned {
		return err
	}
	oldest, err := table.Oldest(ctx, q)
	if err != nil || oldest == sequence.NoTime {
		return err
	}
	if from := max(oldest, def.FirstRebuildable(earliest)) - 1; from < emitted {
		_, err = q.Exec(ctx, queries.GroupRefill, int32(flow), from, emitted)
	}
	return err
}
