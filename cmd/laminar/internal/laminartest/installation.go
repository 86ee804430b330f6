package laminartest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgxpool"

	"laminar/sqlstore/localpg"
)

// SlowAnswers is how serve says that requests were under way for too long after its end.
const SlowAnswers = "shut the HTTP server down: context deadline exceeded"

// Installation is a Laminar that is run as a process: on a private PostgreSQL in
// its data directory, or on the database at URL. It belongs to one goroutine.
type Installation struct {
	Dir     string        // --data-dir
	URL     string        // --database-url; where it is set there is no private PostgreSQL
	URLFile string        // --database-url-file, which holds URL; "" passes URL itself
	Addr    string        // --listen
	Cmd     *exec.Cmd     // the serving process; nil while none runs
	Log     *bytes.Buffer // what the last process printed; complete once that has ended

	t    testing.TB
	bin  string
	args []string // of serve
	env  []string // of processes; nil is the test's own
	done chan error
}

// New prepares an installation whose processes serve with args. Serve starts one.
func New(t testing.TB, args ...string) *Installation {
	t.Helper()
	bin, err := Binary()
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
	in := &Installation{t: t, bin: bin, Dir: filepath.Join(dir, "data"), Addr: FreeAddr(t), args: args}
	t.Cleanup(func() {
		in.Stop()
		if t.Failed() && in.Log != nil {
			t.Logf("log of the last process:\n%s", Tail(in.Log.Bytes(), 8000))
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Log(err)
		}
	})
	return in
}

// Serve starts a process and waits until it is ready.
func (in *Installation) Serve() {
	in.t.Helper()
	in.Begin()
	in.Ready()
}

// Begin starts a process that serves.
func (in *Installation) Begin() {
	in.t.Helper()
	args := append([]string{"serve", "--listen", in.Addr}, in.args...)
	in.BeginWith(append(args, in.database()...)...)
}

// BeginWith starts the installation's process with exactly these arguments.
func (in *Installation) BeginWith(args ...string) {
	in.t.Helper()
	in.Cmd = exec.Command(in.bin, args...)
	in.Cmd.Env = in.env
	in.Log = &bytes.Buffer{}
	in.Cmd.Stdout, in.Cmd.Stderr = in.Log, in.Log
	if err := in.Cmd.Start(); err != nil {
		in.t.Fatal(err)
	}
	in.done = make(chan error, 1)
	go func(cmd *exec.Cmd, done chan error) { done <- cmd.Wait() }(in.Cmd, in.done)
}

// Ready waits until the process is ready.
func (in *Installation) Ready() {
	in.t.Helper()
	const patience = 3 * time.Minute // for machines with much else to do
	deadline := time.Now().Add(patience)
	for {
		resp, err := http.Get("http://" + in.Addr + "/-/ready")
		if err == nil {
			_ = resp.Body.Close()
			if resp.StatusCode == http.StatusOK {
				return
			}
		}
		select {
		case err := <-in.done:
			in.Cmd = nil
			in.t.Fatalf("serve ended before it was ready: %v\n%s", err, in.Log)
		case <-time.After(50 * time.Millisecond): // between two questions
		}
		if time.Now().After(deadline) {
			in.t.Fatalf("serve is not ready after %s\n%s", patience, in.Log)
		}
	}
}

// WriteURL is where senders write to by remote write.
func (in *Installation) WriteURL() string { return "http://" + in.Addr + "/api/v1/write" }

// database is the flags that say which database is in use.
func (in *Installation) database() []string {
	if in.URLFile != "" {
		return []string{"--database-url-file", in.URLFile}
	}
	if in.URL != "" {
		return []string{"--database-url", in.URL}
	}
	return []string{"--data-dir", in.Dir}
}

// Kill ends the process as a crash would.
func (in *Installation) Kill() {
	_ = in.Cmd.Process.Kill()
	<-in.done //nolint:errcheck // the error says that it was killed
	in.Cmd = nil
}

// KillAll ends the process and its private PostgreSQL as a power failure would.
func (in *Installation) KillAll() {
	in.t.Helper()
	pid, err := os.ReadFile(filepath.Join(in.cluster(), "postmaster.pid"))
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
	in.Kill()
}

// cluster is the private PostgreSQL's directory inside the data directory.
func (in *Installation) cluster() string {
	found, err := filepath.Glob(filepath.Join(in.Dir, "*", "PG_VERSION"))
	if err != nil || len(found) != 1 {
		in.t.Fatalf("cluster in %s: %v %v", in.Dir, found, err)
	}
	return filepath.Dir(found[0])
}

// Stop ends the process as Ctrl-C does, if one runs.
func (in *Installation) Stop() {
	if in.Cmd == nil {
		return
	}
	_ = in.Cmd.Process.Signal(os.Interrupt)
	select {
	case err := <-in.done:
		switch {
		case err == nil:
		case !Strict() && in.slowAnswers():
			in.t.Logf("serve ended with %v: requests were not answered in time", err)
		default:
			in.t.Errorf("serve ended with %v", err)
		}
	case <-time.After(2 * time.Minute):
		in.t.Error("serve did not end within 2 minutes of an interrupt")
		in.Kill()
	}
	in.Cmd = nil
}

// slowAnswers reports whether all that serve says against its end is that requests under way
// took longer than the 10 s that the HTTP server gives them: a busy machine may need more.
func (in *Installation) slowAnswers() bool {
	var said []string
	for line := range strings.Lines(in.Log.String()) {
		if strings.HasPrefix(line, "Error: ") || strings.HasPrefix(line, "  and: ") {
			said = append(said, strings.TrimSpace(line))
		}
	}
	return len(said) == 1 && strings.HasSuffix(said[0], SlowAnswers)
}

// Pool connects to the database until the test ends.
func (in *Installation) Pool() *pgxpool.Pool {
	in.t.Helper()
	url := in.URL
	if url == "" {
		var err error
		if url, err = localpg.Running(in.Dir); err != nil {
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

// FreeAddr is a loopback address that nothing listens on, and that no other test is given
// until this one ends: it holds the port by UDP, which nothing here speaks. The port is below
// those that systems give to connections and to listeners that name none: one of those
// would be taken by somebody else before the process that it is for listens.
func FreeAddr(t testing.TB) string {
	t.Helper()
	const first, last = 10_000, 32_767
	for range 100 {
		address := fmt.Sprintf("127.0.0.1:%d", first+rand.IntN(last-first+1))
		held, err := net.ListenPacket("udp", address)
		if err != nil {
			continue // another test, perhaps of another process, has it
		}
		listener, err := net.Listen("tcp", address)
		if err != nil {
			_ = held.Close() // nothing was sent
			continue
		}
		_ = listener.Close() // nobody has connected
		t.Cleanup(func() { _ = held.Close() })
		return address
	}
	t.Fatalf("of 100 ports between %d and %d none is free", first, last)
	return ""
}

// Tail is the last n bytes of a log.
func Tail(log []byte, n int) []byte { return log[max(0, len(log)-n):] }

// Until polls until a condition holds. The test fails where it does not within
// patience.
func Until(t testing.TB, patience time.Duration, what string, done func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !done(); {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", patience, what)
		}
		time.Sleep(20 * time.Millisecond) // what is polled is another process
	}
}
