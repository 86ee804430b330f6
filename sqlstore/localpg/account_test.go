package localpg

import (
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// As root: the directory of t.TempDir is closed to others, so the server's OS
// user cannot enter it. As an ordinary user the server is that user.
func TestDirectoryThatTheServerCannotEnter(t *testing.T) {
	closed := filepath.Join(t.TempDir(), "closed")
	if err := os.Mkdir(closed, 0o700); err != nil {
		t.Fatal(err)
	}
	err := Check(t.Context(), Options{Dir: filepath.Join(closed, "data")})
	if os.Geteuid() != 0 {
		if err != nil {
			t.Fatalf("as an ordinary user: %v", err)
		}
		return
	}
	var unreachable *UnreachableError
	if !errors.As(err, &unreachable) {
		t.Fatalf("Check: %v", err)
	}
	if !strings.Contains(err.Error(), "--data-dir") || !strings.HasPrefix(closed, unreachable.Blocked) {
		t.Errorf("error %q, blocked by %s", err, unreachable.Blocked)
	}
}

// All tests of the package pass as an ordinary user too. Run as root, this one
// runs them as such a user, in a process of its own.
func TestAsOrdinaryUser(t *testing.T) {
	if os.Geteuid() != 0 {
		return // they run as one already
	}
	who, err := chooseAccount(layout{dir: t.TempDir()}, "")
	if err != nil {
		t.Fatal(err)
	}
	program := copyProgram(t)
	cmd := exec.Command(program, "-test.run", "^(TestStart|TestNotOurOwn|TestDirectoryNotOurOwn|TestOpenPasswordIsClosed|TestSecondLaminarIsRefused|TestPostgresKilled|TestLaminarKilled|TestDirectoryThatTheServerCannotEnter)$")
	cmd.Dir = "/"
	cmd.Env = append(os.Environ(), "HOME=/", "TMPDIR=/tmp")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: who.credential}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("as OS user %s: %v\n%s", who.name, err, out)
	}
}

// copyProgram copies the running test program to where others can run it.
func copyProgram(t *testing.T) string {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	from, err := os.Open(self)
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	path := dataDir(t)
	to, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o755)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.Copy(to, from); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(to.Chmod(0o755), to.Close()); err != nil {
		t.Fatal(err)
	}
	return path
}
