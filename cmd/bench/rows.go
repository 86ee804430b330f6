package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"
	"golang.org/x/sync/errgroup"
)

// Without Laminar a user has a row per sample, and a table of series to join it
// with.
const (
	createRows    = `create table sample (ts timestamptz not null, series integer not null, value double precision not null)`
	createSeries  = `create table series (id integer primary key, job text not null)`
	indexByTS     = `create index sample_by_ts on sample (ts)`
	indexBySeries = `create index sample_by_series on sample (series, ts)`
)

// copyConnections and copyRows are how rows are copied: what was fastest of
// several tried on two cores.
const (
	copyConnections = 2
	copyRows        = 50_000
)

// rowLoad is prepared binary COPY streams, each for a transaction.
type rowLoad struct {
	lanes [][][]byte
	rows  int
}

// prepareRows makes the rows of the same samples that prepare makes requests of.
func (s scrapes) prepareRows(from, to int64) rowLoad {
	l := rowLoad{lanes: make([][][]byte, copyConnections), rows: s.series.len() * int(to-from)}
	var group sync.WaitGroup
	for n := range copyConnections {
		group.Go(func() {
			var w rowWriter
			for k := from; k < to; k++ {
				for i := range s.series.len() {
					if i/s.series.target%copyConnections == n {
						w.add(s.at(i, k), i, value(i, k))
					}
				}
			}
			l.lanes[n] = w.finish()
		})
	}
	group.Wait()
	return l
}

// rowWriter writes streams in PostgreSQL's binary COPY format.
type rowWriter struct {
	done  [][]byte
	cur   []byte
	count int
}

var copyHeader = append([]byte("PGCOPY\n\xff\r\n\x00"), make([]byte, 8)...)

// pgEpoch is 2000-01-01, which PostgreSQL counts timestamps from, in ms.
const pgEpoch = 946_684_800_000

func (w *rowWriter) add(t int64, series int, v float64) {
	if w.cur == nil {
		w.cur = append(make([]byte, 0, copyRows*34+64), copyHeader...)
	}
	b := binary.BigEndian.AppendUint16(w.cur, 3)
	b = binary.BigEndian.AppendUint32(b, 8)
	b = binary.BigEndian.AppendUint64(b, uint64((t-pgEpoch)*1000))
	b = binary.BigEndian.AppendUint32(b, 4)
	b = binary.BigEndian.AppendUint32(b, uint32(series))
	b = binary.BigEndian.AppendUint32(b, 8)
	w.cur = binary.BigEndian.AppendUint64(b, math.Float64bits(v))
	if w.count++; w.count == copyRows {
		w.flush()
	}
}

func (w *rowWriter) flush() {
	if w.count > 0 {
		w.done = append(w.done, binary.BigEndian.AppendUint16(w.cur, math.MaxUint16))
		w.cur, w.count = nil, 0
	}
}

func (w *rowWriter) finish() [][]byte {
	w.flush()
	return w.done
}

// copyRows copies the rows, each stream a durable transaction.
func (d *database) copyRows(ctx context.Context, l rowLoad) (time.Duration, error) {
	conns := make([]*pgx.Conn, len(l.lanes))
	for i := range conns {
		var err error
		if conns[i], err = pgx.Connect(ctx, d.url); err != nil {
			return 0, err
		}
		defer conns[i].Close(context.WithoutCancel(ctx))
	}
	began := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	for i, lane := range l.lanes {
		group.Go(func() error {
			for _, stream := range lane {
				_, err := conns[i].PgConn().CopyFrom(ctx, bytes.NewReader(stream), "copy sample from stdin binary")
				if err != nil {
					return fmt.Errorf("copy rows: %w", err)
				}
			}
			return nil
		})
	}
	err := group.Wait()
	return time.Since(began), err
}

// createTables makes the row table with the given index, and the series table.
func (d *database) createTables(ctx context.Context, series *fleetSeries, index string) error {
	for _, statement := range []string{createRows, createSeries, index} {
		if _, err := d.conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	_, err := d.conn.CopyFrom(ctx, pgx.Identifier{"series"}, []string{"id", "job"},
		pgx.CopyFromSlice(series.len(), func(i int) ([]any, error) { return []any{i, series.jobs[i]}, nil }))
	return err
}

// analyze gives the planner what autovacuum would give it in time.
func (d *database) analyze(ctx context.Context) error {
	_, err := d.conn.Exec(ctx, "vacuum analyze")
	return err
}
