package localpg

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestStart(t *testing.T) {
	dir := dataDir(t)
	s := startServer(t, Options{Dir: dir, Settings: map[string]string{"work_mem": "7MB", "cluster_name": `it's \ mine`}})

	for name, want := range map[string]string{
		"server_encoding":    "UTF8",
		"lc_collate":         "C",
		"data_checksums":     "on",
		"listen_addresses":   "",
		"synchronous_commit": "on",
		"fsync":              "off",
		"max_wal_size":       "4GB",
		"work_mem":           "7MB",
		"cluster_name":       `it's \ mine`,
		"TimeZone":           "UTC",
	} {
		if name == "lc_collate" {
			got := query(t, s.URL(), "select datcollate from pg_database where datname = current_database()")
			if got != want {
				t.Errorf("collation is %q, want %q", got, want)
			}
			continue
		}
		if got := query(t, s.URL(), "show "+name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	if got := query(t, s.URL(), "select current_database()::text"); got != databaseName {
		t.Errorf("database is %q", got)
	}

	for path, want := range map[string]fs.FileMode{"password": 0o600, "postgres.json": 0o600, "postgres": 0o700, "run": 0o700} {
		info, err := os.Stat(filepath.Join(dir, path))
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != want {
			t.Errorf("%s has mode %o, want %o", path, info.Mode().Perm(), want)
		}
	}

	url, err := Running(dir)
	if err != nil {
		t.Fatal(err)
	}
	if url != s.URL() {
		t.Errorf("Running says %s, the server %s", url, s.URL())
	}

	pid := s.proc.cmd.Process.Pid
	if group, err := syscall.Getpgid(pid); err != nil || group == syscall.Getpgrp() {
		t.Errorf("the server is in our process group %d (%v): Ctrl-C would kill it", group, err)
	}
}

func TestWrongPasswordIsRefused(t *testing.T) {
	s := startServer(t, Options{Dir: dataDir(t)})
	if err := os.WriteFile(s.layout.passwordFile(), []byte("wrong\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err := Start(t.Context(), Options{Dir: s.layout.dir, NoFsync: true})
	if err == nil || !strings.Contains(err.Error(), "password authentication failed") {
		t.Fatalf("starting with a wrong password file: %v", err)
	}
}

func TestStopAndStartAgainKeepsData(t *testing.T) {
	dir := dataDir(t)
	s := startServer(t, Options{Dir: dir})
	query(t, s.URL(), "create table kept as select 42 as n")
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := s.Stop(t.Context()); err != nil {
		t.Errorf("second Stop: %v", err)
	}
	var notRunning *NotRunningError
	if _, err := Running(dir); !errors.As(err, &notRunning) {
		t.Errorf("Running after Stop: %v", err)
	}
	if pids, err := leftovers(s.layout); err != nil || len(pids) > 0 {
		t.Errorf("after Stop processes %v are left (%v)", pids, err)
	}
	s = startServer(t, Options{Dir: dir})
	if got := query(t, s.URL(), "select n::text from kept"); got != "42" {
		t.Errorf("table holds %q", got)
	}
}

func TestSecondLaminarIsRefused(t *testing.T) {
	s := startServer(t, Options{Dir: dataDir(t)})
	_, err := Start(t.Context(), Options{Dir: s.layout.dir})
	var locked *LockedError
	if !errors.As(err, &locked) {
		t.Fatalf("second start: %v", err)
	}
	if locked.PID != os.Getpid() || !strings.Contains(locked.Hint(), "--data-dir") {
		t.Errorf("error names process %d, hint %q", locked.PID, locked.Hint())
	}
	if got := query(t, s.URL(), "select 'unharmed'"); got != "unharmed" {
		t.Error(got)
	}
}

func TestLongPathGetsAShortSocket(t *testing.T) {
	dir := filepath.Join(dataDir(t), strings.Repeat("long", 30))
	s := startServer(t, Options{Dir: dir})
	if len(socketPath(s.socketDir)) > maxSocketPath {
		t.Errorf("socket path %s has %d bytes", socketPath(s.socketDir), len(socketPath(s.socketDir)))
	}
	if url, err := Running(dir); err != nil || url != s.URL() {
		t.Errorf("Running: %s, %v", url, err)
	}
	socketDir := s.socketDir
	if err := s.Stop(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(socketDir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("socket directory %s is left: %v", socketDir, err)
	}
}

func TestBrokenSettingShowsWhatTheServerSaid(t *testing.T) {
	_, err := Start(t.Context(), Options{Dir: dataDir(t), NoFsync: true, Settings: map[string]string{"shared_buffers": "many"}})
	var start *StartError
	if !errors.As(err, &start) || !strings.Contains(err.Error(), "shared_buffers") {
		t.Fatalf("start with a broken setting: %v", err)
	}
}

func TestRunningWithoutDirectory(t *testing.T) {
	var notRunning *NotRunningError
	if _, err := Running(filepath.Join(t.TempDir(), "none")); !errors.As(err, &notRunning) {
		t.Fatalf("Running: %v", err)
	}
}

func TestFindNamesWhereItLooked(t *testing.T) {
	t.Setenv("LAMINAR_PG_BIN", t.TempDir())
	_, err := Find(context.Background())
	var notFound *NotFoundError
	if !errors.As(err, &notFound) || !strings.Contains(err.Error(), "LAMINAR_PG_BIN: no initdb") {
		t.Fatalf("Find: %v", err)
	}
}
