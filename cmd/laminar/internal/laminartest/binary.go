package laminartest

import (
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
)

// BinaryEnv names the variable with the path of a built binary, for tests that
// run their own test binary again.
const BinaryEnv = "LAMINAR_TEST_BINARY"

// Strict reports whether what must come in time is held to the documented limits: whether the
// environment has LAMINAR_FAULT_STRICT, which `make faults` sets. Elsewhere tests run beside
// others, and everything takes a multiple of what it takes by itself.
func Strict() bool { return os.Getenv("LAMINAR_FAULT_STRICT") != "" }

// binaryDir holds what Binary built, if it was called.
var binaryDir string

// Main is the TestMain of a package that runs the binary. It lets more of the
// parallel tests run at once than there are processors, because they mostly wait
// for processes and the database. In the end it removes the binary.
func Main(m *testing.M) {
	flag.Parse()
	given := false
	flag.Visit(func(f *flag.Flag) { given = given || f.Name == "test.parallel" })
	if !given {
		if err := flag.Set("test.parallel", "6"); err != nil {
			panic(err)
		}
	}
	code := m.Run()
	if binaryDir != "" {
		_ = os.RemoveAll(binaryDir) // what cannot be removed from /tmp does no harm
	}
	os.Exit(code)
}

// Binary builds laminar once for all tests of a package and returns its path.
var Binary = sync.OnceValues(func() (path string, err error) {
	if path := os.Getenv(BinaryEnv); path != "" {
		return path, nil
	}
	if binaryDir, err = os.MkdirTemp("", "laminar-bin-"); err != nil {
		return "", err
	}
	path = filepath.Join(binaryDir, "laminar")
	if out, err := exec.Command("go", "build", "-o", path, "laminar/cmd/laminar").CombinedOutput(); err != nil {
		return "", fmt.Errorf("build laminar: %w\n%s", err, out)
	}
	return path, nil
})
