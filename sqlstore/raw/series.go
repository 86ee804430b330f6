package raw

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/jackc/pgx/v5"

	queries "laminar/queries/raw"
	"laminar/sequence"
	"laminar/sequence/series"
	"laminar/sqlstore/pg"
)

// Metrics and series are numbered here, once; when they have no samples any more,
// package lapsed removes them, and their numbers are not used again. A metric is not of a
// region, so its creation races with other flushes and is a transaction of its
// own; a series is, and is created under the region's lock by the flush that
// brings its first sample. It carries that flush's sequence: a reader that has
// come to there knows it.
//
// Two processes that bring the same new series at once are in one region, so one of
// them waits for the other's commit, then finds the series. If the first is undone,
// so is its series, and the second creates it.

// seriesChunk is how many series are looked up or created by one statement.
const seriesChunk = 10_000

// Metrics returns the ids of the metrics in the order of their names and
// creates those that are missing. That is a transaction of its own: a metric
// that no sample follows is harmless.
func (w *Writer) Metrics(ctx context.Context, names []string) ([]sequence.MetricID, error) {
	ids, err := w.metrics(ctx, names)
	if err != nil {
		return nil, fmt.Errorf("look up %d metrics: %w", len(names), pg.Interpret(err))
	}
	return ids, nil
}

// metrics looks the names up, inserts what is missing and looks again. The
// insertion does nothing about a name that another process has inserted
// meanwhile, and then does not return its id: hence the second look.
func (w *Writer) metrics(ctx context.Context, names []string) ([]sequence.MetricID, error) {
	// Names may stand there more than once; each is looked up once.
	byName := make(map[string]sequence.MetricID, len(names))
	wanted := slices.Compact(slices.Sorted(slices.Values(names)))
	if err := w.findMetrics(ctx, wanted, byName); err != nil {
		return nil, err
	}
	// Only the missing ones are inserted: an insert that conflicts uses up an id.
	missing := slices.DeleteFunc(wanted, func(name string) bool { return byName[name] != 0 })
	if len(missing) > 0 {
		if _, err := w.db.Pool().Exec(ctx, queries.MetricInsert, missing); err != nil {
			return nil, err
		}
		if err := w.findMetrics(ctx, missing, byName); err != nil {
			return nil, err
		}
	}
	ids := make([]sequence.MetricID, len(names))
	for i, name := range names {
		if ids[i] = byName[name]; ids[i] == 0 {
			return nil, fmt.Errorf("metric %q is not there after it was created", name)
		}
	}
	return ids, nil
}

// findMetrics adds the ids of those metrics that exist.
func (w *Writer) findMetrics(ctx context.Context, names []string, into map[string]sequence.MetricID) error {
	rows, err := w.db.Pool().Query(ctx, queries.MetricFind, names)
	if err != nil {
		return err
	}
	var id int32
	var name string
	_, err = pgx.ForEachRow(rows, []any{&id, &name}, func() error {
		into[name] = sequence.MetricID(id)
		return nil
	})
	return err
}

// CreateSeries returns the ids of the series in their order and creates those
// that are missing, stamped with this flush. It is race-free because the
// region's row is locked and a series belongs to one region.
//
// A created series exists only if the flush commits.
func (tx *FlushTx) CreateSeries(ctx context.Context, wanted []series.Wanted) ([]series.Stored, error) {
	out := make([]series.Stored, 0, len(wanted))
	for chunk := range slices.Chunk(wanted, seriesChunk) {
		created, err := tx.createChunk(ctx, chunk)
		if err != nil {
			return nil, fmt.Errorf("create series of region %d: %w", tx.flush.Region, pg.Interpret(err))
		}
		out = append(out, created...)
	}
	return out, nil
}

// createChunk does it for one chunk. Series are known by the SHA-256 of their
// canonical labels, not by the labels themselves: that is what the unique index
// is on, and what makes one length of all keys. The same series may stand in the
// chunk more than once; it is created once.
func (tx *FlushTx) createChunk(ctx context.Context, wanted []series.Wanted) ([]series.Stored, error) {
	// Most series that are asked for here are there already: a process that has just
	// started knows none, and asks for all that it hears of.
	identities := make([][]byte, len(wanted))
	for i := range wanted {
		identities[i] = wanted[i].SHA256[:]
	}
	rows, err := tx.conn.Query(ctx, queries.SeriesFind, identities)
	if err != nil {
		return nil, err
	}
	known := make(map[[32]byte]series.Stored, len(wanted))
	if err := collectSeries(rows, false, known); err != nil {
		return nil, err
	}
	var metrics []int32
	var missing [][]byte
	var labels []string
	asked := make(map[[32]byte]bool)
	for i := range wanted {
		n := &wanted[i]
		if _, found := known[n.SHA256]; found || asked[n.SHA256] {
			continue
		}
		asked[n.SHA256] = true
		text, err := labelsJSON(n.Labels)
		if err != nil {
			return nil, err
		}
		metrics, missing, labels = append(metrics, int32(n.Metric)), append(missing, n.SHA256[:]), append(labels, text)
	}
	// No conflict is provided for: with the region's lock held no other process can
	// have created them since they were looked for.
	if len(missing) > 0 {
		rows, err := tx.conn.Query(ctx, queries.SeriesInsert, int32(tx.flush.Region), int64(tx.flush.Seq), metrics, missing, labels)
		if err != nil {
			return nil, err
		}
		if err := collectSeries(rows, true, known); err != nil {
			return nil, err
		}
	}
	// In the order in which they were asked for.
	out := make([]series.Stored, len(wanted))
	for i := range wanted {
		out[i] = known[wanted[i].SHA256]
		if out[i].ID == 0 {
			return nil, fmt.Errorf("series %x of metric %d: %w", wanted[i].SHA256, wanted[i].Metric, sequence.ErrMetricGone)
		}
	}
	return out, nil
}

// collectSeries adds the series of a result by identity.
func collectSeries(rows pgx.Rows, created bool, into map[[32]byte]series.Stored) error {
	var id int32
	var identity []byte
	_, err := pgx.ForEachRow(rows, []any{&id, &identity}, func() error {
		if len(identity) != 32 {
			return fmt.Errorf("series %d has an identity of %d bytes, want 32", id, len(identity))
		}
		into[[32]byte(identity)] = series.Stored{ID: sequence.SeriesID(id), Created: created}
		return nil
	})
	return err
}

// labelsJSON is a label set as a JSON object. Text that is not UTF-8 is refused
// here, because JSON encoding would quietly replace it.
func labelsJSON(labels []series.Label) (string, error) {
	// Put together here, because a map for each series would be garbage at once; the
	// text of each name and value is encoding/json's.
	var b strings.Builder
	b.WriteByte('{')
	for i, l := range labels {
		if !utf8.ValidString(l.Name) || !utf8.ValidString(l.Value) {
			return "", fmt.Errorf("%w: label %q with value %q is not UTF-8", sequence.ErrBadContent, l.Name, l.Value)
		}
		if i > 0 {
			b.WriteByte(',')
		}
		for n, text := range [2]string{l.Name, l.Value} {
			quoted, err := json.Marshal(text)
			if err != nil {
				return "", fmt.Errorf("encode label %q: %w", l.Name, err)
			}
			if n == 1 {
				b.WriteByte(':')
			}
			b.Write(quoted)
		}
	}
	b.WriteByte('}')
	return b.String(), nil
}
