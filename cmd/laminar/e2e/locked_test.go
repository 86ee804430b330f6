package e2e

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"laminar/cmd/laminar/internal/laminartest"
)

// exitLocked is the exit code of a change that did not get a lock in time.
const exitLocked = 5

// TestLockedTable: a delete and a replacement of a flow whose table others read wait
// for them, say for whom, and end with a code and words of their own when they have
// waited long enough; a reader that ends in time lets them through.
func TestLockedTable(t *testing.T) {
	t.Parallel()
	in := laminartest.New(t, "--flows", writeDefs(t, "sum by (job) (g)"))
	in.Serve()
	pool := in.Pool()
	const table = "flow.held"
	laminartest.Until(t, patience, "the table is made", func() bool {
		var there bool
		err := pool.QueryRow(t.Context(), "select to_regclass($1) is not null", table).Scan(&there)
		return err == nil && there
	})
	reader, err := pool.Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Release()
	read := func() (pid int) {
		t.Helper()
		if _, err := reader.Exec(t.Context(), "set application_name = 'a report'; begin; select count(*) from "+table); err != nil {
			t.Fatal(err)
		}
		if err := reader.QueryRow(t.Context(), "select pg_backend_pid()").Scan(&pid); err != nil {
			t.Fatal(err)
		}
		return pid
	}
	changed := writeDefs(t, "max by (job) (g)")
	for _, command := range [][]string{{"flow", "apply", "--replace", "-f", changed}, {"flow", "delete", "held"}} {
		pid := read()
		out, err := in.Run(append(command, "--lock-timeout", "4s")...)
		if code := laminartest.ExitCode(err); code != exitLocked {
			t.Errorf("%v: exit code %d, want %d:\n%s", command, code, exitLocked, out)
		}
		for _, want := range []string{fmt.Sprintf("pid %d, user ", pid), `application "a report"`, "held\" is in use, also after ", "Try: "} {
			if !strings.Contains(out, want) {
				t.Errorf("%v does not say %q:\n%s", command, want, out)
			}
		}
		if strings.Contains(out, "not available") {
			t.Errorf("%v says that the database is not available:\n%s", command, out)
		}
		// The reader ends while it is waited for. Only here is it sure to be said: a slow attempt
		// may be the last one in 4 s.
		var text bytes.Buffer
		cmd := in.Command(append(command, "--lock-timeout", "5m")...)
		said := &firstWrite{seen: make(chan struct{})}
		cmd.Stdout, cmd.Stderr = &text, said
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		select {
		case <-said.seen:
		case <-time.After(patience):
			t.Errorf("%v says nothing", command)
		}
		if _, err := reader.Exec(t.Context(), "rollback"); err != nil {
			t.Fatal(err)
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("%v, with the reader gone: %v", command, err)
		}
		for _, want := range []string{"waiting for ", fmt.Sprintf("pid %d, user ", pid), `application "a report"`} {
			if !strings.Contains(said.text.String(), want) {
				t.Errorf("%v does not say %q while it waits:\n%s", command, want, &said.text)
			}
		}
		laminartest.Until(t, patience, "the table is made again, or gone for good", func() bool {
			var there bool
			err := pool.QueryRow(t.Context(), "select to_regclass($1) is not null", table).Scan(&there)
			return err == nil && there == (command[1] == "apply")
		})
	}
}

// firstWrite closes seen when something is written to it, and keeps all.
type firstWrite struct {
	seen chan struct{}
	text bytes.Buffer
}

func (w *firstWrite) Write(p []byte) (int, error) {
	if w.text.Len() == 0 {
		close(w.seen)
	}
	return w.text.Write(p)
}

// writeDefs is a file that defines the flow held.
func writeDefs(t *testing.T, promql string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "held.yml")
	if err := os.WriteFile(path, []byte("flows:\n  - {name: held, promql: '"+promql+"', every: 1m}\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
