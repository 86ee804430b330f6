package alertstore

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	"laminar/flownode/alert"
	"laminar/flownode/progress"
	queries "laminar/queries/alert"
	"laminar/sequence"
	"laminar/sqlstore/pg"
)

// What Alertmanagers are to be told, and that they were. Only the process that leads in
// the current term is given anything, and only its word counts.

// Limits says what is due.
type Limits struct {
	MaxAge      time.Duration // evaluations that are older are not told of
	ResendDelay time.Duration // after which an alert that goes on is due again
	Capacity    int           // of notices that wait; of more, the oldest are dropped
	Batch       int           // notices at a time
}

// Due is one alert to be told of.
type Due struct {
	alert.Notice
	Every int64  // step of the rule, ms
	Expr  string // of the rule

	flow  progress.FlowID
	print int64
	id    int64 // of the notice; 0 for an alert that goes on
}

// Batch is what is due at a time.
type Batch struct {
	Due     []Due         // in the order in which it is to be told; an alert can be in it twice
	Now     sequence.Time // by the database's clock
	Waiting int64         // notices in all
	Dropped int64         // notices that were too old or too many
	More    bool          // there are more notices than these
}

// Due is what is due in the term. It is empty for a process that does not lead in it.
func (s *Store) Due(ctx context.Context, term int64, l Limits) (Batch, error) {
	var b Batch
	err := s.db.Pool().QueryRow(ctx, queries.NoticeDrop, l.MaxAge.Milliseconds(), l.Capacity).Scan(&b.Dropped)
	if err == nil {
		err = s.notices(ctx, term, l, &b)
	}
	if err == nil {
		err = s.goingOn(ctx, term, l, &b)
	}
	if err != nil {
		return Batch{}, fmt.Errorf("look which alerts are to be told: %w", pg.Interpret(err))
	}
	return b, nil
}

// notices reads the oldest notices.
func (s *Store) notices(ctx context.Context, term int64, l Limits, b *Batch) error {
	rows, err := s.db.Pool().Query(ctx, queries.NoticeDue, s.lease, term, pg.LeaseTime.Milliseconds(), l.Batch)
	if err != nil {
		return err
	}
	b.Due, err = pgx.CollectRows(rows, func(row pgx.CollectableRow) (d Due, err error) {
		var lset, annotations, phase string
		if err := row.Scan(&d.id, (*int32)(&d.flow), &d.print, &d.Every, &d.Expr, &lset, &annotations, &d.At, &phase, &d.Value,
			&d.StartsAt, &d.EndsAt, &d.Corrected, &b.Waiting, &b.Now); err != nil {
			return d, err
		}
		d.Labels, d.Annotations = labelsOf(lset), labelsOf(annotations)
		d.Phase, err = alert.ParsePhase(phase)
		return d, err
	})
	b.More = len(b.Due) == l.Batch
	return err
}

// goingOn reads the alerts of which nothing was told for a while.
func (s *Store) goingOn(ctx context.Context, term int64, l Limits, b *Batch) error {
	rows, err := s.db.Pool().Query(ctx, queries.AlertDue, s.lease, term, pg.LeaseTime.Milliseconds(), l.MaxAge.Milliseconds())
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var (
			d                  Due
			i                  alert.Instance
			lset, notes, phase string
			sent               sequence.Time
		)
		if err := rows.Scan((*int32)(&d.flow), &d.print, &d.Every, &d.Expr, &lset, &notes, &d.At, &phase, &i.Value, &i.FiredAt, &i.ResolvedAt, &sent, &b.Now); err != nil {
			return err
		}
		if i.Phase, err = alert.ParsePhase(phase); err != nil {
			return err
		}
		if sent != sequence.NoTime && !i.Resend(sent, b.Now, l.ResendDelay.Milliseconds()) {
			continue
		}
		i.Labels, i.Annotations = labelsOf(lset), labelsOf(notes)
		d.Notice = i.Notice(d.At, false)
		b.Due = append(b.Due, d)
	}
	return rows.Err()
}

// Sent notes that an Alertmanager has taken what was due at a time of the database's
// clock. It does nothing in a term that is over.
func (s *Store) Sent(ctx context.Context, term int64, due []Due, at sequence.Time) error {
	var (
		ids, prints []int64
		flows       []int32
	)
	for i := range due {
		flows, prints = append(flows, int32(due[i].flow)), append(prints, due[i].print)
		if due[i].id != 0 {
			ids = append(ids, due[i].id)
		}
	}
	batch := &pgx.Batch{}
	batch.Queue(queries.AlertSent, s.lease, term, flows, prints, at)
	batch.Queue(queries.NoticeSent, s.lease, term, ids)
	if err := s.db.Pool().SendBatch(ctx, batch).Close(); err != nil {
		return fmt.Errorf("note which alerts were told: %w", pg.Interpret(err))
	}
	return nil
}
