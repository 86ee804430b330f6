// Package outward is the door through which errors leave the process. An error
// says what happened to whom: database, role, host and port, a statement, a path.
// That is for the operator and stands in the log. Who asks over HTTP, a sender or
// a probe, gets the public text of the sentinel that the error carries, and a
// number under which the log has the whole.
//
// It relies on the sentinels of package sequence. What senders themselves did
// wrong does not pass here: only they can mend it, so they are told in full.
package outward

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"laminar/sequence"
)

// unknown is said of an error that stands for nothing a caller can tell apart.
const unknown = "something failed inside Laminar"

// logEvery is how often at most a door logs as a warning; the rest is there at
// level debug. A database that is away fails every request of every sender.
const logEvery = time.Second

// stored are the sentinels of the store, with what others may know of them: their
// own texts, which name nothing.
var stored = []error{
	sequence.ErrCommitUnknown, sequence.ErrBadContent, sequence.ErrHistoryChanged, sequence.ErrFenced, sequence.ErrMetricGone,
	sequence.ErrSnapshotGone, sequence.ErrRegionGone, sequence.ErrUnavailable, sequence.ErrLocked,
}

// Door turns errors into public texts. It is safe for use from several
// goroutines.
type Door struct {
	log    *slog.Logger
	known  []error
	logged atomic.Int64 // process's clock, ns: when a warning was last logged
}

// New makes a door that also shows the texts of the sentinels known, which must
// name nothing of the installation.
func New(log *slog.Logger, known ...error) *Door { return &Door{log: log, known: known} }

// Text is what others may read of err, which is not nil. The log gets all of it,
// with what was being asked for.
func (d *Door) Text(asked string, err error) string {
	number := fmt.Sprintf("%08x", rand.Uint32())
	level := slog.LevelDebug
	now := time.Now().UnixNano()
	if last := d.logged.Load(); now-last >= int64(logEvery) && d.logged.CompareAndSwap(last, now) {
		level = slog.LevelWarn
	}
	d.log.Log(context.Background(), level, "a request was answered with an error", "request", number, "asked", asked, "err", err)
	return fmt.Sprintf("%s (request %s in the log)", d.public(err), number)
}

// public is the text of the first sentinel that err carries.
func (d *Door) public(err error) string {
	for _, list := range [][]error{stored, d.known} {
		for _, sentinel := range list {
			if errors.Is(err, sentinel) {
				return sentinel.Error()
			}
		}
	}
	return unknown
}
