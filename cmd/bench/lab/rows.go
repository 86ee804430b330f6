package lab

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"io"
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
	IndexByTS     = `create index sample_by_ts on sample (ts)`
	IndexBySeries = `create index sample_by_series on sample (series, ts)`
)

// copyConnections and copyRows are how rows are copied: what was fastest of
// several tried on two cores.
const (
	copyConnections = 2
	copyRows        = 50_000
)

// RowLoad is prepared binary COPY streams, each for a transaction.
type RowLoad struct {
	Lanes [][][]byte
	Rows  int
}

// PrepareRows makes the rows of the same samples that prepare makes requests of.
func (s Scrapes) PrepareRows(from, to int64) RowLoad {
	l := RowLoad{Lanes: make([][][]byte, copyConnections), Rows: s.Series.Len() * int(to-from)}
	var group sync.WaitGroup
	for n := range copyConnections {
		group.Go(func() {
			var w RowWriter
			for k := from; k < to; k++ {
				for i := range s.Series.Len() {
					if i/s.Series.Target%copyConnections == n {
						w.Add(s.at(i, k), i, value(i, k))
					}
				}
			}
			l.Lanes[n] = w.Finish()
		})
	}
	group.Wait()
	return l
}

// RowWriter writes streams in PostgreSQL's binary COPY format.
type RowWriter struct {
	done  [][]byte
	cur   []byte
	count int
}

var copyHeader = append([]byte("PGCOPY\n\xff\r\n\x00"), make([]byte, 8)...)

// pgEpoch is 2000-01-01, which PostgreSQL counts timestamps from, in ms.
const pgEpoch = 946_684_800_000

// Add appends a row.
func (w *RowWriter) Add(t int64, series int, v float64) {
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

func (w *RowWriter) flush() {
	if w.count > 0 {
		w.done = append(w.done, binary.BigEndian.AppendUint16(w.cur, math.MaxUint16))
		w.cur, w.count = nil, 0
	}
}

// Finish returns all rows, in pieces to be copied.
func (w *RowWriter) Finish() [][]byte {
	w.flush()
	return w.done
}

// CopyRows copies the rows, each stream a durable transaction.
func (d *Database) CopyRows(ctx context.Context, l RowLoad) (time.Duration, error) {
	conns := make([]*pgx.Conn, len(l.Lanes))
	for i := range conns {
		var err error
		if conns[i], err = pgx.Connect(ctx, d.URL); err != nil {
			return 0, err
		}
		defer conns[i].Close(context.WithoutCancel(ctx))
	}
	began := time.Now()
	group, ctx := errgroup.WithContext(ctx)
	for i, lane := range l.Lanes {
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

// CreateTables makes the row table with the given index, and the series table.
func (d *Database) CreateTables(ctx context.Context, series *FleetSeries, index string) error {
	for _, statement := range []string{createRows, createSeries, index} {
		if _, err := d.Conn.Exec(ctx, statement); err != nil {
			return fmt.Errorf("%s: %w", statement, err)
		}
	}
	_, err := d.Conn.CopyFrom(ctx, pgx.Identifier{"series"}, []string{"id", "job"},
		pgx.CopyFromSlice(series.Len(), func(i int) ([]any, error) { return []any{i, series.Jobs[i]}, nil }))
	return err
}

// Analyze gives the planner what autovacuum would give it in time.
func (d *Database) Analyze(ctx context.Context) error {
	_, err := d.Conn.Exec(ctx, "vacuum analyze")
	return err
}

// ReadHot reads all hot segments over one connection and discards them: the time
// that PostgreSQL needs to send them.
func (d *Database) ReadHot(ctx context.Context) (time.Duration, error) {
	rows, err := d.Conn.Query(ctx, "select id from laminar.generation where state in ('current', 'frozen') order by id")
	if err != nil {
		return 0, err
	}
	generations, err := pgx.CollectRows(rows, pgx.RowTo[int32])
	if err != nil {
		return 0, err
	}
	began := time.Now()
	for _, id := range generations {
		sql := fmt.Sprintf("copy (select * from laminar.hot_%d) to stdout binary", id)
		if _, err := d.Conn.PgConn().CopyTo(ctx, io.Discard, sql); err != nil {
			return 0, fmt.Errorf("%s: %w", sql, err)
		}
	}
	return time.Since(began), nil
}
