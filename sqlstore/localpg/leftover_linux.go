package localpg

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// leftovers lists the processes of a server that runs in the cluster's
// directory, main process and others: all have it as working directory, which
// a mere process id, soon given to someone else, does not prove.
func leftovers(l layout) ([]int, error) {
	cluster, err := filepath.EvalSymlinks(l.cluster())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil
	case err != nil:
		return nil, err
	}
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var pids []int
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil {
			continue
		}
		// Links of a process that has ended, or of another user, cannot be
		// read; ours can.
		cwd, _ := os.Readlink(filepath.Join("/proc", entry.Name(), "cwd"))
		exe, _ := os.Readlink(filepath.Join("/proc", entry.Name(), "exe"))
		if cwd == cluster && strings.TrimSuffix(filepath.Base(exe), " (deleted)") == "postgres" {
			pids = append(pids, pid)
		}
	}
	return pids, nil
}
