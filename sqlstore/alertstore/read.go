package alertstore

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"laminar/flownode/alert"
	"laminar/flownode/progress"
	queries "laminar/queries/alert"
	"laminar/sequence"
	"laminar/sqlstore/pg"
)

// Store reads what is stored of alerts. Its methods may be called by several goroutines
// at once.
type Store struct {
	db    *pg.DB
	lease string // whose owner sends
}

// New gives access to the alerts of a database. The owner of the lease keeps the flows
// and tells of their alerts.
func New(db *pg.DB, lease string) *Store { return &Store{db: db, lease: lease} }

// Alerts is the alerts of a rule after its last closed window, in no order.
func (s *Store) Alerts(ctx context.Context, flow progress.FlowID) ([]alert.Change, error) {
	out, err := s.changes(ctx, queries.AlertCurrent, int32(flow))
	if err != nil {
		return nil, fmt.Errorf("read the alerts of flow %d: %w", flow, err)
	}
	return out, nil
}

// Changes is what changed the alerts of a rule: the last change of each label set up to
// the window ending at t, and all changes after it, both by window.
func (s *Store) Changes(ctx context.Context, flow progress.FlowID, t sequence.Time) (before, after []alert.Change, err error) {
	if before, err = s.changes(ctx, queries.HistoryBefore, int32(flow), t); err == nil {
		after, err = s.changes(ctx, queries.HistoryAfter, int32(flow), t)
	}
	if err != nil {
		return nil, nil, fmt.Errorf("read the changes of the alerts of flow %d: %w", flow, err)
	}
	return before, after, nil
}

// changes runs a query for changes.
func (s *Store) changes(ctx context.Context, query string, args ...any) ([]alert.Change, error) {
	rows, err := s.db.Pool().Query(ctx, query, args...)
	if err != nil {
		return nil, pg.Interpret(err)
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (c alert.Change, err error) {
		var lset, annotations, phase, reason string
		if err := row.Scan(&c.ID, &c.At, &reason, &c.Corrected, &lset, &annotations, &phase, &c.Value,
			&c.ActiveAt, &c.FiredAt, &c.ResolvedAt, &c.KeptSince); err != nil {
			return c, err
		}
		c.Labels, c.Annotations = labelsOf(lset), labelsOf(annotations)
		if c.Phase, err = alert.ParsePhase(phase); err == nil && reason != "" {
			c.Reason, err = alert.ParseReason(reason)
		}
		return c, err
	})
	return out, pg.Interpret(err)
}
