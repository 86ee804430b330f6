package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/datadriven"
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
		if code != exitUnreachable || !strings.Contains(stderr, "database is not available") {
			t.Errorf("laminar %v: exit code %d, want %d:\n%s", args, code, exitUnreachable, stderr)
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
