package pg

import (
	"context"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	queries "laminar/queries/pg"
)

// Sessions that are stuck, and how they end.
//
// A statement has no limit in time: an honest read of much data may take minutes. So
// what decides is whether the two ends still do something, and not how long they take.
// The server ends a session that is idle in a transaction. It notices neither an answer
// that got lost on the way, nor a client that stands still in the middle of a COPY. Both
// keep locks, and the first makes this process wait for ever:
//
//	at this end                     at the server                   then
//	waits for bytes                 works, or waits for a lock      nothing: it will answer
//	waits for bytes                 waits for us, or is gone        both ends are closed
//	(any process of Laminar)        in a COPY, no byte of it came   the server ends the session
//
// Who waited gets an error as from any connection that breaks, and tries again.
// Sessions of Dedicated are left out: they listen, or have limits of their own.

// StuckAfter is for how long no byte must have come or gone. It is as long as a
// transaction that has locked flows may be idle: their next owner needs them 10 s after
// this one has stood still.
const StuckAfter = 8 * time.Second

// stuckTimeout bounds a look for stuck sessions.
const stuckTimeout = 3 * time.Second

// stuckLooks is how many looks there are in the time after which a session is stuck.
const stuckLooks = 4

// copiesSince is the oldest version of PostgreSQL that tells how far a COPY is.
const copiesSince = 14

// copying is a COPY of any process that waits for its client.
type copying struct {
	sessionID
	query time.Time // when it began
	bytes int64     // that the server has read
}

// EndStuck ends sessions that are stuck for a time, usually StuckAfter, until ctx ends:
// those of this process, and COPYs of any process that logs in as this one does. It
// returns ctx's error. One goroutine calls it.
func (db *DB) EndStuck(ctx context.Context, after time.Duration) error {
	waiting := map[copying]time.Time{} // since when, by this process's clock
	for {
		if err := Sleep(ctx, after/stuckLooks); err != nil {
			return err
		}
		if err := db.endStuck(ctx, after, waiting); err != nil && ctx.Err() == nil {
			db.log.Debug("cannot look for stuck sessions; trying again", "err", err)
		}
	}
}

// endStuck is one look. It has a session of its own while some may be stuck, which may
// be all of the pool.
func (db *DB) endStuck(ctx context.Context, after time.Duration, waiting map[copying]time.Time) error {
	ctx, cancel := context.WithTimeout(ctx, stuckTimeout)
	defer cancel()
	silent := db.heard.silent(after)
	if len(silent) == 0 && db.server.major < copiesSince {
		return nil
	}
	var conn *pgx.Conn
	if len(silent) == 0 {
		pooled, err := db.pool.Acquire(ctx)
		if err != nil {
			return fmt.Errorf("look for stuck sessions: %w", Interpret(err))
		}
		defer pooled.Release()
		conn = pooled.Conn()
	} else {
		var err error
		if conn, err = db.Dedicated(ctx); err != nil {
			return fmt.Errorf("look for stuck sessions: %w", err)
		}
		defer CloseConn(conn)
	}
	if err := db.endSilent(ctx, conn, silent); err != nil {
		return fmt.Errorf("look what the server does in silent sessions: %w", Interpret(err))
	}
	if db.server.major >= copiesSince {
		if err := db.endCopies(ctx, conn, after, waiting); err != nil {
			return fmt.Errorf("look for COPYs that stand still: %w", Interpret(err))
		}
	}
	return nil
}

// endSilent ends those of this process's silent sessions of which two looks in a row
// say that the server does not work for them. One look may come while the answer is on
// its way.
func (db *DB) endSilent(ctx context.Context, conn *pgx.Conn, silent []*heardConn) error {
	if len(silent) == 0 {
		return nil
	}
	pids, began, last := make([]int32, len(silent)), make([]time.Time, len(silent)), make([]int64, len(silent))
	for i, c := range silent {
		pids[i], began[i], last[i] = c.id.pid, c.id.began, c.last.Load()
	}
	rows, err := conn.Query(ctx, queries.StuckOwn, pids, began)
	if err != nil {
		return err
	}
	states, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (s serverState, err error) {
		return s, row.Scan(&s.state, &s.waitsFor)
	})
	if err != nil {
		return err
	}
	for i, c := range silent {
		was := c.suspected
		c.suspected = 0
		if !states[i].stuck(c.asked.Load()) {
			continue
		}
		c.suspected = last[i]
		if was != last[i] || c.last.Load() != last[i] {
			continue
		}
		db.log.Warn("ending a session: this process waits for an answer, and the server does not work on one",
			"pid", c.id.pid, "silent", c.silent().Round(time.Second), "state", states[i].state)
		// The server may not notice otherwise, and the session may hold locks.
		_, err := conn.Exec(ctx, queries.EndSession, c.id.pid, c.id.began)
		if cerr := c.Close(); err == nil {
			err = cerr
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// serverState is what the server says of a session.
type serverState struct {
	state    string // as pg_stat_activity has it; "" when the session is gone
	waitsFor string // wait_event_type; "" when it waits for nothing
}

// stuck reports whether a session whose client waits will not get an answer. asked says
// that the client has sent something and got no answer yet.
func (s serverState) stuck(asked bool) bool {
	switch s.state {
	case "":
		return true
	case "idle":
		return asked
	case "idle in transaction", "idle in transaction (aborted)":
		return true
	case "active":
		return s.waitsFor == "Client"
	}
	return false // statistics are off, or it is a state that later versions have
}

// endCopies ends COPYs that wait for their client and have got no byte for a time.
func (db *DB) endCopies(ctx context.Context, conn *pgx.Conn, after time.Duration, waiting map[copying]time.Time) error {
	rows, err := conn.Query(ctx, queries.StuckCopies)
	if err != nil {
		return err
	}
	now := time.Now()
	seen := map[copying]bool{}
	copies, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (c copying, err error) {
		err = row.Scan(&c.pid, &c.began, &c.query, &c.bytes)
		c.began, c.query = c.began.UTC(), c.query.UTC() // they are keys
		return c, err
	})
	if err != nil {
		return err
	}
	for _, c := range copies {
		seen[c] = true
		if waiting[c].IsZero() {
			waiting[c] = now
		}
	}
	for c, since := range waiting {
		if !seen[c] {
			delete(waiting, c)
			continue
		}
		if now.Sub(since) < after {
			continue
		}
		db.log.Warn("ending a session that waits for the rest of a COPY: its process may stand still",
			"pid", c.pid, "silent", now.Sub(since).Round(time.Second), "bytes", c.bytes)
		if _, err := conn.Exec(ctx, queries.EndSession, c.pid, c.began); err != nil {
			return err
		}
	}
	return nil
}
