package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// ticksPerSecond is the unit of times in /proc, which Linux has fixed for programs.
const ticksPerSecond = 100

// CPU is how much processor time the process has used, in user mode and in the
// kernel, that of ended children included.
func (p *Process) CPU() (time.Duration, error) {
	used, err := usedBy(p.cmd.Process.Pid)
	return used.all(), err
}

// ServerCPU is how much processor time the server of the database has used since its
// start: all sessions, ended ones included, and its background processes.
func (d *Database) ServerCPU(ctx context.Context) (time.Duration, error) {
	var session int
	if err := d.Conn.QueryRow(ctx, "select pg_backend_pid()").Scan(&session); err != nil {
		return 0, err
	}
	mine, err := usedBy(session)
	if err != nil {
		return 0, err
	}
	postmaster := mine.parent
	used, err := usedBy(postmaster)
	if err != nil {
		return 0, err
	}
	sum := used.all()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, err
	}
	for _, file := range stats {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			continue
		}
		used, err := usedBy(pid)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it has ended since, and is among the server's ended children
		}
		if err == nil && used.parent == postmaster {
			sum += used.own
		}
	}
	return sum, nil
}

// usage is what a process has used.
type usage struct {
	parent     int
	own, ended time.Duration // of the process; of its children that have ended
}

func (u usage) all() time.Duration { return u.own + u.ended }

// usedBy reads /proc/PID/stat (proc_pid_stat(5)).
func usedBy(pid int) (usage, error) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return usage{}, err
	}
	// The name, in parentheses, may hold anything: fields are counted after it.
	_, rest, _ := strings.Cut(string(text[strings.LastIndexByte(string(text), ')'):]), " ")
	f := strings.Fields(rest)
	if len(f) < 15 {
		return usage{}, fmt.Errorf("/proc/%d/stat has %d fields after the name", pid, len(f))
	}
	var n [15]int64
	for i := 1; i < len(n); i++ { // field 0 is a letter
		if n[i], err = strconv.ParseInt(f[i], 10, 64); err != nil {
			return usage{}, fmt.Errorf("/proc/%d/stat: %w", pid, err)
		}
	}
	ticks := func(n int64) time.Duration { return time.Duration(n) * time.Second / ticksPerSecond }
	return usage{parent: int(n[1]), own: ticks(n[11] + n[12]), ended: ticks(n[13] + n[14])}, nil
}
