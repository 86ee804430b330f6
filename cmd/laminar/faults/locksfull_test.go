package faults

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
)

// TestFaultLocksFull: a session takes all locks that the server has room for. What needs
// another one ends with what to do about it, samples that are acknowledged are stored,
// and when the session has ended everything goes on by itself.
func TestFaultLocksFull(t *testing.T) {
	t.Parallel()
	server := newPostgres(t, map[string]string{"max_locks_per_transaction": "10"})
	s := newTestbedAt(t, server.url(), sealing...)
	s.Serve()
	wait, stop := s.load()
	wait(40)
	conn, err := pgx.Connect(t.Context(), server.url())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(t.Context())
	full := func() {
		t.Helper()
		// Those that it got before the error stay.
		if _, err := conn.Exec(t.Context(), "select pg_advisory_lock(g) from generate_series(1, 1000000) g"); err == nil {
			t.Fatal("the server has room for a million locks")
		}
	}
	file := filepath.Join(t.TempDir(), "new.yml")
	if err := os.WriteFile(file, []byte("flows: [{name: new, every: 1m, promql: 'sum(rate(http_requests_total[5m]))'}]"), 0o600); err != nil {
		t.Fatal(err)
	}
	full()
	s.until("a command says what to do", func() bool {
		full() // what others have given back since
		out, err := s.Run("flow", "apply", "-f", file)
		if err == nil {
			// It needed no lock: the table is made by whoever takes the flow over.
			// Where even this needs a lock that there is no room for, it says so itself.
			out, _ = s.Run("flow", "list", "--output", "json")
		}
		return strings.Contains(out, "else raise max_locks_per_transaction")
	})
	if err := conn.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	wait(40)
	stop()
	s.Must("flow", "apply", "-f", file)
	s.settle()
}
