package faults

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"laminar/sqlstore/localpg"
)

// postgres is a PostgreSQL of a test's own, which can be killed, stopped and
// put back to what a base backup holds.
type postgres struct {
	t        *testing.T
	dir      string
	settings map[string]string
	binaries localpg.Binaries // zero is what localpg finds
	server   *localpg.Server
	revived  func() // ends its being started again, if it is
}

// newPostgres starts a server. settings win over those of a private server.
func newPostgres(t *testing.T, settings map[string]string) *postgres {
	t.Helper()
	return newPostgresIn(t, filepath.Join(faultDir(t), "data"), settings)
}

// faultDir is a directory that the server's OS user can enter, even when the
// tests run as root. It ends with the test.
func faultDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "laminar-fault-") //nolint:usetesting // t.TempDir cannot be entered by others
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	return dir
}

// newPostgresIn starts a server on a data directory that may hold a cluster.
func newPostgresIn(t *testing.T, dir string, settings map[string]string) *postgres {
	t.Helper()
	p := &postgres{t: t, dir: dir, settings: map[string]string{
		"shared_buffers": "16MB", "max_wal_size": "64MB", "min_wal_size": "32MB", "max_connections": "60",
	}}
	maps.Copy(p.settings, settings)
	t.Cleanup(p.stop)
	p.start()
	return p
}

func (p *postgres) start() {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), faultPatience)
	defer cancel()
	var err error
	p.server, err = localpg.Start(ctx, localpg.Options{Dir: p.dir, NoFsync: true, Settings: p.settings, Binaries: p.binaries})
	if err != nil {
		p.t.Fatal(err)
	}
}

// stop ends it in order, if it runs.
func (p *postgres) stop() {
	if p.revived != nil {
		p.revived()
		p.revived = nil
	}
	if p.server == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.t.Context()), faultPatience)
	defer cancel()
	if err := p.server.Stop(ctx); err != nil {
		p.t.Error(err)
	}
	p.server = nil
}

// revive starts the server again whenever it ends, as a service manager does.
func (p *postgres) revive() {
	ctx, cancel := context.WithCancel(context.WithoutCancel(p.t.Context()))
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := p.server.Supervise(ctx); err != nil {
			p.t.Error(err)
		}
	})
	p.revived = func() {
		cancel()
		wg.Wait()
	}
}

// signal sends a signal to the postmaster: SIGKILL, SIGINT for a fast stop,
// SIGQUIT for an immediate one. It returns when the postmaster is gone.
func (p *postgres) signal(sig syscall.Signal) {
	p.t.Helper()
	text, err := os.ReadFile(filepath.Join(p.cluster(), "postmaster.pid"))
	if err != nil {
		p.t.Fatal(err)
	}
	var pid int
	if _, err := fmt.Sscan(string(text), &pid); err != nil {
		p.t.Fatal(err)
	}
	gone := p.server.Done()
	if err := syscall.Kill(pid, sig); err != nil {
		p.t.Fatal(err)
	}
	select {
	case <-gone:
	case <-time.After(faultPatience):
		p.t.Fatalf("the server is still there %s after signal %d", faultPatience, sig)
	}
}

func (p *postgres) cluster() string { return filepath.Join(p.dir, "postgres") }

func (p *postgres) url() string { return p.server.URL() }

// exec runs statements, each by itself, on one connection.
func (p *postgres) exec(statements ...string) {
	p.t.Helper()
	p.connected(func(ctx context.Context, conn *pgx.Conn) error {
		for _, sql := range statements {
			if _, err := conn.Exec(ctx, sql); err != nil {
				return fmt.Errorf("%s: %w", sql, err)
			}
		}
		return nil
	})
}

func (p *postgres) connected(fn func(context.Context, *pgx.Conn) error) {
	p.t.Helper()
	ctx, cancel := context.WithTimeout(p.t.Context(), faultPatience)
	defer cancel()
	conn, err := pgx.Connect(ctx, p.url())
	if err != nil {
		p.t.Fatal(err)
	}
	defer conn.Close(ctx)
	if err := fn(ctx, conn); err != nil {
		p.t.Fatal(err)
	}
}

// backup makes a base backup of the running server in a directory: as pg_basebackup
// does, but with nothing that not every distribution of the server has.
func (p *postgres) backup(to string) {
	p.t.Helper()
	p.connected(func(ctx context.Context, conn *pgx.Conn) error {
		var version int
		if err := conn.QueryRow(ctx, "select current_setting('server_version_num')::int").Scan(&version); err != nil {
			return err
		}
		start, stop := "select pg_backup_start('fault', true)", "select labelfile from pg_backup_stop(false)"
		if version < 150000 {
			start, stop = "select pg_start_backup('fault', true, false)", "select labelfile from pg_stop_backup(false, false)"
		}
		if _, err := conn.Exec(ctx, start); err != nil {
			return err
		}
		cluster := filepath.Join(to, "postgres")
		if err := copyTree(p.dir, to, func(path string) bool {
			return !strings.HasPrefix(path, "postgres") && path != "password" && path != "."
		}); err != nil {
			return err
		}
		err := copyTree(p.cluster(), cluster, func(path string) bool {
			return path == "postmaster.pid" || path == "postmaster.opts" || strings.HasPrefix(path, "pg_wal/")
		})
		if err != nil {
			return err
		}
		var label string
		if err := conn.QueryRow(ctx, stop).Scan(&label); err != nil {
			return err
		}
		// All that recovery needs is in the WAL up to here, none of which has
		// been archived.
		err = copyTree(filepath.Join(p.cluster(), "pg_wal"), filepath.Join(cluster, "pg_wal"), func(string) bool { return false })
		if err != nil {
			return err
		}
		return writeAs(filepath.Join(cluster, "backup_label"), label, cluster)
	})
}

// copyTree copies a directory, with owners and modes. What skip says is left
// out, by its path below the directory; so is what goes meanwhile, which a server
// under way does.
func copyTree(from, to string, skip func(path string) bool) error {
	return filepath.WalkDir(from, func(path string, _ fs.DirEntry, err error) error {
		rel, relErr := filepath.Rel(from, path)
		if relErr != nil {
			return relErr
		}
		if err == nil && skip(rel) {
			if info, statErr := os.Lstat(path); statErr == nil && info.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		if err == nil {
			err = copyEntry(path, filepath.Join(to, rel))
		}
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		return err
	})
}

func copyEntry(from, to string) error {
	info, err := os.Lstat(from)
	if err != nil {
		return err
	}
	switch {
	case info.IsDir():
		if err := os.Mkdir(to, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	case info.Mode().IsRegular():
		text, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		if err := os.WriteFile(to, text, 0o600); err != nil {
			return err
		}
	default:
		return nil // a socket
	}
	if err := os.Chmod(to, info.Mode().Perm()); err != nil {
		return err
	}
	return ownAs(to, info)
}

// ownAs gives a file to the owner of another one.
func ownAs(path string, like fs.FileInfo) error {
	stat, ok := like.Sys().(*syscall.Stat_t)
	if !ok || os.Geteuid() != 0 {
		return nil
	}
	return os.Lchown(path, int(stat.Uid), int(stat.Gid))
}

// writeAs writes a file that belongs to the owner of another one.
func writeAs(path, text, like string) error {
	info, err := os.Stat(like)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return err
	}
	return ownAs(path, info)
}
