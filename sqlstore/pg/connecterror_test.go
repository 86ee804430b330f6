package pg_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"time"

	"laminar/sequence"
	"laminar/sqlstore/pg"
	"laminar/sqlstore/sqltest"
)

// opening opens a database that cannot be opened.
func opening(t *testing.T, databaseURL string) (text, hint string, wait bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	db, err := pg.Open(ctx, pg.Config{URL: databaseURL, Schema: "laminar", MaxConns: 4}, slog.New(slog.DiscardHandler))
	if err == nil {
		db.Close()
		t.Fatalf("%s is opened", databaseURL)
	}
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) {
		hint = hinted.Hint()
	}
	return err.Error(), hint, errors.Is(err, sequence.ErrUnavailable)
}

// An error of connecting says which part of the URL is wrong and what to type, and
// whether waiting can help.
func TestConnectErrors(t *testing.T) {
	db := sqltest.New(t)
	pool := db.Pool(t)
	good, err := url.Parse(db.URL)
	if err != nil {
		t.Fatal(err)
	}
	exec := func(sql string) {
		t.Helper()
		if _, err := pool.Exec(t.Context(), sql); err != nil {
			t.Fatal(err)
		}
	}
	role := strings.Replace(db.Name, "laminar_test_", "lam_role_", 1)
	exec(fmt.Sprintf("create role %s login password 'right'", role))
	exec(fmt.Sprintf("revoke connect on database %s from public", db.Name))
	defer exec("drop role " + role)
	with := func(change func(u *url.URL, q url.Values)) string {
		u := *good
		q := u.Query()
		change(&u, q)
		u.RawQuery = q.Encode()
		return u.String()
	}
	closed := closedPort(t)
	for name, c := range map[string]struct {
		url        string
		text, hint string
		wait       bool
	}{
		"password": {with(func(u *url.URL, _ url.Values) { u.User = url.UserPassword(role, "TOPSECRET") }), `the server refuses user "` + role + `": wrong password, or no such role`, "alter role", false},
		"role":     {with(func(u *url.URL, _ url.Values) { u.User = url.UserPassword("nobody_at_all", "TOPSECRET") }), `user "nobody_at_all"`, "--database-url", false},
		"database": {with(func(u *url.URL, _ url.Values) { u.Path = "/no such database" }), `there is no database "no such database"`, "create database", false},
		"connect":  {with(func(u *url.URL, _ url.Values) { u.User = url.UserPassword(role, "right") }), `may not connect to database "` + db.Name + `"`, "grant connect on database", false},
		"port":     {"postgres://u:TOPSECRET@" + closed + "/db", "no PostgreSQL listens at " + closed, "another host or port", true},
		"host":     {"postgres://u:TOPSECRET@no-such-host.invalid/db", `there is no host "no-such-host.invalid"`, "%40", true},
		"socket":   {"host=" + t.TempDir() + " user=u dbname=d password=TOPSECRET", "there is no socket ", "start PostgreSQL", true},
		"no answer": {"postgres://u:TOPSECRET@" + listening(t, func(conn net.Conn) {
			_, _ = io.Copy(io.Discard, conn)
		}) + "/db?sslmode=disable&connect_timeout=1", "does not answer", "firewall", true},
		"another service": {"postgres://u:TOPSECRET@" + listening(t, func(conn net.Conn) {
			_, _ = conn.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
		}) + "/db?sslmode=disable", "does not answer as PostgreSQL does", "another host or port", true},
		"no TLS": {"postgres://u:TOPSECRET@" + listening(t, func(conn net.Conn) {
			_, _ = io.ReadFull(conn, make([]byte, 8))
			_, _ = conn.Write([]byte("N"))
		}) + "/db?sslmode=require", "TLS: the server at ", "sslmode=prefer", false},
	} {
		t.Run(name, func(t *testing.T) {
			text, hint, wait := opening(t, c.url)
			if !strings.Contains(text, "connect to the database: ") || !strings.Contains(text, c.text) || !strings.Contains(hint, c.hint) || wait != c.wait {
				t.Errorf("%s\nTry: %s\nwaiting can help: %v; want %q, %q, %v", text, hint, wait, c.text, c.hint, c.wait)
			}
			if strings.Contains(text+hint, "TOPSECRET") || strings.Contains(text, "\n") {
				t.Errorf("the text holds the password, or more than a line: %s", text)
			}
		})
	}
}

// A URL that cannot be read is told apart by what is wrong with it, and never
// shown: nobody knows where in it the password is.
func TestURLErrors(t *testing.T) {
	for databaseURL, want := range map[string][2]string{
		"postgre://u:TOPSECRET@h/db":                                           {"begins with postgre://", "postgres://USER"},
		"mysql://u:TOPSECRET@h/db":                                             {"begins with mysql://", "postgres://USER"},
		"postgres://u:TOP@SECRET@h/db":                                         {"holds an @", "%40"},
		"localhost:5432/db":                                                    {"neither a URL nor key=value words", "postgres://USER"},
		"postgres://u:TOPSECRET@h:port/db":                                     {"where the port should be", "%40"},
		"postgres://u:TOP/SECRET@h/db":                                         {"where the port should be", "%2F"},
		"postgres://u:TOPSECRET%zz@h/db":                                       {"escaped", "%25"},
		"postgres://u:TOPSECRET@h:99999/db":                                    {"where the port should be", "5432"},
		"postgres://u:TOPSECRET@h/db?sslmode=sometimes":                        {"sslmode is not one of", "sslmode=require"},
		"postgres://u:TOPSECRET@h/db?sslmode=verify-full&sslrootcert=/nowhere": {"cannot be read", "ls -l"},
		"host=h password='TOPSECRET":                                           {"key=value words", "quotes"},
		"host=h port=TOPSECRET":                                                {"where the port should be", "5432"},
	} {
		text, hint, wait := opening(t, databaseURL)
		if !strings.HasPrefix(text, "read the database URL: ") || !strings.Contains(text, want[0]) || !strings.Contains(hint, want[1]) || wait {
			t.Errorf("%s: %s\nTry: %s; want %q", databaseURL, text, hint, want)
		}
		if strings.Contains(text+hint, "SECRET") {
			t.Errorf("%s: the password is shown: %s", databaseURL, text)
		}
	}
}

// closedPort is an address at which nobody listens: the test has it, so that no other program
// is given it.
func closedPort(t *testing.T) string {
	t.Helper()
	fd, err := syscall.Socket(syscall.AF_INET, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Close(fd) })
	if err := syscall.Bind(fd, &syscall.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	at, err := syscall.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("127.0.0.1:%d", at.(*syscall.SockaddrInet4).Port)
}

// listening answers every connection with fn, then closes it.
func listening(t *testing.T, fn func(net.Conn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			fn(conn)
			conn.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return l.Addr().String()
}
