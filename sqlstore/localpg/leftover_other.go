//go:build !linux

package localpg

import (
	"os/exec"
	"strconv"
	"strings"
)

// leftovers returns the main process of a server that runs in the cluster's
// directory. Its command line names the directory, as this package starts it.
func leftovers(l layout) ([]int, error) {
	pid := readPID(l)
	if pid == 0 || !alive(pid) {
		return nil, nil
	}
	out, err := exec.Command("ps", "-p", strconv.Itoa(pid), "-o", "command=").Output()
	if err != nil || !strings.Contains(string(out), l.cluster()) {
		return nil, nil // ended meanwhile, or some other program
	}
	return []int{pid}, nil
}
