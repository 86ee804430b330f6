package faults

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"laminar/cmd/laminar/internal/laminartest"

	"github.com/jackc/pgx/v5"
)

// diskChild, in the environment, says that this process has a mount namespace
// of its own.
const diskChild = "LAMINAR_FAULT_DISK_CHILD"

// TestFaultDiskFull lets the disk that PostgreSQL has, a small tmpfs, fill up
// while samples come in: first what tables need, which PostgreSQL answers with
// an error, then what its log needs, which ends it. Once there is room again,
// all goes on.
//
// It runs in a process of its own, whose mounts nobody else sees and which end
// with it.
func TestFaultDiskFull(t *testing.T) {
	if os.Getenv(diskChild) == "" {
		t.Parallel()
		inMountNamespace(t)
		return
	}
	dir := filepath.Join(faultDir(t), "disk")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mount("laminar-fault", dir, "tmpfs", 0, "size=256m,mode=755"); err != nil {
		t.Fatalf("mount a tmpfs: %v", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	p := newPostgresIn(t, filepath.Join(dir, "data"), nil)
	s := newTestbedAt(t, p.url())
	p.revive()
	s.Serve()
	wait, stop := s.load()
	wait(50)
	filler := filepath.Join(dir, "filler")
	// A checkpoint makes room: it removes files of the log.
	full := func() { fill(t, filler) }
	free := func() {
		t.Helper()
		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
		wait(50)
	}

	full()
	s.refused("tables have no room", 5, full)
	s.answersReady(false, full)
	free()
	s.answersReady(true)

	full()
	s.refused("tables have no room", 5, full)
	gone := p.server.Done()
	writeLog(t, p.url())
	select {
	case <-gone:
	case <-time.After(faultPatience):
		t.Fatal("the server is still there")
	}
	s.refused("the log has no room", 5, full)
	free()

	stop()
	s.settle()
}

// fill makes a file longer until there is no room for more.
func fill(t *testing.T, path string) {
	t.Helper()
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	block := make([]byte, 64<<10)
	for {
		_, err := file.Write(block)
		if errors.Is(err, syscall.ENOSPC) {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// writeLog makes the server write to its log until that ends it.
func writeLog(t *testing.T, url string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), faultPatience)
	defer cancel()
	for ctx.Err() == nil {
		conn, err := pgx.Connect(ctx, url)
		if err != nil {
			return
		}
		for err == nil {
			_, err = conn.Exec(ctx, "select pg_logical_emit_message(false, 'fault', repeat('x', 1000000))")
		}
		_ = conn.Close(ctx)
	}
	t.Fatalf("the server is still there after %s", faultPatience)
}

// inMountNamespace runs this test again in a process that may mount: as root
// with a mount namespace of its own, else with a user namespace, too.
func inMountNamespace(t *testing.T) {
	t.Helper()
	bin, err := laminartest.Binary()
	if err != nil {
		t.Fatal(err)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self, "-test.run=^"+t.Name()+"$", "-test.timeout=25m")
	cmd.Env = append(os.Environ(), diskChild+"=1", laminartest.BinaryEnv+"="+bin)
	cmd.SysProcAttr = &syscall.SysProcAttr{Unshareflags: syscall.CLONE_NEWNS}
	if uid, gid := os.Getuid(), os.Getgid(); uid != 0 {
		const capSysAdmin = 21
		cmd.SysProcAttr = &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: uid, HostID: uid, Size: 1}},
			GidMappings: []syscall.SysProcIDMap{{ContainerID: gid, HostID: gid, Size: 1}},
			AmbientCaps: []uintptr{capSysAdmin},
		}
	}
	out, err := cmd.CombinedOutput()
	switch ended := (*exec.ExitError)(nil); {
	case errors.As(err, &ended):
		t.Fatalf("%v\n%s", err, out)
	case err != nil:
		t.Fatalf("no mount namespace for a small tmpfs: %v\nThis test runs as root, or as an ordinary user where the kernel lets "+
			"these make user namespaces (sysctl kernel.unprivileged_userns_clone, user.max_user_namespaces).", err)
	}
}
