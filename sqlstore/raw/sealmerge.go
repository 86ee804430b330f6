package raw

import (
	"bytes"
	"context"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"

	queries "laminar/queries/raw"
	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sqlstore/raw/segmentrow"
)

// A merge is done unit by unit, so that memory is bounded by the largest unit, or
// by part of it where that is too much. Merged segments are gathered and written
// many at a time, since each COPY has a cost of its own.
//
// What is held at most: mergeSamples samples to be merged, about 40 bytes each,
// their merged form, which is not larger, and sealBatch samples packed but not
// written. A series is never divided, so one that alone has more than mergeSamples
// in a day and region is held as a whole.

const (
	// sealedSegment is how many samples a sealed segment holds at most.
	sealedSegment = 65_536
	// sealBatch is how many merged samples are written by one COPY, about.
	sealBatch = 1_000_000
)

// sealUnit is what is merged into segments of its own: one metric in one region
// and time bucket.
type sealUnit struct {
	region, metric int32
	bucket         int64 // begin of the time bucket, ms since the epoch

	// samples is before duplicates, and counts the bytes of histograms as more of
	// them (see weight): what matters is the memory that a merge takes.
	samples int64

	newest int64 // time of the newest sample, ms since the epoch
}

// written is what a merge wrote.
type written struct{ samples, segments int64 }

// merger merges one generation within the transaction that seals it. It holds
// at most the keeper's limit of samples to be merged, and a batch of merged ones.
type merger struct {
	keeper     *Keeper
	tx         pgx.Tx
	generation int32
	dropped    int64 // ms: samples before it are left out
	written    written
	tell       func(done, total int64) // how many samples have been read

	packer  segment.Packer
	out     []segmentrow.Merged // merged, not written yet
	samples int                 // in out, as weight counts them
}

// mergeAll merges the units that retention has left something of.
func (m *merger) mergeAll(ctx context.Context, units []sealUnit) error {
	var done, total int64
	for _, u := range units {
		total += u.samples
	}
	for len(units) > 0 {
		m.tell(done, total)
		n := together(units, min(sealedSegment, m.keeper.mergeSamples))
		few := units[:n]
		units = units[n:]
		for _, u := range few {
			done += u.samples
		}
		// Dropped as a whole; their buckets may have no partition any more.
		few = slices.DeleteFunc(slices.Clone(few), func(u sealUnit) bool { return u.newest < m.dropped })
		if len(few) == 0 {
			continue
		}
		if err := m.mergeUnits(ctx, few); err != nil {
			return fmt.Errorf("merge metric %d of region %d: %w", few[0].metric, few[0].region, err)
		}
		if m.samples >= sealBatch {
			if err := m.write(ctx); err != nil {
				return err
			}
		}
	}
	m.tell(done, total)
	return m.write(ctx)
}

// together is how many units, from the first one on, are read at once, up to a limit of
// samples: units of one metric and region. Samples of decades have a unit for each day, and
// each reading looks at all that the metric has in the generation.
func together(units []sealUnit, limit int64) int {
	samples := units[0].samples
	for n := 1; n < len(units); n++ {
		u := units[n]
		if samples += u.samples; samples > limit || u.metric != units[0].metric || u.region != units[0].region {
			return n
		}
	}
	return len(units)
}

// mergeUnits merges units of one metric and region, which ascend in time. Several are
// read at once, and each is merged by itself.
func (m *merger) mergeUnits(ctx context.Context, units []sealUnit) error {
	if len(units) == 1 {
		return m.mergeUnit(ctx, units[0])
	}
	first, last := units[0], units[len(units)-1]
	hot, err := m.read(ctx, first, last.bucket+segment.BucketMillis, seriesRange{0, endOfSeries})
	if err != nil {
		return err
	}
	// Segments of a bucket stay in the order in which they were written.
	byBucket := map[int64][]segment.Segment{}
	for _, seg := range hot {
		bucket := segment.Bucket(seg.MinT)
		byBucket[bucket] = append(byBucket[bucket], seg)
	}
	for _, u := range units {
		if err := m.pack(segment.Merge(byBucket[u.bucket], m.dropped, sealedSegment)); err != nil {
			return err
		}
	}
	return nil
}

// pack adds merged segments to those to be written.
func (m *merger) pack(merged []segment.Segment) error {
	for i := range merged {
		seg := &merged[i]
		packed, err := m.packer.Append(nil, seg)
		if err != nil {
			return err
		}
		// The samples are packed now; their arrays are not kept.
		row := segmentrow.Merged{Head: *seg, Samples: seg.Len(), Packed: packed, Held: m.packer.AppendHeld(nil)}
		row.Head.Series, row.Head.Offsets, row.Head.Values = nil, nil, nil
		m.out = append(m.out, row)
		m.samples += weight(seg)
		m.written.samples += int64(row.Samples)
	}
	return nil
}

// weight is how many samples a segment counts for: 24 bytes of histograms count
// as one more, as in queries.SealUnits.
func weight(seg *segment.Segment) int {
	n := seg.Len()
	for _, payload := range seg.Histograms {
		n += len(payload) / 24
	}
	return n
}

// seriesRange is the series with from <= id < to.
type seriesRange struct{ from, to sequence.SeriesID }

// endOfSeries is behind every series: ids are positive and have 32 bits.
const endOfSeries = sequence.SeriesID(1<<31 - 1)

// mergeUnit merges a unit at once, or, when it is too much, some series at a
// time, each time reading all of it.
func (m *merger) mergeUnit(ctx context.Context, u sealUnit) error {
	parts := []seriesRange{{0, endOfSeries}}
	if u.samples > m.keeper.mergeSamples {
		var err error
		if parts, err = m.split(ctx, u); err != nil {
			return err
		}
	}
	// Each part reads the unit anew and leaves out the other parts' series. That is
	// slow, and rare: a unit is one metric of one region and day.
	for _, part := range parts {
		hot, err := m.read(ctx, u, u.bucket+segment.BucketMillis, part)
		if err != nil {
			return err
		}
		if err := m.pack(segment.Merge(hot, m.dropped, sealedSegment)); err != nil {
			return err
		}
		// A part is as much as may be held, so nothing is held beside it.
		if len(parts) > 1 {
			if err := m.write(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// split cuts a unit by series, so that no part has more samples than the limit
// unless one series alone has.
func (m *merger) split(ctx context.Context, u sealUnit) ([]seriesRange, error) {
	rows, err := m.tx.Query(ctx, queries.OnHot(queries.SealSeries, m.generation), u.metric, u.region, u.bucket, segment.BucketMillis)
	if err != nil {
		return nil, err
	}
	var parts []seriesRange
	var id int32
	var n, held int64
	part := seriesRange{}
	// Series come by id. A part is closed before the series that would be too
	// much for it.
	_, err = pgx.ForEachRow(rows, []any{&id, &n}, func() error {
		if held > 0 && held+n > m.keeper.mergeSamples {
			part.to = sequence.SeriesID(id)
			parts = append(parts, part)
			part, held = seriesRange{from: part.to}, 0
		}
		held += n
		return nil
	})
	part.to = endOfSeries
	return append(parts, part), err
}

// read gives the hot segments of a unit and of those after it whose buckets begin
// before upTo (ms), in the order in which they were written, with the samples of the
// part's series.
func (m *merger) read(ctx context.Context, u sealUnit, upTo int64, part seriesRange) ([]segment.Segment, error) {
	rows, err := m.tx.Query(ctx, queries.OnHot(queries.SealRead, m.generation), pgx.QueryResultFormats{pgx.BinaryFormatCode},
		u.metric, u.region, u.bucket, upTo-u.bucket)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var out []segment.Segment
	var unpacker segment.Unpacker
	for rows.Next() {
		var seg segment.Segment // with arrays of its own: all are held until they are merged
		if err := segmentrow.Decode(rows.RawValues(), &seg, &unpacker); err != nil {
			return nil, err
		}
		for i, payload := range seg.Histograms {
			seg.Histograms[i] = bytes.Clone(payload) // the row's memory goes with it
		}
		keep(&seg, part)
		out = append(out, seg)
	}
	return out, rows.Err()
}

// keep leaves out the samples of other series. A segment that is left empty
// still counts for the merge's sequences.
func keep(seg *segment.Segment, part seriesRange) {
	if part == (seriesRange{0, endOfSeries}) {
		return
	}
	n := 0
	for i, id := range seg.Series {
		if part.from <= id && id < part.to {
			seg.Series[n], seg.Offsets[n], seg.Values[n] = id, seg.Offsets[i], seg.Values[i]
			if seg.Histograms != nil {
				seg.Histograms[n] = seg.Histograms[i]
			}
			n++
		}
	}
	seg.Series, seg.Offsets, seg.Values = seg.Series[:n:n], seg.Offsets[:n:n], seg.Values[:n:n]
	if seg.Histograms != nil {
		seg.Histograms = seg.Histograms[:n:n]
	}
}

// write copies what has been merged into sealed.
func (m *merger) write(ctx context.Context) error {
	if len(m.out) == 0 {
		return nil
	}
	if err := m.keeper.db.CopyRows(ctx, m.tx.Conn().PgConn(), queries.SealedCopy, &segmentrow.Sealed{Segments: m.out}); err != nil {
		return fmt.Errorf("write %d sealed segments: %w", len(m.out), err)
	}
	m.written.segments += int64(len(m.out))
	m.out, m.samples = nil, 0
	return nil
}
