package latestore

import (
	"context"
	"errors"
	"fmt"
	"math"

	"github.com/jackc/pgx/v5"

	"laminar/flownode/defjson"
	"laminar/flownode/flowdef"
	"laminar/flownode/flowgraph"
	"laminar/flownode/progress"
	queries "laminar/queries/late"
	"laminar/sequence"
	"laminar/sqlstore/pg"
)

// mostRows is how many samples, and windows, one transaction forgets at most: rounds of the
// flow wait for it.
const mostRows = 10_000

// Store forgets what is old. It is safe for concurrent use, also by several processes.
type Store struct {
	db   *pg.DB
	most int64 // rows of one transaction
}

// New makes a store of a database.
func New(db *pg.DB) *Store { return &Store{db: db, most: mostRows} }

// noted is a flow of which something is noted.
type noted struct {
	id         int32
	definition []byte
	def        flowdef.Flow
	gone       sequence.Time // windows with an end before it cannot be computed any more
}

// Forget forgets what rounds have noted of late samples of all flows and is of no more use
// now: kept samples that are older than their flow keeps them, and windows that cannot be
// computed any more, because raw samples of them are dropped, or whose results are not kept.
// It says how many samples and windows these were. Rounds forget nothing by its age.
func (s *Store) Forget(ctx context.Context, now sequence.Time) (forgotten int64, err error) {
	flows, err := s.noted(ctx)
	if err != nil {
		return 0, fmt.Errorf("list flows with late samples: %w", pg.Interpret(err))
	}
	var faults []error
	for i := range flows {
		for more := true; more; {
			var samples, windows int64
			samples, windows, err = s.some(ctx, &flows[i], now)
			if err != nil {
				faults = append(faults, fmt.Errorf("forget old late samples of flow %s: %w", flows[i].def.Title(), pg.Interpret(err)))
			}
			forgotten += samples + windows
			more = err == nil && max(samples, windows) == s.most
		}
	}
	return forgotten, errors.Join(faults...)
}

// noted lists the flows of which something is noted.
func (s *Store) noted(ctx context.Context) ([]noted, error) {
	rows, err := s.db.Pool().Query(ctx, queries.LateFlows)
	if err != nil {
		return nil, err
	}
	var (
		dropped sequence.Time // raw samples before it
		places  []int         // of the flows of which something is noted
		n       int
	)
	all, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (f noted, err error) {
		var has bool
		if err = row.Scan(&f.id, &f.definition, &has, &dropped); has {
			places = append(places, n)
		}
		n++
		return f, err
	})
	if err != nil || len(places) == 0 {
		return nil, err
	}
	defs := make([]flowdef.Flow, len(all))
	for i := range all {
		if defs[i], err = defjson.Unmarshal(all[i].definition); err != nil {
			return nil, err
		}
	}
	g, out := flowgraph.New(defs), make([]noted, len(places))
	for i, at := range places {
		out[i] = all[at]
		out[i].def = defs[at]
		// Results are kept for as long as their own flow says.
		if part, readsRaw := g.RawPart(at); readsRaw {
			out[i].gone = part.FirstRebuildable(dropped)
		}
	}
	return out, nil
}

// some forgets the oldest of a flow, as much as one transaction may.
func (s *Store) some(ctx context.Context, f *noted, now sequence.Time) (samples, windows int64, err error) {
	err = s.db.InTx(ctx, func(tx pgx.Tx) error {
		var (
			stored  []int64
			reached sequence.Time
		)
		switch err := tx.QueryRow(ctx, queries.LateLock, f.id, f.definition).Scan(&stored, &reached); {
		case errors.Is(err, pgx.ErrNoRows):
			return nil // it is gone, or another now
		case err != nil:
			return err
		}
		gone := f.gone
		if f.def.Keep > 0 {
			gone = max(gone, min(reached, now)-f.def.Keep) // as its results go
		}
		old := sequence.Span{After: math.MinInt64, UpTo: f.def.Windows().From(gone) - f.def.Every}
		left := progress.Stretches(Decode(stored), nil, []sequence.Span{old})
		return tx.QueryRow(ctx, queries.LateForget, f.id, now-f.def.KeepLate, gone, s.most, encode(left)).Scan(&samples, &windows)
	})
	return samples, windows, err
}
