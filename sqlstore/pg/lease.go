package pg

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/jackc/pgx/v5"

	queries "laminar/queries/pg"
	"laminar/sequence"
)

// What one process at a time should do is done under a lease: a row of Laminar's own
// table, taken and renewed by conditional updates that compare its times with the
// database's clock. Advisory locks would not do: every role that can connect may take
// any key, and a process that stands still keeps its locks for as long as it stands.
// Locks of rows or tables have the second fault too. A lease holds no transaction
// open, so it holds back neither vacuum nor drops.
//
// A lease saves work; it is not what makes results right. Whoever stood still and goes
// on believes for a moment that it has the lease. What is done under one must
// therefore be safe when two do it: a round is fenced by vector and epoch (I4), a
// seal by the generation's row, a migration by the lock of the table of versions.

// The times of leases. A holder renews every LeaseRenew, and for the bound below it
// counts by its own monotonic clock, from before it sent the renewal.
const (
	// LeaseRenew is how often a lease is renewed, and tried for.
	LeaseRenew = time.Second
	// LeaseTrust is how long after a renewal a holder may act on it.
	LeaseTrust = 7 * time.Second
	// LeaseTime is how long after a renewal no other process can take the lease, by
	// the database's clock. It is longer than LeaseTrust, so that a holder that is cut
	// off stops before another one begins.
	LeaseTime = 10 * time.Second
	// leaseGone is how long another process must have seen that the session that
	// renewed the lease is gone before it takes it. A holder that was killed has no
	// use of it. One that only lost the session renews the lease in a new one
	// meanwhile: it learns of the loss at once (leaseWatch).
	leaseGone = 250 * time.Millisecond
	// leaseRestart is how long after a renewal no other process takes the lease
	// because the session is gone, if the server was restarted since. That ended all
	// sessions, and the holder may not have found the server again yet.
	leaseRestart = 2 * time.Second
	// leaseTimeout bounds a look, a renewal and a taking. Two fit into LeaseTrust.
	leaseTimeout = 3 * time.Second
	// leaseLockTimeout is how long the server waits for a lock on the lease.
	leaseLockTimeout = 2 * time.Second
)

// Process is what people are told of this process: its host and process id.
var Process = sync.OnceValue(func() string {
	host, err := os.Hostname()
	if err != nil {
		host = "?"
	}
	return fmt.Sprintf("%s:%d", host, os.Getpid())
})

// Lease is one owner's side of a lease. It has a session of its own, opened when it is
// needed and again after it broke. It belongs to one goroutine. Close it when done.
type Lease struct {
	db      *DB
	purpose string
	owner   [16]byte
	conn    *pgx.Conn // nil while there is none
	term    int64     // 0 while it is not known to be held
	waits   bool      // as NoteWaiting said last

	watch *leaseWatch   // of conn, while the lease is held and conn is not in use
	lost  chan struct{} // holds one token: a watch saw the session end
	gone  goneSession   // what another owner's session was last seen to be
}

// goneSession is a session that renewed a lease and has ended. Sessions are told apart
// by when they began: the server uses process ids again.
type goneSession struct {
	pid   int32
	began time.Time
	seen  time.Time // when this process first saw that it is gone; zero while it is not
}

// NewLease makes an owner for a lease, who has not taken it.
func (db *DB) NewLease(purpose string) *Lease {
	l := &Lease{db: db, purpose: purpose, lost: make(chan struct{}, 1)}
	_, _ = rand.Read(l.owner[:])                                        // never fails
	l.owner[6], l.owner[8] = l.owner[6]&0x0f|0x40, l.owner[8]&0x3f|0x80 // as a random UUID is written
	return l
}

// Owner tells this owner from all others.
func (l *Lease) Owner() [16]byte { return l.owner }

// Lost holds a token when the session has ended in which the lease was last renewed.
// The holder should call Hold at once, since others may take the lease soon (leaseGone).
func (l *Lease) Lost() <-chan struct{} { return l.lost }

// Hold renews the lease, or takes it if it is free. It returns the term, which is
// another one each time that the lease is taken, or 0 and who has the lease. An error
// says that neither is known. When the holder's session is gone, Hold waits for
// leaseGone whether the holder renews the lease in another one.
func (l *Lease) Hold(ctx context.Context) (term int64, by Holder, err error) {
	ctx, cancel := context.WithTimeout(ctx, leaseTimeout)
	defer cancel()
	term, by, err = l.hold(ctx)
	if LockTimedOut(err) {
		by = l.blocker(ctx)
	}
	if err != nil {
		return 0, by, fmt.Errorf("lease %s: %w", l.purpose, Interpret(err))
	}
	if term != 0 {
		l.watch = watchSession(l.conn, l.lost)
	}
	return term, by, nil
}

func (l *Lease) hold(ctx context.Context) (int64, Holder, error) {
	conn, err := l.Session(ctx)
	if err != nil {
		return 0, Holder{}, err
	}
	if l.term != 0 {
		tag, err := conn.Exec(ctx, queries.LeaseRenew, l.purpose, l.owner, l.term)
		if err != nil {
			return 0, Holder{}, err
		}
		if tag.RowsAffected() == 1 {
			return l.term, Holder{}, nil
		}
		l.term = 0
	}
	// Looking comes first, because taking locks the row, which its holder renews.
	by, free, err := l.look(ctx, conn)
	if wait, ok := l.untilGone(); err == nil && !free && ok {
		if err := Sleep(ctx, wait); err != nil {
			return 0, by, err
		}
		by, free, err = l.look(ctx, conn)
		wait, ok = l.untilGone()
		free = free || ok && wait <= 0
	}
	if err != nil || !free {
		return 0, by, err
	}
	err = conn.QueryRow(ctx, queries.LeaseTake, l.purpose, l.owner, Process(), LeaseTime.Milliseconds(), l.gone.pid, l.gone.began).Scan(&l.term)
	if errors.Is(err, pgx.ErrNoRows) { // another one was quicker
		by, _, err = l.look(ctx, conn)
	}
	return l.term, by, err
}

// look tells who has the lease, and whether this owner may take it. It notes in gone
// whether the session that renewed it is there.
func (l *Lease) look(ctx context.Context, conn *pgx.Conn) (by Holder, free bool, err error) {
	var (
		gone  bool
		began time.Time
	)
	err = conn.QueryRow(ctx, queries.LeaseLook, l.purpose, l.owner, LeaseTime.Milliseconds(), leaseRestart.Milliseconds()).
		Scan(&free, &gone, &began, &by.Process, &by.PID, &by.Role, &by.Application, &by.Client, &by.Since, &by.Seen)
	switch {
	case errors.Is(err, pgx.ErrNoRows): // it was never taken
		return Holder{}, true, nil
	case err != nil || !gone:
		l.gone = goneSession{}
	case l.gone.pid != by.PID || !l.gone.began.Equal(began):
		l.gone = goneSession{pid: by.PID, began: began, seen: time.Now()}
	}
	return by, free, err
}

// untilGone is how long the holder's session must still be seen to be gone until this
// owner may take the lease. ok is false while it is there.
func (l *Lease) untilGone() (wait time.Duration, ok bool) {
	if l.gone.seen.IsZero() {
		return 0, false
	}
	return leaseGone - time.Since(l.gone.seen), true
}

// blocker is who holds a lock on the table of leases, as far as can be told.
func (l *Lease) blocker(ctx context.Context) (by Holder) {
	if l.conn == nil {
		return by
	}
	var old bool
	err := l.conn.QueryRow(ctx, queries.LeaseBlockers, 0).Scan(&by.PID, &by.Role, &by.Application, &by.Client, &by.Since, &by.Query, &old)
	if err != nil {
		return Holder{} // it is for people, who are told of the error before
	}
	return by
}

// Session is the lease's session, for what its owner says together with renewing. It
// is opened if there is none.
func (l *Lease) Session(ctx context.Context) (*pgx.Conn, error) {
	if conn := l.Opened(); conn != nil {
		return conn, nil
	}
	conn, err := l.db.Dedicated(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := conn.Exec(ctx, "set lock_timeout = "+Milliseconds(leaseLockTimeout)); err != nil {
		CloseConn(conn)
		return nil, err
	}
	l.conn = conn
	return conn, nil
}

// Opened is the lease's session, or nil when it has none that works.
func (l *Lease) Opened() *pgx.Conn {
	l.watch.stop()
	l.watch = nil
	if l.conn == nil || l.conn.IsClosed() {
		return nil
	}
	return l.conn
}

// Close gives the lease up, if it is held, and closes the session. Where the database
// does not hear of it the lease runs out.
func (l *Lease) Close() {
	l.NoteWaiting(false)
	if conn := l.Opened(); conn != nil {
		ctx, cancel := context.WithTimeout(context.Background(), leaseTimeout)
		defer cancel()
		if l.term != 0 {
			_, _ = conn.Exec(ctx, queries.LeaseGiveUp, l.purpose, l.owner, l.term)
		}
		CloseConn(conn)
	}
	l.conn, l.term = nil, 0
}

// NoteWaiting says whether one that tries for a lease by itself waits for it.
func (l *Lease) NoteWaiting(waiting bool) { l.db.waits.add(l.purpose, &l.waits, waiting) }

// Waiting reports whether this process waits for a lease of a purpose, which another
// process has or holds up.
func (db *DB) Waiting(purpose string) bool { return db.waits.any(purpose) }

// Held is a lease that somebody has.
type Held struct {
	Purpose string // "" for a lock on the table of leases, which holds all of them up
	Holder  Holder
}

// heldUp is how long a session must have held a lock on the table of leases to be
// shown: those of Laminar hold theirs for a moment.
const heldUp = 2 * time.Second

// Leases lists the leases that somebody has, by purpose, and who holds them up.
func (db *DB) Leases(ctx context.Context) ([]Held, error) {
	rows, err := db.pool.Query(ctx, queries.LeaseList, LeaseTime.Milliseconds())
	if err != nil {
		return nil, fmt.Errorf("list leases: %w", Interpret(err))
	}
	held, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (h Held, err error) {
		by := &h.Holder
		err = row.Scan(&h.Purpose, &by.Process, &by.PID, &by.Role, &by.Application, &by.Client, &by.Since, &by.Seen)
		return h, err
	})
	if err != nil {
		return nil, fmt.Errorf("list leases: %w", Interpret(err))
	}
	var by Holder
	var old bool
	err = db.pool.QueryRow(ctx, queries.LeaseBlockers, heldUp.Milliseconds()).Scan(&by.PID, &by.Role, &by.Application, &by.Client, &by.Since, &by.Query, &old)
	switch {
	case errors.Is(err, pgx.ErrNoRows):
	case err != nil:
		return nil, fmt.Errorf("look who holds up leases: %w", Interpret(err))
	case old:
		held = append(held, Held{Holder: by})
	}
	return held, nil
}

// leasePoll is how often a lease that another process has is tried by work that
// waits for it: short beside what is done under a lease.
const leasePoll = 50 * time.Millisecond

// LockOut makes this the only one that does purpose, until the returned function is
// called. It waits for another one up to limit, also for a server that answers no try in
// time, and then returns sequence.ErrUnavailable.
//
// Should this process stand still or lose its connection for longer than a lease
// lasts, another one can begin: what is done must still be safe then, only not useful.
func (db *DB) LockOut(ctx context.Context, purpose string, limit time.Duration) (unlock func(), err error) {
	lease := db.NewLease(purpose)
	waiting := db.waits.begin(db.log, purpose)
	defer waiting.end()
	deadline := time.Now().Add(limit)
	for {
		term, by, err := lease.Hold(ctx)
		if term != 0 {
			return lease.keep(), nil
		}
		// A try has a limit of its own, by which a leader must know where it stands. Who
		// waits here has more time.
		silent := errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil
		over := time.Now().After(deadline)
		if err != nil && !LockTimedOut(err) && (!silent || over) {
			lease.Close()
			return nil, err
		}
		if !silent {
			waiting.on(by)
		}
		if over {
			lease.Close()
			return nil, fmt.Errorf("%w: another process does %q: %s", sequence.ErrUnavailable, purpose, by)
		}
		if err := Sleep(ctx, leasePoll); err != nil {
			lease.Close()
			return nil, err
		}
	}
}

// keep renews a lease that is held, until the returned function gives it up. A renewal
// that fails is tried again: the work goes on in any case.
func (l *Lease) keep() (giveUp func()) {
	ctx, cancel := context.WithCancel(context.Background())
	var renewing sync.WaitGroup
	renewing.Go(func() {
		ticker := time.NewTicker(LeaseRenew)
		defer ticker.Stop()
		for term := l.term; term != 0; {
			select {
			case <-ctx.Done():
				return
			case <-ticker.C:
			case <-l.lost:
			}
			if held, _, err := l.Hold(ctx); err == nil && held != term {
				return // over; another term that it may have got is given up below
			}
		}
	})
	return func() {
		cancel()
		renewing.Wait()
		l.Close()
	}
}

// MakeLeases makes the table of leases where it is missing. Several processes may do
// so at once: the one that the server lets through makes it.
func (db *DB) MakeLeases(ctx context.Context) error {
	for {
		var there bool
		err := db.pool.QueryRow(ctx, queries.LeaseThere, db.schema).Scan(&there)
		if err == nil && !there {
			_, err = db.pool.Exec(ctx, queries.LeaseCreate)
		}
		if MadeMeanwhile(err) {
			continue
		}
		if err != nil {
			return fmt.Errorf("make the table of leases: %w", Interpret(err))
		}
		return nil
	}
}
