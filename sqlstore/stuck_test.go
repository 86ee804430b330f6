package sqlstore_test

import (
	"context"
	"errors"
	"io"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"laminar/sqlstore"
	"laminar/sqlstore/sqltest"
)

// stuckAfter is StuckAfter for these tests.
const stuckAfter = 3 * time.Second

// slowRows is a COPY's text that comes row by row, and stops after some rows until go on
// is closed.
type slowRows struct {
	rows  int
	pause time.Duration
	stop  int // before this row; 0 is never
	goOn  <-chan struct{}
	sent  int

	mu      sync.Mutex // CopyFrom may return while it reads
	asked   time.Time  // when the last row was asked for
	longest time.Duration
}

// waited is the longest time from one row to the next so far.
func (r *slowRows) waited() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.asked.IsZero() {
		return 0
	}
	return max(r.longest, time.Since(r.asked))
}

func (r *slowRows) Read(p []byte) (int, error) {
	if r.sent == r.rows {
		return 0, io.EOF
	}
	r.sent++
	longest := r.waited()
	r.mu.Lock()
	r.longest, r.asked = longest, time.Now()
	r.mu.Unlock()
	if r.stop == r.sent {
		<-r.goOn
	} else {
		time.Sleep(r.pause) // the row is this slow
	}
	return copy(p, strings.Repeat("x", 100)+"\n"), nil
}

func copyFrom(ctx context.Context, pool *pgxpool.Pool, rows io.Reader) error {
	conn, err := pool.Acquire(ctx)
	if err != nil {
		return err
	}
	defer conn.Release()
	_, err = conn.Conn().PgConn().CopyFrom(ctx, rows, "copy stuck from stdin")
	return err
}

// TestEndStuck: sessions of which an end does nothing any more are ended, and no others,
// however long they take.
func TestEndStuck(t *testing.T) {
	db := sqltest.New(t)
	proxy := db.Proxy(t)
	through := func(c *sqlstore.Config) { c.URL = proxy.URL }
	here, there := db.Store(t, through), db.Store(t)
	person := db.Pool(t)
	if _, err := person.Exec(t.Context(), "create table stuck (line text); create table held (line text); create table kept ()"); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 5*time.Minute)
	var all, watch sync.WaitGroup
	defer watch.Wait()
	defer stop()
	watch.Go(func() { _ = here.EndStuck(ctx, stuckAfter) })

	// The session in which a leader renews its lease is read from all the time.
	leader := newBeating(t, here)
	leader.beat()

	ended := func(what string, err error, began time.Time) {
		if took := time.Since(began); err == nil || ctx.Err() != nil || took < stuckAfter {
			t.Errorf("%s: ended after %s with %v, want an error after %s", what, took, err, stuckAfter)
		}
	}
	// They run one after the other, because a proxy has one trap.
	lose := func(what string, match func(sqltest.Message) bool, statements ...string) {
		trap := proxy.Trap(match)
		defer trap.Release(sqltest.Break)
		began := time.Now()
		conn, err := here.Pool().Acquire(ctx)
		for _, sql := range statements {
			if err == nil {
				_, err = conn.Exec(ctx, sql)
			}
		}
		ended(what, err, began)
		if conn == nil {
			t.Fatal(err)
		}
		conn.Release()
		eventually(t, what+": no session has an open transaction", func() bool { // the server needs a moment to end it
			var open int
			err := person.QueryRow(ctx, "select count(*) from pg_stat_activity where datname = current_database() and application_name = 'laminar' and state like 'idle in%'").Scan(&open)
			return err == nil && open == 0
		})
	}
	all.Go(func() {
		lose("the answer is lost", func(m sqltest.Message) bool { return m.FromServer && m.Kind == 'D' && len(m.Tx) > 1 },
			"begin", "select from kept", "select 'answer'")
		lose("the request is lost", func(m sqltest.Message) bool { return m.Runs("select 'request'") }, "select 'request'")
		lose("the answer to a commit is lost", func(m sqltest.Message) bool { return m.FromServer && m.Kind == 'C' && m.Tag == "COMMIT" },
			"begin", "insert into kept default values", "commit")
	})

	forever := make(chan struct{})
	release := sync.OnceFunc(func() { close(forever) })
	defer release()
	all.Go(func() {
		began := time.Now()
		defer time.AfterFunc(2*time.Minute, release).Stop() // CopyFrom may wait for its reader
		ended("a COPY of another process stands still", copyFrom(ctx, there.Pool(), &slowRows{rows: 10, stop: 5, goOn: forever}), began)
	})
	long := 5 * stuckAfter / 2
	// Where the machine stood still with it, it was slower than it should be, and begins again.
	slowCopy := func(pool *pgxpool.Pool) error {
		for {
			rows := &slowRows{rows: 30, pause: long / 30}
			if err := copyFrom(ctx, pool, rows); err == nil || rows.waited() < stuckAfter/2 || ctx.Err() != nil {
				return err
			}
		}
	}
	for what, fn := range map[string]func() error{
		"a long statement": func() error {
			_, err := here.Pool().Exec(ctx, "select pg_sleep($1)", long.Seconds())
			return err
		},
		"a slow COPY":                    func() error { return slowCopy(here.Pool()) },
		"a slow COPY of another process": func() error { return slowCopy(there.Pool()) },
		"a lock that is held for long": func() error {
			tx, err := person.Begin(ctx)
			if err != nil {
				return err
			}
			if _, err := tx.Exec(ctx, "lock table held"); err != nil {
				return err
			}
			waited := make(chan error, 1)
			go func() {
				_, err := here.Pool().Exec(ctx, "insert into held values ('waited')")
				waited <- err
			}()
			select {
			case err := <-waited:
				return errors.Join(errors.New("it did not wait"), err, tx.Commit(ctx))
			case <-time.After(long):
			}
			return errors.Join(tx.Commit(ctx), <-waited)
		},
		"a person's COPY that stands still": func() error {
			goOn := make(chan struct{})
			time.AfterFunc(long, func() { close(goOn) })
			return copyFrom(ctx, person, &slowRows{rows: 10, stop: 5, goOn: goOn})
		},
		"a session that is not in use": func() error {
			conn, err := here.Pool().Acquire(ctx)
			if err != nil {
				return err
			}
			defer conn.Release()
			select {
			case <-time.After(long):
			case <-ctx.Done():
			}
			_, err = conn.Exec(ctx, "select")
			return err
		},
	} {
		all.Go(func() {
			if err := fn(); err != nil {
				t.Errorf("%s: %v", what, err)
			}
		})
	}
	all.Wait()
	select {
	case <-leader.Lost():
		t.Error("the leader has lost its session")
	default:
	}
}
