package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/spf13/pflag"
)

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
	t.Setenv("TMPDIR", t.TempDir()) // what is left behind is this test's
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
