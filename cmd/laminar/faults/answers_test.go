package faults

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"laminar/sqlstore/sqltest"
)

// TestFaultAnswersNameNothing: whatever is wrong with the database, senders and
// those who probe are not told its name, its user, its host or its port. Every
// fault test holds each refusal against them (post); here are the faults that no
// other test makes, and /-/ready. The log has all of it.
func TestFaultAnswersNameNothing(t *testing.T) {
	t.Parallel()
	p := newPostgres(t, nil)
	p.exec("create role secretive login password 'first'", "create database ledger owner secretive")
	s := newTestbedAt(t, as(t, p.url(), "secretive", "first", "ledger"))
	s.Serve()
	endAll := func() { p.exec("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'secretive'") }
	// A session that was logging in when others were not let in any more uses the database yet.
	rename := func() {
		s.until("the database has another name", func() (renamed bool) {
			endAll()
			p.connected(func(ctx context.Context, conn *pgx.Conn) error {
				_, _ = conn.Exec(ctx, "alter database ledger rename to moved") // refused while it is in use
				const sql = "select exists (select from pg_database where datname = 'moved')"
				return conn.QueryRow(ctx, sql).Scan(&renamed)
			})
			return renamed
		})
	}
	ledger := as(t, p.url(), "", "", "ledger")
	schema := func(sql string) func() { return func() { sqltest.Run(t, ledger, sql) } }
	role := func(sql ...string) func() { return func() { p.exec(sql...) } }
	nothing := func() {}
	for _, fault := range []struct {
		name                string
		wrong, end, righted func() // end makes sessions that began before see what is wrong
	}{
		{"another password", role("alter role secretive password 'second'"), endAll,
			role("alter role secretive password 'first'")},
		{"no login", role("alter role secretive nologin"), endAll, role("alter role secretive login")},
		{"no connection left", role("alter role secretive connection limit 0"), endAll,
			role("alter role secretive connection limit -1")},
		{"no such database", role("alter database ledger allow_connections false"), rename,
			role("alter database moved rename to ledger", "alter database ledger allow_connections true")},
		{"read only", role("alter database ledger set default_transaction_read_only = on"), endAll, func() {
			p.exec("alter database ledger reset default_transaction_read_only")
			endAll()
		}},
		{"no schema", schema("alter schema laminar rename to elsewhere"), nothing,
			schema("alter schema elsewhere rename to laminar")},
		{"away", func() { s.proxy.Away(true) }, nothing, func() { s.proxy.Away(false) }},
	} {
		wait, stop := s.load()
		wait(3)
		fault.wrong()
		fault.end()
		s.refused(fault.name, 3, fault.end)
		if code, ready := s.get("/-/ready"); code != http.StatusOK {
			s.requireNamesNothing(fault.name+": ready: "+ready, ready)
		}
		fault.righted()
		wait(3)
		stop()
	}
	s.settle()
}

// as is a URL for another database of the same server; for another role too, where
// one is named.
func as(t *testing.T, direct, role, password, database string) string {
	t.Helper()
	u, err := url.Parse(direct)
	if err != nil {
		t.Fatal(err)
	}
	if u.Path = "/" + database; role != "" {
		u.User = url.UserPassword(role, password)
	}
	return u.String()
}

// get asks the process for a path once.
func (s *testbed) get(path string) (code int, text string) {
	s.t.Helper()
	resp, err := s.http.Get("http://" + s.Addr + path)
	if err != nil {
		s.t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

// requireNamesNothing holds an answer against the URL of the database, and against
// what only a server's or driver's own words hold.
func (s *testbed) requireNamesNothing(what, answer string) {
	s.t.Helper()
	cfg, err := pgx.ParseConfig(s.proxy.URL)
	if err != nil {
		s.t.Error(err)
		return
	}
	for _, name := range []string{cfg.User, cfg.Database, cfg.Host, fmt.Sprint(cfg.Port), "SQLSTATE", "relation", "dial", "127.0.0.1"} {
		if strings.Contains(answer, name) {
			s.t.Errorf("%s: the answer holds %q", what, name)
		}
	}
}
