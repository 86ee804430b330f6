package flowstore

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgtype"

	queries "laminar/queries/flow"
	"laminar/sqlstore/pg"
)

// Which flownodes there are, and which of them leads.
// Before: nobody knows of this process. Its first Beat puts it on the list.
// After: Leave has given up its lease and taken it off the list. A process that ends
// without Leave is on the list for a day at least, but does not count as alive.
//
// The lease alone decides who leads, by the database's clock. The list is for people,
// and nothing here is decided by it. So a row that is missing or too old does no harm.

// LeaderLease is the purpose of the lease whose owner keeps the flows.
const LeaderLease = "flows"

// memberAlive is how long after it was seen a flownode counts as alive, by the
// database's clock. Its lease may have been renewed as long ago, and it is still shown
// as the one that leads.
const memberAlive = 10 * time.Second

// memberTimeout bounds a sign of life, and what Leave does with the list.
const memberTimeout = 3 * time.Second

// Members is the flownodes of an installation. Its methods may be called by several
// goroutines at once.
type Members struct {
	db  *pg.DB
	log *slog.Logger
}

// NewMembers gives access to the flownodes.
func NewMembers(db *pg.DB, log *slog.Logger) *Members { return &Members{db: db, log: log} }

// Member is this process among the flownodes of the installation. It belongs to one
// goroutine, and has a session of its own.
type Member struct {
	lease   *pg.Lease
	address string
	log     *slog.Logger
	pruned  bool      // old members were forgotten: once is enough
	known   *pgx.Conn // the session in which this one was seen last
	told    pg.Holder // who was last said to lead, as far as it does not change; zero when nobody else did
}

// New makes a flownode that serves on an address, "" when it serves nothing. The
// others do not know of it before its first Beat.
func (s *Members) New(address string) *Member {
	return &Member{lease: s.db.NewLease(LeaderLease), address: address, log: s.log}
}

// Beat says that this flownode is alive, and renews its leadership or takes it if it is
// free. It returns the term in which this flownode leads, and 0 while another one does.
// On an error nothing is known: the caller may go on leading until pg.LeaseTrust after
// it called the last Beat that returned its term.
func (m *Member) Beat(ctx context.Context) (term int64, err error) {
	if err := m.seen(ctx); err != nil {
		return 0, fmt.Errorf("show that this flownode is alive: %w", pg.Interpret(err))
	}
	term, by, err := m.lease.Hold(ctx)
	m.tell(term, by)
	if err != nil {
		return 0, fmt.Errorf("campaign for leadership: %w", err)
	}
	return term, nil
}

// Lost holds a token when the session has ended in which this flownode renewed its
// leadership: it should beat at once.
func (m *Member) Lost() <-chan struct{} { return m.lease.Lost() }

// seen puts this flownode on the list, or renews the time at which it was seen. It uses
// the session of the lease: a flownode that cannot give a sign of life cannot renew its
// leadership either.
func (m *Member) seen(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, memberTimeout)
	defer cancel()
	conn, err := m.lease.Session(ctx)
	if err != nil {
		return err
	}
	if !m.pruned {
		if _, err := conn.Exec(ctx, queries.FlownodePrune); err != nil {
			return err
		}
		m.pruned = true
	}
	m.known = conn
	_, err = conn.Exec(ctx, queries.FlownodeSeen, m.lease.Owner(), pg.Process(), m.address)
	return err
}

// tell says for whom this flownode stands by, when that is news: to stand by is what
// most flownodes do all the time.
func (m *Member) tell(term int64, by pg.Holder) {
	m.lease.NoteWaiting(term == 0 && by.PID != 0)
	// These two are other ones at every look, and are no news.
	by.Seen, by.Query = time.Time{}, time.Time{}
	if by == m.told {
		return
	}
	m.told = by
	switch {
	case by.PID == 0:
	case by.Process == "":
		m.log.Warn("a lock holds up leadership", by.Attrs()...)
	default:
		m.log.Info("another flownode leads; standing by", by.Attrs()...)
	}
}

// Leave gives up leadership and takes this flownode off the list, as far as the
// database can be reached. Errors are of no use here: a lease that is not given up
// runs out, and a row that is not deleted is forgotten. It works although ctx has
// ended, since a process that is told to stop calls it last.
func (m *Member) Leave(ctx context.Context) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), memberTimeout)
	defer cancel()
	if conn := m.lease.Opened(); conn != nil && conn == m.known {
		_, _ = conn.Exec(ctx, queries.FlownodeLeave, m.lease.Owner())
	}
	m.lease.Close()
	m.known = nil
}

// MemberStatus is one flownode, as people are shown it. All times are of the database's
// clock.
type MemberStatus struct {
	ID         string
	Name       string // host:process id
	Address    string // "" when it serves nothing
	Started    time.Time
	Seen       time.Time
	Alive      bool
	LeadsSince time.Time // zero when it does not lead, or has not renewed its lease for memberAlive
}

// List lists the flownodes, the oldest first.
func (s *Members) List(ctx context.Context) ([]MemberStatus, error) {
	rows, err := s.db.Pool().Query(ctx, queries.FlownodeList, LeaderLease, memberAlive.Milliseconds())
	if err != nil {
		return nil, fmt.Errorf("list flownodes: %w", pg.Interpret(err))
	}
	members, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (m MemberStatus, err error) {
		var (
			id    pgtype.UUID
			leads *time.Time
		)
		err = row.Scan(&id, &m.Name, &m.Address, &m.Started, &m.Seen, &m.Alive, &leads)
		m.ID = id.String()
		if leads != nil {
			m.LeadsSince = *leads
		}
		return m, err
	})
	if err != nil {
		return nil, fmt.Errorf("list flownodes: %w", pg.Interpret(err))
	}
	return members, nil
}
