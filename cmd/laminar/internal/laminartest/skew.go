package laminartest

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
)

// A process whose own clock is wrong.
//
// A Go program asks the kernel for the time by itself, so a library that is loaded
// before it cannot move its clock, and Laminar has no hooks for tests. So a second binary
// is built, of the same source, with another time.Now: go build -overlay puts a file in
// the place of the standard library's. The clock that measures how long something takes
// is left alone, as the kernel does when somebody sets the time.

// skewEnv holds by how many seconds the clock of a binary of skewedBinary is wrong.
const skewEnv = "LAMINAR_TEST_SKEW"

// skewSource is what the package time of such a binary has besides.
const skewSource = `package time

import "syscall"

var skew = func() (by int64) {
	text, _ := syscall.Getenv("` + skewEnv + `")
	for _, c := range text {
		if c != '-' {
			by = by*10 + int64(c-'0')
		}
	}
	if text != "" && text[0] == '-' {
		return -by
	}
	return by
}()
`

// skewedBinary builds such a binary once for all tests of a package.
var skewedBinary = sync.OnceValues(func() (path string, err error) {
	plain, err := Binary()
	if err != nil {
		return "", err
	}
	dir := filepath.Dir(plain)
	out, err := exec.Command("go", "list", "-f", "{{.Dir}}", "time").Output()
	if err != nil {
		return "", fmt.Errorf("find the package time: %w", err)
	}
	std := strings.TrimSpace(string(out))
	source, err := os.ReadFile(filepath.Join(std, "time.go"))
	if err != nil {
		return "", err
	}
	const head = "func Now() Time {\n\tsec, nsec, mono := runtimeNow()\n"
	if strings.Count(string(source), head) != 1 {
		return "", errors.New("time.Now of this version of Go begins in another way: adapt laminartest/skew.go")
	}
	changed := strings.Replace(string(source), head, head+"\tsec += skew\n", 1)
	replace := map[string]string{}
	for name, text := range map[string]string{"time.go": changed, "skew.go": skewSource} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			return "", err
		}
		replace[filepath.Join(std, name)] = file
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(overlay, text, 0o600); err != nil {
		return "", err
	}
	path = filepath.Join(dir, "laminar-skewed")
	if out, err := exec.Command("go", "build", "-overlay", overlay, "-o", path, "laminar/cmd/laminar").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build laminar with another clock: %w\n%s", err, out)
	}
	return path, nil
})

// Skew makes processes that are started from now on have a clock that is wrong by some
// seconds.
func (in *Installation) Skew(seconds int64) {
	in.t.Helper()
	path, err := skewedBinary()
	if err != nil {
		in.t.Fatal(err)
	}
	in.bin = path
	in.env = append(os.Environ(), fmt.Sprintf("%s=%d", skewEnv, seconds))
}
