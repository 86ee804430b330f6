package sqltest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"laminar/leaktest"
	"laminar/sqlstore/localpg"
)

// EnvURL names the variable with the connection string of a server to use.
const EnvURL = "LAMINAR_TEST_DATABASE_URL"

// private is the server of this test process, started once.
var private struct {
	mu     sync.Mutex
	server *localpg.Server
	dir    string
	watch  io.Closer // held open as long as this process lives
}

// serverURL is a connection string to some database of the server.
func serverURL(t testing.TB) string {
	t.Helper()
	if url := os.Getenv(EnvURL); url != "" {
		return url
	}
	private.mu.Lock()
	defer private.mu.Unlock()
	if private.server != nil {
		return private.server.URL()
	}
	// Not t.TempDir: the server outlives the test, and when the tests run as
	// root its OS user must be able to enter.
	dir, err := os.MkdirTemp("/tmp", "laminar-sqltest-") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	server, err := localpg.Start(ctx, localpg.Options{
		Dir: filepath.Join(dir, "data"), NoFsync: true, Settings: map[string]string{"max_connections": "300"},
	})
	if err != nil {
		t.Fatalf("start a private PostgreSQL for tests: %v", err)
	}
	private.server, private.dir = server, dir
	if private.watch, err = removeAfterwards(dir); err != nil {
		t.Fatal(err)
	}
	return server.URL()
}

// removeAfterwards starts a child that outlives this process, however it ends,
// and then removes the directory when the server is gone from it. The child
// notices by the end of its standard input, which is returned.
func removeAfterwards(dir string) (io.Closer, error) {
	const script = `cat >/dev/null; n=0
while [ -e "$0/data/postgres/postmaster.pid" ] && [ $n -lt 300 ]; do sleep 0.1; n=$((n+1)); done
rm -rf "$0"`
	cmd := exec.Command("sh", "-c", script, dir)
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, fmt.Errorf("watch over %s: %w", dir, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("watch over %s: %w", dir, err)
	}
	return stdin, nil
}

// Stop stops the private server of this process, if there is one. A test that
// calls New afterwards starts another.
func Stop() error {
	private.mu.Lock()
	defer private.mu.Unlock()
	if private.server == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	err := private.server.Stop(ctx)
	private.server = nil
	return errors.Join(err, os.RemoveAll(private.dir), private.watch.Close())
}

// VerifyTestMain runs the tests, stops the private server and fails if a
// goroutine is left. A package's TestMain calls it; without one, the server is
// stopped when the process ends.
func VerifyTestMain(m *testing.M, opts ...goleak.Option) {
	code := m.Run()
	if err := Stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stop the private PostgreSQL:", err)
		code = max(code, 1)
	}
	if code == 0 {
		code = leaktest.Verify(opts...)
	}
	os.Exit(code)
}
