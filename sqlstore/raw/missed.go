package raw

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"

	queries "laminar/queries/raw"
	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sequence/series"
	"laminar/sqlstore/pg"
)

// A process that is not alone, or has just started, does not know what the last
// samples of its series are, and without that it cannot say which of a flush's
// samples are ordered. It asks here. Exact answers mean reading segments, which
// the region waits for, so they are bounded; where the bound is reached, a floor
// takes their place: a time that no sample of the metric is later than. A sample
// that is later than the floor is ordered whatever the exact answer would be; one
// that is not is taken for unordered, which costs time and never a wrong result.
//
// For example, with room for 100 samples and the sequences (10, 14] missed:
//
//	sequence  14  60 samples   read exactly
//	          13  30 samples   read exactly: 90 in all
//	          12  40 samples   too much: from here on newest times are floors
//	          11   5 samples   a floor too, although it would fit
//
// What is read exactly is one range of sequences, so 11 is not read either.

// Missed is what was written to the flush's region in the sequences
// (after, upTo], for the decision which samples are ordered. after must not be
// larger than upTo, and upTo not beyond the flush.
//
// What is exact and what is a floor: counted from the newest flush backwards,
// as many flushes as hold the writer's limit of samples are read; of older ones
// only the newest time by metric is taken from their summaries; and of what is
// sealed, where the range reaches that far back, the floor of each metric. A
// series whose newest exact sample is older than a floor is not listed: the
// floor is all that is known of it.
//
// It reads nothing twice and misses nothing while generations are sealed and
// dropped beside it: the region's lock keeps the current generation as it is,
// and tables that were unsealed when they were listed stay as long as this
// transaction runs.
func (tx *FlushTx) Missed(ctx context.Context, after, upTo sequence.Seq) (series.Missed, error) {
	m := missedReader{tx: tx, lasts: make(map[sequence.SeriesID]series.Last), floors: make(map[sequence.MetricID]int64),
		metricOf: make(map[sequence.SeriesID]sequence.MetricID)}
	if err := m.read(ctx, after, upTo); err != nil {
		return series.Missed{}, fmt.Errorf("read what sequences %s of region %d brought: %w",
			sequence.Range{After: after, UpTo: upTo}, tx.flush.Region, pg.Interpret(err))
	}
	return m.result(), nil
}

// Floors is for each metric that samples of the region have come of a time, ms,
// that none of those up to sequence upTo is later than: from the summaries of
// its flushes and, where these are sealed, from the floors of what is.
func (tx *FlushTx) Floors(ctx context.Context, upTo sequence.Seq) (map[sequence.MetricID]int64, error) {
	m := missedReader{tx: tx, floors: make(map[sequence.MetricID]int64)}
	if err := m.readNewest(ctx, upTo); err != nil {
		return nil, fmt.Errorf("read how far the metrics of region %d have come: %w", tx.flush.Region, pg.Interpret(err))
	}
	return m.floors, nil
}

// readNewest reads floors only: those of sealed generations, and of the flushes
// after these the newest time that each says of its metrics.
func (m *missedReader) readNewest(ctx context.Context, upTo sequence.Seq) error {
	region := int32(m.tx.flush.Region)
	_, sealed, err := m.readGenerations(ctx, sequence.Range{})
	if err != nil {
		return err
	}
	if err := m.readFloors(ctx, queries.MissedFloors, region); err != nil {
		return err
	}
	return m.readFloors(ctx, queries.MissedNewest, region, int64(sealed), int64(upTo))
}

// missedReader gathers an answer. A series is in lasts where it was read exactly;
// a metric is in floors where something of it was not.
type missedReader struct {
	tx       *FlushTx
	lasts    map[sequence.SeriesID]series.Last
	metricOf map[sequence.SeriesID]sequence.MetricID
	floors   map[sequence.MetricID]int64
	removed  []sequence.SeriesID
	gap      bool // not all flushes are remembered
}

// readGenerations tells which generations are not sealed, and up to where the region
// is. It notes which series the flushes of a range have removed.
func (m *missedReader) readGenerations(ctx context.Context, rng sequence.Range) (unsealed []int32, sealed sequence.Seq, err error) {
	var remembered int64
	var removed []int32
	err = m.tx.conn.QueryRow(ctx, queries.MissedGenerations, int32(m.tx.flush.Region), int64(rng.After), int64(rng.UpTo)).
		Scan(&unsealed, (*int64)(&sealed), &remembered, &removed)
	m.gap = remembered < int64(rng.UpTo-rng.After)
	for _, id := range removed {
		m.removed = append(m.removed, sequence.SeriesID(id))
	}
	return unsealed, sealed, err
}

// read fills the reader for the sequences (after, upTo].
func (m *missedReader) read(ctx context.Context, after, upTo sequence.Seq) error {
	region := int32(m.tx.flush.Region)
	unsealed, sealed, err := m.readGenerations(ctx, sequence.Range{After: after, UpTo: upTo})
	if err != nil {
		return err
	}
	// Sealed segments do not say which sample had which sequence. What they hold
	// is behind the floors that were written with them.
	if after < sealed {
		if err := m.readFloors(ctx, queries.MissedFloors, region); err != nil {
			return err
		}
		after = min(sealed, upTo)
	}
	exact, metrics, err := m.readSummaries(ctx, sequence.Range{After: after, UpTo: upTo})
	if err != nil || exact.Empty() {
		return err
	}
	for _, generation := range unsealed {
		if err := m.readHot(ctx, generation, exact, metrics); err != nil {
			return err
		}
	}
	return nil
}

// readFloors runs a query that gives floors of metrics.
func (m *missedReader) readFloors(ctx context.Context, query string, args ...any) error {
	rows, err := m.tx.conn.Query(ctx, query, args...)
	if err != nil {
		return err
	}
	var metric int32
	var t int64
	_, err = pgx.ForEachRow(rows, []any{&metric, &t}, func() error {
		m.raise(sequence.MetricID(metric), t)
		return nil
	})
	return err
}

// readSummaries splits the range: the newest part, which is to be read exactly,
// is returned with its metrics; of the rest the floors are taken here.
func (m *missedReader) readSummaries(ctx context.Context, rng sequence.Range) (exact sequence.Range, metrics []int32, err error) {
	rows, err := m.tx.conn.Query(ctx, queries.MissedFlushes, int32(m.tx.flush.Region), int64(rng.After), int64(rng.UpTo))
	if err != nil {
		return exact, nil, err
	}
	var (
		seq            int64
		ids            []int32
		samples, newst []int64
		left           = m.tx.writer.missedSamples
		seen           = make(map[int32]struct{})
	)
	// Summaries come newest first. From the first flush that is too much, all
	// older ones only lend their newest times.
	exact = rng
	_, err = pgx.ForEachRow(rows, []any{&seq, &ids, &samples, &newst}, func() error {
		if left >= 0 {
			for _, n := range samples {
				left -= n
			}
			if left >= 0 {
				for _, id := range ids {
					seen[id] = struct{}{}
				}
				return nil
			}
			exact.After = sequence.Seq(seq) // this one and all before it are too much
		}
		for i, id := range ids {
			m.raise(sequence.MetricID(id), newst[i])
		}
		return nil
	})
	return exact, slices.Sorted(maps.Keys(seen)), err
}

// readHot reads the segments of one hot table whose sequences are to be exact, in
// the order of their sequences, and keeps of each series the last sample.
func (m *missedReader) readHot(ctx context.Context, generation int32, exact sequence.Range, metrics []int32) error {
	return m.tx.eachHot(ctx, generation, exact, metrics, func(seg *segment.Segment) {
		for i, id := range seg.Series {
			t := seg.Time(i)
			// Segments come oldest first: at one time the later one wins (I3).
			if old, known := m.lasts[id]; !known || t >= old.T {
				last := series.Last{Series: id, T: t, Value: seg.Values[i]}
				if seg.Histograms != nil {
					last.Histogram = series.DigestOf(seg.Histograms[i])
				}
				m.lasts[id] = last
				m.metricOf[id] = seg.Metric
			}
		}
	})
}

// raise raises the floor of a metric to t, ms.
func (m *missedReader) raise(metric sequence.MetricID, t int64) {
	if old, ok := m.floors[metric]; !ok || t > old {
		m.floors[metric] = t
	}
}

// result leaves out the series that lie below their metric's floor: beside the
// floor their last samples say nothing. Sorted by series.
func (m *missedReader) result() series.Missed {
	out := series.Missed{Floors: m.floors, Lasts: make([]series.Last, 0, len(m.lasts)), Removed: m.removed, Gap: m.gap}
	for id, last := range m.lasts {
		if floor, ok := m.floors[m.metricOf[id]]; ok && last.T < floor {
			continue
		}
		out.Lasts = append(out.Lasts, last)
	}
	slices.SortFunc(out.Lasts, func(a, b series.Last) int { return int(a.Series) - int(b.Series) })
	return out
}
