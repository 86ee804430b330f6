package torture

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// trial is the carrying out of one history. Its failure is a result, not yet
// one of the test, so that the history can be shrunk.
type trial struct {
	testing.TB // of the test it belongs to
	ctx        context.Context

	mu       sync.Mutex
	cleanups []func()
	at       int // which operation of the history it is at
	tally
	kind string   // what failed first: I1 to I7, liveness or error; "" while nothing did
	said []string // by failures
}

// tally is how much a trial has seen.
type tally struct {
	windows int // compared with the engine
	folded  int // groups that were seen without a row of their own
	held    int // sources that held the watermark of a flow back while it moved on
}

// failure is how a history failed.
type failure struct {
	at     int // the operation it failed at
	kind   string
	text   string
	lasted time.Duration
}

// try carries out a history. It returns what it has seen, and no failure when nothing failed.
func try(tb testing.TB, ops []op, drive func(*simulation) driver) (seen tally, fail *failure) {
	tb.Helper()
	began := time.Now()
	ctx, cancel := context.WithCancel(context.Background())
	t := &trial{TB: tb, ctx: ctx}
	ended := make(chan struct{})
	go func() { // Fatal ends the goroutine
		defer close(ended)
		defer t.cleanUp(cancel)
		run(t, ops, drive)
	}()
	<-ended
	if t.kind == "" {
		return t.tally, nil
	}
	return t.tally, &failure{t.at, t.kind, strings.Join(t.said, "\n"), time.Since(began)}
}

func (t *trial) cleanUp(cancel func()) {
	for {
		t.mu.Lock()
		n := len(t.cleanups)
		if n == 0 {
			t.mu.Unlock()
			cancel()
			return
		}
		fn := t.cleanups[n-1]
		t.cleanups = t.cleanups[:n-1]
		t.mu.Unlock()
		fn()
	}
}

// broken takes note of a failure of an invariant and goes on.
func (t *trial) broken(kind, format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.kind == "" {
		t.kind = kind
	}
	if len(t.said) < 12 {
		t.said = append(t.said, kind+": "+fmt.Sprintf(format, args...))
	}
}

// stop ends the trial if something has failed.
func (t *trial) stop() {
	if t.Failed() {
		runtime.Goexit()
	}
}

func (t *trial) Helper() {}

func (t *trial) Context() context.Context { return t.ctx }

func (t *trial) Cleanup(fn func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cleanups = append(t.cleanups, fn)
}

func (t *trial) Failed() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.kind != ""
}

func (t *trial) Error(args ...any) { t.broken("error", "%s", fmt.Sprint(args...)) }

func (t *trial) Errorf(format string, args ...any) { t.broken("error", format, args...) }

func (t *trial) FailNow() {
	t.broken("error", "stopped")
	runtime.Goexit()
}

func (t *trial) Fatal(args ...any) {
	t.Error(args...)
	runtime.Goexit()
}

func (t *trial) Fatalf(format string, args ...any) {
	t.Errorf(format, args...)
	runtime.Goexit()
}
