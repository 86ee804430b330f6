package main

import (
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"

	"laminar/sqlstore/schema"
	"laminar/sqlstore/sqltest"
)

// TestReaderIsToldWhoMay: a command that changes something says, to a role that may only
// look, which role may. Roles are the server's, so the name is the database's own.
func TestReaderIsToldWhoMay(t *testing.T) {
	db := sqltest.NewRawDB(t, 1)
	role := "looker of " + sqltest.ScanOne[string](db, "select current_database()::text")
	name := pgx.Identifier{role}.Sanitize()
	direct := db.Store.Pool().Config().ConnString()
	db.Exec("create role " + name + " login password 'pw'")
	t.Cleanup(func() {
		sqltest.Run(t, direct, "drop owned by "+name)
		sqltest.Run(t, direct, "drop role "+name)
	})
	db.Apply(sqltest.FlowFor(t, "there", "sum by (i) (m)"))
	if _, err := db.Store.Schema.Grant(t.Context(), schema.Reader, role); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(direct)
	if err != nil {
		t.Fatal(err)
	}
	u.User = url.UserPassword(role, "pw")
	file := filepath.Join(t.TempDir(), "flows.yaml")
	if err := os.WriteFile(file, []byte("- {as: new, promql: sum(x), every: 1m}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"seal"}, {"refill", "there", "--from", "-1h"}, {"flow", "apply", "-f", file}, {"flow", "delete", "there"},
		{"job", "cancel", "1"}, {"grant", "--reader", role}, {"retention", "restore"},
	} {
		code, stdout, stderr := invoke(t.Context(), "", append(args, "--database-url", u.String())...)
		if code != exitFault || !strings.Contains(stderr, "permission denied") || strings.Count(stderr, "\nTry: the role that owns Laminar's tables as the user in --database-url\n") != 1 {
			t.Errorf("laminar %v: exit code %d:\n%s%s", args, code, stdout, stderr)
		}
	}
	if code, _, stderr := invoke(t.Context(), "", "flow", "show", "there", "--database-url", u.String()); code != exitOK {
		t.Errorf("flow show: exit code %d: %s", code, stderr)
	}
}
