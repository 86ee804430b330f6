package alertstore

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"laminar/flownode/alert"
	queries "laminar/queries/alert"
	"laminar/sequence"
	"laminar/sqlstore/pg"
)

// Listed is an alert as it stands, for people and programs.
type Listed struct {
	alert.Instance
	Name   string
	Flow   string        // title of the flow of its expression
	AsOf   sequence.Time // end of the last window that was evaluated
	ToldAt sequence.Time // when an Alertmanager last took it, by the database's clock; sequence.NoTime for never
}

// List lists all alerts: those that fire first, then those that are pending.
func (s *Store) List(ctx context.Context) ([]Listed, error) {
	rows, err := s.db.Pool().Query(ctx, queries.AlertList)
	if err != nil {
		return nil, fmt.Errorf("list alerts: %w", pg.Interpret(err))
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (l Listed, err error) {
		var phase, lset, annotations string
		if err := row.Scan(&l.Name, &phase, &lset, &annotations, &l.Value, &l.ActiveAt, &l.FiredAt, &l.ResolvedAt, &l.KeptSince, &l.ToldAt, &l.AsOf, &l.Flow); err != nil {
			return l, err
		}
		l.Labels, l.Annotations = labelsOf(lset), labelsOf(annotations)
		l.Phase, err = alert.ParsePhase(phase)
		return l, err
	})
	if err != nil {
		return nil, fmt.Errorf("list alerts: %w", pg.Interpret(err))
	}
	return out, nil
}

// Recorded is a change of an alert as it was stored.
type Recorded struct {
	alert.Change
	Name      string
	Flow      string
	Recorded  sequence.Time // by the database's clock
	Withdrawn sequence.Time // the same; sequence.NoTime while the change stands
}

// History lists the newest changes, newest first.
func (s *Store) History(ctx context.Context, limit int) ([]Recorded, error) {
	rows, err := s.db.Pool().Query(ctx, queries.HistoryList, limit)
	if err != nil {
		return nil, fmt.Errorf("list changes of alerts: %w", pg.Interpret(err))
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (r Recorded, err error) {
		var phase, reason, lset string
		if err := row.Scan(&r.Name, &phase, &reason, &lset, &r.Value, &r.At, &r.Corrected, &r.Recorded, &r.Withdrawn, &r.Flow); err != nil {
			return r, err
		}
		r.Labels = labelsOf(lset)
		if r.Phase, err = alert.ParsePhase(phase); err == nil {
			r.Reason, err = alert.ParseReason(reason)
		}
		return r, err
	})
	if err != nil {
		return nil, fmt.Errorf("list changes of alerts: %w", pg.Interpret(err))
	}
	return out, nil
}
