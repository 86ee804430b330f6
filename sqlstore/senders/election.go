package senders

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"

	queries "laminar/queries/raw"
	"laminar/sqlstore/pg"
)

// Two Prometheus servers that scrape the same targets send everything twice, as
// two replicas of one cluster. The samples of one of them are stored. All processes
// must agree which one, even if they hear from different replicas. So the choice is
// a row of the database, changed by one conditional statement, by its clock.
//
// An answer holds for a while, so that processes need not ask for every request:
// until the elected replica would have been silent for failover, no other can be
// elected, whatever other processes hear. That time is counted from the call and not
// from the answer, so a slow answer makes it end early and never late.

// electTries bounds how often an election is held again because others held one
// at the same moment.
const electTries = 10

// Election is which replica of a pair of senders is listened to. Times are ms since the
// epoch.
type Election struct {
	Cluster, Replica string
	Since            int64 // when it was elected
	Seen             int64 // when its data last came, as of the last refresh by any process
}

// Elections lists the pairs by their cluster, at most so many.
func (s *Store) Elections(ctx context.Context, limit int) ([]Election, error) {
	rows, err := s.db.Pool().Query(ctx, queries.HAElections, int32(limit))
	if err != nil {
		return nil, fmt.Errorf("list the elected replicas: %w", pg.Interpret(err))
	}
	list, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (e Election, err error) {
		return e, row.Scan(&e.Cluster, &e.Replica, &e.Since, &e.Seen)
	})
	if err != nil {
		return nil, fmt.Errorf("list the elected replicas: %w", pg.Interpret(err))
	}
	return list, nil
}

// Elect records that data of a replica of a cluster has come. It elects that replica
// if none is elected, or if the elected one has been silent for failover, by the
// database's clock. It returns the elected replica, and how long from the call no
// other can be elected, at most failover. All processes get the same replica.
func (s *Store) Elect(ctx context.Context, cluster, replica string, failover time.Duration) (elected string, left time.Duration, err error) {
	for range electTries {
		var leftMillis int64
		err = s.db.Pool().QueryRow(ctx, queries.HAElect, cluster, replica, failover.Milliseconds()).Scan(&elected, &leftMillis)
		switch {
		case errors.Is(err, pgx.ErrNoRows):
			// Another election changed the row between the look and the write.
		case err != nil:
			return "", 0, fmt.Errorf("elect a replica of cluster %q: %w", cluster, pg.Interpret(err))
		case leftMillis > 0:
			return elected, min(time.Duration(leftMillis)*time.Millisecond, failover), nil
		}
	}
	return "", 0, fmt.Errorf("elect a replica of cluster %q: it changed %d times meanwhile", cluster, electTries)
}
