package lapsed

import (
	"context"
	"errors"
	"slices"

	"github.com/google/uuid"
	"github.com/jackc/pgx/v5"

	queries "laminar/queries/lapsed"
	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sqlstore/raw"
)

const (
	// chunk is how many series are looked at by one statement.
	chunk = 50_000
	// enough is how many candidates are gathered before they are removed: a snapshot is
	// taken first, so that little is left to be read behind the regions' locks.
	enough = 20_000
	// batch is how many series are removed while their region is locked.
	batch = 2_000
)

// sweeping is one walk over all series. It belongs to one goroutine.
type sweeping struct {
	*Remover
	live    idSet                                // L1
	at      sequence.Vector                      // L1, L2
	flushes map[sequence.Region]sequence.FlushID // that took at
	found   map[sequence.Region][]candidate
	count   int // in found
	report  Report
}

// sweep walks over the series by id and removes those that have lapsed.
func (s *sweeping) sweep(ctx context.Context) error {
	if err := s.begin(ctx); err != nil || s.report.Unlisted > 0 {
		return err
	}
	s.found = make(map[sequence.Region][]candidate)
	for after, more := int32(0), true; more; {
		var err error
		if after, more, err = s.look(ctx, after); err != nil {
			return err
		}
		if s.count >= enough || !more {
			if err := s.remove(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// look finds candidates among the next series.
func (s *sweeping) look(ctx context.Context, after int32) (last int32, more bool, err error) {
	rows, err := s.db.Pool().Query(ctx, queries.Series, after, int32(chunk))
	if err != nil {
		return after, false, err
	}
	var id, metric, region int32
	var seq int64
	n := 0
	_, err = pgx.ForEachRow(rows, []any{&id, &metric, &region, &seq}, func() error {
		n++
		if !s.live.has(sequence.SeriesID(id)) && sequence.Seq(seq) <= s.at.At(sequence.Region(region)) { // L2
			s.found[sequence.Region(region)] = append(s.found[sequence.Region(region)],
				candidate{sequence.SeriesID(id), sequence.MetricID(metric)})
			s.count++
		}
		return nil
	})
	return id, n == chunk, err
}

// begin takes live and at anew.
func (s *sweeping) begin(ctx context.Context) error {
	s.live, s.at = idSet{}, nil
	return s.snapshot(ctx, func(snap *raw.Snapshot) error {
		rows, err := snap.Session().Query(ctx, queries.Sealed)
		if err != nil {
			return err
		}
		var held []byte
		var unpacker segment.Unpacker
		s.report.Unlisted = 0
		_, err = pgx.ForEachRow(rows, []any{&held}, func() error {
			if held == nil {
				s.report.Unlisted++
				return nil
			}
			return unpacker.Held(held, s.live.add)
		})
		return err
	})
}

// snapshot moves live and at to where a new snapshot stands, after first has been called.
func (s *sweeping) snapshot(ctx context.Context, first func(*raw.Snapshot) error) error {
	snap, err := s.reader.Snapshot(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = snap.Close(ctx) }()
	if err := first(snap); err != nil {
		return err
	}
	var metrics, regions []int32
	var sealed []int64
	if err := snap.Session().QueryRow(ctx, queries.Position).Scan(&metrics, &sealed, &regions); err != nil {
		return err
	}
	ids := make([]sequence.MetricID, len(metrics))
	for i, id := range metrics {
		ids[i] = sequence.MetricID(id)
	}
	for i, r := range regions {
		if at := s.at.At(sequence.Region(r)); s.at != nil && sequence.Seq(sealed[i]) > at {
			return raw.ErrSealed
		}
	}
	to := snap.Position().Vector
	err = snap.ReadDelta(ctx, ids, s.at.Delta(to), segment.PickAll, func(seg *segment.Segment) error {
		s.add(seg)
		return nil
	})
	s.at, s.flushes = to, snap.Position().Flushes
	return err
}

func (s *sweeping) add(seg *segment.Segment) {
	for _, id := range seg.Series {
		s.live.add(id)
	}
}

// remove removes the candidates that have been found, but those that have got samples
// meanwhile. When a seal has taken away what would tell, it begins with new knowledge.
func (s *sweeping) remove(ctx context.Context) error {
	err := s.removeFound(ctx)
	for errors.Is(err, raw.ErrSealed) {
		if err = s.begin(ctx); err == nil {
			err = s.removeFound(ctx)
		}
	}
	clear(s.found)
	s.count = 0
	return err
}

// removeFound is one attempt at remove.
func (s *sweeping) removeFound(ctx context.Context) error {
	if err := s.snapshot(ctx, func(*raw.Snapshot) error { return nil }); err != nil {
		return err
	}
	for region, found := range s.found {
		for some := range slices.Chunk(found, batch) {
			if err := s.removeSome(ctx, region, some); err != nil {
				return err
			}
		}
	}
	return nil
}

// removeSome removes candidates of one region with its row locked.
func (s *sweeping) removeSome(ctx context.Context, region sequence.Region, some []candidate) error {
	tx, err := s.writer.BeginFlush(ctx, region, sequence.FlushID(uuid.New()))
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback(ctx) }()
	// A database that was restored may have lost what live goes by.
	if took, err := tx.Took(ctx, s.at.At(region)); err != nil || took != s.flushes[region] {
		return errors.Join(err, sequence.ErrHistoryChanged)
	}
	var metrics []sequence.MetricID
	for _, c := range some {
		metrics = append(metrics, c.metric)
	}
	slices.Sort(metrics)
	if err := tx.EachSince(ctx, s.at.At(region), slices.Compact(metrics), s.add); err != nil {
		return err
	}
	var ids []sequence.SeriesID
	for _, c := range some {
		if !s.live.has(c.id) {
			ids = append(ids, c.id)
		}
	}
	if len(ids) == 0 {
		return nil
	}
	n, err := tx.Remove(ctx, ids)
	if err != nil || n == 0 {
		return err
	}
	if err := tx.Commit(ctx, nil); err != nil {
		return err
	}
	s.report.Series += int64(n)
	return nil
}
