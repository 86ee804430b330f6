package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"laminar/sqlstore/localpg"
)

// Lab is where a run takes place: a directory for all data, the programs, and
// one PostgreSQL server, which all scenarios use.
type Lab struct {
	Dir    string // removed by Close
	Tools  Tools
	server *localpg.Server // nil until StartServer; durable, on a real disk
}

// Open finds the programs and makes a directory below parent.
func Open(ctx context.Context, parent string) (*Lab, error) {
	found, err := findTools(ctx)
	if err != nil {
		return nil, err
	}
	dir, err := makeWorkDir(parent)
	if err != nil {
		return nil, err
	}
	return &Lab{Dir: dir, Tools: found}, nil
}

// makeWorkDir makes a directory that the server's OS user can enter.
func makeWorkDir(parent string) (string, error) {
	dir, err := os.MkdirTemp(parent, "laminar-bench-")
	if err != nil {
		return "", err
	}
	return dir, os.Chmod(dir, 0o755)
}

// MakeDir makes a new directory for a peer's data.
func (l *Lab) MakeDir(name string) (string, error) { return os.MkdirTemp(l.Dir, name+"-") }

// serverSettings are the server's settings in addition to those of a private
// PostgreSQL (localpg). Laminar and the hand-written statements share one server,
// so the settings are the same for both.
var serverSettings = map[string]string{
	"shared_buffers":       "1GB",
	"max_wal_size":         "8GB",
	"effective_cache_size": "8GB",
}

// StartServer starts PostgreSQL. It refuses a directory in memory.
func (l *Lab) StartServer(ctx context.Context) (err error) {
	var fs unix.Statfs_t
	if err := unix.Statfs(l.Dir, &fs); err != nil {
		return fmt.Errorf("look at the file system of %s: %w", l.Dir, err)
	}
	if fs.Type == unix.TMPFS_MAGIC || fs.Type == unix.RAMFS_MAGIC {
		return fmt.Errorf("%s is in memory: durable commits would cost nothing there; give another place with -dir", l.Dir)
	}
	l.server, err = localpg.Start(ctx, localpg.Options{Dir: filepath.Join(l.Dir, "postgres"), Settings: serverSettings})
	return err
}

// Close stops the server, if it runs, and removes all data. Processes must have
// ended before.
func (l *Lab) Close() error {
	var stopped error
	if l.server != nil {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		stopped = l.server.Stop(ctx)
	}
	return errors.Join(stopped, os.RemoveAll(l.Dir))
}
