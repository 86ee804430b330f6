package raw

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"
	"github.com/jackc/pgx/v5/pgxpool"

	queries "laminar/queries/raw"
	"laminar/sequence"
	"laminar/sequence/segment"
	"laminar/sqlstore/pg"
	"laminar/sqlstore/raw/segmentrow"
)

// A flush is two round trips of its own: begin, which takes the lock, and commit,
// which gives it up. Between them the segments are copied in. Everything else a
// flush asks for, new series or what other writers did, is asked with the lock
// held, and each such question makes all others of the region wait.
//
// What holds when a flush ends early, and what its owner does:
//
//	no connection, or begin fails   nothing happened; the sender tries again
//	the COPY fails                  the transaction is undone, the sequence is free
//	COMMIT is refused               as before: refused means undone
//	no answer to COMMIT             unknown: Resolve asks, then write again or not
//	the process ends                the server undoes what it has not committed
//
// In every case the lock goes with the transaction, at the latest when the server
// notices that the connection is gone (see the settings of sessions in pg).

// endTimeout is how long giving a transaction back may take. It runs after the
// caller's context has ended, too.
const endTimeout = 5 * time.Second

// Writer writes raw samples and what belongs to them. All methods are safe for
// concurrent use.
type Writer struct {
	db            *pg.DB
	missedSamples int64     // that Missed reads at most
	packers       sync.Pool // of *segment.Packer
}

// NewWriter makes a writer. missedSamples is how many samples a flush reads at
// most, newest first, to learn exactly what other writers did.
func NewWriter(db *pg.DB, missedSamples int64) *Writer {
	return &Writer{db: db, missedSamples: missedSamples}
}

// FlushTx is the transaction of one flush. From BeginFlush to Commit or
// Rollback it holds the lock of its region's row and a connection: its
// owner does nothing slow meanwhile. It is for one goroutine.
type FlushTx struct {
	writer *Writer
	conn   *pgxpool.Conn // nil once it has ended

	// flush is where it stands: Region and ID are the caller's; Seq, PrevID,
	// Generation, Now and Earliest were read with the lock held.
	flush sequence.Flush

	removed []int32          // the series that it removes, nil for none
	brought map[string]int64 // how many new series by sender
}

// BeginFlush begins the transaction of one flush: it locks the region's row,
// which waits for the flush before, and takes the next sequence (I1). The
// caller must end it with Commit or Rollback.
//
// What retention has given up is read by a statement of its own behind that
// lock: one that had to wait for the lock would see it as of before the wait.
func (w *Writer) BeginFlush(ctx context.Context, region sequence.Region, id sequence.FlushID) (*FlushTx, error) {
	conn, err := w.db.Pool().Acquire(ctx)
	if err != nil {
		return nil, fmt.Errorf("begin a flush of region %d: %w", region, pg.Interpret(err))
	}
	tx := &FlushTx{writer: w, conn: conn, flush: sequence.Flush{Region: region, ID: id}}
	if err := tx.begin(ctx); err != nil {
		tx.end(ctx)
		return nil, fmt.Errorf("begin a flush of region %d: %w", region, pg.Interpret(err))
	}
	return tx, nil
}

// begin is one round trip. The statements are sent together and run one after
// the other: the update waits for the lock, and RetentionEarliest, which takes a
// snapshot of its own, runs after the wait and so sees what was committed during
// it.
func (tx *FlushTx) begin(ctx context.Context) error {
	var batch pgx.Batch
	batch.Queue("begin isolation level read committed")
	batch.Queue(queries.FlushBegin, int32(tx.flush.Region), [16]byte(tx.flush.ID))
	batch.Queue(queries.RetentionEarliest)
	results := tx.conn.SendBatch(ctx, &batch)
	defer results.Close()
	if _, err := results.Exec(); err != nil {
		return err
	}
	var prev pgtype.UUID
	err := results.QueryRow().Scan((*int64)(&tx.flush.Seq), &prev, &tx.flush.Generation, &tx.flush.Now)
	if errors.Is(err, pgx.ErrNoRows) {
		// The database is another one than the process was started on, or was
		// restored: regions are made once, at installation.
		return sequence.ErrRegionGone
	}
	if err != nil {
		return err
	}
	tx.flush.PrevID = prev.Bytes // zero when it is null
	if err := results.QueryRow().Scan(&tx.flush.Earliest); err != nil {
		return err
	}
	return results.Close()
}

// Flush is where the flush stands.
func (tx *FlushTx) Flush() sequence.Flush { return tx.flush }

// Took is the flush that took a sequence of this region; the zero id when
// no flush did or when it is not remembered any more.
func (tx *FlushTx) Took(ctx context.Context, seq sequence.Seq) (sequence.FlushID, error) {
	var id pgtype.UUID
	err := tx.conn.QueryRow(ctx, queries.FlushTook, int32(tx.flush.Region), int64(seq)).Scan(&id)
	if err != nil && !errors.Is(err, pgx.ErrNoRows) {
		return sequence.FlushID{}, fmt.Errorf("look up sequence %d of region %d: %w", seq, tx.flush.Region, pg.Interpret(err))
	}
	return id.Bytes, nil
}

// Commit writes the segments, in the flush's region and sequence and numbered
// as they stand, and commits. No segments is a legal flush. It keeps no
// reference to them, and the transaction has ended in every case.
//
// On return the flush is durable (I2). After an error it is undone, but after
// sequence.ErrCommitUnknown it is neither done nor undone: see Writer.Resolve.
func (tx *FlushTx) Commit(ctx context.Context, segments []segment.Segment) error {
	defer tx.end(ctx)
	// Up to the end of this the transaction is undone by whatever goes wrong.
	if err := tx.copyIn(ctx, segments); err != nil {
		return fmt.Errorf("write %d segments to region %d: %w", len(segments), tx.flush.Region, pg.Interpret(err))
	}
	// From here on the commit may happen whatever is heard of it.
	if err := tx.commit(ctx, segments); err != nil {
		return fmt.Errorf("commit sequence %d of region %d: %w", tx.flush.Seq, tx.flush.Region, pg.InterpretCommit(err))
	}
	return nil
}

// copyIn writes the segments to the hot table of the generation that the locked
// row names. That generation cannot be closed before this transaction ends.
func (tx *FlushTx) copyIn(ctx context.Context, segments []segment.Segment) error {
	if len(segments) == 0 {
		return nil
	}
	for i := range segments {
		if err := checkShape(&segments[i]); err != nil {
			return fmt.Errorf("segment %d: %w", i, err)
		}
	}
	sql := queries.CopyHot(tx.flush.Generation)
	packer := tx.writer.packer()
	err := tx.writer.db.CopyRows(ctx, tx.conn.Conn().PgConn(), sql, &segmentrow.Hot{Flush: tx.flush, Segments: segments, Packer: packer})
	tx.writer.packers.Put(packer)
	return err
}

// packer gives a packer out of the pool: its buffers are as large as a segment,
// and a flush packs hundreds.
func (w *Writer) packer() *segment.Packer {
	if p, ok := w.packers.Get().(*segment.Packer); ok {
		return p
	}
	return new(segment.Packer)
}

// checkShape refuses segments that the database would accept and store wrongly (S1,
// S2, S8): the schema does not hold the lengths of packed arrays, and a segment that
// crosses a bucket would be sealed into the wrong partition.
func checkShape(seg *segment.Segment) error {
	n := len(seg.Series)
	switch {
	case n == 0 || n != len(seg.Offsets) || n != len(seg.Values):
		return fmt.Errorf("%d series, %d times and %d values: want as many of each, and some", n, len(seg.Offsets), len(seg.Values))
	case seg.Histograms != nil && len(seg.Histograms) != n:
		return fmt.Errorf("%d histograms of %d samples", len(seg.Histograms), n)
	case segment.Bucket(seg.MinT) != segment.Bucket(seg.MaxT):
		return fmt.Errorf("times %d and %d lie in different time buckets", seg.MinT, seg.MaxT)
	}
	return nil
}

// Brought notes how many of the series that the flush creates each sender has brought,
// for people who ask who does. It is stored with the flush.
func (tx *FlushTx) Brought(bySender map[string]int64) { tx.brought = bySender }

// commit is one round trip: the record of the flush, which Took, Missed and Floors
// read later, and the commit itself. Only the answer to the commit says that the
// flush is stored; before it the record could still be undone.
func (tx *FlushTx) commit(ctx context.Context, segments []segment.Segment) error {
	metrics, samples, newest := sumUp(segments)
	var batch pgx.Batch
	batch.Queue(queries.FlushInsert, int32(tx.flush.Region), int64(tx.flush.Seq), [16]byte(tx.flush.ID), metrics, samples, newest, tx.removed)
	withHistograms := histogramMetrics(segments)
	if len(withHistograms) > 0 {
		batch.Queue(queries.HistogramMetrics, withHistograms)
	}
	if len(tx.brought) > 0 {
		senders := slices.Sorted(maps.Keys(tx.brought))
		created := make([]int64, len(senders))
		for i, name := range senders {
			created[i] = tx.brought[name]
		}
		batch.Queue(queries.SenderCreated, int32(tx.flush.Region), senders, created)
	}
	batch.Queue("commit")
	results := tx.conn.SendBatch(ctx, &batch)
	defer results.Close()
	for range batch.Len() - 1 {
		if _, err := results.Exec(); err != nil {
			return err
		}
	}
	tag, err := results.Exec()
	if err != nil {
		return err
	}
	// COMMIT of a transaction that has failed is answered with ROLLBACK, and is no
	// error to the driver.
	if tag.String() != "COMMIT" {
		return fmt.Errorf("the server answered COMMIT with %s", tag)
	}
	return results.Close()
}

// histogramMetrics lists the metrics of the segments that hold histograms, in
// ascending order.
func histogramMetrics(segments []segment.Segment) []int32 {
	var out []int32
	for i := range segments {
		if segments[i].Histograms != nil {
			out = append(out, int32(segments[i].Metric))
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// sumUp gives the segments' metrics in ascending order, and for each the number
// of its samples and its newest time.
func sumUp(segments []segment.Segment) (metrics []int32, samples, newest []int64) {
	byMetric := make([]int, len(segments))
	for i := range byMetric {
		byMetric[i] = i
	}
	slices.SortFunc(byMetric, func(a, b int) int { return int(segments[a].Metric) - int(segments[b].Metric) })
	metrics = make([]int32, 0, len(segments))
	samples = make([]int64, 0, len(segments))
	newest = make([]int64, 0, len(segments))
	for _, i := range byMetric {
		seg := &segments[i]
		if n := len(metrics); n == 0 || metrics[n-1] != int32(seg.Metric) {
			metrics, samples, newest = append(metrics, int32(seg.Metric)), append(samples, 0), append(newest, math.MinInt64)
		}
		last := len(metrics) - 1
		samples[last] += int64(seg.Len())
		newest[last] = max(newest[last], seg.MaxT)
	}
	return metrics, samples, newest
}

// Rollback ends the flush without a trace. After Commit it does nothing.
func (tx *FlushTx) Rollback(ctx context.Context) error {
	tx.end(ctx)
	return nil
}

// end gives the connection back, rolled back if it is still in a transaction.
// A connection on which that does not work is closed by the pool, which rolls
// back as well. It works after ctx has ended: the region's lock is not kept.
func (tx *FlushTx) end(ctx context.Context) {
	conn := tx.conn
	if conn == nil {
		return
	}
	tx.conn = nil
	// 'I' is a session that is in no transaction.
	if pc := conn.Conn().PgConn(); !pc.IsClosed() && pc.TxStatus() != 'I' {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
		defer cancel()
		_, _ = conn.Exec(ctx, "rollback") // what is not rolled back here is closed by Release
	}
	conn.Release()
}
