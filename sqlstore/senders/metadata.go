package senders

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	queries "laminar/queries/raw"
	"laminar/sequence/series"
	"laminar/sqlstore/pg"
)

// Type, help text and unit of metrics, as senders describe them. They are for
// people: views and the command line show them. No sample and no flow depends on
// them, so the last writer wins, and no region orders the writes. Senders repeat
// them every minute or so; the statement writes only descriptions that differ, or
// the table would be rewritten each time.

// SaveMetadata keeps what senders say of metrics, each metric at most once in
// the list. What is stored already is not written again.
func (s *Store) SaveMetadata(ctx context.Context, list []series.Metadata) error {
	names, types := make([]string, len(list)), make([]string, len(list))
	helps, units := make([]string, len(list)), make([]string, len(list))
	for i, m := range list {
		names[i], types[i], helps[i], units[i] = m.Metric, m.Type, m.Help, m.Unit
	}
	if _, err := s.db.Pool().Exec(ctx, queries.MetadataSave, names, types, helps, units); err != nil {
		return fmt.Errorf("save the metadata of %d metrics: %w", len(list), pg.Interpret(err))
	}
	return nil
}

// Metadata is what senders say of the metrics, in the order of their names;
// metrics that no sender describes are left out. A metric of a family takes the
// family's description where it has none of its own.
func (s *Store) Metadata(ctx context.Context, metrics []string) ([]series.Metadata, error) {
	rows, err := s.db.Pool().Query(ctx, queries.MetadataFind, metrics)
	if err != nil {
		return nil, fmt.Errorf("read metadata: %w", pg.Interpret(err))
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[series.Metadata])
	if err != nil {
		return nil, fmt.Errorf("read metadata: %w", pg.Interpret(err))
	}
	return list, nil
}

// AllMetadata is what senders say of all metrics, in the order of their names. A
// metric of a family stands under the family's name.
func (s *Store) AllMetadata(ctx context.Context) ([]series.Metadata, error) {
	rows, err := s.db.Pool().Query(ctx, queries.MetadataAll)
	if err != nil {
		return nil, fmt.Errorf("read metadata: %w", pg.Interpret(err))
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[series.Metadata])
	if err != nil {
		return nil, fmt.Errorf("read metadata: %w", pg.Interpret(err))
	}
	return list, nil
}
