// Package census counts series, for people who ask where they come from: by metric, by
// label, by the values of a label, and by the sender that brought them.
//
// It only reads, each answer by one statement. Labels are read of about a million series
// at most, of pages that PostgreSQL picks: counts are then projected, and distinct values
// are at least as many. What it does not do is keep any count: rows are counted when
// someone asks. Of senders there are only the counts that flushes leave (raw.FlushTx).
package census

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	queries "laminar/queries/census"
	"laminar/sequence"
	"laminar/sqlstore/pg"
)

// sample is of how many series labels are read.
const sample = 1_000_000

// Census counts series. It is safe for concurrent use.
type Census struct{ db *pg.DB }

// New makes a census.
func New(db *pg.DB) *Census { return &Census{db: db} }

// Metric is how many series a metric has.
type Metric struct {
	Name            string
	Series          int64
	CreatedLastHour int64
}

// Metrics are the metrics with most series.
func (c *Census) Metrics(ctx context.Context, limit int) ([]Metric, error) {
	return list(ctx, c, "series by metric", queries.Metrics, func(row pgx.CollectableRow) (m Metric, err error) {
		err = row.Scan(&m.Name, &m.Series, &m.CreatedLastHour)
		return m, err
	}, int32(limit))
}

// Label is how many series have a label, and how many values it has.
type Label struct {
	Name           string
	Series, Values int64
}

// Labels are the labels with most values. part is of how many series they were read, in
// per cent; below 100 Series is projected, and Values is what was seen at least.
func (c *Census) Labels(ctx context.Context, limit int) (labels []Label, part float64, err error) {
	if part, err = c.part(ctx); err != nil {
		return nil, 0, err
	}
	labels, err = list(ctx, c, "series by label", queries.Labels, func(row pgx.CollectableRow) (l Label, err error) {
		err = row.Scan(&l.Name, &l.Series, &l.Values)
		l.Series = int64(float64(l.Series) * 100 / part)
		return l, err
	}, int32(limit), float32(part))
	return labels, part, err
}

// Value is how many series have a value of a label.
type Value struct {
	Value  string
	Series int64
}

// Values are the values of a label that most series have; part as in Labels.
func (c *Census) Values(ctx context.Context, label string, limit int) (values []Value, part float64, err error) {
	if part, err = c.part(ctx); err != nil {
		return nil, 0, err
	}
	values, err = list(ctx, c, "series by value", queries.Values, func(row pgx.CollectableRow) (v Value, err error) {
		err = row.Scan(&v.Value, &v.Series)
		v.Series = int64(float64(v.Series) * 100 / part)
		return v, err
	}, int32(limit), float32(part), label)
	return values, part, err
}

// Sender is how many new series a sender has brought, by whole hours.
type Sender struct {
	Name                        string
	LastHour, LastDay, LastWeek int64
}

// Senders are those that have brought most new series, of late first.
func (c *Census) Senders(ctx context.Context, limit int) ([]Sender, error) {
	return list(ctx, c, "series by sender", queries.Senders, func(row pgx.CollectableRow) (s Sender, err error) {
		err = row.Scan(&s.Name, &s.LastHour, &s.LastDay, &s.LastWeek)
		return s, err
	}, int32(limit))
}

// part is of how many series labels are to be read, in per cent.
func (c *Census) part(ctx context.Context) (float64, error) {
	var n int64
	if err := c.db.Pool().QueryRow(ctx, queries.Size).Scan(&n); err != nil {
		return 0, fmt.Errorf("look how many series there are: %w", pg.Interpret(err))
	}
	if n <= sample {
		return 100, nil
	}
	return 100 * sample / float64(n), nil
}

// Generation is a generation of raw samples that has a hot table. Segments are PostgreSQL's
// estimate.
type Generation struct {
	ID       int32
	State    string        // current or frozen
	Since    sequence.Time // when it was begun
	Bytes    int64         // of its table, with indexes
	Segments int64
}

// Generations are the generations that are not sealed, oldest first.
func (c *Census) Generations(ctx context.Context) ([]Generation, error) {
	return list(ctx, c, "segments by generation", queries.Generations, func(row pgx.CollectableRow) (g Generation, err error) {
		err = row.Scan(&g.ID, &g.State, &g.Since, &g.Bytes, &g.Segments)
		return g, err
	})
}

// LabelSets are the labels of series, by id; of those that are not there any more there are
// none.
func (c *Census) LabelSets(ctx context.Context, ids []sequence.SeriesID) (map[sequence.SeriesID]map[string]string, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	numbers := make([]int32, len(ids))
	for i, id := range ids {
		numbers[i] = int32(id)
	}
	type named struct {
		id     sequence.SeriesID
		labels map[string]string
	}
	found, err := list(ctx, c, "series by id", queries.Named, func(row pgx.CollectableRow) (n named, err error) {
		err = row.Scan((*int32)(&n.id), &n.labels)
		return n, err
	}, numbers)
	out := make(map[sequence.SeriesID]map[string]string, len(found))
	for _, n := range found {
		out[n.id] = n.labels
	}
	return out, err
}

func list[T any](ctx context.Context, c *Census, what, query string, scan pgx.RowToFunc[T], args ...any) ([]T, error) {
	rows, err := c.db.Pool().Query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("count %s: %w", what, pg.Interpret(err))
	}
	out, err := pgx.CollectRows(rows, scan)
	if err != nil {
		return nil, fmt.Errorf("count %s: %w", what, pg.Interpret(err))
	}
	return out, nil
}
