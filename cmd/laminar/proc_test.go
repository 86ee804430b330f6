package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"laminar/sqlstore/localpg"
)

// binaryDir holds what binary built, if it was called.
var binaryDir string

// TestMain lets more of the tests that say so run at once than there are
// processors: they mostly wait for processes and the database.
func TestMain(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", "6"); err != nil {
			panic(err)
		}
	}
	code := m.Run()
	if binaryDir != "" {
		_ = os.RemoveAll(binaryDir) // what cannot be removed from /tmp does no harm
	}
	os.Exit(code)
}

// binaryEnv names the variable with what binary has built, for tests that run
// this program again.
const binaryEnv = "LAMINAR_TEST_BINARY"

// binary builds laminar once for all tests that run it as a user would.
var binary = sync.OnceValues(func() (path string, err error) {
	if path := os.Getenv(binaryEnv); path != "" {
		return path, nil
	}
	if binaryDir, err = os.MkdirTemp("", "laminar-bin-"); err != nil {
		return "", err
	}
	path = filepath.Join(binaryDir, "laminar")
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build laminar: %w\n%s", err, out)
	}
	return path, nil
})

// installation is a Laminar on a private PostgreSQL, run as processes that can
// be killed.
type installation struct {
	t    testing.TB
	bin  string
	dir  string // --data-dir
	url  string // --database-url; then there is no private PostgreSQL
	addr string // --listen
	args []string

	cmd  *exec.Cmd
	log  *bytes.Buffer
	done chan error
}

// newInstallation prepares an installation; serve starts it.
func newInstallation(t testing.TB, args ...string) *installation {
	t.Helper()
	bin, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	// Not t.TempDir: as root the server's OS user must reach it.
	dir, err := os.MkdirTemp("", "laminar-e2e-") //nolint:usetesting // see above
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := ln.Addr().String()
	if err := ln.Close(); err != nil {
		t.Fatal(err)
	}
	in := &installation{t: t, bin: bin, dir: filepath.Join(dir, "data"), addr: addr, args: args}
	t.Cleanup(func() {
		in.stop()
		if t.Failed() && in.log != nil {
			t.Logf("log of the last process:\n%s", tail(in.log.Bytes(), 8000))
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Log(err)
		}
	})
	return in
}

func tail(b []byte, n int) []byte {
	if len(b) > n {
		b = b[len(b)-n:]
	}
	return b
}

// serve starts the process and waits until it is ready.
func (in *installation) serve() {
	in.t.Helper()
	in.begin()
	in.ready()
}

// begin starts the process.
func (in *installation) begin() {
	in.t.Helper()
	args := append([]string{"serve", "--listen", in.addr}, in.args...)
	args = append(args, in.database()...)
	in.cmd = exec.Command(in.bin, args...)
	in.log = &bytes.Buffer{}
	in.cmd.Stdout, in.cmd.Stderr = in.log, in.log
	if err := in.cmd.Start(); err != nil {
		in.t.Fatal(err)
	}
	in.done = make(chan error, 1)
	go func(cmd *exec.Cmd, done chan error) { done <- cmd.Wait() }(in.cmd, in.done)
}

// ready waits until the process is ready.
func (in *installation) ready() {
	in.t.Helper()
	deadline := time.Now().Add(60 * time.Second)
	for {
		resp, err := http.Get("http://" + in.addr + "/-/ready")
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case err := <-in.done:
			in.cmd = nil
			in.t.Fatalf("serve ended before it was ready: %v\n%s", err, in.log)
		case <-time.After(50 * time.Millisecond): // between two questions
		}
		if time.Now().After(deadline) {
			in.t.Fatalf("serve is not ready after a minute\n%s", in.log)
		}
	}
}

// database is the flags that say which database is in use.
func (in *installation) database() []string {
	if in.url != "" {
		return []string{"--database-url", in.url}
	}
	return []string{"--data-dir", in.dir}
}

// kill ends the process as a crash would.
func (in *installation) kill() {
	_ = in.cmd.Process.Kill()
	<-in.done
	in.cmd = nil
}

// killAll ends the process and its PostgreSQL as a power failure would.
func (in *installation) killAll() {
	in.t.Helper()
	pid, err := os.ReadFile(filepath.Join(in.pgdata(), "postmaster.pid"))
	if err != nil {
		in.t.Fatal(err)
	}
	var postmaster int
	if _, err := fmt.Sscan(string(pid), &postmaster); err != nil {
		in.t.Fatal(err)
	}
	if err := syscall.Kill(postmaster, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		in.t.Fatal(err)
	}
	in.kill()
}

// pgdata is the cluster's directory inside the data dir.
func (in *installation) pgdata() string {
	found, err := filepath.Glob(filepath.Join(in.dir, "*", "PG_VERSION"))
	if err != nil || len(found) != 1 {
		in.t.Fatalf("cluster in %s: %v %v", in.dir, found, err)
	}
	return filepath.Dir(found[0])
}

// stop ends the process as Ctrl-C does.
func (in *installation) stop() {
	if in.cmd == nil {
		return
	}
	_ = in.cmd.Process.Signal(os.Interrupt)
	select {
	case err := <-in.done:
		if err != nil {
			in.t.Errorf("serve ended with %v", err)
		}
	case <-time.After(30 * time.Second):
		in.t.Error("serve did not end within 30 s of an interrupt")
		in.kill()
	}
	in.cmd = nil
}

// run runs another command of the binary on this installation.
func (in *installation) run(args ...string) (string, error) {
	cmd := exec.Command(in.bin, append(args, in.database()...)...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// must runs a command that has to succeed.
func (in *installation) must(args ...string) string {
	in.t.Helper()
	out, err := in.run(args...)
	if err != nil {
		in.t.Fatalf("laminar %v: %v\n%s", args, err, out)
	}
	return out
}

// pool connects to the database.
func (in *installation) pool() *pgxpool.Pool {
	in.t.Helper()
	url := in.url
	if url == "" {
		var err error
		if url, err = localpg.Running(in.dir); err != nil {
			in.t.Fatal(err)
		}
	}
	pool, err := pgxpool.New(context.Background(), url)
	if err != nil {
		in.t.Fatal(err)
	}
	in.t.Cleanup(pool.Close)
	return pool
}
