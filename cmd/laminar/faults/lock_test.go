package faults

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"laminar/cmd/laminar/internal/laminartest"
	"laminar/sqlstore/sqltest"
)

// lockCurrent locks the hot table that samples go into. Another one may have taken its place
// by the time the lock is there; then that one is locked, too.
const lockCurrent = `do $$
	declare current integer;
	begin
		loop
			select id into strict current from laminar.generation where state = 'current';
			execute format('lock table laminar.hot_%s in access exclusive mode', current);
			exit when exists (select from laminar.generation where id = current and state = 'current');
		end loop;
	end $$`

// TestFaultLock lets somebody hold a lock that Laminar needs for some seconds.
// Samples and rounds wait or are told to come back, and go on by themselves.
func TestFaultLock(t *testing.T) {
	t.Parallel()
	for name, sql := range map[string]string{
		"region_row":   "select from laminar.region where id = 1 for update",
		"region_table": "lock table laminar.region in access exclusive mode",
		"hot_table":    lockCurrent,
		"sealed_table": "lock table laminar.sealed in access exclusive mode",
		"series_table": "lock table laminar.series in access exclusive mode",
		"flow_table":   "lock table laminar.flow in access exclusive mode",
		"result_table": `lock table flow.faults_rate in access exclusive mode`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newTestbed(t, sealing...)
			s.Serve()
			wait, stop := s.load()
			wait(20)
			s.until("the result table is there", func() bool {
				var there bool
				err := s.Pool().QueryRow(t.Context(), "select to_regclass('flow.faults_rate') is not null").Scan(&there)
				return err == nil && there
			})
			s.holding(sql, 3*time.Second)
			wait(20)
			stop()
			s.settle()
		})
	}
}

// holding holds the lock that a statement takes.
func (s *testbed) holding(sql string, d time.Duration) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), faultPatience)
	defer cancel()
	conn, err := pgx.Connect(ctx, s.URL)
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close(ctx)
	for _, text := range []string{
		"select set_config(name, '0', false) from pg_settings where name like '%\\_timeout' and context = 'user' and unit = 'ms'",
		fmt.Sprintf("begin isolation level read committed; %s; select pg_sleep(%f); rollback", sql, d.Seconds()),
	} {
		if _, err := conn.Exec(ctx, text); err != nil {
			s.t.Fatalf("%s: %v", text, err)
		}
	}
}

// TestFaultTimeouts sets every time limit there is for the database that Laminar
// uses, and then everything takes longer. They are for people's sessions:
// Laminar's have limits of their own. Only its first statement in a session is
// under them, so they are not as short as they could be.
func TestFaultTimeouts(t *testing.T) {
	t.Parallel()
	db := sqltest.New(t)
	admin, err := pgx.Connect(t.Context(), db.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close(t.Context())
	var version int
	if err := admin.QueryRow(t.Context(), "select current_setting('server_version_num')::int").Scan(&version); err != nil {
		t.Fatal(err)
	}
	limits := []string{"statement_timeout = '2s'", "lock_timeout = '1ms'", "idle_in_transaction_session_timeout = '5ms'"}
	if version >= 140000 {
		limits = append(limits, "idle_session_timeout = '2s'")
	}
	if version >= 170000 {
		limits = append(limits, "transaction_timeout = '2s'")
	}
	limits = append(limits, "default_transaction_isolation = 'serializable'", "synchronous_commit = 'off'", "search_path = 'public'", "timezone = 'Asia/Kathmandu'", "datestyle = 'German'")
	s := newTestbedAt(t, db.URL)
	for _, limit := range limits {
		if _, err := admin.Exec(t.Context(), "alter database "+pgx.Identifier{db.Name}.Sanitize()+" set "+limit); err != nil {
			t.Fatal(err)
		}
	}
	s.Serve()
	wait, stop := s.load()
	wait(20)
	failed := 0
	for s.idle() > 7*time.Second { // Laminar's own limit, 8 s, may have ended the round
		if failed++; failed == 10 {
			t.Fatal("the machine is too slow: each time the round was held for longer than Laminar lets it")
		}
		wait(20)
	}
	s.holding("select from laminar.region for update", 2500*time.Millisecond)
	wait(20)
	stop()
	if n := s.retries.Load(); n > 0 {
		t.Errorf("%d requests had to be sent again", n)
	}
	s.resetLimits(admin, db.Name) // the test's own queries
	s.settle()
	s.Stop() // its log is whole then
	log := s.Log.String()
	if n := strings.Count(log, "level=WARN msg=\"round failed"); n > failed {
		t.Errorf("%d rounds failed, %d of them may have", n, failed)
	}
	if n := strings.Count(log, "leadership lost"); n > int(spareChanges()) {
		t.Errorf("leadership was lost %d times", n)
	}
}

// idle lets sessions do nothing for longer than any limit that people set, in a flush, in a
// round and between. It says how long the round was held. The round comes first: while a
// flush is held no samples come that would make one.
func (s *testbed) idle() time.Duration {
	s.t.Helper()
	round := s.proxy.Trap(commits("flow_progress"))
	s.sprung(round)
	began := time.Now()
	flush := s.proxy.Trap(commits("flush_begin"))
	s.sprung(flush)
	time.Sleep(2500 * time.Millisecond) // nothing is to happen
	flush.Release(sqltest.Pass)
	round.Release(sqltest.Pass)
	return time.Since(began)
}

func (s *testbed) resetLimits(admin *pgx.Conn, database string) {
	s.t.Helper()
	if _, err := admin.Exec(s.t.Context(), "alter database "+pgx.Identifier{database}.Sanitize()+" reset all"); err != nil {
		s.t.Fatal(err)
	}
}

// TestFaultSessionsEnded ends all of Laminar's sessions from the server's side,
// as a limit on idle transactions, an operator or a pooler does, in the middle
// of a flush and of a round.
func TestFaultSessionsEnded(t *testing.T) {
	t.Parallel()
	s := newTestbed(t)
	s.Serve()
	wait, stop := s.load()
	wait(20)
	pool := s.Pool()
	for _, at := range []func(sqltest.Message) bool{commits("flush_begin"), committed("flush_begin"), commits("flow_progress"), committed("flow_progress")} {
		trap := s.proxy.Trap(at)
		s.sprung(trap)
		if _, err := pool.Exec(t.Context(), "select pg_terminate_backend(pid) from pg_stat_activity where datname = current_database() and application_name = 'laminar'"); err != nil {
			t.Fatal(err)
		}
		trap.Release(sqltest.Pass)
		wait(10)
	}
	stop()
	s.settle()
}

// TestFaultFrozenProcess stops a process (SIGSTOP, or a virtual machine that is paused)
// in a flush, with a region locked, while another one takes samples for the same
// region. When the server has ended its session, which it does after its limit on idle
// transactions, the other goes on. In the middle of a COPY there is no such limit, and
// the other process sees to it. When the first goes on, hours later for all it knows,
// nothing may be lost or counted twice.
func TestFaultFrozenProcess(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]func(sqltest.Message) bool{
		"between_statements": runs("hot_copy"),
		"in_copy":            copies("hot_copy"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db := sqltest.New(t)
			s := newTestbedAt(t, db.URL)
			other := laminartest.New(t, "--flows", faultFlows)
			other.URL = db.URL
			s.Serve()
			other.Serve()
			s.peers = []string{other.Addr}
			s.send(20)
			trap := s.proxy.Trap(at)
			frozen := make(chan error, 1)
			s.now = s.now.Add(10 * time.Second)
			points := s.fleet.Scrape(nil, s.now)
			go func() { frozen <- s.push(s.Addr, points) }()
			s.sprung(trap)
			thaw := s.freeze()
			// As the server does after its limit on idle transactions. It leaves COPYs alone.
			if _, err := other.Pool().Exec(t.Context(), `select pg_terminate_backend(pid) from pg_stat_activity
				where datname = current_database() and application_name = 'laminar' and state = 'idle in transaction'`); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			for range 20 {
				if err := s.scrape(other.Addr); err != nil {
					t.Fatal(err)
				}
			}
			if took := time.Since(began); took > within(30*time.Second) {
				t.Errorf("the other process could not store samples for %s", took)
			}
			thaw()
			trap.Release(sqltest.Pass)
			if err := <-frozen; err != nil {
				t.Fatal(err)
			}
			s.sent.Add(points) // after all that others have sent meanwhile
			s.send(20)
			s.settle()
		})
	}
}
