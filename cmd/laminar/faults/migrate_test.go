package faults

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"laminar/sqlstore/sqltest"
)

// migrates reports whether a statement is the first migration, as it is sent.
func migrates(statement string) bool {
	return strings.Contains(statement, "create table region (") && strings.Contains(statement, "values (1, false)")
}

// migrationPoints are where Laminar is killed while it installs itself.
var migrationPoints = []killPoint{
	{name: "create_schema", at: runs(`create schema "laminar"`)},
	{name: "file_not_sent", at: func(m sqltest.Message) bool { return !m.FromServer && migrates(m.Statement) }},
	{name: "file_committed", at: func(m sqltest.Message) bool {
		return m.FromServer && m.Kind == 'Z' && slices.ContainsFunc(m.Tx, migrates)
	}},
	{name: "views_not_committed", at: commits("code_installed")},
	{name: "regions_not_committed", at: commits("installation_insert")},
	{name: "regions_committed", at: committed("installation_insert")},
	{name: "flows_not_committed", at: commits("flow_insert")},
}

// TestFaultKillInMigration kills Laminar while it installs itself into an empty
// database, and starts it again.
func TestFaultKillInMigration(t *testing.T) {
	t.Parallel()
	for _, p := range migrationPoints {
		t.Run(p.name, func(t *testing.T) {
			t.Parallel()
			s := newTestbedAt(t, sqltest.NewEmpty(t, "").URL)
			trap := s.proxy.Trap(p.at)
			s.Begin()
			s.sprung(trap)
			s.Kill()
			trap.Release(sqltest.Break)
			s.Serve()
			s.send(40)
			s.settle()
		})
	}
}

// TestFaultKillInMigrationStatement kills Laminar while PostgreSQL is in the
// third table of a migration, and starts it again at once: the server does not
// know yet that nobody waits for the migration any more and carries it out.
func TestFaultKillInMigrationStatement(t *testing.T) {
	t.Parallel()
	db := sqltest.NewEmpty(t, "")
	ctx, cancel := context.WithTimeout(t.Context(), 2*faultPatience)
	defer cancel()
	conn, err := pgx.Connect(ctx, db.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(ctx)
	for _, sql := range []string{
		`create function stop_at_third() returns event_trigger language plpgsql as $$
		begin
			if (select count(*) from pg_tables where schemaname = 'laminar' and tablename not in ('schema_migrations', 'lease')) = 3 then
				perform pg_advisory_xact_lock_shared(4711);
			end if;
		end $$`,
		"create event trigger stop_at_third on ddl_command_end when tag in ('CREATE TABLE') execute function stop_at_third()",
		"select pg_advisory_lock(4711)",
	} {
		if _, err := conn.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	s := newTestbedAt(t, db.URL)
	waiting := func(done func(pids []int32) bool) (pids []int32) {
		t.Helper()
		s.until("sessions wait", func() bool {
			err := conn.QueryRow(ctx, `select array(select distinct l.pid from pg_locks l join pg_stat_activity a using (pid)
				where not l.granted and a.datname = current_database())`).Scan(&pids)
			if err != nil {
				t.Fatal(err)
			}
			return done(pids)
		})
		return pids
	}
	s.Begin()
	for met := false; !met; {
		killed := waiting(func(pids []int32) bool { return len(pids) > 0 })[0]
		s.Kill()
		s.Begin()
		// After ten seconds the server knows. Where the next process comes later than that, it
		// begins anew, waits itself in the third table and is killed there.
		met = len(waiting(func(pids []int32) bool {
			return len(pids) >= 2 || len(pids) == 1 && pids[0] != killed
		})) >= 2
	}
	if _, err := conn.Exec(ctx, "select pg_advisory_unlock(4711)"); err != nil {
		t.Fatal(err)
	}
	s.Ready()
	if _, err := conn.Exec(ctx, "drop event trigger stop_at_third; drop function stop_at_third"); err != nil {
		t.Fatal(err)
	}
	s.send(40)
	s.settle()
}
