package main

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/spf13/pflag"
)

func TestWithoutSecrets(t *testing.T) {
	for text, want := range map[string]struct {
		open    string
		secrets map[string]string
	}{
		"postgres://u:s%40cret@h:5/db?sslmode=disable":   {"postgres://u@h:5/db?sslmode=disable", map[string]string{"password": "s@cret"}},
		"postgres://h/db?password=x&user=u":              {"postgres://h/db?user=u", map[string]string{"password": "x"}},
		"postgresql://h/db?user=u&pass%77ord=a%26b":      {"postgresql://h/db?user=u", map[string]string{"password": "a&b"}},
		"postgres://u:p@h/db?sslpassword=TOP+SECRET":     {"postgres://u@h/db", map[string]string{"password": "p", "sslpassword": "TOP SECRET"}},
		"postgres://u:p@h":                               {"postgres://u@h", map[string]string{"password": "p"}},
		"postgres://u:@h/db":                             {"postgres://u@h/db", map[string]string{"password": ""}},
		`host=h user=u password='a b\'c' dbname=db`:      {"host='h' user='u' dbname='db'", map[string]string{"password": "a b'c"}},
		"host=h user=u password=plain dbname=db":         {"host='h' user='u' dbname='db'", map[string]string{"password": "plain"}},
		`host=h password=a\ b user=u dbname=db`:          {"host='h' user='u' dbname='db'", map[string]string{"password": "a b"}},
		`password = 'x' host = h sslpassword=\'\\`:       {"host='h'", map[string]string{"password": "x", "sslpassword": `'\`}},
		"host=h user=u dbname=db sslmode=disable port=1": {"host='h' user='u' dbname='db' sslmode='disable' port='1'", map[string]string{}},
		`host=h options='-c a=\'b c\'' password=x`:       {`host='h' options='-c a=\'b c\''`, map[string]string{"password": "x"}},
		"host=h password=":                               {"host='h'", map[string]string{"password": ""}},
	} {
		open, secrets, err := withoutSecrets(text)
		if err != nil || open != want.open || !maps.Equal(secrets, want.secrets) {
			t.Errorf("%s is %q and %q (%v), want %q", text, open, secrets, err, want)
			continue
		}
		// What the driver makes of both is the same but for the secrets.
		before, err := pgconn.ParseConfig(strings.ReplaceAll(text, "sslpassword", "application_name"))
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		after, err := pgconn.ParseConfig(open)
		if err != nil {
			t.Errorf("%s: %v", open, err)
			continue
		}
		if after.Host != before.Host || after.Port != before.Port || after.User != before.User || after.Database != before.Database || before.Password != secrets["password"] {
			t.Errorf("%s: host %s, port %d, user %s, database %s, password %q are read from it", text, before.Host, before.Port, before.User, before.Database, before.Password)
		}
	}
	for _, text := range []string{"host", "host = ", "=x", "a='b", "host=h x"} {
		if open, _, err := withoutSecrets(text); err == nil && text != "host = " {
			t.Errorf("%q is taken for %q", text, open)
		}
	}
}

func TestOwnFlags(t *testing.T) {
	for line, want := range map[string]struct{ own, rest string }{
		"--data-dir D -c x":           {"D", "-c x"},
		"-c x --data-dir D":           {"D", "-c x"},
		"-tAc x --data-dir=D -X":      {"D", "-tAc x -X"},
		"-c --data-dir --data-dir D":  {"D", "-c --data-dir"},
		"--command --data-dir":        {"", "--command --data-dir"},
		"--command=x --data-dir D":    {"D", "--command=x"},
		"-- --data-dir D":             {"", "--data-dir D"},
		"--data-dir D -- -c x":        {"D", "-c x"},
		"-X -- --data-dir D":          {"", "-X -- --data-dir D"},
		"-vx=1 --data-dir D -v y=2 z": {"D", "-vx=1 -v y=2 z"},
		"-cselect --data-dir D":       {"D", "-cselect"},
	} {
		flags := pflag.NewFlagSet("", pflag.ContinueOnError)
		own := flags.String("data-dir", "", "")
		rest, _, err := ownFlags(flags, strings.Fields(line))
		if err != nil || *own != want.own || strings.Join(rest, " ") != want.rest {
			t.Errorf("%s: %q and %q (%v), want %q", line, *own, rest, err, want)
		}
	}
}

// Nothing secret is on psql's command line, which every user of the machine can
// read; psql gets it all the same.
func TestPsqlCommandLine(t *testing.T) {
	dir := t.TempDir()
	fake := "#!/bin/sh\nprintf '%s\\n' \"$@\" >args\nprintf '%s\\n' \"$PGPASSWORD\" >password\n[ -z \"$PGSERVICEFILE\" ] || cp \"$PGSERVICEFILE\" service\n"
	if err := os.WriteFile(filepath.Join(dir, "psql"), []byte(fake), 0o700); err != nil { // a program
		t.Fatal(err)
	}
	t.Chdir(dir)
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	for _, url := range []string{
		"postgres://lam:TOPSECRET@h/lam?sslpassword=KEYSECRET", `host=h user=lam dbname=lam password=TOP\SECRET sslpassword='KEYSECRET'`,
		"postgres://h/lam?user=lam&password=TOPSECRET&sslpassword=KEYSECRET",
	} {
		code, _, stderr := invoke(t.Context(), "", "psql", "-c", "select 1", "--database-url", url)
		if code != exitOK {
			t.Fatalf("psql with %s: exit code %d: %s", url, code, stderr)
		}
		read := func(name string) string {
			text, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		}
		if args := read("args"); strings.Contains(args, "SECRET") || !strings.Contains(args, "lam") || !strings.HasSuffix(args, "-c\nselect 1\n") {
			t.Errorf("%s: psql's command line is %s", url, args)
		}
		if got := read("password"); got != "TOPSECRET\n" {
			t.Errorf("%s: PGPASSWORD is %q", url, got)
		}
		if got := read("service"); got != "[laminar]\nsslpassword=KEYSECRET\n" {
			t.Errorf("%s: the service file holds %q", url, got)
		}
	}
	left, err := filepath.Glob(filepath.Join(os.TempDir(), "laminar-psql-*"))
	if err != nil || slices.ContainsFunc(left, func(string) bool { return true }) {
		t.Errorf("left behind: %v (%v)", left, err)
	}
}
