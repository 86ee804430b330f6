package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/datadriven"

	"laminar/sqlstore/sqltest"
)

// TestCLI runs the scripts under testdata/cli. Commands:
//
//	file path=F    writes the input to the file F
//	env NAME=V     sets a variable of the environment for the rest of the script
//	laminar        runs laminar: the first line of the input is its arguments,
//	               the rest its standard input; prints standard output, then
//	               standard error, then the exit code unless it is 0
//
// Each script runs in a directory of its own and needs no database.
func TestCLI(t *testing.T) {
	scripts, err := filepath.Abs("../../testdata/cli")
	if err != nil {
		t.Fatal(err)
	}
	datadriven.Walk(t, scripts, func(t *testing.T, path string) {
		t.Helper()
		t.Chdir(t.TempDir())
		datadriven.RunTest(t, path, func(t *testing.T, d *datadriven.TestData) string {
			t.Helper()
			switch d.Cmd {
			case "file":
				var name string
				d.ScanArgs(t, "path", &name)
				if err := os.WriteFile(name, []byte(d.Input+"\n"), 0o600); err != nil {
					t.Fatal(err)
				}
				return ""
			case "env":
				for _, arg := range d.CmdArgs {
					t.Setenv(arg.Key, strings.Join(arg.Vals, ","))
				}
				return ""
			case "laminar":
				line, stdin, _ := strings.Cut(d.Input, "\n")
				code, stdout, stderr := invoke(t.Context(), stdin, words(line)...)
				out := stdout + stderr
				if code != exitOK {
					out += fmt.Sprintf("exit code %d\n", code)
				}
				return out
			default:
				d.Fatalf(t, "unknown command %q", d.Cmd)
				return ""
			}
		})
	})
}

// TestUnreachableDatabase: scripts tell a database that is away from a fault.
func TestUnreachableDatabase(t *testing.T) {
	for _, args := range [][]string{
		{"status"}, {"flow", "list"}, {"seal"}, {"serve", "--listen", "127.0.0.1:0", "--database-start-timeout", "0s"},
	} {
		args = append(args, "--database-url", "host="+t.TempDir()+" user=x dbname=x")
		code, _, stderr := invoke(t.Context(), "", args...)
		if code != exitUnreachable || !strings.Contains(stderr, "connect to the database: there is no socket ") || !strings.Contains(stderr, "\nTry: start PostgreSQL") {
			t.Errorf("laminar %v: exit code %d, want %d:\n%s", args, code, exitUnreachable, stderr)
		}
	}
}

// TestServeDoesNotWaitInVain: what a person has to put right first is said at
// once, with what to type; a database that may still come up is waited for.
func TestServeDoesNotWaitInVain(t *testing.T) {
	db := sqltest.New(t)
	wrong := strings.Replace(db.URL, "/"+db.Name, "/nothing_of_that_name", 1)
	for _, c := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"serve", "--listen", "127.0.0.1:0", "--database-url", wrong}, exitFault, "Error: connect to the database: there is no database \"nothing_of_that_name\"\nTry: create database"},
		{[]string{"status", "--database-url", wrong}, exitFault, "\nTry: create database"},
		{[]string{"serve", "--listen", "127.0.0.1:0", "--database-url", "postgres://h:port/db"}, exitUsage, "\nTry: --database-url 'postgres://USER:PASSWORD@HOST:5432/DATABASE'"},
		{[]string{"psql", "--database-url", "postgres://h:port/db"}, exitUsage, "\nTry: --database-url 'postgres://USER:PASSWORD@HOST:5432/DATABASE'"},
		{[]string{"serve", "--listen", "127.0.0.1:0", "--database-start-timeout", "1s", "--database-url", "postgres://127.0.0.1:1/db"}, exitUnreachable, "no PostgreSQL listens at 127.0.0.1:1\nTry: start it there"},
	} {
		began := time.Now()
		code, _, stderr := invoke(t.Context(), "", c.args...)
		if code != c.code || !strings.Contains(stderr, c.want) {
			t.Errorf("laminar %v: exit code %d, want %d and %q:\n%s", c.args, code, c.code, c.want, stderr)
		}
		if took := time.Since(began); took > 2*time.Minute {
			t.Errorf("laminar %v: it took %s", c.args, took)
		}
	}
}

// invoke runs the program in this process.
func invoke(ctx context.Context, stdin string, args ...string) (code int, stdout, stderr string) {
	var out, err bytes.Buffer
	code = run(ctx, args, strings.NewReader(stdin), &out, &err)
	return code, out.String(), err.String()
}

// words splits a line at spaces; what stands between single quotes is one word.
func words(line string) []string {
	var out []string
	for i, part := range strings.Split(line, "'") {
		if i%2 == 1 {
			out = append(out, part)
		} else {
			out = append(out, strings.Fields(part)...)
		}
	}
	return out
}
