package faults

import (
	"os"
	"path/filepath"
	"testing"
)

// TestFaultPasswordChanges gives the role another password while samples come in,
// once before the file with the URL says so and once after, and ends all sessions.
// Nothing is restarted, nothing is lost. A file that is gone, broken or names
// another database is no reason to write elsewhere or to end.
func TestFaultPasswordChanges(t *testing.T) {
	t.Parallel()
	p := newPostgres(t, nil)
	p.exec("create role secretive login password 'first'", "create database ledger owner secretive", "create database other owner secretive", "create role looker")
	s := newTestbedAt(t, as(t, p.url(), "secretive", "first", "ledger"), "--database-reader-role", "looker")
	through := s.proxy.URL
	s.URLFile = filepath.Join(faultDir(t), "url")
	write := func(url string) {
		t.Helper()
		if err := os.WriteFile(s.URLFile+".new", []byte(url+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(s.URLFile+".new", s.URLFile); err != nil {
			t.Fatal(err)
		}
	}
	write(through)
	s.Serve()
	pid := s.Cmd.Process.Pid
	endAll := func() {
		p.exec("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'secretive'")
	}
	wait, stop := s.load()
	wait(10)

	p.exec("alter role secretive password 'second'")
	wait(10) // the sessions that are there go on
	endAll()
	s.refused("the password is another", 3, endAll)
	write(as(t, through, "secretive", "second", "ledger"))
	wait(10)

	write(as(t, through, "secretive", "third", "ledger"))
	p.exec("alter role secretive password 'third'")
	endAll()
	wait(10)

	for _, url := range []struct{ what, text string }{
		{"broken", "postgres://["},
		{"empty", ""},
		{"another database", as(t, through, "secretive", "third", "other")},
	} {
		write(url.text)
		endAll()
		s.refused(url.what, 3, endAll)
	}
	if err := os.Remove(s.URLFile); err != nil {
		t.Fatal(err)
	}
	s.refused("gone", 3, endAll)
	s.URL = as(t, through, "secretive", "third", "ledger")
	write(s.URL)
	wait(10)
	stop()
	if s.Cmd.Process.Pid != pid {
		t.Error("the process is another one")
	}
	s.settle()
	// The tables were made after serve had let the reader read.
	var reads, writes bool
	err := s.Pool().QueryRow(t.Context(), `select has_table_privilege('looker', 'flow.faults_rate', 'select'),
		has_table_privilege('looker', 'flow.faults_rate', 'insert, update, delete, truncate')`).Scan(&reads, &writes)
	if err != nil || !reads || writes {
		t.Errorf("the reader role reads: %v, writes: %v (%v)", reads, writes, err)
	}
}
