package workload

import (
	"encoding/binary"
	"math"
	"sync"
)

// copyConnections and copyRows are how rows are copied: what was fastest of
// several tried on two cores.
const (
	copyConnections = 2
	copyRows        = 50_000
)

// Rows is prepared binary COPY streams. Each lane is for one connection, and each
// stream is a transaction.
type Rows struct {
	Lanes [][][]byte
	Count int
}

// PrepareRows makes the rows of the samples that Prepare makes requests of.
func (s Scrapes) PrepareRows(from, to int64) Rows {
	l := Rows{Lanes: make([][][]byte, copyConnections), Count: s.Series.Len() * int(to-from)}
	var group sync.WaitGroup
	for n := range copyConnections {
		group.Go(func() {
			var w RowWriter
			for k := from; k < to; k++ {
				for i := range s.Series.Len() {
					if i/s.Series.Target%copyConnections == n {
						w.Add(s.at(i, k), i, s.Series.value(i, k))
					}
				}
			}
			l.Lanes[n] = w.Finish()
		})
	}
	group.Wait()
	return l
}

// RowWriter writes streams in PostgreSQL's binary COPY format, for the table that
// lab.Database.CreateRowTables makes. The zero value is ready.
type RowWriter struct {
	done  [][]byte
	cur   []byte
	count int
}

// copyHeader begins every stream: the signature, no flags, no extension.
var copyHeader = append([]byte("PGCOPY\n\xff\r\n\x00"), make([]byte, 8)...)

// pgEpoch is 2000-01-01, which PostgreSQL counts timestamps from, in ms.
const pgEpoch = 946_684_800_000

// Add appends a row: a time in ms since 1970, a series' number and a value.
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

// Finish ends the last stream and returns all of them.
func (w *RowWriter) Finish() [][]byte {
	w.flush()
	return w.done
}
