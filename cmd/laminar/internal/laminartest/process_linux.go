package laminartest

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// PeakMemory is the most memory that the serving process has had resident, in
// bytes; 0 while none runs.
func (in *Installation) PeakMemory() int64 {
	in.t.Helper()
	if in.Cmd == nil {
		return 0
	}
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", in.Cmd.Process.Pid))
	if err != nil {
		in.t.Fatal(err)
	}
	for lines := bufio.NewScanner(bytes.NewReader(text)); lines.Scan(); {
		if rest, ok := strings.CutPrefix(lines.Text(), "VmHWM:"); ok {
			var kib int64
			if _, err := fmt.Sscan(rest, &kib); err != nil {
				in.t.Fatal(err)
			}
			return kib << 10
		}
	}
	in.t.Fatal("the kernel does not say how much memory the process had")
	return 0
}

// FreezeDatabase stops the private PostgreSQL and all its processes where they
// are, until thaw is called or the test ends.
func (in *Installation) FreezeDatabase() (thaw func()) {
	in.t.Helper()
	text, err := os.ReadFile(filepath.Join(in.cluster(), "postmaster.pid"))
	if err != nil {
		in.t.Fatal(err)
	}
	var postmaster int
	if _, err := fmt.Sscan(string(text), &postmaster); err != nil {
		in.t.Fatal(err)
	}
	// The postmaster first: then no process of its is new.
	pids := []int{postmaster}
	if err := syscall.Kill(postmaster, syscall.SIGSTOP); err != nil {
		in.t.Fatal(err)
	}
	pids = append(pids, children(postmaster)...)
	for _, pid := range pids[1:] {
		_ = syscall.Kill(pid, syscall.SIGSTOP) // one that has ended is as good
	}
	thawed := false
	thaw = func() {
		if !thawed {
			thawed = true
			for _, pid := range pids {
				_ = syscall.Kill(pid, syscall.SIGCONT) // it may have ended
			}
		}
	}
	in.t.Cleanup(thaw)
	return thaw
}

// children is the processes whose parent is pid.
func children(pid int) (found []int) {
	stats, _ := filepath.Glob("/proc/[0-9]*/stat") // the pattern is right
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		// pid (name) state parent: the name may hold anything.
		var child, parent int
		var state string
		_, rest, _ := strings.Cut(string(text[bytes.LastIndexByte(text, ')')+1:]), " ")
		if _, err := fmt.Sscan(rest, &state, &parent); err != nil || parent != pid {
			continue
		}
		if _, err := fmt.Sscan(string(text), &child); err == nil {
			found = append(found, child)
		}
	}
	return found
}
