package schema_test

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"laminar/flownode/flowdef"
	"laminar/sqlstore"
	"laminar/sqlstore/flowstore"
	"laminar/sqlstore/pg"
	"laminar/sqlstore/schema"
	"laminar/sqlstore/sqltest"
)

// TestReaderRole: a role that has been granted reading reads results, views and raw
// samples, those made later too, and can do nothing else; revoking takes all of it
// back. Roles are the server's, so the name is the database's own.
func TestReaderRole(t *testing.T) {
	db := sqltest.NewRawDB(t, 1)
	ctx := t.Context()
	direct := db.Store.Pool().Config().ConnString()
	role := "Reader of " + sqltest.ScanOne[string](db, "select current_database()::text")
	name := pgx.Identifier{role}.Sanitize()
	owner := sqltest.ScanOne[string](db, "select current_user::text")
	if _, err := db.Store.Schema.Grant(ctx, schema.Reader, role); err == nil || !strings.Contains(hint(err), "create role") {
		t.Fatalf("a role that is not there: got %v", err)
	}
	db.Exec("create role " + name + " login password 'pw'")
	t.Cleanup(func() {
		sqltest.Run(t, direct, "reassign owned by "+name+" to "+pgx.Identifier{owner}.Sanitize())
		sqltest.Run(t, direct, "drop owned by "+name)
		sqltest.Run(t, direct, "drop role "+name)
	})
	metric, ids := db.AddMetric("m", 1, 1)
	db.Flush(1, sqltest.Points{Metric: metric, Series: ids, Times: []int64{90_000}, Values: []float64{1}})
	db.Apply(sqltest.FlowFor(t, "before", "sum by (i) (m)"))
	db.Take("before")
	db.Exec("create table flow.of_people (secret text)")
	done, err := db.Store.Schema.Grant(ctx, schema.Reader, role)
	if err != nil || len(done) < 10 {
		t.Fatalf("granted %v: %v", done, err)
	}
	if again, err := db.Store.Schema.Grant(ctx, schema.Reader, role); err != nil || len(again) != 0 {
		t.Errorf("granting again takes %v: %v", again, err)
	}
	// What comes later: a generation, a flow, and one that is replaced.
	if _, err := db.Store.Keeper.Freeze(ctx); err != nil {
		t.Fatal(err)
	}
	db.Flush(1, sqltest.Points{Metric: metric, Series: ids, Times: []int64{91_000}, Values: []float64{2}})
	db.Apply(sqltest.FlowFor(t, "after", "sum by (i) (m)"))
	db.Take("after")
	replacement := []flowdef.Flow{sqltest.FlowFor(t, "before", "max by (j) (m)")}
	if _, err := db.Store.Catalogue.Apply(ctx, replacement, flowstore.ApplyOptions{Replace: true}); err != nil {
		t.Fatal(err)
	}
	db.Take("before")

	u, err := url.Parse(direct)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(role, "pw")
	conn, err := pgx.Connect(ctx, u.String())
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	reads := []string{
		"select * from flow.before", "select * from flow.after", "select * from laminar.sample", "select * from laminar.histogram_sample",
		"select * from laminar.metric_metadata", "select * from laminar.window_state", "select * from laminar.metric_samples(1, null, null)",
		"select * from laminar.flow", "select * from laminar.hot_2", "select * from laminar.sealed",
	}
	try := func(sql string) error {
		_, err := conn.Exec(ctx, sql)
		return err
	}
	for _, sql := range reads {
		if err := try(sql); err != nil {
			t.Errorf("the reader: %s: %v", sql, err)
		}
	}
	for _, sql := range []string{
		"insert into flow.after values (now(), now(), 'x', 1)", "delete from flow.after", "truncate flow.after", "drop table flow.after",
		"update laminar.flow set epoch = epoch", "delete from laminar.series", "do $$ begin lock table laminar.flow in exclusive mode; end $$",
		"create table flow.mine ()", "create table laminar.mine ()", "create schema mine", "select * from flow.of_people",
	} {
		if err := try(sql); !pg.NoRights(err) {
			t.Errorf("the reader: %s: got %v, want it to be refused for want of rights", sql, err)
		}
	}
	asReader, _, err := open(t, sqlstore.Config{URL: u.String()})
	if err != nil {
		t.Fatal(err)
	}
	// What the commands that only look at something ask for.
	if err := asReader.Schema.CheckInstalled(ctx); err != nil {
		t.Error(err)
	}
	if flows, err := asReader.Catalogue.List(ctx); err != nil || len(flows) != 2 {
		t.Errorf("the reader lists %d flows: %v", len(flows), err)
	}
	if _, err := asReader.Jobs.List(ctx, 1); err != nil {
		t.Error(err)
	}
	if _, err := asReader.Status(ctx); err != nil {
		t.Error(err)
	}
	if stored, err := asReader.Catalogue.Stored(ctx); err != nil {
		t.Error(err)
	} else if err := stored.Close(ctx); err != nil {
		t.Error(err)
	}
	if snap, err := asReader.Reader.Snapshot(ctx); err != nil {
		t.Error(err)
	} else if err := snap.Close(ctx); err != nil {
		t.Error(err)
	}
	asReader.Close()
	if _, err := db.Store.Schema.Revoke(ctx, schema.Reader, role); err != nil {
		t.Fatal(err)
	}
	for _, sql := range reads {
		if try(sql) == nil {
			t.Errorf("after the rights are taken back: %s is answered", sql)
		}
	}
	if left := sqltest.ScanOne[int64](db, "select count(*) from pg_shdepend where refobjid = '"+name+"'::regrole and deptype = 'a'"); left != 0 {
		t.Errorf("%d rights are left", left)
	}
}

// TestEveryTableHasItsWriter: of each of Laminar's tables somebody has decided whether
// ingest or flows write to it, or the owner alone. A new table fails here until it is in
// role_rights.sql or in this list.
func TestEveryTableHasItsWriter(t *testing.T) {
	ownersOnly := []string{
		"generation", "hot_template", "installation", "installed_code", "metric_floor", "retention", "schema_migrations", "sealed", "unused_table",
	}
	db := sqltest.NewRawDB(t, 1)
	role := "writer of " + sqltest.ScanOne[string](db, "select current_database()::text")
	name := pgx.Identifier{role}.Sanitize()
	db.Exec("create role " + name)
	direct := db.Store.Pool().Config().ConnString()
	t.Cleanup(func() {
		sqltest.Run(t, direct, "drop owned by "+name)
		sqltest.Run(t, direct, "drop role "+name)
	})
	const writable = `select coalesce(array_agg(c.relname::text order by c.relname), '{}') from pg_class c
		where c.relnamespace = 'laminar'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition and c.relname !~ '^hot_[0-9]+$'
		and (has_table_privilege('%[1]s', c.oid, 'insert') or has_table_privilege('%[1]s', c.oid, 'update') or has_table_privilege('%[1]s', c.oid, 'delete')) = %[2]t`
	written := map[string]bool{}
	for _, kind := range []schema.Kind{schema.Ingest, schema.Flows} {
		if _, err := db.Store.Schema.Grant(t.Context(), kind, role); err != nil {
			t.Fatal(err)
		}
		if again, err := db.Store.Schema.Grant(t.Context(), kind, role); err != nil || len(again) > 0 {
			t.Errorf("granting %s again takes %v: %v", kind, again, err)
		}
		for _, table := range sqltest.ScanOne[[]string](db, fmt.Sprintf(writable, strings.ReplaceAll(role, "'", "''"), true)) {
			written[table] = true
		}
		if _, err := db.Store.Schema.Revoke(t.Context(), kind, role); err != nil {
			t.Fatal(err)
		}
		if left := sqltest.ScanOne[int64](db, "select count(*) from pg_shdepend where refobjid = '"+name+"'::regrole and deptype = 'a'"); left != 0 {
			t.Errorf("%d rights are left of %s", left, kind)
		}
	}
	for _, table := range sqltest.ScanOne[[]string](db, fmt.Sprintf(writable, role, false)) {
		if written[table] == slices.Contains(ownersOnly, table) {
			t.Errorf("table %s: is it written by ingest or flows (queries/schema/role_rights.sql), or by the owner alone (here)?", table)
		}
	}
}
