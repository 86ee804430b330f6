package localpg

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// How long a left-over server is given to end by itself before the next,
// rougher signal. After the last one nothing can be waited for any more.
const (
	fastLimit      = 60 * time.Second // writes a checkpoint
	immediateLimit = 10 * time.Second
	killLimit      = 10 * time.Second
)

// stopLeftovers ends the processes of a server that outlived its Laminar, and
// removes what they left that would keep the next one from starting. The
// caller holds the lock, so no living Laminar owns them.
//
// The server is asked for a fast shutdown first; one whose main process is
// dead, or that does not end in time, is ended roughly. Both are safe: at the
// next start PostgreSQL replays its log.
func stopLeftovers(ctx context.Context, l layout, socketDir string, log *slog.Logger) error {
	steps := []struct {
		signal syscall.Signal
		limit  time.Duration
	}{{syscall.SIGINT, fastLimit}, {syscall.SIGQUIT, immediateLimit}, {syscall.SIGKILL, killLimit}}
	for _, step := range steps {
		pids, err := leftovers(l)
		if err != nil {
			return fmt.Errorf("look for a PostgreSQL that is still running in %s: %w", l.cluster(), err)
		}
		if len(pids) == 0 {
			break
		}
		targets := pids
		if step.signal == syscall.SIGINT {
			main := readPID(l)
			if !slices.Contains(pids, main) {
				continue // to a server process SIGINT only means to cancel its query
			}
			targets = []int{main}
		}
		log.Warn("stopping a PostgreSQL that outlived its Laminar", "pids", targets, "signal", step.signal.String())
		for _, pid := range targets {
			if err := syscall.Kill(pid, step.signal); err != nil && !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("stop left-over PostgreSQL process %d: %w", pid, err)
			}
		}
		if err := waitGone(ctx, l, step.limit); err != nil {
			return err
		}
	}
	if pids, err := leftovers(l); err != nil || len(pids) > 0 {
		return errors.Join(err, fmt.Errorf("left-over PostgreSQL processes %v in %s do not end", pids, l.cluster()))
	}
	return removeStale(l, socketDir, log)
}

// waitGone returns when no server process is left or the limit has passed; an
// error only when ctx ends.
func waitGone(ctx context.Context, l layout, limit time.Duration) error {
	deadline := time.NewTimer(limit)
	defer deadline.Stop()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		if pids, err := leftovers(l); err != nil || len(pids) == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("wait for a left-over PostgreSQL to end: %w", context.Cause(ctx))
		case <-deadline.C:
			return nil
		case <-poll.C:
		}
	}
}

// removeStale removes the process id file when its id now belongs to some
// other program (PostgreSQL would refuse to start; it handles a dead one
// itself), and sockets without a listener.
func removeStale(l layout, socketDir string, log *slog.Logger) error {
	if pid := readPID(l); pid > 0 && alive(pid) {
		log.Warn("removing a stale process id file of PostgreSQL", "file", l.pidFile(), "pid", pid)
		if err := os.Remove(l.pidFile()); err != nil {
			return fmt.Errorf("remove a stale process id file: %w", err)
		}
	}
	stale, _ := filepath.Glob(filepath.Join(socketDir, ".s.PGSQL.*")) // the only error is a malformed pattern
	for _, path := range stale {
		if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove a stale socket: %w", err)
		}
	}
	return nil
}

// readPID returns the process id in the cluster's process id file, 0 if there
// is none. It names the server's main process, or one that has ended.
func readPID(l layout) int {
	text, err := os.ReadFile(l.pidFile())
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), "\n")
	pid, _ := strconv.Atoi(strings.TrimSpace(first))
	return max(pid, 0)
}

func alive(pid int) bool {
	err := syscall.Kill(pid, 0)
	return err == nil || errors.Is(err, syscall.EPERM)
}
