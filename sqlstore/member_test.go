package sqlstore_test

import (
	"context"
	"hash/fnv"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"laminar/sqlstore"
	"laminar/sqlstore/flowstore"
	"laminar/sqlstore/pg"
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

// beat beats until the server answers, which takes a busy one longer than a beat waits.
func (b beating) beat() (term int64) {
	b.t.Helper()
	if err := sqltest.Answered(b.t.Context(), func() (err error) { term, err = b.Beat(b.t.Context()); return err }); err != nil {
		b.t.Error(err)
	}
	return term
}

// standsBy beats while another one leads, which must go on in its term. It returns the term.
// Where the beats took so long that the lease may have run out, they tell nothing.
func (b beating) standsBy(leader beating) (term int64) {
	b.t.Helper()
	for {
		began := time.Now()
		term = leader.beat()
		first, again, second := b.beat(), leader.beat(), b.beat()
		if term != 0 && first == 0 && again == term && second == 0 {
			return term
		}
		if time.Since(began) < pg.LeaseTime {
			b.t.Fatalf("the leader has terms %d and %d, beside it another one has %d and %d", term, again, first, second)
		}
		b.Leave(b.t.Context())
	}
}

// renewed makes the lease have been renewed so long ago. Between two looks at it a machine
// with other work may take seconds.
func renewed(db *sqltest.RawDB, ago string) {
	db.Exec("update lease set renewed_at = clock_timestamp() - interval '" + ago + "' where purpose = 'flows'")
}

// succeeds polls until the flownode leads, because the session of the leader is gone: the
// lease was always renewed only so long ago, and so it does not run out.
func (b beating) succeeds(db *sqltest.RawDB, ago string) {
	b.t.Helper()
	eventually(b.t, "the flownode leads", func() bool {
		renewed(db, ago)
		return b.beat() != 0
	})
}

// TestLeadership: one of two leads, until it gives up, is not heard of for 10 s by the
// database's clock, or has lost its session. Each time there is a new term.
func TestLeadership(t *testing.T) {
	db := sqltest.NewRawDB(t, 1)
	a, b := newBeating(t, db.Store), newBeating(t, db.Store)
	first := b.standsBy(a)
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
	second = a.standsBy(b)

	for {
		began := time.Now()
		renewed(db, "9 seconds")
		got := a.beat()
		if got == 0 {
			break
		}
		if time.Since(began) < time.Second {
			t.Fatal("a leader was replaced after 9 s")
		}
		a.Leave(t.Context()) // the beat came too late to tell
		second = b.beat()
	}
	renewed(db, "11 seconds")
	if got := b.beat(); got != second {
		t.Errorf("a leader that nobody has replaced has term %d, want %d as before", got, second)
	}
	renewed(db, "11 seconds")
	if third := a.beat(); third <= second {
		t.Errorf("a leader that was not heard of for 11 s is not replaced: term %d", third)
	}
	third := b.standsBy(a)
	renewed(db, "-1 hour")
	if fourth := b.beat(); fourth <= third {
		t.Errorf("after the clock was set back the leader cannot be replaced: term %d", fourth)
	}
}

// TestLeadershipBroken: a leader whose session was ended goes on in its next beat. One
// that does not beat is replaced although its lease has not run out.
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
	b.standsBy(a)
	cut()
	b.succeeds(db, "0 seconds")
	a.standsBy(b)
}

// TestLeadershipLost ends the session of a leader again and again. It is told at once,
// and leads in another session, in the same term, before another flownode could have
// taken over, if the machine lets it.
func TestLeadershipLost(t *testing.T) {
	db := sqltest.NewRawDB(t, 1)
	a, b := newBeating(t, db.Store), newBeating(t, db.Store)
	first := a.beat()
	const times, grace = 20, 250 * time.Millisecond // leaseGone
	least := time.Hour
	// The machine has other work, which can only make it slower.
	deadline := time.Now().Add(3 * time.Minute)
	for round := 0; round < times || least > grace && time.Now().Before(deadline); round++ {
		began := time.Now()
		db.Exec("select pg_terminate_backend(pid) from lease where purpose = 'flows'")
		select {
		case <-a.Lost():
		case <-time.After(2 * time.Minute):
			t.Fatal("nobody tells the leader that its session has ended")
		}
		if term := a.beat(); term != first {
			t.Fatalf("term %d, want %d as before", term, first)
		}
		least = min(least, time.Since(began))
		first = b.standsBy(a)
	}
	if least > grace {
		t.Errorf("it took the leader %s at least to lead in another session, want less than %s", least, grace)
	}
}

// TestLeaseOfASlowServer: work that waits for a lease goes on waiting where a try gets no
// answer in the seconds that a leader would wait for one.
func TestLeaseOfASlowServer(t *testing.T) {
	db := sqltest.New(t)
	proxy := db.Proxy(t)
	store := db.Store(t, func(c *sqlstore.Config) { c.URL = proxy.URL })
	for _, statement := range []string{"lease_look", "lease_take"} {
		trap := proxy.Trap(func(m sqltest.Message) bool { return m.Runs(statement) })
		_, err := store.Keeper.Freeze(t.Context())
		select {
		case <-trap.Sprung:
		default:
			t.Errorf("%s was not run", statement)
		}
		trap.Release(sqltest.Break)
		if err != nil {
			t.Errorf("%s is not answered: %v", statement, err)
		}
	}
}

// TestLeadershipRestarted: of a server that was started since the leader beat last, all
// sessions are gone. That alone does not replace the leader for two seconds.
func TestLeadershipRestarted(t *testing.T) {
	db := sqltest.NewRawDB(t, 1)
	a, b := newBeating(t, db.Store), newBeating(t, db.Store)
	a.beat()
	db.Exec("update lease set session_at = pg_postmaster_start_time() - interval '1 minute' where purpose = 'flows'")
	for {
		began := time.Now()
		renewed(db, "0 seconds")
		if b.beat() == 0 {
			break
		}
		if time.Since(began) < 2*time.Second {
			t.Fatal("a leader was replaced that had no time to find the server")
		}
		b.Leave(t.Context()) // the beat came too late to tell
		a.beat()
		db.Exec("update lease set session_at = pg_postmaster_start_time() - interval '1 minute' where purpose = 'flows'")
	}
	b.succeeds(db, "2 seconds")
}

// eventually polls for what must come.
func eventually(t *testing.T, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !done(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within two minutes: %s", what)
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
	for round := 0; round < 5; {
		began := time.Now()
		terms := make([]int64, len(members))
		var all sync.WaitGroup
		for i, m := range members {
			all.Go(func() { terms[i] = m.beat() })
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
		if time.Since(began) >= pg.LeaseTime {
			continue // a lease may have run out, and another one taken it
		}
		if leaders != 1 {
			t.Fatalf("round %d: terms %d, want one leader", round, terms)
		}
		round++
	}
}

// TestMembers is who is seen of the flownodes.
func TestMembers(t *testing.T) {
	db := sqltest.NewRawDB(t, 1)
	a, b := newBeating(t, db.Store), newBeating(t, db.Store)
	list := func() []flowstore.MemberStatus {
		t.Helper()
		members, err := db.Store.Members.List(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return members
	}
	a.beat()
	var got []flowstore.MemberStatus
	for {
		began := time.Now()
		b.standsBy(a)
		got = list()
		if len(got) == 2 && !got[0].LeadsSince.IsZero() && got[1].LeadsSince.IsZero() && got[0].Alive && got[1].Alive && got[0].Address == "here:1" && got[0].Name != "" {
			break
		}
		if time.Since(began) < pg.LeaseTime {
			t.Fatalf("flownodes %+v, want two, of which the first leads", got)
		}
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
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
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
