package pg

import (
	"context"
	"sync"

	"github.com/jackc/pgx/v5"
)

// leaseWatch reads from a session that nobody uses, to learn at once that it has
// ended. Before the session is used again the watch is stopped.
type leaseWatch struct {
	cancel  context.CancelFunc
	reading sync.WaitGroup
}

// watchSession begins a watch. When the session ends before the watch does, it puts a
// token into lost, unless there is one.
func watchSession(conn *pgx.Conn, lost chan<- struct{}) *leaseWatch {
	ctx, cancel := context.WithCancel(context.Background())
	w := &leaseWatch{cancel: cancel}
	w.reading.Go(func() {
		// Nothing is listened for, so it returns when ctx or the session ends.
		// That ctx ends leaves the session as it is.
		for err := error(nil); err == nil; _, err = conn.WaitForNotification(ctx) {
		}
		if conn.IsClosed() {
			select {
			case lost <- struct{}{}:
			default:
			}
		}
	})
	return w
}

// stop ends the watch and waits for it. A watch that is nil has ended.
func (w *leaseWatch) stop() {
	if w == nil {
		return
	}
	w.cancel()
	w.reading.Wait()
}
