package main

import (
	"fmt"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// The environment variables that repeat a torture and make it last.
const (
	envTortureSeed     = "LAMINAR_TORTURE_SEED"     // of the first history; others count up from it
	envTortureDuration = "LAMINAR_TORTURE_DURATION" // as Go spells durations
)

// tortureBeside is how many histories go on at once: most of the time of one is
// waiting, for dirty windows to be quiet above all.
const tortureBeside = 2

// TestTortureAtOnce sends the real pieces, two doors and two flownodes on one
// PostgreSQL, through random histories: late, repeated and overwriting samples
// from several senders at once, resends, connections cut around commits,
// freezes, forced seals and retention under old snapshots held open, refills
// beside live rounds, crashes and evictions of flownodes, a second leader that
// should not be. All the while I1 and the flows' progress are watched; whenever
// everything has come to rest, raw samples are exactly what was acknowledged
// (I2) and result tables what Prometheus's engine makes of it (I3, I4, I6).
//
// A seed determines the operations and their data, apart from the day that the
// data begins on. It does not determine when rounds happen in between: a
// failure that depends on that may take several runs of its seed to come back.
func TestTortureAtOnce(t *testing.T) {
	first, duration := tortureSettings(t)
	t.Logf("repeat with: %s=%d go test -race -run TestTortureAtOnce ./cmd/laminar", envTortureSeed, first)
	until := time.Now().Add(duration)
	var next atomic.Uint64
	var beside sync.WaitGroup
	for range tortureBeside {
		beside.Go(func() {
			for !t.Failed() && time.Now().Before(until) {
				seed := first + next.Add(1) - 1
				t.Run(fmt.Sprintf("seed=%d", seed), func(t *testing.T) { newHistory(t, seed, until).run() })
			}
		})
	}
	beside.Wait()
}

// tortureSettings is the first seed and how long new operations are begun.
func tortureSettings(t *testing.T) (seed uint64, duration time.Duration) {
	t.Helper()
	seed, duration = uint64(time.Now().UnixMilli()%1e9), 10*time.Second
	if testing.Short() {
		duration = 5 * time.Second
	}
	var err error
	if text := os.Getenv(envTortureSeed); text != "" {
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("%s: %v", envTortureSeed, err)
		}
	}
	if text := os.Getenv(envTortureDuration); text != "" {
		if duration, err = time.ParseDuration(text); err != nil {
			t.Fatalf("%s: %v", envTortureDuration, err)
		}
	}
	return seed, duration
}
