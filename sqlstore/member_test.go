package sqlstore_test

import (
	"context"
	"fmt"
	"hash/fnv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"laminar/sqlstore"
	"laminar/sqlstore/flowstore"
	"laminar/sqlstore/sqltest"
)

// beating is a flownode of a test, and beats when the test says so.
type beating struct {
	*flowstore.Member
	t *testing.T
}

func newBeating(t *testing.T, store *sqlstore.Store) beating {
	t.Helper()
	m := store.Members.New("here:1")
	t.Cleanup(func() { m.Leave(context.Background()) })
	return beating{m, t}
}

func (b beating) beat() int64 {
	b.t.Helper()
	term, err := b.Beat(b.t.Context())
	if err != nil {
		b.t.Fatal(err)
	}
	return term
}

// beforeExpiry is how soon a leader of which the session shows that it is gone must be
// replaced: long before the 10 s after which it would be in any case. A machine with other
// work takes seconds for a beat.
const beforeExpiry = 6 * time.Second

// leads polls until the flownode leads, and returns its term and how long it took.
func (b beating) leads() (int64, time.Duration) {
	b.t.Helper()
	began := time.Now()
	for time.Since(began) < 30*time.Second {
		if term := b.beat(); term != 0 {
			return term, time.Since(began)
		}
		time.Sleep(20 * time.Millisecond)
	}
	b.t.Fatal("the flownode does not come to lead")
	return 0, 0
}

// TestLeadership: one of two leads, until it gives up, is not heard of for 10 s by the
// database's clock, or has lost its session. Each time there is a new term.
func TestLeadership(t *testing.T) {
	db := sqltest.NewRawDB(t, 1)
	a, b := newBeating(t, db.Store), newBeating(t, db.Store)
	first := a.beat()
	if first == 0 || b.beat() != 0 || a.beat() != first || b.beat() != 0 {
		t.Fatal("not the first of two leads, or not for long")
	}
	if !db.Store.Waiting(flowstore.LeaderLease) {
		t.Error("nothing tells that one waits")
	}
	a.Leave(t.Context())
	second := b.beat()
	if second <= first {
		t.Fatalf("term %d after the leader has left, which had term %d", second, first)
	}
	if db.Store.Waiting(flowstore.LeaderLease) {
		t.Error("one leads, and is said to wait")
	}
	if a.beat() != 0 {
		t.Fatal("two leaders at once")
	}

	db.Exec("update lease set renewed_at = clock_timestamp() - interval '9 seconds' where purpose = 'flows'")
	if a.beat() != 0 {
		t.Error("a leader was replaced after 9 s")
	}
	db.Exec("update lease set renewed_at = clock_timestamp() - interval '11 seconds' where purpose = 'flows'")
	if got := b.beat(); got != second {
		t.Errorf("a leader that nobody has replaced has term %d, want %d as before", got, second)
	}
	db.Exec("update lease set renewed_at = clock_timestamp() - interval '11 seconds' where purpose = 'flows'")
	third := a.beat()
	if third <= second || b.beat() != 0 {
		t.Errorf("a leader that was not heard of for 11 s is not replaced: term %d", third)
	}
	db.Exec("update lease set renewed_at = clock_timestamp() + interval '1 hour' where purpose = 'flows'")
	if fourth := b.beat(); fourth <= third {
		t.Errorf("after the clock was set back the leader cannot be replaced: term %d", fourth)
	}
}

// TestLeadershipBroken: a leader whose session was ended goes on in its next beat. One
// that does not beat is replaced within few seconds.
func TestLeadershipBroken(t *testing.T) {
	db := sqltest.NewRawDB(t, 1)
	a, b := newBeating(t, db.Store), newBeating(t, db.Store)
	cut := func() {
		db.Exec("select pg_terminate_backend(pid) from lease where purpose = 'flows'")
		eventually(t, "the session is gone", func() bool {
			var there bool
			err := db.Store.Pool().QueryRow(t.Context(), "select exists (select from lease l join pg_stat_activity a on a.pid = l.pid and a.backend_start = l.session_at where purpose = 'flows')").Scan(&there)
			return err == nil && !there
		})
	}
	first := a.beat()
	cut()
	eventually(t, "the leader beats again", func() bool {
		term, err := a.Beat(t.Context())
		if err == nil && term != first {
			t.Fatalf("term %d, want %d as before", term, first)
		}
		return err == nil
	})
	if b.beat() != 0 {
		t.Fatal("a leader that beats was replaced")
	}
	cut()
	if _, took := b.leads(); took > beforeExpiry {
		t.Errorf("the session of the leader is gone, and it was replaced after %s only", took)
	}
	eventually(t, "the leader that was replaced beats again", func() bool {
		term, err := a.Beat(t.Context())
		if term != 0 {
			t.Fatalf("a leader that was replaced still leads, in term %d", term)
		}
		return err == nil
	})
}

// TestLeadershipLost ends the session of a leader again and again. It is told at once,
// and mostly leads in another session, in the same term, before another flownode could
// have taken over.
func TestLeadershipLost(t *testing.T) {
	db := sqltest.NewRawDB(t, 1)
	a, b := newBeating(t, db.Store), newBeating(t, db.Store)
	first := a.beat()
	const times, grace = 20, 250 * time.Millisecond // leaseGone
	late := 0
	for range times {
		began := time.Now()
		db.Exec("select pg_terminate_backend(pid) from lease where purpose = 'flows'")
		select {
		case <-a.Lost():
		case <-time.After(30 * time.Second):
			t.Fatal("nobody tells the leader that its session has ended")
		}
		if term := a.beat(); term != first {
			t.Fatalf("term %d, want %d as before", term, first)
		}
		if time.Since(began) > grace {
			late++
		}
		if b.beat() != 0 {
			t.Fatal("a leader that beats was replaced")
		}
	}
	if late > times/2 {
		t.Errorf("%d times of %d it took the leader longer than %s to lead in another session", late, times, grace)
	}
}

// TestLeadershipRestarted: of a server that was started since the leader beat last, all
// sessions are gone. That alone does not replace the leader for two seconds.
func TestLeadershipRestarted(t *testing.T) {
	db := sqltest.NewRawDB(t, 1)
	a, b := newBeating(t, db.Store), newBeating(t, db.Store)
	a.beat()
	before := "update lease set session_at = pg_postmaster_start_time() - interval '1 minute', renewed_at = clock_timestamp() - interval '%s' where purpose = 'flows'"
	db.Exec(fmt.Sprintf(before, "0 seconds"))
	if b.beat() != 0 {
		t.Error("a leader was replaced that had no time to find the server")
	}
	db.Exec(fmt.Sprintf(before, "2 seconds"))
	if _, took := b.leads(); took > beforeExpiry {
		t.Errorf("a leader that did not come back was replaced after %s only", took)
	}
}

// eventually polls for what must come.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}

// TestLeadershipAtOnce: of many that beat at once, from several processes, one leads.
func TestLeadershipAtOnce(t *testing.T) {
	db := sqltest.New(t)
	stores := []*sqlstore.Store{db.Store(t), db.Store(t)}
	members := make([]beating, 8)
	for i := range members {
		members[i] = newBeating(t, stores[i%2])
	}
	for round := range 5 {
		terms := make([]int64, len(members))
		var all sync.WaitGroup
		for i, m := range members {
			all.Go(func() {
				var err error
				if terms[i], err = m.Beat(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		leaders := 0
		for i, term := range terms {
			if term == 0 {
				continue
			}
			leaders++
			members[i].Leave(t.Context())
		}
		if leaders != 1 {
			t.Fatalf("round %d: terms %d, want one leader", round, terms)
		}
	}
}

// TestMembers is who is seen of the flownodes.
func TestMembers(t *testing.T) {
	db := sqltest.NewRawDB(t, 1)
	a, b := newBeating(t, db.Store), newBeating(t, db.Store)
	a.beat()
	b.beat()
	list := func() []flowstore.MemberStatus {
		t.Helper()
		members, err := db.Store.Members.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return members
	}
	got := list()
	if len(got) != 2 || got[0].LeadsSince.IsZero() || !got[1].LeadsSince.IsZero() || !got[0].Alive || !got[1].Alive || got[0].Address != "here:1" || got[0].Name == "" {
		t.Fatalf("flownodes %+v, want two, of which the first leads", got)
	}
	db.Exec("update flownode set seen_at = clock_timestamp() - interval '11 seconds'; update lease set renewed_at = clock_timestamp() - interval '11 seconds'")
	if got = list(); got[0].Alive || got[1].Alive || !got[0].LeadsSince.IsZero() {
		t.Errorf("flownodes %+v, want none that is alive or leads", got)
	}
	a.Leave(t.Context())
	db.Exec("update flownode set seen_at = clock_timestamp() - interval '25 hours'")
	newBeating(t, db.Store).beat()
	if got = list(); len(got) != 1 {
		t.Errorf("flownodes %+v, want only the new one: the first has left, the second was not seen for a day", got)
	}
}

// TestStrangers: a role that may connect, and nothing else, can neither take what
// Laminar's processes do alone nor hold it up, whatever advisory locks it takes.
func TestStrangers(t *testing.T) {
	db := sqltest.New(t)
	store := db.Store(t)
	role := "stranger_" + db.Name
	sqltest.Run(t, db.URL, "create role "+role+" login password 'pw' nosuperuser")
	t.Cleanup(func() { sqltest.Run(t, db.URL, "drop role "+role) })
	cfg, err := pgx.ParseConfig(db.URL)
	if err != nil {
		t.Fatal(err)
	}
	cfg.User, cfg.Password = role, "pw"
	conn, err := pgx.ConnectConfig(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	// The keys that releases before this one took, of the schema laminar.
	for _, purpose := range []string{"flownode", "seal", "migrate"} {
		if _, err := conn.Exec(t.Context(), "select pg_advisory_lock($1)", oldLockKey(purpose)); err != nil {
			t.Fatal(err)
		}
	}
	for _, sql := range []string{
		"select from laminar.lease for update", "lock table laminar.lease in access share mode",
		"update laminar.lease set owner = gen_random_uuid()", "begin; lock table laminar.flownode in exclusive mode",
	} {
		if _, err := conn.Exec(t.Context(), sql); err == nil {
			t.Errorf("a stranger may: %s", sql)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := store.Schema.Migrate(ctx); err != nil {
		t.Errorf("migrate: %v", err)
	}
	if _, err := store.Keeper.Freeze(ctx); err != nil {
		t.Errorf("freeze: %v", err)
	}
	if newBeating(t, store).beat() == 0 {
		t.Error("nobody can lead")
	}
}

// oldLockKey is the advisory lock that a release before leases took for a purpose.
func oldLockKey(purpose string) int64 {
	h := fnv.New64a()
	_, _ = h.Write([]byte("laminar " + purpose + " laminar"))
	return int64(h.Sum64())
}
