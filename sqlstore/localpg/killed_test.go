package localpg

import (
	"context"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/jackc/pgx/v5"
)

func TestPostgresKilled(t *testing.T) {
	s := startServer(t, Options{Dir: dataDir(t)})
	query(t, s.URL(), "create table kept as select 42 as n")

	ctx, cancel := context.WithCancel(t.Context())
	supervised := make(chan error)
	go func() { supervised <- s.Supervise(ctx) }()
	done := s.Done()
	kill(t, s.proc.cmd.Process.Pid)
	<-done
	eventually(t, "the server is back", func() bool {
		conn, err := pgx.Connect(t.Context(), s.URL())
		return err == nil && conn.Close(t.Context()) == nil
	})
	if got := query(t, s.URL(), "select n::text from kept"); got != "42" {
		t.Errorf("table holds %q", got)
	}
	cancel()
	if err := <-supervised; err != nil {
		t.Error(err)
	}
}

// A Laminar that is killed takes its server along, or leaves it; the next one
// gets along with either, and with both killed.
func TestLaminarKilled(t *testing.T) {
	for name, test := range map[string]struct {
		outlive  bool // no parent-death signal
		killBoth bool
	}{
		"server told by the kernel": {},
		"server left running":       {outlive: true},
		"both":                      {outlive: true, killBoth: true},
	} {
		t.Run(name, func(t *testing.T) {
			dir := dataDir(t)
			laminar, server := startHelper(t, dir, test.outlive)
			url, err := Running(dir)
			if err != nil {
				t.Fatal(err)
			}
			query(t, url, "create table kept as select 42 as n")
			if test.killBoth {
				kill(t, server)
			}
			kill(t, laminar.Process.Pid)
			_ = laminar.Wait() // says that it was killed
			if !test.outlive {
				eventually(t, "the server notices that Laminar is dead", func() bool { return !alive(server) })
			} else if !test.killBoth && !alive(server) {
				t.Error("the server died with Laminar: the test tests nothing")
			}

			s := startServer(t, Options{Dir: dir})
			if s.proc.cmd.Process.Pid == server {
				t.Error("the server is not a new one")
			}
			if got := query(t, s.URL(), "select n::text from kept"); got != "42" {
				t.Errorf("table holds %q", got)
			}
		})
	}
}

// After a reboot or in a new container the process id of the dead server is
// soon some other program's, which must neither be killed nor stop the start.
func TestRecycledProcessID(t *testing.T) {
	dir := dataDir(t)
	s := startServer(t, Options{Dir: dir})
	kill(t, s.proc.cmd.Process.Pid)
	<-s.Done()
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	stranger := exec.Command("sleep", "600")
	stranger.SysProcAttr = &syscall.SysProcAttr{Credential: s.account.credential}
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stranger.Process.Kill(); _ = stranger.Wait() })
	text, err := os.ReadFile(s.layout.pidFile())
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "\n")
	if err := os.WriteFile(s.layout.pidFile(), []byte(strconv.Itoa(stranger.Process.Pid)+"\n"+rest), 0o600); err != nil {
		t.Fatal(err)
	}

	s = startServer(t, Options{Dir: dir})
	if got := query(t, s.URL(), "select 'up'"); got != "up" {
		t.Error(got)
	}
	if !alive(stranger.Process.Pid) {
		t.Error("a stranger was killed")
	}
}

func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}
