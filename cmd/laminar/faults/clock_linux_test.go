package faults

import (
	"encoding/binary"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"laminar/cmd/laminar/internal/laminartest"
	"laminar/sqlstore/localpg"
)

// movedClock is a library that is loaded before all others of a program: it adds to the
// time of day what a file says, in seconds, as soon as it says so. That is how a machine's
// clock jumps.
const movedClock = `
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static volatile int64_t *by;

__attribute__((constructor)) static void start(void) {
	int fd = open(getenv("LAMINAR_TEST_CLOCK"), O_RDONLY);
	void *file = mmap(0, 8, PROT_READ, MAP_SHARED, fd, 0);
	if (fd < 0 || file == MAP_FAILED) abort();
	by = file;
}

int clock_gettime(clockid_t id, struct timespec *t) {
	int err = syscall(SYS_clock_gettime, id, t);
	if (err == 0 && id == CLOCK_REALTIME) t->tv_sec += *by;
	return err;
}

int gettimeofday(struct timeval *t, void *zone) {
	struct timespec now;
	if (clock_gettime(CLOCK_REALTIME, &now)) return -1;
	t->tv_sec = now.tv_sec;
	t->tv_usec = now.tv_nsec / 1000;
	return 0;
}

time_t time(time_t *t) {
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	if (t) *t = now.tv_sec;
	return now.tv_sec;
}
`

// newMovable starts a PostgreSQL whose clock can be moved while it runs, by so many
// seconds from the true time.
func newMovable(t *testing.T) (p *postgres, move func(seconds int64)) {
	t.Helper()
	dir := faultDir(t)
	file := func(name string, mode os.FileMode, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, mode); err != nil {
			t.Fatal(err)
		}
		return path
	}
	clock := file("clock", 0o644, make([]byte, 8))
	library := filepath.Join(dir, "clock.so")
	if out, err := exec.Command("gcc", "-shared", "-fPIC", "-O2", "-o", library, file("clock.c", 0o644, []byte(movedClock))).CombinedOutput(); err != nil {
		t.Fatalf("build the library that moves a clock: %v\n%s", err, out)
	}
	found, err := localpg.Find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	programs := filepath.Join(dir, "bin")
	if err := os.Mkdir(programs, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"initdb", "psql"} {
		if err := os.Symlink(filepath.Join(found.Dir, name), filepath.Join(programs, name)); err != nil {
			t.Fatal(err)
		}
	}
	// Written by a shell: a program that this process had open to write cannot be run
	// while another test starts one.
	script := fmt.Sprintf("#!/bin/sh\nexport LD_PRELOAD='%s' LAMINAR_TEST_CLOCK='%s'\nexec '%s' \"$@\"\n",
		library, clock, filepath.Join(found.Dir, "postgres"))
	write := exec.Command("sh", "-c", "cat >\"$0\" && chmod 755 \"$0\"", filepath.Join(programs, "postgres"))
	write.Stdin = strings.NewReader(script)
	if out, err := write.CombinedOutput(); err != nil {
		t.Fatalf("write a script: %v\n%s", err, out)
	}
	p = &postgres{t: t, dir: filepath.Join(dir, "data"), binaries: found, settings: map[string]string{
		"shared_buffers": "16MB", "max_connections": "60",
	}}
	p.binaries.Dir = programs
	t.Cleanup(p.stop)
	p.start()
	return p, func(seconds int64) {
		t.Helper()
		out, err := os.OpenFile(clock, os.O_WRONLY, 0)
		if err == nil {
			_, err = out.WriteAt(binary.NativeEndian.AppendUint64(nil, uint64(seconds)), 0)
		}
		if err == nil {
			err = out.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// TestFaultClocks: the clock of the database's machine jumps while samples come in, that
// of a process is wrong, or both, either way. No sample within retention is given up,
// leadership changes no more often than leaders end or the database's clock jumps, and
// when the clocks are right again flows catch up by themselves.
func TestFaultClocks(t *testing.T) {
	t.Parallel()
	const month = 30 * 86_400
	for _, c := range []struct {
		name              string
		database, process int64 // by how many seconds the clock is wrong
	}{
		{"database_ahead", month, 0},
		{"database_behind", -month, 0},
		{"process_ahead", 0, month},
		{"process_behind", 0, -month},
		{"both_ahead", month, month},
		{"both_behind", -month, -month},
		{"apart", month, -month},
		{"apart_the_other_way", -month, month},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server, move := newMovable(t)
			// Samples are taken in whatever the database's clock says of their age, and
			// retention is shorter than the jump.
			args := append([]string{"--raw-retention", "20d", "--ingest-max-age", "90d", "--ingest-max-ahead", "60d"}, sealing...)
			s := newTestbedAt(t, server.url(), args...)
			s.Serve()
			s.untilLeads(s.Addr)
			other := laminartest.New(t, append([]string{"--flows", faultFlows}, args...)...)
			other.URL = server.url()
			other.Skew(c.process)
			other.Serve()
			s.peers = []string{other.Addr}
			pool := s.Pool()
			term := func() (n int64) {
				t.Helper()
				if err := pool.QueryRow(t.Context(), "select term from lease where purpose = 'flows'").Scan(&n); err != nil {
					t.Fatal(err)
				}
				return n
			}
			first := term()
			to := s.Addr
			wait, stop := s.loadAt(&to)
			wait(40)
			move(c.database)
			if by := time.Until(s.databaseNow(other)).Seconds(); by < float64(c.database)-60 || by > float64(c.database)+60 {
				t.Fatalf("the database's clock is moved by %.0f s, want %d", by, c.database)
			}
			// Each process sees samples, rounds and retention under the wrong clock.
			wait(120)
			stop()
			to = other.Addr
			wait, stop = s.loadAt(&to)
			wait(120)
			s.Kill()
			s.untilLeads(other.Addr) // a flownode whose own clock is wrong
			wait(120)
			move(0)
			s.Serve()
			wait(120)
			stop()
			changes := 1 + spareChanges() // the leader was killed
			if c.database != 0 {
				changes += 2 // a lease that seems old, or of the future, is free
			}
			if n := term() - first; n > changes {
				t.Errorf("leadership has changed %d times, want %d at most", n, changes)
			}
			s.settle()
			s.Must("retention", "show")
			if out := s.Must("status"); strings.Contains(out, "held back") || strings.Contains(out, "refused") {
				t.Errorf("status after the clocks were right again:\n%s", out)
			}
			if n := term() - first; n > changes {
				t.Errorf("leadership has changed %d times in the end, want %d at most", n, changes)
			}
		})
	}
}
