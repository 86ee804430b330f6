package localpg

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// victim is a file and a directory of ours that a stranger would like to see
// written to, and what they must still be afterwards.
type victim struct{ file, dir string }

func newVictim(t *testing.T) victim {
	t.Helper()
	base := t.TempDir()
	v := victim{filepath.Join(base, "file"), filepath.Join(base, "dir")}
	if err := errors.Join(os.WriteFile(v.file, []byte("ours\n"), 0o600), os.Mkdir(v.dir, 0o755), os.Chmod(v.dir, 0o755)); err != nil { // the mode an attack would change
		t.Fatal(err)
	}
	return v
}

func (v victim) unharmed(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(v.file)
	if err != nil || string(text) != "ours\n" {
		t.Errorf("our file holds %q (%v)", text, err)
	}
	for path, want := range map[string]fs.FileMode{v.file: 0o600, v.dir: 0o755} {
		info, err := os.Stat(path)
		if err != nil || info.Mode().Perm() != want || ownerOf(info) != uid() {
			t.Errorf("our %s has mode %v and owner %d (%v), want %v", path, info.Mode().Perm(), ownerOf(info), err, want)
		}
	}
	if entries, err := os.ReadDir(v.dir); err != nil || len(entries) > 0 {
		t.Errorf("our directory holds %v (%v)", entries, err)
	}
}

// refused starts in a directory and wants to be refused for what is at path.
func refused(t *testing.T, dir, path, why string) {
	t.Helper()
	s, err := Start(t.Context(), Options{Dir: dir, NoFsync: true})
	if err == nil {
		_ = s.Stop(t.Context())
		t.Fatalf("started in %s", dir)
	}
	var untrusted *UntrustedError
	if !errors.As(err, &untrusted) {
		t.Fatalf("start: %v", err)
	}
	if untrusted.Path != path || !strings.Contains(untrusted.Why, why) || untrusted.Hint() == "" {
		t.Errorf("refused because %s %s (try %s), want %s, %s", untrusted.Path, untrusted.Why, untrusted.Hint(), path, why)
	}
}

// Whatever in the data directory stands where Laminar would put something of
// its own, and is not its own, is refused, and nothing is written through it.
func TestNotOurOwn(t *testing.T) {
	link := func(target func(victim) string) func(*testing.T, string, victim) {
		return func(t *testing.T, path string, v victim) {
			t.Helper()
			if err := os.Symlink(target(v), path); err != nil {
				t.Fatal(err)
			}
		}
	}
	toFile := link(func(v victim) string { return v.file })
	toDir := link(func(v victim) string { return v.dir })
	toNothing := link(func(v victim) string { return filepath.Join(v.dir, "new") })
	mode := func(perm fs.FileMode) func(*testing.T, string, victim) {
		return func(t *testing.T, path string, _ victim) {
			t.Helper()
			if err := errors.Join(os.WriteFile(path, nil, perm), os.Chmod(path, perm)); err != nil {
				t.Fatal(err)
			}
		}
	}
	pipe := func(t *testing.T, path string, _ victim) {
		t.Helper()
		if err := syscall.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		name string
		put  func(*testing.T, string, victim)
		why  string
	}{
		{lockName, toFile, "is a link to "}, {lockName, toNothing, "is a link to "}, {lockName, pipe, "is not a plain file"}, {lockName, mode(0o666), "written to by others (mode 0666)"},
		{runName, toDir, "is a link to "}, {runName, toNothing, "is a link to "}, {runName, mode(0o600), "is a directory where a file should be, or the reverse"},
		{passwordName, toFile, "is a link to "}, {passwordName, mode(0o660), "written to by others (mode 0660)"}, {passwordName, pipe, "is not a plain file"},
		{logName, toFile, "is a link to "}, {logName, toNothing, "is a link to "}, {logName, mode(0o622), "written to by others (mode 0622)"},
	} {
		t.Run(fmt.Sprintf("%s %s", test.name, test.why), func(t *testing.T) {
			dir, v := dataDir(t), newVictim(t)
			if err := os.Mkdir(dir, 0o711); err != nil { // the server's OS user enters it
				t.Fatal(err)
			}
			test.put(t, filepath.Join(dir, test.name), v)
			refused(t, dir, filepath.Join(dir, test.name), test.why)
			v.unharmed(t)
		})
	}
}

// The data directory itself.
func TestDirectoryNotOurOwn(t *testing.T) {
	dir := dataDir(t)
	if err := os.Mkdir(dir, 0o711); err != nil { // the server's OS user enters it
		t.Fatal(err)
	}
	linked := dir + "-link"
	if err := os.Symlink(dir, linked); err != nil {
		t.Fatal(err)
	}
	refused(t, linked, linked, "is a link")
	for _, mode := range []fs.FileMode{0o775, 0o777 | fs.ModeSticky} {
		if err := os.Chmod(dir, mode); err != nil {
			t.Fatal(err)
		}
		refused(t, dir, dir, "written to by others")
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("a directory that was refused holds %v (%v)", entries, err)
	}
	file := dir + "-file"
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var directory *DirectoryError
	if _, err := Start(t.Context(), Options{Dir: file}); !errors.As(err, &directory) || directory.Hint() == "" {
		t.Errorf("start in a file: %v", err)
	}
}

// As root, beside another user who has prepared the data directory: that user
// gets nothing of root's written, opened or handed out.
func TestStrangerPreparesDirectory(t *testing.T) {
	if os.Geteuid() != 0 {
		return // there is nobody else to be; TestNotOurOwn covers what can be
	}
	stranger, err := user.Lookup("nobody")
	if err != nil {
		t.Fatal(err)
	}
	as := func(script string) {
		t.Helper()
		id, err := strconv.ParseUint(stranger.Uid, 10, 32)
		if err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("sh", "-ec", script)
		cmd.Dir = "/"
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(id), Gid: uint32(id)}}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", script, err, out)
		}
	}
	shared := func() string {
		base := filepath.Dir(dataDir(t))
		if err := os.Chmod(base, 0o777); err != nil { // as /tmp is
			t.Fatal(err)
		}
		return base
	}

	t.Run("all of it", func(t *testing.T) {
		dir, v := filepath.Join(shared(), "d"), newVictim(t)
		as(fmt.Sprintf("mkdir -m 711 %[1]s; ln -s %[2]s %[1]s/laminar.lock; ln -s %[3]s %[1]s/run; ln -s %[2]s %[1]s/postgres.log; echo known > %[1]s/password", dir, v.file, v.dir))
		refused(t, dir, dir, "belongs to nobody")
		v.unharmed(t)
		if _, err := Running(dir); err == nil {
			t.Error("the stranger's directory is taken for a running Laminar")
		}
	})
	t.Run("before root took it over", func(t *testing.T) {
		for name, make := range map[string]string{
			lockName: "touch %s", passwordName: "echo known > %s", logName: "touch %s", runName: "mkdir -m 755 %s",
		} {
			dir := filepath.Join(shared(), "d")
			as("mkdir -m 711 " + dir + "; umask 022; " + fmt.Sprintf(make, filepath.Join(dir, name)))
			if err := os.Chown(dir, 0, 0); err != nil {
				t.Fatal(err)
			}
			refused(t, dir, filepath.Join(dir, name), "belongs to nobody")
		}
	})
	t.Run("a password to hand out", func(t *testing.T) {
		dir, v := filepath.Join(shared(), "d"), newVictim(t)
		as(fmt.Sprintf(`mkdir -m 711 %[1]s; echo '{"socket_dir":"%[1]s"}' > %[1]s/postgres.json; ln -s %[2]s %[1]s/password`, dir, v.file))
		var untrusted *UntrustedError
		if url, err := Running(dir); !errors.As(err, &untrusted) {
			t.Errorf("Running: %q, %v", url, err)
		}
	})
}

// A password that others can read is taken, and closed to them.
func TestOpenPasswordIsClosed(t *testing.T) {
	dir := dataDir(t)
	s := startServer(t, Options{Dir: dir})
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, passwordName)
	if err := os.Chmod(path, 0o644); err != nil { // what is to be put right
		t.Fatal(err)
	}
	startServer(t, Options{Dir: dir})
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the password's mode is %v (%v)", info.Mode(), err)
	}
}

// A directory that cannot be used is not made.
func TestNothingIsLeftBehind(t *testing.T) {
	t.Setenv("LAMINAR_PG_BIN", t.TempDir())
	dir := filepath.Join(dataDir(t), "a", "b")
	if _, err := Start(t.Context(), Options{Dir: dir}); err == nil {
		t.Fatal("started without binaries")
	}
	if _, err := os.Stat(filepath.Dir(filepath.Dir(dir))); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("left behind: %v", err)
	}
}

// What initdb says of a full disk comes with what to do about it.
func TestFullDiskIsNamed(t *testing.T) {
	full := &StartError{Program: "initdb", Dir: "/d", Tail: []string{`could not write: No space left on device`}, Err: errors.New("exit status 1")}
	if hint := full.Hint(); !strings.Contains(hint, "df -h /d") {
		t.Errorf("hint %q", hint)
	}
	other := &StartError{Program: "initdb", Dir: "/d", Tail: []string{"no"}, Err: errors.New("exit status 1")}
	if hint := other.Hint(); !strings.Contains(hint, "--data-dir") {
		t.Errorf("hint %q", hint)
	}
}
