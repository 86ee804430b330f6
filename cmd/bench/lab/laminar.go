package lab

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/jackc/pgx/v5"
)

// Laminar is bin/laminar as users run it, on a database of its own.
type Laminar struct {
	*Process
	DB  *Database // not for statements while another goroutine waits on it
	lab *Lab
}

// NewLaminar starts Laminar on a new database, with definitions of flows ("" for
// none) and settings as flags, and waits until it is ready; see Remove.
func (l *Lab) NewLaminar(ctx context.Context, name, flows string, flags ...string) (*Laminar, error) {
	db, err := l.CreateDatabase(ctx, name)
	if err != nil {
		return nil, err
	}
	p, err := l.LaunchLaminar(db, flows, flags...)
	if err != nil {
		return nil, err
	}
	if _, err := p.AwaitReady(ctx, "/-/ready"); err != nil {
		p.Kill()
		return nil, err
	}
	return p, nil
}

// LaunchLaminar starts Laminar on a database and returns at once.
func (l *Lab) LaunchLaminar(db *Database, flows string, flags ...string) (*Laminar, error) {
	if flows != "" {
		file, err := l.writeFlows(flows)
		if err != nil {
			return nil, err
		}
		flags = append(flags, "--flows", file)
	}
	p, err := startProcess(l.Dir, "laminar", l.Tools.Laminar, db.environment(), func(address string) []string {
		return append([]string{"serve", "--listen", address, "--web-pprof", "--log-level", "warn"}, flags...)
	})
	if err != nil {
		return nil, err
	}
	return &Laminar{p, db, l}, nil
}

// environment names the database to bin/laminar. The URL holds a password, and
// every user of the machine can read a command line.
func (d *Database) environment() []string { return []string{"LAMINAR_DATABASE_URL=" + d.URL} }

// writeFlows puts definitions into a file.
func (l *Lab) writeFlows(flows string) (string, error) {
	file := filepath.Join(l.Dir, "flows.yml")
	return file, os.WriteFile(file, []byte(flows), 0o644)
}

// Remove ends the process in order and removes its database.
func (l *Laminar) Remove(ctx context.Context) error {
	if err := l.Stop(); err != nil {
		return err
	}
	return l.DB.Drop(ctx)
}

// WriteURL is where it takes remote write.
func (l *Laminar) WriteURL() string { return l.URL("/api/v1/write") }

// Taken is how many samples its commits hold, those of earlier processes on the
// same database included.
func (l *Laminar) Taken(ctx context.Context) (float64, error) {
	return l.DB.Number(ctx, "select coalesce(sum(n), 0)::float8 from laminar.flush, unnest(samples) n")
}

// Run runs another command of the binary on the same database, to its end.
func (l *Laminar) Run(ctx context.Context, args ...string) (string, error) {
	return Output(ctx, l.DB.environment(), l.lab.Tools.Laminar, args...)
}

// Apply puts flows into the catalogue of the running process and waits until
// they have caught up, their backfill included.
func (l *Laminar) Apply(ctx context.Context, flows string) error {
	file, err := l.lab.writeFlows(flows)
	if err != nil {
		return err
	}
	if _, err = l.Run(ctx, "flow", "apply", "-f", file); err != nil {
		return err
	}
	_, err = l.Run(ctx, "flow", "wait", "--timeout", "5m")
	return err
}

// DeleteFlow deletes a flow whose table has its name.
//
// Autovacuum comes when a scenario has rewritten the whole table. It gives way
// to a session that waits for its lock, but only after deadlock_timeout, a
// second, and Laminar may give up before that. So this session, which has no
// limit, sends autovacuum away and keeps it away.
func (l *Laminar) DeleteFlow(ctx context.Context, name string) error {
	table := pgx.Identifier{"flow", name}.Sanitize()
	if _, err := l.DB.Conn.Exec(ctx, "alter table "+table+" set (autovacuum_enabled = off)"); err != nil {
		return fmt.Errorf("keep autovacuum off %s: %w", table, err)
	}
	_, err := l.Run(ctx, "flow", "delete", name)
	return err
}

// caughtUp is true when the tables of the flows $1, of all when it is empty, show
// every commit.
const caughtUp = `select not exists (select from laminar.flow f, laminar.region r
	where (cardinality($1::text[]) = 0 or f.name = any($1))
	and (f.epoch = 0 or r.last_seq > coalesce((f.vector->>(r.id::text))::bigint, 0)))
	and not exists (select from laminar.flow_dirty)`

// AwaitFlows waits until the named flows, or all, have caught up with what is
// committed, and returns the time at which it saw that. A flow that stands still
// is an error.
func (l *Laminar) AwaitFlows(ctx context.Context, names ...string) (time.Time, error) {
	if names == nil {
		names = []string{} // NULL would match nothing
	}
	at, err := l.DB.Until(ctx, 5*time.Millisecond, 3*time.Minute, caughtUp, names)
	if err != nil {
		return at, fmt.Errorf("wait for the flows: %w\n%s", err, l.LastWords())
	}
	var faults string
	err = l.DB.Conn.QueryRow(ctx, "select coalesce(string_agg(title || ': ' || error, '; '), '') from laminar.flow").Scan(&faults)
	if err == nil && faults != "" {
		err = fmt.Errorf("flows stand still: %s", faults)
	}
	return at, err
}

// Rounds is how often and how long Laminar has worked on flows since its start:
// a round is the whole of a tick, from its snapshot to its commit.
func (l *Laminar) Rounds(ctx context.Context) (count int, took time.Duration, err error) {
	m, err := l.Metrics(ctx)
	return int(m["laminar_flow_round_duration_seconds_count"]),
		time.Duration(m["laminar_flow_round_duration_seconds_sum"] * float64(time.Second)), err
}

// WorkedSince is how long rounds have taken since an earlier reading of Rounds. A
// round's results can be seen just before the round is counted, so it waits for
// one.
func (l *Laminar) WorkedSince(ctx context.Context, before time.Duration) (time.Duration, error) {
	for range 200 {
		_, after, err := l.Rounds(ctx)
		if err != nil {
			return 0, err
		}
		if after > before {
			return after - before, nil
		}
	}
	return 0, fmt.Errorf("no round of a flow was counted")
}

// Heap is how many bytes of Go memory are in use after a garbage collection.
func (l *Laminar) Heap(ctx context.Context) (float64, error) {
	for range 2 { // the second frees what has a finalizer
		if _, _, err := Get(ctx, l.URL("/debug/pprof/heap?gc=1")); err != nil {
			return 0, err
		}
	}
	m, err := l.Metrics(ctx)
	return m["go_memstats_heap_alloc_bytes"], err
}

// ReadHot reads all hot segments over one connection, throws them away, and
// returns how long PostgreSQL needed to send them.
func (l *Laminar) ReadHot(ctx context.Context) (time.Duration, error) {
	rows, err := l.DB.Conn.Query(ctx, "select id from laminar.generation where state in ('current', 'frozen') order by id")
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
		if _, err := l.DB.Conn.PgConn().CopyTo(ctx, io.Discard, sql); err != nil {
			return 0, fmt.Errorf("%s: %w", sql, err)
		}
	}
	return time.Since(began), nil
}
