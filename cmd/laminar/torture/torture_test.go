package torture

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"laminar/sqlstore/sqltest"
)

// The environment variables that say what to do; see docs/testing.md.
const (
	envSeed     = "LAMINAR_TORTURE_SEED"     // of the first history; others count up from it
	envDuration = "LAMINAR_TORTURE_DURATION" // how long new histories are begun, as Go spells durations
	envSeeds    = "LAMINAR_TORTURE_SEEDS"    // how many histories, however long they take
	envHistory  = "LAMINAR_TORTURE_HISTORY"  // a file with a history to carry out instead
	envShrink   = "LAMINAR_TORTURE_SHRINK"   // how long a failing history is shrunk
)

// usualSeed is the first seed of a plain test run, which so says the same of the same
// code. make torture draws one.
const usualSeed = 1

// beside is how many histories go on at once.
const beside = 2

func TestMain(m *testing.M) { sqltest.VerifyTestMain(m) }

// TestTorture carries out histories and checks the invariants after each
// operation of each. The first that fails is shrunk and printed.
func TestTorture(t *testing.T) {
	if path := os.Getenv(envHistory); path != "" {
		replay(t, path)
		return
	}
	first, duration, seeds := settings(t, time.Minute)
	t.Logf("repeat with: make torture SEED=%d", first)
	carryOut(t, newStepped, first, duration, seeds, func(seed uint64, history []op, fail *failure) {
		report(t, fmt.Sprint(seed), history, fail)
	})
}

// TestTortureAtOnce carries out the same histories with all goroutines of the
// nodes, several deliveries at once and a watch that looks all the while. A history
// does not determine how these meet: one that fails is written down and not shrunk,
// and may take several runs to fail again.
func TestTortureAtOnce(t *testing.T) {
	first, duration, seeds := settings(t, 10*time.Second)
	t.Logf("repeat with: %s=%d go test -race -run TestTortureAtOnce ./cmd/laminar/torture", envSeed, first)
	carryOut(t, newRunning, first, duration, seeds, func(seed uint64, history []op, _ *failure) {
		t.Errorf("its operations are in %s", writeDown(t, fmt.Sprintf("at-once-%d", seed), history))
	})
}

// carryOut carries out histories, the first with the seed, until one fails, which
// failed is told of. They go on for the duration, or until there were so many, if
// seeds is not 0.
func carryOut(t *testing.T, drive func(*simulation) driver, first uint64, duration time.Duration, seeds uint64,
	failed func(seed uint64, history []op, fail *failure)) {
	t.Helper()
	flows := definitions(t)
	start := time.Now()
	var next, passed, ops, windows, folded, held atomic.Uint64
	var failing atomic.Bool
	var workers sync.WaitGroup
	for range beside {
		workers.Go(func() {
			for !failing.Load() {
				n := next.Add(1) - 1
				if seeds > 0 && n >= seeds || seeds == 0 && n > 0 && time.Since(start) > duration {
					return
				}
				began := time.Now()
				history := generate(first+n, flows)
				seen, fail := try(t, history, drive)
				if fail == nil {
					windows.Add(uint64(seen.windows))
					folded.Add(uint64(seen.folded))
					held.Add(uint64(seen.held))
					ops.Add(uint64(count(history)))
					passed.Add(1)
					if seeds > 0 {
						t.Logf("seed %d: %d operations, %d windows compared, %.1f s", first+n, count(history), seen.windows, time.Since(began).Seconds())
					}
					continue
				}
				if failing.Swap(true) {
					return
				}
				t.Errorf("seed %d failed, %.1f s after the first began:\n%s", first+n, time.Since(start).Seconds(), fail.text)
				failed(first+n, history, fail)
			}
		})
	}
	workers.Wait()
	t.Logf("%d histories passed: %d operations, %d windows compared with the engine; %d times a group was folded, %d times a source held a watermark back",
		passed.Load(), ops.Load(), windows.Load(), folded.Load(), held.Load())
}

// report prints the smallest history that still fails so, and writes it down.
func report(t *testing.T, name string, history []op, fail *failure) {
	t.Helper()
	d := shrinkFor
	if text := os.Getenv(envShrink); text != "" {
		var err error
		if d, err = time.ParseDuration(text); err != nil {
			t.Fatalf("%s: %v", envShrink, err)
		}
	}
	small, smallFail, tries := shrink(t, history, fail, d)
	path := writeDown(t, name, small)
	var text strings.Builder
	_ = writeHistory(&text, small) // a builder takes everything
	t.Errorf("shrunk from %d to %d operations in %d runs; it fails with:\n%s\nRepeat it with: make torture HISTORY=%s\n%s",
		count(history), count(small), tries, smallFail.text, path, text.String())
}

// writeDown writes a history to a file, whose path it returns.
func writeDown(t *testing.T, name string, history []op) (path string) {
	t.Helper()
	path = filepath.Join(os.TempDir(), "laminar-torture-"+name+".history")
	var text strings.Builder
	_ = writeHistory(&text, history) // a builder takes everything
	if err := os.WriteFile(path, []byte(text.String()), 0o600); err != nil {
		t.Error(err)
	}
	return path
}

// replay carries out a history that was written down, and shrinks it further.
func replay(t *testing.T, path string) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	history, err := readHistory(file)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	if _, fail := try(t, history, newStepped); fail != nil {
		t.Errorf("failed after %.1f s:\n%s", fail.lasted.Seconds(), fail.text)
		report(t, "again", history, fail)
	}
}

// settings is the first seed, how long new histories are begun, and how many
// there are if not 0.
func settings(t *testing.T, usual time.Duration) (seed uint64, duration time.Duration, seeds uint64) {
	t.Helper()
	seed, duration = usualSeed, usual
	if testing.Short() {
		duration = min(usual, 10*time.Second)
	}
	var err error
	for _, v := range []struct {
		name string
		set  func(text string) error
	}{
		{envSeed, func(text string) error { seed, err = strconv.ParseUint(text, 10, 64); return err }},
		{envSeeds, func(text string) error { seeds, err = strconv.ParseUint(text, 10, 64); return err }},
		{envDuration, func(text string) error { duration, err = time.ParseDuration(text); return err }},
	} {
		if text := os.Getenv(v.name); text != "" && v.set(text) != nil {
			t.Fatalf("%s: %v", v.name, err)
		}
	}
	return seed, duration, seeds
}
