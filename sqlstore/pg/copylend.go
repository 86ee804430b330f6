package pg

import (
	"context"
	"io"
	"sync"

	"github.com/jackc/pgx/v5/pgconn"
)

// CopyRows runs a COPY of the source's rows. When it returns, nothing reads the
// source any more.
//
// That is not pgconn's promise: when the connection breaks, CopyFrom returns
// while its reading goroutine is still at work. Such a straggler would take
// rows out of the stream's next use, and they would be missing from a flush
// that commits; so it gets the stream lent, and it is taken back.
func (db *DB) CopyRows(ctx context.Context, conn *pgconn.PgConn, sql string, src RowSource) error {
	stream := db.stream()
	stream.Reset(src)
	lent := &lentReader{r: stream}
	_, err := conn.CopyFrom(ctx, lent, sql)
	lent.takeBack()
	stream.Reset(nil)
	db.copies.Put(stream)
	return err
}

// stream gives a stream out of the pool, with the buffer that it had.
func (db *DB) stream() *CopyStream {
	if stream, ok := db.copies.Get().(*CopyStream); ok {
		return stream
	}
	return new(CopyStream)
}

// lentReader reads from r until it is taken back.
type lentReader struct {
	mu sync.Mutex
	r  io.Reader // nil once taken back
}

// Read implements io.Reader.
func (l *lentReader) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.r == nil {
		return 0, io.ErrClosedPipe
	}
	return l.r.Read(p)
}

// takeBack waits for a Read under way; later ones fail.
func (l *lentReader) takeBack() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.r = nil
}
