package schema_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"laminar/sequence"
	"laminar/sqlstore"
	"laminar/sqlstore/raw"
	"laminar/sqlstore/sqltest"
)

func TestMain(m *testing.M) { sqltest.VerifyTestMain(m) }

// open opens a store and returns what it logged.
func open(t testing.TB, cfg sqlstore.Config) (*sqlstore.Store, *bytes.Buffer, error) {
	t.Helper()
	var log bytes.Buffer
	store, err := sqlstore.Open(context.Background(), cfg, slog.New(slog.NewTextHandler(&log, nil)))
	if err == nil {
		t.Cleanup(store.Close)
	}
	return store, &log, err
}

// hint is what the user is told to do about an error.
func hint(err error) string {
	var h interface{ Hint() string }
	if errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

func TestMigrationsUpDownUp(t *testing.T) {
	store := sqltest.New(t).Store(t)
	ctx := t.Context()
	if _, err := store.Keeper.Freeze(ctx); err != nil {
		t.Fatal(err)
	}
	if err := store.Schema.MigrateDown(ctx); err != nil {
		t.Fatal(err)
	}
	var left int
	if err := store.Pool().QueryRow(ctx, `select (select count(*) from pg_class
			where relnamespace = 'laminar'::regnamespace and relname not like 'schema_migrations%' and relname not like 'lease%')
		+ (select count(*) from pg_proc where pronamespace = 'laminar'::regnamespace)`).Scan(&left); err != nil {
		t.Fatal(err)
	}
	if left != 0 {
		t.Errorf("migrating down left %d relations and functions", left)
	}
	if err := store.Schema.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	if n, err := store.Schema.Install(ctx, sqltest.Regions); err != nil || n != sqltest.Regions {
		t.Errorf("install after down and up = %d, %v", n, err)
	}
}

// TestConcurrentStarts begins with an empty database and several processes.
func TestConcurrentStarts(t *testing.T) {
	db := sqltest.NewEmpty(t, "")
	var wg sync.WaitGroup
	for i := range 5 {
		wg.Go(func() {
			store, _, err := open(t, sqlstore.Config{URL: db.URL})
			if err != nil {
				t.Error(err)
				return
			}
			if err := store.Schema.Migrate(t.Context()); err != nil {
				t.Error(err)
				return
			}
			if n, err := store.Schema.Install(t.Context(), 3+i); err != nil || n != store.Schema.Regions() || n < 3 {
				t.Errorf("install = %d, %v", n, err)
			}
		})
	}
	wg.Wait()
	store, log, err := open(t, sqlstore.Config{URL: db.URL})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Schema.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	installed := store.Schema.Regions()
	if n, err := store.Schema.Install(t.Context(), 100); err != nil || n != installed || !strings.Contains(log.String(), "fixed at installation") {
		t.Errorf("installing 100 regions over %d: %d, %v, log %q", installed, n, err, log)
	}
}

// TestMinimalRole works as a role with exactly the rights that the docs name,
// in both ways: CREATE on the database, or schemas made for it, with other
// names. Without either it says what to grant.
func TestMinimalRole(t *testing.T) {
	db := sqltest.NewEmpty(t, "")
	role := "role_" + db.Name
	sqltest.Run(t, db.URL, "create role "+role+" login password 'pw' nosuperuser nocreatedb nocreaterole noinherit; revoke create on database "+db.Name+" from public")
	t.Cleanup(func() { sqltest.Run(t, db.URL, "drop owned by "+role+"; drop role "+role) })
	as := loginAs(t, db.URL, role)

	store, _, err := open(t, sqlstore.Config{URL: as})
	if err != nil {
		t.Fatal(err)
	}
	err = store.Schema.Migrate(t.Context())
	if err == nil || !strings.Contains(hint(err), "grant create on database") || !strings.Contains(hint(err), `create schema "laminar" authorization "`+role) {
		t.Fatalf("without rights: %v, hint %q", err, hint(err))
	}
	sqltest.Run(t, db.URL, "create schema laminar")
	if err := store.Schema.Migrate(t.Context()); err == nil || !strings.Contains(hint(err), `alter schema "laminar" owner to`) {
		t.Fatalf("with a foreign schema: %v, hint %q", err, hint(err))
	}
	sqltest.Run(t, db.URL, "drop schema laminar; grant create on database "+db.Name+" to "+role)
	useAs(t, sqlstore.Config{URL: as})

	sqltest.Run(t, db.URL, "revoke create on database "+db.Name+" from "+role+
		`; create schema "My Own" authorization `+role+`; create schema "Fl""ow" authorization `+role)
	useAs(t, sqlstore.Config{URL: as, Schema: "My Own", ResultSchema: `Fl"ow`})
}

// TestOtherRole: a role beside the one that Laminar runs as is told what it lacks,
// and never to take the schema away from that one.
func TestOtherRole(t *testing.T) {
	db := sqltest.NewEmpty(t, "")
	owner, other := "owner_"+db.Name, "other_"+db.Name
	for _, role := range []string{owner, other} {
		sqltest.Run(t, db.URL, "create role "+role+" login password 'pw' nosuperuser; grant create on database "+db.Name+" to "+role)
		t.Cleanup(func() { sqltest.Run(t, db.URL, "drop owned by "+role+"; drop role "+role) })
	}
	useAs(t, sqlstore.Config{URL: loginAs(t, db.URL, owner)})
	store, _, err := open(t, sqlstore.Config{URL: loginAs(t, db.URL, other)})
	if err != nil {
		t.Fatal(err)
	}
	want := func(err error, text, hintText string) {
		t.Helper()
		if err == nil || !strings.Contains(err.Error(), text) || !strings.Contains(hint(err), hintText) || strings.Contains(hint(err), "owner to") {
			t.Errorf("%v, hint %q; want %q, %q", err, hint(err), text, hintText)
		}
	}
	unreadable := "role " + other + " may not read schema laminar"
	want(store.Schema.CheckInstalled(t.Context()), unreadable, "grant usage on schema \"laminar\" to")
	want(store.Schema.Migrate(t.Context()), "which belongs to role "+owner, "role "+owner+" as the user in --database-url")
	sqltest.Run(t, db.URL, "grant usage, create on schema laminar, flow to "+other)
	want(store.Schema.CheckInstalled(t.Context()), unreadable, "grant select on all tables")
	want(store.Schema.Migrate(t.Context()), "migrate the database", "as the user in --database-url")
	sqltest.Run(t, db.URL, "grant select on all tables in schema laminar to "+other)
	if err := store.Schema.CheckInstalled(t.Context()); err != nil {
		t.Errorf("with the rights: %v, hint %q", err, hint(err))
	}
}

// dropped waits until the one table that is not used any more is gone: a worker of
// the server, such as autovacuum's, may still be reading it.
func dropped(t *testing.T, store *sqlstore.Store, report raw.DropReport) {
	t.Helper()
	count := len(report.Dropped)
	for deadline := time.Now().Add(3 * time.Minute); count == 0; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("a table that nobody uses is still there")
		}
		again, err := store.Keeper.DropUnused(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		count = len(again.Dropped)
	}
	if count != 1 {
		t.Errorf("%d tables were dropped, want one", count)
	}
}

// useAs writes, reads, seals and gives up samples.
func useAs(t *testing.T, cfg sqlstore.Config) {
	t.Helper()
	store, _, err := open(t, cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	if err := store.Schema.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	if err := store.Schema.Migrate(ctx); err != nil {
		t.Fatalf("migrate again: %v", err)
	}
	if _, err := store.Schema.Install(ctx, 1); err != nil {
		t.Fatal(err)
	}
	metric := sqltest.MetricOf(t, store, "up")
	tx := sqltest.Begin(t, store, 1)
	created, err := tx.CreateSeries(ctx, sqltest.NewSeries(metric, "up", 0, 2))
	if err != nil {
		t.Fatal(err)
	}
	sqltest.Commit(t, tx, sqltest.Segment(metric, [3]float64{float64(created[0].ID), float64(sqltest.Day), 1}),
		sqltest.Segment(metric, [3]float64{float64(created[1].ID), float64(sqltest.Day + 4*86_400_000), 1}))
	for _, step := range []string{"hot", "sealed"} {
		var n int
		if err := store.Pool().QueryRow(ctx, "select count(*) from sample where metric = 'up' and labels ->> 'i' = '0'").Scan(&n); err != nil || n != 1 {
			t.Errorf("%s: %d samples in the view, %v", step, n, err)
		}
		if report, err := store.Keeper.Seal(ctx, raw.SealOptions{}); err != nil {
			t.Errorf("%s: seal says %+v, %v", step, report, err)
		} else if step == "hot" {
			dropped(t, store, report.Drop)
		}
	}
	report, err := store.Retainer.GiveUp(ctx, time.Millisecond, sqltest.Day+3*86_400_000)
	if err != nil {
		t.Fatal(err)
	}
	dropped(t, store, report.Drop)
}

// loginAs is the URL with another role; over TCP, where it must give a
// password, if the server listens there, else over the socket.
func loginAs(t *testing.T, conn, role string) string {
	t.Helper()
	u, err := url.Parse(conn)
	if err != nil || !strings.Contains(conn, "://") {
		return conn + " user=" + role + " password=pw"
	}
	query := u.Query()
	query.Del("user")
	query.Del("password")
	u.RawQuery = query.Encode()
	u.User = url.UserPassword(role, "pw")
	return u.String()
}

func TestNewerDatabaseIsRefused(t *testing.T) {
	db := sqltest.New(t)
	store := db.Store(t)
	sqltest.Run(t, db.URL, "update laminar.schema_migrations set version = 9999")
	if err := store.Schema.Migrate(t.Context()); err == nil || !strings.Contains(err.Error(), "9999") || hint(err) == "" {
		t.Errorf("a newer database: %v, hint %q", err, hint(err))
	}
	sqltest.Run(t, db.URL, "update laminar.schema_migrations set version = 2, dirty = true")
	if err := store.Schema.Migrate(t.Context()); err == nil || !strings.Contains(hint(err), "set version = 1, dirty = false") {
		t.Errorf("a half-done migration of another tool: %v, hint %q", err, hint(err))
	}
}

// TestStartBesideALongReader starts a process while a session has read
// everything and goes on: nothing waits, even when the views are to be renewed.
func TestStartBesideALongReader(t *testing.T) {
	db := sqltest.New(t)
	db.Store(t)
	tx, err := db.Pool(t).Begin(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = tx.Rollback(context.Background()) }()
	if _, err := tx.Exec(t.Context(), "select count(*) from sample; select count(*) from schema_migrations"); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	for _, changed := range []bool{false, true} {
		store, log, err := open(t, sqlstore.Config{URL: db.URL})
		if err != nil {
			t.Fatal(err)
		}
		if changed {
			sqltest.Run(t, db.URL, `update laminar.installed_code set sha256 = '\x00'`)
		}
		if err := store.Schema.Migrate(ctx); err != nil {
			t.Fatalf("views changed: %v: %v", changed, err)
		}
		if warned := strings.Contains(log.String(), "could not be renewed"); warned != changed {
			t.Errorf("views changed: %v, log %q", changed, log)
		}
	}
	if err := tx.Rollback(ctx); err != nil {
		t.Fatal(err)
	}
	store := db.Store(t)
	var renewed bool
	if err := store.Pool().QueryRow(ctx, `select sha256 <> '\x00' from installed_code`).Scan(&renewed); err != nil || !renewed {
		t.Errorf("the views were renewed: %v, %v", renewed, err)
	}
}

// TestDatabaseMustBeUTF8 is about the refusal; Unicode labels are in TestFlush.
func TestDatabaseMustBeUTF8(t *testing.T) {
	db := sqltest.NewEmpty(t, "SQL_ASCII")
	if _, _, err := open(t, sqlstore.Config{URL: db.URL}); err == nil || !strings.Contains(err.Error(), "SQL_ASCII") || hint(err) == "" {
		t.Errorf("a database in SQL_ASCII: %v, hint %q", err, hint(err))
	}
}

func TestWarningsAndRefusals(t *testing.T) {
	db := sqltest.New(t)
	_, log, err := open(t, sqlstore.Config{URL: db.URL})
	if err != nil {
		t.Fatal(err)
	}
	var fsync string
	if err := db.Pool(t).QueryRow(t.Context(), "show fsync").Scan(&fsync); err != nil {
		t.Fatal(err)
	}
	if warned := strings.Contains(log.String(), "fsync=off"); warned != (fsync == "off") {
		t.Errorf("fsync is %s, log %q", fsync, log)
	}
	for _, c := range []sqlstore.Config{{URL: db.URL, MaxConns: 2}, {URL: db.URL, Schema: "x", ResultSchema: "x"}, {URL: db.URL, Schema: strings.Repeat("x", 64)}, {URL: "://"}} {
		if _, _, err := open(t, c); err == nil {
			t.Errorf("%+v was accepted", c)
		}
	}
	if _, _, err := open(t, sqlstore.Config{URL: "host=127.0.0.1 port=1 dbname=x sslmode=disable"}); !errors.Is(err, sequence.ErrUnavailable) {
		t.Errorf("no server: %v", err)
	}
}

func TestTransactionPoolersAreRefused(t *testing.T) {
	db := sqltest.New(t)
	for _, order := range []sqltest.PoolerOrder{{}, {OldestFirst: true}, {Late: time.Millisecond}, {OldestFirst: true, Late: time.Millisecond}} {
		pooler := db.TransactionPooler(t, order)
		_, _, err := open(t, sqlstore.Config{URL: pooler})
		for tries := 1; order.Late > 0 && err == nil && tries < 3; tries++ { // on a busy machine it gives sessions back later still
			_, _, err = open(t, sqlstore.Config{URL: pooler})
		}
		if err == nil || !strings.Contains(err.Error(), "transaction pooler") || hint(err) == "" {
			t.Errorf("a transaction pooler %+v: %v, hint %q", order, err, hint(err))
		}
	}
}

// TestSessionSettings are what the invariants rest on, whatever the role's own.
func TestSessionSettings(t *testing.T) {
	db := sqltest.New(t)
	sqltest.Run(t, db.URL, "alter database "+db.Name+" set synchronous_commit = off; alter database "+db.Name+" set statement_timeout = '20s'; "+
		"alter database "+db.Name+" set default_transaction_isolation = 'serializable'; alter database "+db.Name+" set timezone = 'Asia/Kolkata'")
	store := db.Store(t)
	for name, want := range map[string]string{"synchronous_commit": "on", "statement_timeout": "0", "search_path": `"laminar", pg_temp`,
		"default_transaction_isolation": "read committed", "TimeZone": "UTC", "row_security": "off"} {
		var got string
		if err := store.Pool().QueryRow(t.Context(), "select current_setting($1)", name).Scan(&got); err != nil || got != want {
			t.Errorf("%s is %q, %v; want %q", name, got, err, want)
		}
	}
}
