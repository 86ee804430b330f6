package faults

import (
	"net/http"
	"testing"
	"time"

	"laminar/cmd/laminar/internal/laminartest"
)

// readyWithin is within which time /-/ready tells whether writes succeed.
const readyWithin = 5 * time.Second

// answersReady waits until the process says that it is ready, or that it is not. Before each
// question it does what is to be done meanwhile.
func (s *testbed) answersReady(want bool, meanwhile ...func()) {
	s.t.Helper()
	code := map[bool]int{true: http.StatusOK, false: http.StatusServiceUnavailable}[want]
	laminartest.Until(s.t, within(readyWithin), "/-/ready is answered "+http.StatusText(code), func() bool {
		for _, do := range meanwhile {
			do()
		}
		resp, err := s.http.Get("http://" + s.Addr + "/-/ready")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == code
	})
}

// TestFaultReadOnly: a process whose database takes no writes is not ready, also
// while no one sends, and is again once it takes them, although its sessions began
// when the database did not.
func TestFaultReadOnly(t *testing.T) {
	t.Parallel()
	s := newTestbed(t)
	s.Serve()
	s.send(60)
	s.answersReady(true)
	conn, err := s.Pool().Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	exec := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	var name string
	if err := conn.QueryRow(t.Context(), "select quote_ident(current_database())").Scan(&name); err != nil {
		t.Fatal(err)
	}
	exec("alter database " + name + " set default_transaction_read_only = on")
	exec("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'laminar' and datname = current_database()")
	s.answersReady(false)
	exec("alter database " + name + " set default_transaction_read_only = off")
	s.answersReady(true)
	s.settle()
}

// TestFaultNoRights: a process that may not write to a table of Laminar's, or waits for
// somebody's lock on one, is not ready, also while no one sends.
func TestFaultNoRights(t *testing.T) {
	t.Parallel()
	s := newTestbed(t)
	s.Serve()
	s.send(60)
	s.answersReady(true)
	conn, err := s.Pool().Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	exec := func(sql string) {
		t.Helper()
		if _, err := conn.Exec(t.Context(), sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
	// The tests' role is a superuser, of whom nothing can be revoked. A trigger of
	// statements is asked where the rights are: also when no row is written.
	exec(`create function flow.deny() returns trigger language plpgsql as $$ begin
		raise insufficient_privilege using message = 'permission denied'; end $$`)
	for _, table := range []string{"flush", "region", "series", "metric"} {
		exec("create trigger deny before insert or update on laminar." + table + " for each statement execute function flow.deny()")
		s.answersReady(false)
		exec("drop trigger deny on laminar." + table)
		s.answersReady(true)
	}
	exec("begin; lock table laminar.flush in share mode")
	s.answersReady(false)
	exec("rollback")
	s.answersReady(true)
	s.settle()
}
