package sqltest

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io/fs"
	"log/slog"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"

	"laminar/migrations"
	pgsql "laminar/queries/pg"
	"laminar/queries/view"
	"laminar/sqlstore"
	"laminar/sqlstore/pg"
)

// Regions is how many regions Store installs.
const Regions = 2

// DB is a database that belongs to one test.
type DB struct {
	// URL connects to the database.
	URL string
	// Name is the database's name.
	Name string
}

// New makes a database with Laminar's schema, of which nothing is installed
// yet. It is dropped when the test ends.
func New(t testing.TB) *DB {
	t.Helper()
	admin := serverURL(t)
	template := migratedTemplate(t, admin)
	name := "laminar_test_" + strings.ToLower(rand.Text()[:16])
	create(t, admin, name, template)
	return &DB{URL: withDatabase(t, admin, name), Name: name}
}

// NewEmpty makes a database with nothing in it, in the encoding; "" is UTF8.
func NewEmpty(t testing.TB, encoding string) *DB {
	t.Helper()
	admin := serverURL(t)
	name := "laminar_test_" + strings.ToLower(rand.Text()[:16])
	text := "template0"
	if encoding != "" {
		text += " encoding '" + encoding + "' lc_collate 'C' lc_ctype 'C'"
	}
	create(t, admin, name, text)
	return &DB{URL: withDatabase(t, admin, name), Name: name}
}

// Store opens the database as one process of Laminar would: migrated and
// installed, with Regions regions and tables dropped without grace. Each call
// gives a store of its own, closed when the test ends.
func (db *DB) Store(t testing.TB, change ...func(*sqlstore.Config)) *sqlstore.Store {
	t.Helper()
	cfg := sqlstore.Config{URL: db.URL, DropGrace: 0}
	for _, fn := range change {
		fn(&cfg)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	store, err := sqlstore.Open(ctx, cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	if err := store.Schema.Migrate(ctx); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Schema.Install(ctx, Regions); err != nil {
		t.Fatal(err)
	}
	return store
}

// Pool connects as a person would, with Laminar's schema on the search path.
func (db *DB) Pool(t testing.TB) *pgxpool.Pool {
	t.Helper()
	cfg, err := pgxpool.ParseConfig(db.URL)
	if err != nil {
		t.Fatal(err)
	}
	cfg.MaxConns = 20
	cfg.ConnConfig.RuntimeParams["search_path"] = sqlstore.DefaultSchema
	cfg.ConnConfig.RuntimeParams["timezone"] = "UTC"
	pool, err := pgxpool.NewWithConfig(context.Background(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(pool.Close)
	return pool
}

// create makes a database and drops it when the test ends.
func create(t testing.TB, admin, name, template string) {
	t.Helper()
	if err := runUnused(admin, "create database "+name+" template "+template); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { drop(t, admin, name) })
}

// drop drops a database.
func drop(t testing.TB, admin, name string) {
	t.Helper()
	if err := runUnused(admin, "drop database if exists "+name+" with (force)"); err != nil {
		t.Error(err)
	}
}

// runUnused runs SQL for which nobody may be in a database: to drop, rename or copy it.
// PostgreSQL gives the sessions there, of autovacuum among them, 5 s to go, which is not
// always enough on a machine with much else to do, and the checkpoint that a drop waits for
// can take minutes there.
func runUnused(admin, sql string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	for {
		err := tryRun(ctx, admin, sql)
		if pg.InUse(err) && ctx.Err() == nil {
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", sql, err)
		}
		return nil
	}
}

// migratedTemplate is the name of a migrated database to clone. One process
// makes it, others wait for that.
func migratedTemplate(t testing.TB, admin string) string {
	t.Helper()
	name := "laminar_template_" + schemaHash(t)
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	conn, err := pgx.Connect(ctx, admin)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	if _, err := conn.Exec(ctx, "select pg_advisory_lock(hashtext($1))", name); err != nil {
		t.Fatal(err)
	}
	var there bool
	if err := conn.QueryRow(ctx, "select exists (select from pg_database where datname = $1)", name).Scan(&there); err != nil {
		t.Fatal(err)
	}
	if there {
		return name
	}
	// Under another name until it is complete: a test that is killed while it
	// builds leaves no template that looks finished.
	building := name + "_building"
	for _, sql := range []string{"drop database if exists " + building + " with (force)", "create database " + building + " template template0 encoding 'UTF8'"} {
		if err := runUnused(admin, sql); err != nil {
			t.Fatal(err)
		}
	}
	store, err := sqlstore.Open(ctx, sqlstore.Config{URL: withDatabase(t, admin, building)}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	err = store.Schema.Migrate(ctx)
	store.Close()
	if err != nil {
		t.Fatal(err)
	}
	if err := runUnused(admin, "alter database "+building+" rename to "+name); err != nil {
		t.Fatal(err)
	}
	return name
}

// schemaHash stands for everything that a migrated database holds.
func schemaHash(t testing.TB) string {
	t.Helper()
	h := sha256.New()
	names, err := fs.Glob(migrations.FS, "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		text, err := fs.ReadFile(migrations.FS, name)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(h, "%s %d\n%s", name, len(text), text)
	}
	for _, text := range append(view.Installed(), pgsql.LeaseCreate) {
		fmt.Fprintf(h, "%d\n%s", len(text), text)
	}
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// Run runs SQL that must succeed on a connection of its own.
func Run(t testing.TB, database, sql string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	if err := tryRun(ctx, database, sql); err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
}

func tryRun(ctx context.Context, database, sql string) error {
	conn, err := pgx.Connect(ctx, database)
	if err != nil {
		return err
	}
	defer conn.Close(ctx)
	_, err = conn.PgConn().Exec(ctx, sql).ReadAll()
	return err
}

// withDatabase is the connection string, of either form, for another database.
func withDatabase(t testing.TB, conn, name string) string {
	t.Helper()
	if !strings.Contains(conn, "://") {
		return conn + " dbname=" + name
	}
	u, err := url.Parse(conn)
	if err != nil {
		t.Fatal(err)
	}
	u.Path = "/" + name
	return u.String()
}
