// Package leaktest lets the tests of a package fail when they leave goroutines behind. It
// relies on goleak, and waits longer than that does. It knows nothing of what the goroutines
// are for: who starts servers in tests stops them before.
//
// It is imported by tests only.
package leaktest

import (
	"fmt"
	"os"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// patience is how long goroutines may take to end after the tests. goleak alone gives them
// half a second, which is little where much else runs.
const patience = 30 * time.Second

// VerifyTestMain runs the tests and fails if a goroutine is left. A package's TestMain calls it.
func VerifyTestMain(m *testing.M, opts ...goleak.Option) {
	code := m.Run()
	if code == 0 {
		code = Verify(opts...)
	}
	os.Exit(code)
}

// Verify waits until no goroutine is left. It returns the code to exit with: 1 if one stays.
func Verify(opts ...goleak.Option) int {
	err := goleak.Find(opts...)
	for began := time.Now(); err != nil && time.Since(began) < patience; {
		err = goleak.Find(opts...)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "goroutines are left:", err)
		return 1
	}
	return 0
}
