package faults

import (
	"context"
	"fmt"
	"hash/fnv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"laminar/cmd/laminar/internal/laminartest"
	"laminar/sqlstore/sqltest"
)

// replacedWithin is how long flows may stand still because their leader does.
const replacedWithin = 15 * time.Second

// newPair is a testbed that leads, behind its proxy, and another process that stands
// by, with a connection to the database of its own.
func newPair(t *testing.T) (s *testbed, other *laminartest.Installation) {
	t.Helper()
	db := sqltest.New(t)
	s = newTestbedAt(t, db.URL)
	s.Serve()
	s.untilLeads(s.Addr)
	other = laminartest.New(t, "--flows", faultFlows)
	other.URL = db.URL
	other.Serve()
	s.peers = []string{other.Addr}
	return s, other
}

// leads reports whether the process at an address says that it leads.
func (s *testbed) leads(address string) bool {
	ctx, cancel := context.WithTimeout(s.t.Context(), 20*time.Second)
	defer cancel()
	found, err := s.metrics(ctx, address, "laminar_flow_leader ")
	return err == nil && found["laminar_flow_leader"] == "1"
}

func (s *testbed) untilLeads(address string) {
	s.t.Helper()
	s.until("a process leads", func() bool { return s.leads(address) })
}

// replaced waits until another process has taken over all flows, and fails when that
// takes too long. It began at a time, which the database's clock calls since.
func (s *testbed) replaced(other *laminartest.Installation, began, since time.Time) {
	s.t.Helper()
	pool := other.Pool()
	s.until("another process has taken over the flows", func() bool {
		var behind int
		err := pool.QueryRow(s.t.Context(), "select count(*) from flow where updated_at < $1", since).Scan(&behind)
		return err == nil && behind == 0 && s.leads(other.Addr)
	})
	took := time.Since(began)
	s.t.Logf("replaced after %s", took.Round(100*time.Millisecond))
	if most := within(replacedWithin); took > most {
		s.t.Errorf("flows stood still for %s, want %s at most", took, most)
	}
}

// databaseNow is the database's clock.
func (s *testbed) databaseNow(other *laminartest.Installation) (now time.Time) {
	s.t.Helper()
	if err := other.Pool().QueryRow(s.t.Context(), "select clock_timestamp()").Scan(&now); err != nil {
		s.t.Fatal(err)
	}
	return now
}

// TestFaultFrozenLeader stops the process that leads, between rounds and in the middle
// of a commit. Another one takes over, and when the first goes on it does no harm.
func TestFaultFrozenLeader(t *testing.T) {
	t.Parallel()
	for name, at := range map[string]func(sqltest.Message) bool{
		"anywhere":  nil,
		"in_commit": commits("flow_progress"),
		"in_fence":  answered("flow_fence"),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, other := newPair(t)
			wait, stop := s.loadAt(&other.Addr)
			wait(20)
			var trap *sqltest.Trap
			if at != nil {
				trap = s.proxy.Trap(at)
				s.sprung(trap)
			}
			thaw := s.freeze()
			s.replaced(other, time.Now(), s.databaseNow(other))
			wait(20)
			thaw()
			if trap != nil {
				trap.Release(sqltest.Pass)
			}
			s.until("the first notices that its term is over", func() bool { return !s.leads(s.Addr) })
			wait(20)
			stop()
			s.settle()
			s.until("one of them leads", func() bool { return s.leads(other.Addr) || s.leads(s.Addr) })
			again := s.leads(s.Addr)
			s.Stop() // its log is whole then
			other.Stop()
			ended := strings.Count(other.Log.String(), "leadership lost")
			if again && (ended == 0 || ended > int(spareChanges())) {
				t.Errorf("the first leads again, and the second has ended its term by itself %d times", ended)
			}
			if log := s.Log.String(); !strings.Contains(log, "leadership lost; standing by") {
				t.Error("the first does not say that it has lost leadership")
			}
		})
	}
}

// TestFaultKilledLeader kills the process that leads while another one stands by, which
// leads as soon as it has seen that the session is gone: the test renews the lease
// meanwhile, so that it does not run out.
func TestFaultKilledLeader(t *testing.T) {
	t.Parallel()
	s, other := newPair(t)
	wait, stop := s.loadAt(&other.Addr)
	wait(20)
	// Before the kill: a moment after it the term may be the next one already.
	pool := other.Pool()
	var term int64
	if err := pool.QueryRow(t.Context(), "select term from lease where purpose = 'flows'").Scan(&term); err != nil {
		t.Fatal(err)
	}
	s.Kill()
	began, since := time.Now(), s.databaseNow(other)
	s.until("another process has taken the lease", func() bool {
		tag, err := pool.Exec(t.Context(), "update lease set renewed_at = clock_timestamp() where purpose = 'flows' and term = $1", term)
		return err == nil && tag.RowsAffected() == 0
	})
	s.replaced(other, began, since)
	s.Serve()
	wait(20)
	stop()
	s.settle()
}

// TestFaultCutLeader cuts the network between the leader and the database, so that
// nothing arrives and nobody is told. The leader ends its rounds by itself, another
// one takes over, and what arrives late in the end does no harm.
func TestFaultCutLeader(t *testing.T) {
	t.Parallel()
	s, other := newPair(t)
	wait, stop := s.loadAt(&other.Addr)
	wait(20)
	s.until("the one that stands by shows the flows' lag, and that it waits", func() bool {
		found, err := s.metrics(t.Context(), other.Addr, "laminar_flow_lag_seconds{", `laminar_waiting_for_lock{purpose="flows"}`)
		return err == nil && found[`laminar_flow_lag_seconds{flow="faults:rate"}`] != "" && found[`laminar_waiting_for_lock{purpose="flows"}`] == "1"
	})
	mended := make(chan struct{})
	s.proxy.Filter(func(sqltest.Message) sqltest.Verdict {
		select {
		case <-mended:
			return sqltest.Pass
		case <-t.Context().Done():
			return sqltest.Break
		}
	})
	began, since := time.Now(), s.databaseNow(other)
	s.until("the leader ends its rounds", func() bool { return !s.leads(s.Addr) })
	s.replaced(other, began, since)
	wait(20)
	s.proxy.Filter(nil)
	close(mended)
	wait(20)
	stop()
	s.settle()
}

// TestFaultLeaderSessions ends the session that the leader renews its lease in, again
// and again. It stays the leader: another process would have to look in the moment that
// it takes to renew the lease in another session, and look again 250 ms later.
func TestFaultLeaderSessions(t *testing.T) {
	t.Parallel()
	s, _ := newPair(t)
	wait, stop := s.load()
	pool := s.Pool()
	term := func() (term int64) {
		if err := pool.QueryRow(t.Context(), "select term from lease where purpose = 'flows'").Scan(&term); err != nil {
			t.Fatal(err)
		}
		return term
	}
	first := term()
	const times = 20
	for range times {
		wait(10)
		var pid int
		s.until("the session is ended", func() bool { // the one that is named may be gone already
			const sql = "select pid from lease where purpose = 'flows' and pg_terminate_backend(pid)"
			return pool.QueryRow(t.Context(), sql).Scan(&pid) == nil
		})
		s.until("the lease has another session", func() bool {
			var now int
			err := pool.QueryRow(t.Context(), "select pid from lease where purpose = 'flows'").Scan(&now)
			return err == nil && now != pid
		})
	}
	// On a machine that has much else to do, it may take longer. Who did not notice would be
	// replaced nearly each time.
	most := int64(times * 3 / 4)
	if laminartest.Strict() {
		most = 2
	}
	if last := term(); last > first+most {
		t.Errorf("the leader was replaced %d times of %d, because it had lost a session", last-first, times)
	}
	wait(20)
	stop()
	s.settle()
}

// TestFaultStranger lets a role that may do nothing but connect take the advisory locks
// that decided who leads, seals and migrates before leases did. With it the leader is
// killed, generations are sealed, and a process starts: nothing waits.
func TestFaultStranger(t *testing.T) {
	t.Parallel()
	s, other := newPair(t)
	var name string
	if err := other.Pool().QueryRow(t.Context(), "select current_database()").Scan(&name); err != nil {
		t.Fatal(err)
	}
	role := "nobody_" + name
	sqltest.Run(t, other.URL, "create role "+role+" login password 'pw' nosuperuser")
	t.Cleanup(func() { sqltest.Run(t, other.URL, "drop role "+role) })
	cfg, err := pgx.ParseConfig(other.URL)
	if err != nil {
		t.Fatal(err)
	}
	cfg.User, cfg.Password = role, "pw"
	stranger, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer stranger.Close(context.Background())
	take := func() {
		t.Helper()
		for _, purpose := range []string{"flownode", "seal", "migrate"} {
			h := fnv.New64a()
			fmt.Fprintf(h, "laminar %s laminar", purpose)
			if _, err := stranger.Exec(t.Context(), "select pg_advisory_lock($1)", int64(h.Sum64())); err != nil {
				t.Fatal(err)
			}
		}
	}
	wait, stop := s.loadAt(&other.Addr)
	wait(20)
	s.Kill()
	began, since := time.Now(), s.databaseNow(other)
	take()
	s.replaced(other, began, since)
	began = time.Now()
	other.Must("seal")
	if took := time.Since(began); took > within(replacedWithin) {
		t.Errorf("seal took %s", took)
	}
	s.Serve()
	wait(20)
	stop()
	s.settle()
}

// TestFaultHeldLease lets somebody who may do so hold a lock on the leases. The leader
// ends its rounds when it could not renew its lease, nobody can lead, and log and status
// say who is to blame. When the lock is gone everything goes on by itself.
func TestFaultHeldLease(t *testing.T) {
	t.Parallel()
	s, other := newPair(t)
	wait, stop := s.load()
	wait(20)
	ctx, cancel := context.WithTimeout(t.Context(), faultPatience)
	defer cancel()
	conn, err := pgx.Connect(ctx, other.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	for _, sql := range []string{"set application_name = 'a person'", "begin", "lock table laminar.lease in exclusive mode"} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	s.until("the leader ends its rounds", func() bool { return !s.leads(s.Addr) })
	s.until("status names who holds the lock", func() bool {
		text := s.Must("status", "--output", "json")
		return strings.Contains(text, "a person") && strings.Contains(text, fmt.Sprintf(`"pid": %d`, conn.PgConn().PID()))
	})
	seal := other.Command("seal")
	said := &output{}
	seal.Stdout, seal.Stderr = said, said
	if err := seal.Start(); err != nil {
		t.Fatal(err)
	}
	s.until("the command says whom it waits for", func() bool { return strings.Contains(said.text(), "a person") })
	if _, err := conn.Exec(ctx, "rollback"); err != nil {
		t.Fatal(err)
	}
	if err := seal.Wait(); err != nil {
		t.Errorf("seal: %v", err)
	}
	s.until("a process leads again", func() bool { return s.leads(s.Addr) || s.leads(other.Addr) })
	wait(20)
	stop()
	s.settle()
	s.Stop()
	other.Stop()
	if log := s.Log.String() + other.Log.String(); !strings.Contains(log, "a lock holds up leadership") {
		t.Error("no process says who held up leadership")
	}
}

// output is what a command under way has said.
type output struct {
	mu   sync.Mutex
	said strings.Builder // guarded by mu
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.said.Write(p)
}

func (o *output) text() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.said.String()
}
