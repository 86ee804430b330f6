package pg

import (
	"context"
	"fmt"
	"strings"
	"time"

	"laminar/sequence"
)

// A change that drops or alters a table needs it for itself. Whoever comes while it
// waits for that waits behind it, rounds included, so each attempt waits for a moment
// only. It is made again until it succeeds or the patience of the caller ends. What
// it waits for is said, because only a person can judge whether to wait or to end it.
//
// Before: the change holds nothing. Between two attempts it holds nothing either, so
// rounds that queued up behind it go on. After: it is committed, or nothing is changed.
// One long wait would be simpler; but it would stop all flows for as long as a report
// reads one table.

// DefaultLockTimeout is how long such a change waits for locks of others
// where the caller does not say.
const DefaultLockTimeout = 30 * time.Second

const (
	lockPause    = 300 * time.Millisecond // between two attempts, for those who wait behind us
	lockSayAfter = time.Second            // nothing is said of a shorter wait
)

// Patience is how a change of tables waits for locks of others.
type Patience struct {
	Limit   time.Duration     // how long at most; 0 is DefaultLockTimeout
	Waiting func(what string) // is told what is waited for, once that has lasted a second; may be nil
}

// LockedError says that a change did not get a lock in time. Nothing was changed.
type LockedError struct {
	Table   string // quoted
	Waited  time.Duration
	Holders []string // who holds it, the oldest transaction first; three at most, none where that could not be seen
}

func (e *LockedError) Error() string {
	text := fmt.Sprintf("%s is in use, also after %s", e.Table, e.Waited.Round(time.Second))
	if len(e.Holders) > 0 {
		text += ": " + strings.Join(e.Holders, "; ")
	}
	return text
}

// Unwrap makes it a sequence.ErrLocked.
func (e *LockedError) Unwrap() error { return sequence.ErrLocked }

// Hint tells what to do instead.
func (e *LockedError) Hint() string {
	return "again when these have ended, or a longer --lock-timeout; select pg_terminate_backend(PID) ends a session"
}

// Wait runs an attempt of a change again while it fails for a lock. The attempt says
// which table it was at; q is where those who hold it are looked for. It is another
// session than the attempt's, whose transaction has failed.
//
// The limit is looked at after an attempt, so the wait can be longer by one attempt and
// one pause. Any other error than a lock's ends the waiting at once.
func (p Patience) Wait(ctx context.Context, q Querier, attempt func() (table string, err error)) error {
	limit := p.Limit
	if limit == 0 {
		limit = DefaultLockTimeout
	}
	began := time.Now()
	said := "" // the table that Waiting was told of; it is told of each once
	for {
		table, err := attempt()
		if !LockTimedOut(err) {
			return err
		}
		waited := time.Since(began)
		if waited >= limit {
			return &LockedError{Table: table, Waited: waited, Holders: LockHolders(ctx, q, table)}
		}
		if p.Waiting != nil && waited >= lockSayAfter {
			what := "waiting for " + table
			if using := LockHolders(ctx, q, table); len(using) > 0 {
				what += ", which others use: " + strings.Join(using, "; ")
			}
			if said == "" || table != said {
				said = table
				p.Waiting(what)
			}
		}
		if err := Sleep(ctx, lockPause); err != nil {
			return fmt.Errorf("wait for %s: %w", table, err)
		}
	}
}
